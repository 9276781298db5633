"""What the shop promises: by when an order will be at the door."""

from __future__ import annotations

from streams.ingest.simulator.localtime import DeliveryDays, LocalDays
from streams.ingest.simulator.shop import Region

_CUTOFF = 12 * 60
_EVENING = 20 * 60
_ALLOWANCE = 1
"""Delivery days promised beyond the usual transit."""


class Promises:
    """Ordered before noon ships the same working day; then the region's transit days and one to spare."""

    def __init__(self, days: LocalDays, regions: dict[str, Region]) -> None:
        self._days = days
        self._delivery_days = DeliveryDays(days)
        self._regions = regions
        self._known: dict[tuple[int, bool, str], int] = {}

    def promise(self, ms: int, region: str) -> int:
        day = self._days.day_of(ms)
        missed = self._days.minute_of(ms) >= _CUTOFF
        known = self._known.get((day, missed, region))
        if known is None:
            if len(self._known) > 1_000:
                self._known.clear()
            shipped = self._ships(day + 1 if missed else day)
            arrives = self._delivery_days.after(shipped, self._regions[region].days + _ALLOWANCE)
            known = self._known[day, missed, region] = self._days.at(arrives, _EVENING)
        return known

    def _ships(self, day: int) -> int:
        while self._days.weekday(day) > 4 or self._days.holiday(day):
            day += 1
        return day
