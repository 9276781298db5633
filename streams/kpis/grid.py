"""Grains: the fixed spans of event time whose values become final, aligned as people cut their days.

Spans that divide an hour, and the hour itself, are aligned to the epoch; longer ones up to a day start anew at
midnight of the business time zone; a day or more follows its calendar, so that a day with a clock change is 23 or 25
hours long. Weeks begin on the configured day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from streams.kpis.definitions import Span

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_000_000_000_000, 253_000_000_000_000
"""Roughly the years 5 to 9987: outside, calendars are of no use and days are counted from the epoch."""


class Grid:
    """The grains of one span."""

    def __init__(self, span: Span, timezone: str, week_starts: int = 0) -> None:
        self.span = span
        self._zone = ZoneInfo(timezone)
        self._week_starts = week_starts
        self._latest = (0, 0)

    def around(self, ms: int) -> tuple[int, int]:
        """Start and end (excluded) of the grain that holds an instant, in epoch ms."""
        start, end = self._latest
        if not start <= ms < end:
            start, end = self._latest = self._around(ms)
        return start, end

    def _around(self, ms: int) -> tuple[int, int]:
        span = self.span.ms
        if HOUR_MS % span == 0 or not _FIRST < ms < _LAST:
            start = ms // span * span
            return start, start + span
        day = datetime.fromtimestamp(ms // 1000, UTC).astimezone(self._zone).date()
        days = max(1, span // DAY_MS)
        offset = self._week_starts if days % 7 == 0 else 0
        # Ordinal 1 is a Monday.
        begin = day - timedelta(days=(day.toordinal() - 1 - offset) % days)
        # Where clocks are set back across midnight, an hour of the new day reads as the old one again.
        if ms >= self._midnight(begin + timedelta(days=days)):
            begin += timedelta(days=days)
        start, end = self._midnight(begin), self._midnight(begin + timedelta(days=days))
        if span < DAY_MS:
            start += (ms - start) // span * span
            end = min(start + span, end)
        return start, end

    def _midnight(self, day: date) -> int:
        instant = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return (instant - _EPOCH) // timedelta(milliseconds=1)
