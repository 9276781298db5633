"""Working time: the clock without the days of the week on which nothing is done."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from streams.kpis.grid import DAY_MS

RESTS = 0.1
"""A day of the week with less than this share of what a mean day has is a day of rest."""
_LEAST = 50


class WorkingTime:
    """Turns instants into working time, in ms: differences of two are how much of the time between them was no day of
    rest. Days of rest are learned of ``times``, when things of the kind in question happened (epoch ms); none are where
    there are too few of them to tell."""

    def __init__(self, timezone: str, times: Iterable[int]) -> None:
        self._zone = ZoneInfo(timezone)
        counts = [0] * 7
        for time in times:
            counts[datetime.fromtimestamp(time / 1000, UTC).astimezone(self._zone).weekday()] += 1
        mean = sum(counts) / 7
        self.rest = frozenset(day for day in range(7) if sum(counts) >= _LEAST and counts[day] < RESTS * mean)
        self._first = 0
        self._midnights: list[int] = []
        self._worked: list[int] = []

    def __call__(self, ms: int) -> int:
        """The working time of an instant."""
        if not self.rest:
            return ms
        if not self._midnights or not self._midnights[0] <= ms < self._midnights[-1]:
            self._unfold(ms)
        at = bisect_right(self._midnights, ms) - 1
        resting = (self._first + at - 1) % 7 in self.rest
        return self._worked[at] + (0 if resting else ms - self._midnights[at])

    def _unfold(self, ms: int) -> None:
        """The days around an instant, so many that it need not be done often."""
        day = datetime.fromtimestamp(ms / 1000, UTC).astimezone(self._zone).date().toordinal()
        first = min(day, self._first or day) - 60
        last = max(day, self._first + len(self._midnights)) + 60
        midnights = [
            round(datetime.combine(date.fromordinal(each), datetime.min.time(), self._zone).timestamp()) * 1000
            for each in range(first, last + 1)
        ]
        # Counted from a fixed day on, so that it fits what was asked before; ordinal 1 is a Monday.
        worked, week = [], first // 7 * 7
        total = DAY_MS * (
            week // 7 * (7 - len(self.rest)) + sum((day - 1) % 7 not in self.rest for day in range(week, first))
        )
        for number, (midnight, following) in enumerate(pairwise([*midnights, midnights[-1]])):
            worked.append(total)
            if (first + number - 1) % 7 not in self.rest:
                total += following - midnight
        self._first, self._midnights, self._worked = first, midnights, worked
