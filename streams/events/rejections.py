"""Why an event was turned away: one line that names the field, and a code to count by."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_type_hints

import msgspec

from streams.events.types import (
    DELIVERY_TYPES,
    ORDER_TYPES,
    SUPPORT_TYPES,
    CalendarData,
    CalendarEntry,
    Event,
    RepliedData,
    SourceHeartbeat,
)

Family = Literal["orders", "deliveries", "support", "any", "calendar"]
"""The topic a record was read from; ``any`` for any of the three event topics."""

_LONGEST_QUOTE = 80


class Rejection(msgspec.Struct, frozen=True):
    """Why an event was turned away.

    ``reason`` is one line: ``missing field: data.order_id``, ``data.amount: expected int >= 0``. ``code`` is
    one of ``malformed_json`` (also: nested too deeply), ``missing_field``, ``wrong_type`` (also: out of
    range, not one of the allowed values), ``unknown_type``, ``bad_time``, ``too_large``, ``empty``,
    ``invalid_utf8`` (also: a lone surrogate), ``wrong_topic``, ``wrong_subject``.
    """

    reason: str
    code: str


_TOPIC_OF_TYPE = {
    str(cls.__struct_config__.tag): topic
    for topic, types in (
        ("orders", ORDER_TYPES),
        ("deliveries", DELIVERY_TYPES),
        ("support", SUPPORT_TYPES),
        ("calendar", (CalendarEntry,)),
        ("the event topics", (SourceHeartbeat,)),
    )
    for cls in types
}

_ALLOWED: dict[str, tuple[str, ...]] = {
    "specversion": get_args(get_type_hints(Event)["specversion"]),
    "data.by": get_args(get_type_hints(RepliedData)["by"]),
    "data.kind": get_args(get_type_hints(CalendarData)["kind"]),
}

_AT = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_INVALID = re.compile(r"Invalid (?:enum )?value '?(.*?)'?", re.DOTALL)
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def quote(text: str) -> str:
    """``text`` in quotes, on one line, shortened to what a log line bears."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…")


def explain(error: Exception, raw: bytes | None, family: Family) -> Rejection:
    """Say what msgspec's ``error`` about the record value ``raw`` means, in terms of the contract."""
    if not raw:
        return Rejection("empty value", "empty")
    if isinstance(error, RecursionError):
        return Rejection("malformed JSON: nested too deeply", "malformed_json")
    if isinstance(error, UnicodeDecodeError):
        return Rejection(f"invalid UTF-8: {error.reason}", "invalid_utf8")
    if not isinstance(error, msgspec.ValidationError):
        return _malformed(str(error), raw)
    match = _AT.fullmatch(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    path = path.removeprefix(".")
    if missing := _MISSING.fullmatch(what):
        name = missing[1]
        return Rejection(f"missing field: {path}.{name}" if path else f"missing field: {name}", "missing_field")
    if invalid := _INVALID.fullmatch(what):
        if path == "type":
            return _wrong_event_type(invalid[1], family)
        what = f"{quote(invalid[1])} is not one of {', '.join(_ALLOWED.get(path, ()))}"
    what = what.replace("`", "")
    what = f"{what[:1].lower()}{what[1:]}"
    return Rejection(f"{path}: {what}" if path else what, "wrong_type")


def check_utf8(raw: bytes) -> Rejection | None:
    """The rejection of bytes that are no UTF-8, with the place of the first that is not."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Rejection(f"invalid UTF-8: {error.reason} (byte {error.start})", "invalid_utf8")
    return None


def _malformed(message: str, raw: bytes) -> Rejection:
    if message == "Input data was truncated":
        # msgspec says so, too, of a lone surrogate in a field that is skipped.
        if lone := _LONE_SURROGATE.search(raw):
            return Rejection(f"invalid UTF-8: lone surrogate escape (byte {lone.start()})", "invalid_utf8")
        return Rejection("malformed JSON: ends too early", "malformed_json")
    if "surrogate pair" in message:
        return Rejection(f"invalid UTF-8: {message.removeprefix('JSON is malformed: ')}", "invalid_utf8")
    return Rejection(f"malformed JSON: {message.removeprefix('JSON is malformed: ')}", "malformed_json")


def _wrong_event_type(name: str, family: Family) -> Rejection:
    topic = _TOPIC_OF_TYPE.get(name)
    if topic is None:
        shown = name if name.isprintable() and len(name) <= _LONGEST_QUOTE else quote(name)
        return Rejection(f"unknown type: {shown}", "unknown_type")
    here = "the event topics" if family == "any" else family
    if topic == here or (topic != "calendar" and "the event topics" in (topic, here) and family != "calendar"):
        # The first `type` was accepted; this one contradicts it.
        return Rejection(f"type: given twice, the second time as {name}", "wrong_type")
    return Rejection(f"wrong topic: {name} belongs to {topic}, not to {here}", "wrong_topic")
