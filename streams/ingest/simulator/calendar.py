"""What the shop announces: promotions and public holidays, a day ahead."""

from __future__ import annotations

from datetime import date

from streams.events.types import CalendarData, CalendarEntry
from streams.ingest.simulator.localtime import DAY
from streams.ingest.simulator.world import Source, World

CALENDAR_SOURCE = "/simulator/calendar"
_AHEAD = DAY


class Calendar:
    """Sends calendar entries. Promotions come from the settings, holidays from the shop's own calendar."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._source = Source(CALENDAR_SOURCE, 200, world.settings, 999)
        self._seen = 0
        for number, promotion in enumerate(world.faults.of("promotion")):
            start, end = world.stamp(promotion.start), world.stamp(promotion.end)
            entry = CalendarData(
                entry_id=f"promotion-{start}-{number}",
                kind="promotion",
                start=start,
                end=end,
                title=promotion.incident.name or "Promotion",
                scope=promotion.incident.scope,
            )
            world.schedule(max(world.settings.start, promotion.start - _AHEAD), self._announce, entry)

    def tomorrow(self, ms: int) -> None:
        """Announce the next day if it is a holiday; once a day is enough, calling it more often does no
        harm."""
        days = self._world.days
        day = days.day_of(ms) + 1
        if day > self._seen and days.holiday(day):
            text = date.fromordinal(day).isoformat()
            entry = CalendarData(
                entry_id=f"holiday-{text}",
                kind="holiday",
                start=self._world.stamp(days.at(day, 0)),
                end=self._world.stamp(days.at(day + 1, 0)),
                title=f"Public holiday {text}",
            )
            self._world.schedule(ms, self._announce, entry)
        self._seen = day

    def _announce(self, ms: int, entry: CalendarData) -> None:
        event = CalendarEntry(
            id=entry.entry_id,
            source=CALENDAR_SOURCE,
            time=self._world.stamp(ms),
            subject=entry.entry_id,
            data=entry,
        )
        self._world.emit(ms, self._source, event)
