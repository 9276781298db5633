"""Event times: RFC 3339 text with an offset to epoch milliseconds UTC and back."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from streams.errors import ContractError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["NO_TIME", "format_time", "parse_time", "parse_times"]

NO_TIME = -(2**63)
"""Stands for a time that is absent or invalid."""

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_MS = (date(1, 1, 1).toordinal() - _EPOCH) * _DAY_MS
_LAST_MS = (date(9999, 12, 31).toordinal() + 1 - _EPOCH) * _DAY_MS - 1
_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
# Below this many it is not worth loading compiled code.
_WORTH_IT = 16
_NO_OFFSET = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+")


def parse_time(text: str) -> int:
    """RFC 3339 date-time with an offset to epoch ms; what is finer than a millisecond is cut off (floored).

    Raises :class:`ContractError`, saying what is wrong with ``text``.
    """
    match = _FORM.fullmatch(text)
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    if match is None:
        shown = ascii(shown) if not shown.isprintable() else repr(shown)
        if _NO_OFFSET.fullmatch(text):
            raise ContractError(f"{shown} has no offset (expected Z or like +02:00 at the end)")
        raise ContractError(f"{shown} is not a time (expected like 2026-03-01T09:30:00Z)")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if hour > 23 or minute > 59:
        raise ContractError(f"{shown}: there is no {hour:02}:{minute:02}")
    if second == 60:
        raise ContractError(f"{shown}: a leap second has no place in epoch time (send second 59)")
    if second > 60:
        raise ContractError(f"{shown}: there is no second {second}")
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        raise ContractError(f"{shown}: there is no day {year:04}-{month:02}-{day:02}") from None
    offset = 0
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            raise ContractError(f"{shown}: there is no offset {match[8]}{hours:02}:{minutes:02}")
        offset = (hours * 60 + minutes) * (1 if match[8] == "+" else -1)
    fraction = int((match[7] or "")[:3].ljust(3, "0"))
    ms = days * _DAY_MS + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise ContractError(f"{shown} is outside the years 0001 to 9999 in UTC")
    return ms


def format_time(ms: int) -> str:
    """Epoch ms as ``2026-03-01T09:30:00.000Z``. Raises :class:`ContractError` outside years 0001 to 9999."""
    if not _FIRST_MS <= ms <= _LAST_MS:
        raise ContractError(f"{ms} ms is outside the years 0001 to 9999")
    days, rest = divmod(int(ms), _DAY_MS)
    seconds, fraction = divmod(rest, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    day = date.fromordinal(days + _EPOCH).isoformat()
    return f"{day}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z"


def parse_times(texts: list[str | None]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Parse many times: epoch ms, shape (n,), and the places of those that are invalid, ascending.

    ``None`` and invalid ones are ``NO_TIME``. Agrees with :func:`parse_time` on every text.
    """
    # Here and not above: the contracts are also read by commands that should answer at once.
    import numpy as np

    times = np.empty(len(texts), dtype=np.int64)
    if len(texts) < _WORTH_IT:
        for at, text in enumerate(texts):
            times[at] = _time_or_none(text)
    else:
        from streams.events.timescan import scan_times

        try:
            joined = "\n".join(texts)  # type: ignore[arg-type]
        except TypeError:
            joined = "\n".join(["" if text is None else text for text in texts])
        if not scan_times(np.frombuffer(_encode(joined), dtype=np.uint8), times):
            # A newline inside a text, which then is no time.
            joined = "\n".join(["" if text is None or "\n" in text else text for text in texts])
            scan_times(np.frombuffer(_encode(joined), dtype=np.uint8), times)
    missing = np.flatnonzero(times == NO_TIME)
    return times, [at for at in missing.tolist() if texts[at] is not None] if missing.size else []


def _time_or_none(text: str | None) -> int:
    if text is None:
        return NO_TIME
    try:
        return parse_time(text)
    except ContractError:
        return NO_TIME


def _encode(joined: str) -> bytes:
    # No time contains "?", which each character outside ASCII becomes.
    return f"{joined}\n".encode("ascii", "replace")
