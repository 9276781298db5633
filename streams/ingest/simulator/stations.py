"""Where work waits: the packing stations of the warehouses and the support desk, with opening hours and
queues.

Each keeps a shadow of itself in which no incident happened. What the two disagree about is the
incident's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil
from typing import NamedTuple

from streams.ingest.simulator.labels import Active
from streams.ingest.simulator.localtime import HOUR, MINUTE, OpeningHours

NOTICEABLE = MINUTE
"""A delay below this is not put down to an incident."""


class Done(NamedTuple):
    """When a piece of work is finished, when it would have been, and the incident that made it later, if
    one did."""

    ms: int
    due: int
    because: Active | None


class PackingStation:
    """A warehouse's packers as one queue, first come, first served.

    ``load`` gives the orders expected in the week around an instant; staff keep ``spare`` times that
    capacity.
    """

    def __init__(
        self,
        hours: OpeningHours,
        load: Callable[[int], float],
        stops: Sequence[Active],
        spare: float = 1.6,
    ) -> None:
        self._hours = hours
        self._load = load
        self._stops = sorted(stops, key=lambda stop: stop.start)
        self._open_per_week = hours.hours_per_week * HOUR / spare
        self._free = 0.0
        self._shadow_free = 0.0
        self._pace = 0.0
        self._paced_until = -1

    def serve(self, now: int) -> Done:
        """Pack an order that is ready to be packed now."""
        if now >= self._paced_until:
            self._pace = self._open_per_week / max(self._load(now), 1.0)
            self._paced_until = now + 6 * HOUR
        if not self._stops:
            self._free = self._hours.open_from(max(now, int(self._free))) + self._pace
            return Done(int(self._free), int(self._free), None)
        self._shadow_free = self._hours.open_from(max(now, int(self._shadow_free))) + self._pace
        self._free = self._with_stops(max(now, int(self._free)))
        late = self._free - self._shadow_free > NOTICEABLE
        return Done(int(self._free), int(self._shadow_free), self._blame(self._free) if late else None)

    def _with_stops(self, ready: int) -> float:
        start, pace = self._hours.open_from(ready), self._pace
        for stop in self._stops:
            if stop.covers(start):
                if stop.incident.strength >= 1:
                    start = self._hours.open_from(stop.end)
                else:
                    pace /= 1 - stop.incident.strength
        return start + pace

    def _blame(self, finish: float) -> Active:
        begun = [stop for stop in self._stops if stop.start <= finish]
        return begun[-1] if begun else self._stops[0]


class Desk:
    """The support agents: each takes the ticket that waits longest, during opening hours."""

    def __init__(
        self,
        hours: OpeningHours,
        work: Callable[[int], float],
        absences: Sequence[Active],
        busy: float = 0.65,
    ) -> None:
        """``work`` gives the agent hours of work expected in the week around an instant; as many agents
        are employed as keep them ``busy`` for that share of their time."""
        self.hours = hours
        self._work = work
        self._absences = sorted(absences, key=lambda absence: absence.start)
        self._busy = busy
        self._free: list[tuple[int, int]] = []
        self._shadow_free: list[int] = []
        self._staffed_until = -1
        self.agents = 0

    def assign(self, now: int, effort: int) -> Done:
        """Give a piece of work of ``effort`` ms that came in now to an agent."""
        if now >= self._staffed_until:
            self._staff(now)
        if not self._absences:
            free, agent = self._free[0]
            finish = self.hours.open_from(max(now, free)) + effort
            heapreplace(self._free, (finish, agent))
            return Done(finish, finish, None)
        shadow = self.hours.open_from(max(now, self._shadow_free[0])) + effort
        heapreplace(self._shadow_free, shadow)
        finish = self._with_absences(now, effort)
        begun = [absence for absence in self._absences if absence.start <= finish]
        return Done(finish, shadow, begun[-1] if begun and finish - shadow > NOTICEABLE else None)

    def _with_absences(self, now: int, effort: int) -> int:
        while True:
            free, agent = heappop(self._free)
            start = self.hours.open_from(max(now, free))
            absence = next((a for a in self._absences if a.covers(start) and self._missing(agent, a)), None)
            if absence is None:
                heappush(self._free, (start + effort, agent))
                return start + effort
            heappush(self._free, (absence.end, agent))

    def _missing(self, agent: int, absence: Active) -> bool:
        return agent >= self.agents - int(self.agents * absence.incident.strength + 0.5)

    def _staff(self, now: int) -> None:
        wanted = max(1, ceil(self._work(now) / (self.hours.hours_per_week * self._busy)))
        for agent in range(len(self._free), wanted):
            heappush(self._free, (now, agent))
            heappush(self._shadow_free, now)
        if wanted < len(self._free):
            self._free = [entry for entry in self._free if entry[1] < wanted]
            heapify(self._free)
            self._shadow_free = sorted(self._shadow_free)[:wanted]
        self.agents = wanted
        self._staffed_until = now + 24 * HOUR
