"""Which hour of the local week an instant is in."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK_HOURS = 168

_FIRST, _LAST = -62_000_000_000_000, 253_000_000_000_000
"""Roughly the years 5 to 9987: outside, calendars are of no use."""
_QUARTER = 15 * MINUTE


@lru_cache(maxsize=4096)
def _hour_of_week(quarter: int, zone: ZoneInfo) -> int:
    clock = datetime.fromtimestamp(quarter * (_QUARTER // 1000), zone)
    return clock.weekday() * 24 + clock.hour


def hour_of_week(ms: int, zone: ZoneInfo) -> int:
    """0 to 167, Monday's first hour is 0, as the wall clock shows it. ``ms`` is epoch ms UTC.

    Clocks are changed at a full quarter of an hour everywhere, so an answer holds for one.

    >>> hour_of_week(0, ZoneInfo("UTC"))  # a Thursday
    72
    """
    return _hour_of_week(min(max(ms, _FIRST), _LAST) // _QUARTER, zone)
