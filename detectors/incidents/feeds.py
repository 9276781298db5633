"""Whether events come in as they should: what is told of each source by its own heartbeats, and by how late and how
legible its events are. A carrier that brings nothing still says that it is there; a feed that is broken does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from streams.kpis.grid import HOUR_MS

Trouble = Literal["silent", "late", "unreadable"]

BEATS = 5
"""Heartbeats after which it is known how often a source sends them."""
MISSED = 5
"""So many heartbeats in a row that do not come are a silence."""
LEAST_SILENCE_MS = 300_000
LEAST_WAIT_MS = 30_000
"""So long nothing of it must have arrived: history that is sent at once comes in batches, topic by topic."""
MOST_SOURCES = 1_000
"""So many are known: the name is whatever a record says."""
FEW = 20
"""Fewer late or illegible events within an hour say nothing."""
LATE_SHARE, UNREADABLE_SHARE = 0.2, 0.05
"""Shares of a source's events of the last hour from which on it is in trouble."""
_INTERVALS = 8


class FeedTrouble(Struct, frozen=True):
    """What is wrong with a source: since when nothing came, or it came late or illegible, as of ``until`` (event time,
    epoch ms). ``families`` are the topics it sends to (0 orders, 1 deliveries, 2 support), ``scope`` what all of it is
    about, ``every`` how often it sends a heartbeat (ms), ``events`` how many were late or illegible of the last
    hour's ``of``."""

    source: str
    trouble: Trouble
    since: int
    until: int
    families: tuple[int, ...]
    scope: dict[str, str]
    every: int = 0
    events: int = 0
    of: int = 0


class _Source:
    __slots__ = ("arrived", "bad", "beats", "bound", "families", "hour", "intervals", "last", "last_beat", "of")

    def __init__(self) -> None:
        self.families: set[int] = set()
        self.bound: dict[str, str | None] = {}
        """By dimension the one value it was seen with; None where there are several."""
        self.last = self.last_beat = self.arrived = -1
        self.beats = 0
        self.intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.hour = -1
        self.bad: dict[str, int] = {"late": 0, "unreadable": 0}
        self.of = 0


class Feeds:
    """All sources of a business, in the order in which their events are in the log.

    ``lateness`` (ms) is how late an event may be and still count. Time is event time, and beside it when events
    arrived: both are in the log, so that a replay sees what was seen live.
    """

    def __init__(self, lateness: int) -> None:
        self._lateness = lateness
        self._sources: dict[str, _Source] = {}
        self._now: dict[tuple[int, int], int] = {}
        """By family and partition: those of one partition follow each other, those of several need not."""
        self._arrived = -1

    @property
    def now(self) -> int:
        """How far event time has come, whoever says so; -1 before anything has."""
        return max(self._now.values(), default=-1)

    def take(
        self,
        source: str,
        family: int,
        time: int,
        dimensions: Mapping[str, str],
        heartbeat: bool = False,
        partition: int = 0,
        arrived: int | None = None,
    ) -> None:
        """An event, or a heartbeat, of a family at an instant (epoch ms); ``dimensions`` are those it names itself. It
        ``arrived`` then, or as it happened."""
        of, before = self._of(source, family), self._now.get((family, partition), time)
        self._now[family, partition] = max(before, time)
        of.arrived = max(of.arrived, time if arrived is None else arrived)
        self._arrived = max(self._arrived, of.arrived)
        if heartbeat:
            if time > of.last_beat:
                if of.last_beat >= 0:
                    of.intervals.append(time - of.last_beat)
                of.last_beat, of.beats = time, of.beats + 1
        else:
            for name, value in dimensions.items():
                if of.bound.setdefault(name, value) != value:
                    of.bound[name] = None
            self._count(of, "late" if time < before - self._lateness else None)
        of.last = max(of.last, time)

    def unreadable(self, source: str, family: int) -> None:
        """A record that could not be read, of whom it says it is."""
        self._count(self._of(source, family), "unreadable")

    def _of(self, source: str, family: int) -> _Source:
        of = self._sources.get(source)
        if of is None:
            of = _Source()
            if len(self._sources) < MOST_SOURCES:
                self._sources[source] = of
        of.families.add(family)
        return of

    def _count(self, of: _Source, what: Trouble | None) -> None:
        hour = self.now // HOUR_MS
        if hour != of.hour:
            of.hour, of.of = hour, 0
            of.bad = dict.fromkeys(of.bad, 0)
        of.of += 1
        if what is not None:
            of.bad[what] += 1

    def troubles(self) -> list[FeedTrouble]:
        """What is wrong now, by source."""
        return [trouble for name in sorted(self._sources) for trouble in self._troubles(name, self._sources[name])]

    def _troubles(self, name: str, of: _Source) -> Iterator[FeedTrouble]:
        about = {dimension: value for dimension, value in sorted(of.bound.items()) if value is not None}
        families, now = tuple(sorted(of.families)), self.now
        every = max(of.intervals, default=0)
        silent = now - of.last > max(MISSED * every, LEAST_SILENCE_MS)
        if of.beats >= BEATS and silent and self._arrived - of.arrived > LEAST_WAIT_MS:
            yield FeedTrouble(name, "silent", of.last, now, families, about, every)
        for what, share in (("late", LATE_SHARE), ("unreadable", UNREADABLE_SHARE)):
            bad = of.bad[what]
            if of.hour == now // HOUR_MS and bad >= FEW and bad >= share * of.of:
                yield FeedTrouble(name, what, of.hour * HOUR_MS, now, families, about, every, bad, of.of)  # type: ignore[arg-type]
