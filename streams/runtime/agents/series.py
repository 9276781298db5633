"""One partition of the partials topic in a worker: the series book of the KPIs whose key falls there."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents.owned import Owned, Publication
from streams.runtime.outbox import Record
from streams.runtime.state.frames import Step
from streams.runtime.transport import Position


class BookLike(Protocol):
    """What is used of a :class:`~streams.kpis.book.SeriesBook`."""

    @property
    def series(self) -> int: ...
    def apply(self, partial: Partial) -> None: ...
    def advance(self) -> list[KpiValue]: ...
    def current(self, kpis: list[str]) -> list[KpiValue]: ...
    def state(self) -> dict[str, Any]: ...


REACHED_WITHIN = 10.0
"""Seconds after which a stop that lies beyond the log's end is given up."""


class SeriesPartition(Owned):
    """``book`` is ``None`` until it has been recovered; ``next`` is the offset to read on from.

    A recovered book is as of a snapshot. From there on it reads the partials again and takes its news at the very
    offsets at which it was taken before, the ``stops``: so a value gets the revision it was told with. What was
    taken at the last of them may not have been told, and is told again.
    """

    def __init__(self, number: int, kpis_topic: str, now: float) -> None:
        super().__init__(number, now)
        self.book: BookLike | None = None
        self.next = 0
        self.epoch: int | None = None
        """Since which seek it is read; ``None``: not yet."""
        self.kpis: set[str] = set()
        self.touched: set[str] = set()
        """KPIs with news since their values were last computed."""
        self.judged: list[KpiValue] = []
        """What has become final and was not yet shown in the metrics."""
        self.alerts: list[KpiValue] = []
        """Those of them that somebody is to be told of, for the first time."""
        self._kpis_topic = kpis_topic
        self._weight = 0
        self._goal: int | None = None
        self._stops: deque[int] = deque()
        self._sequence = 0
        self._told_to = 0
        self._reached = False
        self._waits_since: float | None = None

    def begin(self, book: BookLike, offset: int, stops: list[int], sequence: int) -> None:
        """Go on with a book that is as the state log says."""
        self.book, self.next, self._stops, self._sequence = book, offset, deque(stops), sequence
        self._told_to = stops[-1] if stops else offset

    @property
    def recovered(self) -> bool:
        return self.book is not None

    @property
    def placed(self) -> bool:
        return self.epoch is not None

    def wanted(self, topic: str) -> int:
        return self.next

    def place(self, topic: str, position: Position) -> bool:
        wanted, self.epoch = self.next, position.epoch
        self.next = max(position.offset, wanted)
        self.pass_stops(self.next)
        return position.offset <= wanted

    @property
    def rebuilding(self) -> bool:
        """Whether what it knows is older than what was told."""
        return self.book is None or bool(self._stops)

    def current(self, end: int | None, now: float) -> bool:
        """Whether it has come to where the log ended when reading began; until there, its values are older than what
        was shown before. ``end`` is where the log ends now.

        A stop that the log does not reach for a while is given up: the log has lost its end, or is another one.
        """
        if self._goal is None:
            self._goal = end
        if end is None or not self._stops or self.next < end:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since > REACHED_WITHIN:
            self.pass_stops(self._stops[-1])
        self._reached |= self._goal is not None and self.next >= self._goal
        return self._reached and not self.rebuilding

    def begins_anew(self, start: int, end: int | None) -> bool:
        """Whether the log ends before what has been read of it: it was deleted and made again, or has lost its end. It
        is then read from its beginning: what was applied is known as older than what is known."""
        anew = end is not None and start < self.next and end < self.next
        if anew:
            self.next = start
        return anew

    def apply(self, offset: int, partial: Partial) -> int:
        """Take in a partial; how much work it was, in cells."""
        assert self.book is not None
        self.pass_stops(offset)
        cells = 10 + len(partial.cells) // 40
        self._weight += cells
        self.book.apply(partial)
        self.kpis.add(partial.kpi)
        self.touched.add(partial.kpi)
        return cells

    def pass_stops(self, offset: int) -> None:
        """Take the news where it was taken before, up to ``offset``."""
        while self._stops and self._stops[0] <= offset:
            assert self.book is not None
            stop = self._stops.popleft()
            values = self._advance()
            if not self._stops:
                step = Step(self._sequence, self._sequence, (stop,), (stop,), b"")
                self.publication = Publication(step, self._records(values), 0, recorded=True)
                self._weight = 0

    def take_news(self) -> Publication | None:
        """What has become final or was corrected; None where nothing was read since the last time."""
        if self.rebuilding or self.next == self._told_to:
            return None
        assert self.book is not None
        self._sequence += 1
        step = Step(self.recorded, self._sequence, (self._told_to,), (self.next,), b"", self._weight)
        self._told_to, self._weight = self.next, 0
        values = self._advance()
        self.alerts += [value for value in values if value.alert]
        self.publication = Publication(step, self._records(values), len(self.letters))
        return self.publication

    def _advance(self) -> list[KpiValue]:
        assert self.book is not None
        values = self.book.advance()
        self.judged += values
        return values

    def state(self) -> dict[str, Any]:
        assert self.book is not None
        return self.book.state()

    def _records(self, values: list[KpiValue]) -> list[Record]:
        return [told(self._kpis_topic, value) for value in values]


def told(topic: str, value: KpiValue) -> Record:
    """A value as a record of the KPI topic."""
    return Record(topic, value.series.encode(), value.encode())
