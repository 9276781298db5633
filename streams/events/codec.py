"""Events to bytes and back: structured-mode CloudEvents in JSON.

Each record value is decoded by itself, so two documents in one value, or a newline in it, cannot shift its
neighbours: joining the values into one array was measured slower than that (1.4 against 1.0 µs for an order
of 364 bytes). What msgspec does not check is checked here: UTF-8 in fields nobody reads, nesting, size,
characters that have no place in an identifier, and that the ``subject`` is the order the event is about, on
which co-partitioning depends.

Of a field given twice the last one counts. Times are read, and found wrong, where they are used:
:mod:`streams.events.times`, or :func:`check_times` for one event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from streams.errors import ContractError
from streams.events.rejections import Family, Rejection, check_utf8, explain, quote
from streams.events.times import parse_time
from streams.events.types import (
    ASSUMED_SPECVERSION,
    ORDER_TYPES,
    BusinessEvent,
    CalendarEntry,
    DeliveryDispatched,
    DeliveryEvent,
    OrderEvent,
    SupportEvent,
    TicketOpened,
)

__all__ = [
    "CONTENT_TYPE",
    "HEADERS",
    "MAX_NESTING",
    "UNREADABLE",
    "ChunkDecoder",
    "Family",
    "Rejection",
    "check_times",
    "decode",
    "decode_calendar",
    "encode",
]

CONTENT_TYPE = "application/cloudevents+json"
HEADERS: list[tuple[str, bytes]] = [("content-type", CONTENT_TYPE.encode())]
"""The headers of a record that carries an event."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what was asked for: other JSON, no text at all, or nested too deep."""

MAX_NESTING = 500
"""Deepest nesting accepted.

A limit of our own: the parser's depends on how deep its caller is, so an event could be accepted live and
turned away in a replay."""

# An event with fewer bytes cannot be nested too deeply: each level takes two, the envelope about 130.
_SHALLOW_BYTES = 2 * MAX_NESTING + 100
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# How a control character may be written; more than that is found, but nothing less.
_ESCAPED_CONTROL = re.compile(rb"\\(?:[bfnrt]|u00[01789])")
_RAW_CONTROL = re.compile(rb"\xc2[\x80-\x9f]")
_BACKSLASH, _DELETE, _C1_LEAD = ord("\\"), 0x7F, 0xC2
_IDENTIFIERS = ("order_id", "delivery_id", "ticket_id", "entry_id")
_OF_AN_ORDER = frozenset((*ORDER_TYPES, DeliveryDispatched, TicketOpened))
# What the subject must be: kind and field. Later moments of a delivery or ticket do not carry their order.
_SUBJECT: dict[type, tuple[str, str]] = {
    **dict.fromkeys(_OF_AN_ORDER, ("order", "order_id")),
    CalendarEntry: ("entry", "entry_id"),
}

_UNIONS: dict[str, Any] = {
    "orders": OrderEvent,
    "deliveries": DeliveryEvent,
    "support": SupportEvent,
    "any": BusinessEvent,
    "calendar": CalendarEntry,
}
_ENCODER = msgspec.json.Encoder()


class ChunkDecoder:
    """Decodes the record values of one topic, many at a time.

    ``family`` is the topic's: an event of another family's type is rejected. Values longer than ``max_bytes``
    are rejected unread.
    """

    def __init__(self, family: Family, max_bytes: int = 1_048_576) -> None:
        self.family = family
        self.max_bytes = max_bytes
        self._decode = msgspec.json.Decoder(_UNIONS[family]).decode

    def decode_chunk(
        self, values: Sequence[bytes | None]
    ) -> tuple[list[BusinessEvent | None], list[tuple[int, Rejection]]]:
        """Decode each value as if it were alone.

        Returns one entry per value, ``None`` where it was rejected, and the rejections with their places,
        ascending. No content of a value raises.
        """
        faults, suspects = self._screen(values)
        if faults:
            values = [None if at in faults else value for at, value in enumerate(values)]

        events: list[Any] = []
        pending = map(self._decode, cast("Sequence[bytes]", values))
        while True:
            try:
                # Keeps what came before an error, and goes on behind it: no try per event.
                events.extend(pending)
                break
            except (*UNREADABLE, TypeError) as error:
                at = len(events)
                if at not in faults:
                    faults[at] = explain(error, values[at], self.family)
                events.append(None)

        doubtful = [
            at
            for at, event in enumerate(events)
            if event is not None
            and (
                event.specversion is ASSUMED_SPECVERSION
                or (event.__class__ in _OF_AN_ORDER and event.subject != event.data.order_id)
            )
        ]
        for at in (*doubtful, *suspects):
            if events[at] is not None and (fault := _check_event(events[at])):
                faults[at] = fault
                events[at] = None
        return events, sorted(faults.items()) if faults else []

    def _screen(self, values: Sequence[bytes | None]) -> tuple[dict[int, Rejection], Sequence[int]]:
        """What is wrong with the values' bytes, and which may hold a control character, by place.

        A few passes over all of them together find that a usual chunk has neither.
        """
        faults: dict[int, Rejection] = {}
        try:
            # The newline keeps the end of one from completing a character with the beginning of the next.
            joined = b"\n".join(values)  # type: ignore[arg-type]
            longest = max(map(len, values), default=0)  # type: ignore[arg-type]
        except TypeError:
            present = [value or b"" for value in values]
            joined = b"\n".join(present)
            longest = max(map(len, present))

        limit = min(_SHALLOW_BYTES, self.max_bytes)
        if longest > limit:
            for at, value in enumerate(values):
                if value and len(value) > limit and (fault := _check_size(value, self.max_bytes)):
                    faults[at] = fault
        plain = joined.isascii()
        if not plain:
            try:
                joined.decode()
            except UnicodeDecodeError:
                faults |= {
                    at: fault
                    for at, value in enumerate(values)
                    if value and at not in faults and (fault := check_utf8(value))
                }
        if not (
            _DELETE in joined
            or (_BACKSLASH in joined and _ESCAPED_CONTROL.search(joined))
            or (not plain and _C1_LEAD in joined and _RAW_CONTROL.search(joined))
        ):
            return faults, ()
        return faults, [
            at
            for at, value in enumerate(values)
            if value and (_DELETE in value or _ESCAPED_CONTROL.search(value) or _RAW_CONTROL.search(value))
        ]


def decode(raw: bytes) -> BusinessEvent:
    """Decode one event of any of the three event topics, as a :class:`ChunkDecoder` does.

    Raises :class:`ContractError` with the reason where the event does not fulfil its contract.
    """
    (event,), rejections = _ANY.decode_chunk((raw,))
    if event is None:
        raise ContractError(rejections[0][1].reason)
    return event


def decode_calendar(raw: bytes) -> CalendarEntry:
    """Decode one entry of the calendar topic. Raises :class:`ContractError`."""
    (entry,), rejections = _CALENDAR.decode_chunk((raw,))
    fault = rejections[0][1] if entry is None else _check_event(entry)
    if fault:
        raise ContractError(fault.reason)
    return cast(CalendarEntry, entry)


def encode(event: BusinessEvent | CalendarEntry) -> bytes:
    """The record value of ``event``. Raises :class:`ContractError` where a text in it cannot be UTF-8."""
    try:
        return _ENCODER.encode(event)
    except UnicodeEncodeError as error:
        raise ContractError(f"invalid UTF-8: lone surrogate in {quote(error.object)}") from None


def check_times(event: BusinessEvent | CalendarEntry) -> Rejection | None:
    """The rejection of the first time in ``event`` that is none; decoding leaves that to who reads the
    times."""
    for path in ("time", "data.promised_at", "data.start", "data.end"):
        text = event.time if path == "time" else getattr(event.data, path.removeprefix("data."), None)
        if text is not None:
            try:
                parse_time(text)
            except ContractError as error:
                return Rejection(f"{path}: {error}", "bad_time")
    return None


def _check_size(raw: bytes, max_bytes: int) -> Rejection | None:
    if len(raw) > max_bytes:
        return Rejection(f"too large: {len(raw)} bytes (limit {max_bytes})", "too_large")
    if raw.count(b"{") + raw.count(b"[") > MAX_NESTING and _nesting(raw) > MAX_NESTING:
        return Rejection(f"malformed JSON: nested deeper than {MAX_NESTING} levels", "malformed_json")
    return None


def _nesting(raw: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _check_event(event: Any) -> Rejection | None:
    if event.specversion is ASSUMED_SPECVERSION:
        return Rejection("missing field: specversion", "missing_field")
    identifiers = [("id", event.id), ("source", event.source), ("subject", event.subject)]
    identifiers += [
        (f"data.{name}", value) for name in _IDENTIFIERS if (value := getattr(event.data, name, None)) is not None
    ]
    for path, value in identifiers:
        # Most identifiers are printable, which is quick to see.
        if not value.isprintable() and (control := _CONTROL.search(value)):
            return Rejection(f"{path}: control character U+{ord(control[0]):04X} in an identifier", "wrong_type")
    kind, name = _SUBJECT.get(event.__class__, ("", ""))
    if event.__class__ is TicketOpened and event.data.order_id is None:
        kind, name = "ticket", "ticket_id"
    if name and event.subject != (expected := getattr(event.data, name)):
        return Rejection(
            f"subject: expected the {kind} id {quote(expected)}, got {quote(event.subject)}", "wrong_subject"
        )
    return None


_ANY = ChunkDecoder("any")
_CALENDAR = ChunkDecoder("calendar")
