"""Quiet hours: spans of the week in which only what is urgent is told."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.calendar.hours import Hours
from streams.kpis.grid import DAY_MS

_MINUTE = 60_000
_WEEK = 7 * DAY_MS


class QuietHours:
    """Spans by the local wall clock: ``week`` as in :class:`~detectors.calendar.hours.Hours`, None: never.

    >>> night = QuietHours([[(1320, 1860)]] * 7, "Europe/Berlin")  # 22:00 to 7:00
    >>> night.until(1_700_000_000_000)  # Tuesday 23:13; until Wednesday 7:00
    1700028000000
    """

    def __init__(self, week: Sequence[Sequence[tuple[int, int]]] | None, timezone: str) -> None:
        self._hours = None if week is None else Hours(week, timezone)
        self._known = (0, 0)

    def until(self, now: int) -> int | None:
        """When the quiet hours end that an instant is in (epoch ms); None where it is in none.

        What follows without a gap is one. Where all of the week is quiet there is no end: it is a week ahead.
        """
        if self._hours is None or not self._hours.open(now):
            return None
        begin, end = self._known
        if not begin <= now < end:
            # Looked for minute by minute: whatever clocks do meanwhile, and only once a night.
            end = (now // _MINUTE + 1) * _MINUTE
            while self._hours.open(end) and end - now < _WEEK:
                end += _MINUTE
            self._known = (now, end)
        return end
