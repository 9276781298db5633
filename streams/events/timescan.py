"""Many RFC 3339 times in one buffer to epoch milliseconds: the compiled part of :mod:`streams.events.times`.

Separate, because importing numba takes longer than reading a few times does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_NEWLINE, _DOT, _COLON, _PLUS, _MINUS = (ord(sign) for sign in "\n.:+-")
_UPPER_T, _LOWER_T, _UPPER_Z, _LOWER_Z = (ord(letter) for letter in "TtZz")
_SHORTEST = len("2026-03-01T09:30:00Z")
_OFFSET = len("02:00")

_MINUTE_MS = 60_000
_FIRST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
_LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_NO_TIME = np.iinfo(np.int64).min
_NO_NUMBER = -1_000_000

_UNCOUNTED: dict[str, Any] = {"_nrt": False}  # references to arrays are not counted; not in Numba's annotations


def _lean(function: Any) -> Any:
    return njit(cache=True, nogil=True, **_UNCOUNTED)(function)


@_lean
def scan_times(raw, times):  # type: ignore[no-untyped-def]
    """Read ``len(times)`` times from ``raw`` (uint8), each followed by a newline, into ``times`` (int64,
    epoch ms).

    What is no time becomes ``NO_TIME``. Returns False where ``raw`` does not hold exactly that many lines:
    then ``times`` means nothing.
    """
    at = 0
    for row in range(times.size):
        if at >= raw.size:
            return False
        value, end = scan_time(raw, at, _NEWLINE)
        if value == _NO_TIME:
            end = at
            while raw[end] != _NEWLINE:
                end += 1
        times[row] = value
        at = end + 1
    return at == raw.size


@_lean
def scan_time(raw, at, closing):  # type: ignore[no-untyped-def]
    """The time that begins at ``at`` and where the byte ``closing`` ends it; ``NO_TIME`` where there is none."""
    if at + _SHORTEST >= raw.size:
        return _NO_TIME, at
    year = _two_digits(raw, at) * 100 + _two_digits(raw, at + 2)
    month = _two_digits(raw, at + 5)
    day = _two_digits(raw, at + 8)
    hour = _two_digits(raw, at + 11)
    minute = _two_digits(raw, at + 14)
    second = _two_digits(raw, at + 17)
    if not (
        (raw[at + 4] == _MINUS)
        & (raw[at + 7] == _MINUS)
        & ((raw[at + 10] == _UPPER_T) | (raw[at + 10] == _LOWER_T))
        & (raw[at + 13] == _COLON)
        & (raw[at + 16] == _COLON)
        & (year >= 1)
        & (month >= 1)
        & (month <= 12)
        & (day >= 1)
        & (hour >= 0)
        & (hour <= 23)
        & (minute >= 0)
        & (minute <= 59)
        & (second >= 0)
        & (second <= 59)
    ) or day > _days_in(year, month):
        return _NO_TIME, at
    value = (((_days_before(year, month) + day - 1) * 24 + hour) * 60 + minute) * _MINUTE_MS + second * 1000

    end = at + 19
    if raw[end] == _DOT:
        end += 1
        first = end
        weight = 100
        while np.uint8(raw[end] - 48) <= 9:
            value += weight * np.int64(raw[end] - 48)
            weight //= 10
            end += 1
        if end == first:
            return _NO_TIME, at

    mark = raw[end]
    end += 1
    if (mark == _PLUS) | (mark == _MINUS):
        if end + _OFFSET >= raw.size:
            return _NO_TIME, at
        hours, minutes = _two_digits(raw, end), _two_digits(raw, end + 3)
        if not ((raw[end + 2] == _COLON) & (hours >= 0) & (hours <= 23) & (minutes >= 0) & (minutes <= 59)):
            return _NO_TIME, at
        offset = (hours * 60 + minutes) * _MINUTE_MS
        value += -offset if mark == _PLUS else offset
        end += _OFFSET
    elif (mark != _UPPER_Z) & (mark != _LOWER_Z):
        return _NO_TIME, at
    if raw[end] != closing or value < _FIRST_MS or value > _LAST_MS:
        return _NO_TIME, at
    return value, end


@_lean
def _two_digits(raw, at):  # type: ignore[no-untyped-def]
    tens, units = np.uint8(raw[at] - 48), np.uint8(raw[at + 1] - 48)
    return np.int64(tens) * 10 + np.int64(units) if (tens <= 9) & (units <= 9) else _NO_NUMBER


@_lean
def _days_in(year, month):  # type: ignore[no-untyped-def]
    if month == 2:
        return 29 if (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0)) else 28
    return 30 if (month == 4) | (month == 6) | (month == 9) | (month == 11) else 31


@_lean
def _days_before(year, month):  # type: ignore[no-untyped-def]
    """Days from the epoch to the month's first, counted from 1 March, so that the leap day is a year's last.

    Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, ``days_from_civil``.
    """
    march_year = year - (month <= 2)
    era = march_year // 400
    year_of_era = march_year - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468
