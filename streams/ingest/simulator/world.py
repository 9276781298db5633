"""The simulated world: what is about to happen, in order, and how word of it gets out."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, NamedTuple

import msgspec

from streams.events.types import (
    DELIVERY_TYPES,
    ORDER_TYPES,
    SUPPORT_TYPES,
    BusinessEvent,
    CalendarEntry,
    SourceHeartbeat,
)
from streams.ingest.simulator.draws import Quantiles, mix, mixes, uniform, uniforms
from streams.ingest.simulator.incidents import FAMILIES
from streams.ingest.simulator.labels import Active, Faults
from streams.ingest.simulator.localtime import LocalDays, Stamps
from streams.ingest.simulator.settings import SimulatorSettings

ORDERS, DELIVERIES, SUPPORT, CALENDAR = range(4)
HEARTBEAT_KEY = b"heartbeat"
_FAMILY_OF_ROLE = {"shop": ORDERS, "warehouse": ORDERS, "carrier": DELIVERIES, "helpdesk": SUPPORT}

SimulatedEvent = BusinessEvent | CalendarEntry
Step = Callable[[int, Any], None]
"""What happens at an instant to an order, a ticket, or whatever was scheduled with it."""

_DELAYS = 4096
_COPY_WITHIN = 60_000
_RELEASED_WITHIN = 300_000
_STRAGGLER = Quantiles.lognormal(90_000, 0.8)


class TimedEvent(NamedTuple):
    """An event and when it arrives, epoch ms UTC."""

    arrival_ms: int
    event: SimulatedEvent


_FAMILY_OF_TYPE: dict[type, int] = {
    **dict.fromkeys(ORDER_TYPES, ORDERS),
    **dict.fromkeys(DELIVERY_TYPES, DELIVERIES),
    **dict.fromkeys(SUPPORT_TYPES, SUPPORT),
    CalendarEntry: CALENDAR,
}


def family_of(event: SimulatedEvent) -> int:
    """Which topic family an event belongs to: an index into :data:`FAMILIES`."""
    family = _FAMILY_OF_TYPE.get(event.__class__)
    # A heartbeat could be of any; its source says which.
    return family_of_source(event.source) if family is None else family


def family_of_source(name: str) -> int:
    """Which topic family a source sends to."""
    return _FAMILY_OF_ROLE[name.split("/")[1]]


class Source:
    """Something that sends events: its usual delays, and what is wrong with it."""

    __slots__ = ("delays", "faults", "name")

    def __init__(self, name: str, mean_delay: float, settings: SimulatorSettings, number: int) -> None:
        self.name = name
        usual = Quantiles.exponential(mean_delay, settings.max_delay)
        keys = mixes(mix(settings.seed, number), _DELAYS)
        chance = uniforms(keys, 3).tolist()
        self.delays = [int(usual(row[1])) for row in chance]
        for place in range(round(settings.stragglers * _DELAYS)):
            slow = _STRAGGLER(chance[place][2])
            # Spread over the table, so that stragglers do not come in a row.
            self.delays[place * 2_654_435_761 % _DELAYS] = int(min(settings.max_delay + slow, 600_000))
        self.faults: list[Active] = []


class World:
    """Shared by the parts of the simulation: clock, agenda, and the way out.

    ``agenda`` is a heap of (time, serial, step, whom); what steps emit is collected in ``out``.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.days = LocalDays(settings.timezone, settings.start, settings.holidays)
        self.faults = Faults(settings.incidents)
        self.stamp = Stamps()
        self.agenda: list[tuple[int, int, Step, Any]] = []
        self.out: list[TimedEvent] = []
        self._scheduled = 0
        self._sent = 0
        self.sources: dict[str, Source] = {}
        means = {"shop": 400, "warehouse": 900, "carrier": 2_200, "helpdesk": 700}
        for number, name in enumerate(settings.sources()):
            self.sources[name] = Source(name, means[name.split("/")[1]], settings, number)
        for active in self.faults.all:
            for source in self.sources.values():
                if _feed_fault(active, source.name):
                    source.faults.append(active)

    def schedule(self, ms: int, step: Step, whom: Any) -> None:
        """Let ``step(ms, whom)`` happen at ``ms``, which is not in the past."""
        self._scheduled += 1
        heappush(self.agenda, (ms, self._scheduled, step, whom))

    def beat(self, ms: int, source: Source) -> None:
        """Have a source say that it is there, and that nothing older follows from it; not while its feed is silent."""
        key = mix(ms, self.settings.seed)
        silences = (one for one in source.faults if one.incident.kind == "tracking_feed_silent" and one.covers(ms))
        if not any(one.strikes(key) for one in silences):
            beat = SourceHeartbeat(id=str(ms), source=source.name, time=self.stamp(ms), subject=HEARTBEAT_KEY.decode())
            # Only when everything that happened before has arrived can it be said that nothing older follows.
            self.out.append(TimedEvent(ms + self.settings.max_delay, beat))

    def emit(self, ms: int, source: Source, event: SimulatedEvent) -> None:
        """Send an event that happened at ``ms``."""
        self._sent += 1
        arrival = ms + source.delays[self._sent & 4095]
        if source.faults or self.settings.duplicates:
            self._emit_faulty(ms, arrival, source, event)
        else:
            self.out.append(TimedEvent(arrival, event))

    def _emit_faulty(self, ms: int, arrival: int, source: Source, event: SimulatedEvent) -> None:
        key = mix(self._sent, self.settings.seed)
        copies = 1 if uniform(key, 3) < self.settings.duplicates else 0
        for active in source.faults:
            if not active.covers(ms) or not _reaches(active, event):
                continue
            incident = active.incident
            if incident.kind == "duplicate_deliveries":
                extra = int(incident.strength + uniform(key, 4))
                copies += extra
                if extra:
                    _note(active, ms, event, extra)
            elif active.strikes(key):
                _note(active, ms, event, 1)
                if incident.kind == "clock_skew":
                    event = msgspec.structs.replace(event, time=self.stamp(ms + incident.shift))
                elif incident.release == "never":
                    return
                else:
                    released = active.end + (ms - active.start) * _RELEASED_WITHIN // incident.duration
                    arrival = max(arrival, released)
        self.out.append(TimedEvent(arrival, event))
        for copy in range(copies):
            self.out.append(TimedEvent(arrival + int(uniform(key, 5 + copy) * _COPY_WITHIN), event))


def _feed_fault(active: Active, source: str) -> bool:
    kind = active.incident.kind
    if kind == "tracking_feed_silent":
        _, role, *name = source.split("/")
        return role == "carrier" and active.includes("carrier", name[0])
    if kind in ("duplicate_deliveries", "clock_skew"):
        return active.includes("source", source)
    return False


def _reaches(active: Active, event: SimulatedEvent) -> bool:
    return not active.narrows("family") or active.includes("family", FAMILIES[family_of(event)])


def _note(active: Active, ms: int, event: SimulatedEvent, events: int) -> None:
    if isinstance(event, SUPPORT_TYPES):
        active.touched(ms, ticket=event.data.ticket_id, events=events)
    else:
        active.touched(ms, order=event.subject, events=events)
