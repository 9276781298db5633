"""Readers: from a place in the file to a checked value. Each raises Wrong with what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from streams.config.places import Noted, Place, meant, read
from streams.config.structs import DAY, HOUR, MINUTE, SECOND, WEEK
from streams.kpis.definitions import Span

T = TypeVar("T")
Reader = Callable[[Place], T]

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_SPAN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})")


def parse_span(text: str) -> Span:
    """``"1h"`` → 3,600,000 ms. Raises ValueError with what was expected."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration (expected like 30s, 5m, 1h, 1d, 1w)")
    return Span(text, int(found[1]) * _UNITS[found[2]])


def span_text(ms: int) -> str:
    """The shortest way to write a span: 3,600,000 → ``1h``."""
    for unit in ("w", "d", "h", "m", "s"):
        if ms and ms % _UNITS[unit] == 0:
            return f"{ms // _UNITS[unit]}{unit}"
    return f"{ms}ms" if ms else "0s"


def span(least: int = 1, most: int = 10_000 * DAY) -> Reader[Span]:
    """A duration between two, in ms, both included."""

    def reader(place: Place) -> Span:
        try:
            value = parse_span(place.text("a duration"))
        except ValueError as error:
            raise place.wrong(str(error)) from None
        if not least <= value.ms <= most:
            raise place.wrong(f"{value.text!r} is out of range (expected {_range(least, most)})")
        return value

    return reader


def _range(least: int, most: int) -> str:
    return f"{span_text(least)} to {span_text(most)}" if least > 1 else f"at most {span_text(most)}"


def milliseconds(least: int = 1, most: int = 10_000 * DAY) -> Reader[int]:
    """A duration, in ms."""
    spanned = span(least, most)
    return lambda place: spanned(place).ms


def integer(least: int, most: int) -> Reader[int]:
    """A whole number between two, both included."""

    def reader(place: Place) -> int:
        text = place.text("a whole number").replace("_", "")
        if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
            raise place.wrong(f"{place.text()!r} is not a whole number from {least} to {most}")
        return int(text)

    return reader


def port(place: Place) -> int:
    """A TCP port."""
    text = place.text("a port")
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise place.wrong(f"{text!r} is not a port (expected 1 to 65535)")
    return int(text)


def number(place: Place) -> float:
    """A decimal number."""
    text = place.text("a number")
    if not _NUMBER.fullmatch(text):
        raise place.wrong(f"{text!r} is not a number (expected like 0.95)")
    return float(text)


def flag(place: Place) -> bool:
    """true or false, in the ways YAML knows."""
    text = place.text("true or false").lower()
    if text in ("true", "yes", "on"):
        return True
    if text in ("false", "no", "off"):
        return False
    raise place.wrong(f"{place.text()!r} is neither true nor false")


def switch(place: Place) -> bool:
    """An environment variable's true or false: 1 and 0 too."""
    if place.text() in ("0", "1"):
        return place.text() == "1"
    return flag(place)


def text(most: int = 1_000) -> Reader[str]:
    """A text of one line or several, not empty."""

    def reader(place: Place) -> str:
        value = " ".join(place.text().split())
        if not value:
            raise place.wrong("is empty")
        if len(value) > most:
            raise place.wrong(f"{len(value)} characters are too long (at most {most})")
        return value

    return reader


def matching(pattern: re.Pattern[str], expected: str) -> Reader[str]:
    """A text of a form; ``expected`` says which."""

    def reader(place: Place) -> str:
        value = place.text(expected)
        if not pattern.fullmatch(value):
            raise place.wrong(f"{value!r} is not {expected}")
        return value

    return reader


def path(place: Place) -> Path:
    """A file or folder; ``~`` is the home folder."""
    value = place.text("a path")
    if not value or "\0" in value:
        raise place.wrong(f"{value!r} is not a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise place.wrong(f"{value!r}: there is no such home folder") from None


def choice(options: Iterable[T]) -> Reader[T]:
    """One of several words."""
    known = {str(option): option for option in options}

    def reader(place: Place) -> T:
        value = place.text(f"one of {', '.join(known)}")
        if value not in known:
            close = meant(value, known)
            hint = close if "did you mean" in close else f" (expected one of {', '.join(known)})"
            raise place.wrong(f"{value!r} is unknown{hint}")
        return known[value]

    return reader


def literal(kind: Any) -> Reader[Any]:
    """One of the values of a ``Literal`` type."""
    return choice(get_args(kind))


def several(reader: Reader[T], least: int = 1, most: int = 1_000) -> Reader[tuple[T, ...]]:
    """A list, or one value in its stead, without repetitions."""

    def read_all(place: Place) -> tuple[T, ...]:
        places = place.items()
        if not least <= len(places) <= most:
            wanted = f"at least {least}" if len(places) < least else f"at most {most}"
            raise place.wrong(f"{len(places)} entries (expected {wanted})")
        values: list[T] = []
        failed = False
        for item in places:
            try:
                value = read(item, reader)
            except Noted:
                failed = True
                continue
            if value in values:
                item.note(f"{item.kind()} is there twice")
            values.append(value)
        if failed:
            raise Noted
        return tuple(values)

    return read_all


def fields(
    place: Place,
    readers: Mapping[str, Reader[Any]],
    required: Iterable[str] = (),
    passed_over: Iterable[str] = (),
) -> dict[str, Any]:
    """The values of a mapping's known keys. Every mistake in it is noted; raises Noted when there is one.

    Keys in ``passed_over`` have been noted already.
    """
    before = len(place.problems.found)
    values: dict[str, Any] = {}
    failed = False
    entries = place.named(readers, passed_over)
    for name, entry in entries.items():
        try:
            values[name] = read(entry, readers[name])
        except Noted:
            failed = True
    for name in required:
        if name not in entries:
            place.note(f"{name!r} is missing")
    if failed or len(place.problems.found) > before:
        raise Noted
    return values


def section(kind: Callable[..., T], readers: Mapping[str, Reader[Any]]) -> Reader[T]:
    """A struct of a mapping; what is left out keeps its default."""
    return lambda place: kind(**fields(place, readers))
