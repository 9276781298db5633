"""Times as people and programs write them; what could be meant in two ways is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{8})"
    r"(?:(?:T| +)(?P<clock>\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?|\d{4}(?:\d{2})?))?"
    r" *(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"(\d+)(\.\d*)?", re.ASCII)
_PER_MS = {9: 0.001, 10: 0.001, 13: 1, 16: 1_000, 19: 1_000_000}
"""How many a millisecond has of what a number of so many digits counts: with other lengths it could be a date."""
_YEAR_LAST = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b.*", re.ASCII)
_NAMED_ZONE = re.compile(r".*\d\s*([A-Za-z]{2,5}|\w+/\w+)", re.ASCII)
_LIKE = "expected like 2026-01-31 12:05:00"


def read_time(text: str) -> int:
    """Epoch ms of a time, UTC where it names no offset.

    A date with or without a clock time, year first, with ``Z``, ``UTC``, ``GMT``, an offset or nothing behind; or a
    number since 1970: seconds (9 or 10 digits), milliseconds (13), microseconds (16) or nanoseconds (19). Raises
    ``ValueError`` that says what is wrong.
    """
    text = text.strip()
    number = _NUMBER.fullmatch(text)
    if number and len(number[1]) in _PER_MS:
        per_ms = _PER_MS[len(number[1])]
        return round(float(text) / per_ms) if per_ms < 1 else int(number[1]) // int(per_ms)
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"{_shown(text)} {_reason(text, bool(number))}")
    zone = (form["zone"] or "Z").upper()
    offset = "+00:00" if zone in ("Z", "UTC", "GMT") else zone
    clock = (form["clock"] or "00:00").replace(",", ".")
    try:
        found = datetime.fromisoformat(f"{form['date'].replace('/', '-')}T{clock}{offset}")
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is not a time: {error}") from None
    return round(found.astimezone(UTC).timestamp() * 1000)


def _reason(text: str, number: bool) -> str:
    if number:
        return (
            f"is no date ({_LIKE}), and no time since 1970 (expected 9 or 10 digits for seconds, 13 for milliseconds)"
        )
    if _YEAR_LAST.fullmatch(text):
        return f"is not clear: the day or the month first? ({_LIKE}, the year first)"
    zone = _NAMED_ZONE.fullmatch(text)
    if zone and zone[1].upper() not in ("AM", "PM"):
        return f"names a zone: {zone[1]!r} is not clear (expected UTC or an offset like +01:00)"
    return f"is not a time ({_LIKE})"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
