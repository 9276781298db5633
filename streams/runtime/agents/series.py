"""One partition of the partials topic in a worker: the series book of the KPIs whose key falls there."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.outbox import Record
from streams.runtime.state.frames import Step


class BookLike(Protocol):
    """What is used of a :class:`~streams.kpis.book.SeriesBook`."""

    @property
    def series(self) -> int: ...
    def apply(self, partial: Partial) -> None: ...
    def advance(self) -> list[KpiValue]: ...
    def current(self, kpis: list[str]) -> list[KpiValue]: ...
    def state(self) -> dict[str, Any]: ...


class Announcement:
    """Final and corrected values taken at one point: to be recorded in the state log, then published."""

    def __init__(self, step: Step, values: list[KpiValue], letters: int, recorded: bool = False) -> None:
        self.step, self.values, self.letters, self.recorded = step, values, letters, recorded
        self.snapshot: dict[str, Any] | None = None


class SeriesPartition:
    """``book`` is ``None`` until it has been recovered; ``next`` is the offset to read on from.

    A recovered book is as of a snapshot. From there on it reads the partials again and takes its news at the very
    offsets at which it was taken before, the ``stops``: so a value gets the revision it was told with. What was
    taken at the last of them may not have been told, and is told again.
    """

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.book: BookLike | None = None
        self.next = 0
        self.epoch: int | None = None
        """Since which seek it is read; ``None``: not yet."""
        self.trusted = False
        """Whether nobody else has written to the state log, as far as we know: only then is anything recorded."""
        self.kpis: set[str] = set()
        self.touched: set[str] = set()
        """KPIs with news since their values were last computed."""
        self.announcement: Announcement | None = None
        """What is under way."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.weight = 0
        """Of what was applied since the last announcement, in cells."""
        self.goal: int | None = None
        """Where the log ended when reading it began: until there, values are older than what was shown before."""
        self.begun = now
        self._stops: deque[int] = deque()
        self._sequence = 0
        self._recorded = 0
        self._reached = False

    def begin(self, book: BookLike, offset: int, stops: list[int], sequence: int, now: float) -> None:
        """Go on with a book that is as the state log says."""
        self.book, self.next, self._stops, self._sequence = book, offset, deque(stops), sequence
        self._recorded = stops[-1] if stops else offset
        self.trusted, self.begun = True, now

    def place(self, offset: int, epoch: int) -> None:
        """Read on from there."""
        self.epoch = epoch
        self.next = max(offset, self.next)
        self.pass_stops(self.next)

    @property
    def rebuilding(self) -> bool:
        """Whether what it knows is older than what was told."""
        return self.book is None or bool(self._stops)

    def current(self, end: int | None) -> bool:
        """Whether it has come to where the log ended when reading began; ``end`` is where it ends now."""
        if self.goal is None:
            self.goal = end
        self._reached |= self.goal is not None and self.next >= self.goal
        return self._reached and not self.rebuilding

    def starts_anew(self, start: int, end: int | None) -> bool:
        """Whether the log ends before what was read of it, so that it is another one."""
        anew = end is not None and end < (self._stops[-1] if self._stops else self.next)
        if anew:
            self.next = min(self.next, start)
            self._stops.clear()
        return anew

    def apply(self, offset: int, partial: Partial) -> int:
        """Take in a partial; how much work it was, in cells."""
        assert self.book is not None
        self.pass_stops(offset)
        cells = 10 + len(partial.cells) // 40
        self.weight += cells
        self.book.apply(partial)
        self.kpis.add(partial.kpi)
        self.touched.add(partial.kpi)
        return cells

    def pass_stops(self, offset: int) -> None:
        """Take the news where it was taken before, up to ``offset``."""
        while self._stops and self._stops[0] <= offset:
            assert self.book is not None
            stop = self._stops.popleft()
            values = self.book.advance()
            if not self._stops:
                step = Step(self._sequence, (stop,), (stop,), b"")
                self.announcement = Announcement(step, values, 0, recorded=True)
                self.weight = 0

    def announce(self) -> Announcement | None:
        """Take what has become final or was corrected; None where nothing was read since the last time."""
        if self.rebuilding or self.next == self._recorded:
            return None
        assert self.book is not None
        self._sequence += 1
        step = Step(self._sequence, (self._recorded,), (self.next,), b"", self.weight)
        self._recorded, self.weight = self.next, 0
        self.announcement = Announcement(step, self.book.advance(), len(self.letters))
        return self.announcement
