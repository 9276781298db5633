"""Events through kernels and a series book, cut and shuffled as a test wishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

from streams.events.types import BusinessEvent, SourceHeartbeat
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Kernel, Outcome
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from tests.support.oracle import Key
from tests.support.shop import family_of, feed, heartbeat


class Pipeline:
    """Kernels of some partitions and the book behind them. ``told`` keeps each value's newest revision."""

    def __init__(self, definitions: Definitions, partitions: int = 1, plan: Plan | None = None) -> None:
        self.kernels = [Kernel(plan or Plan(definitions), partition) for partition in range(partitions)]
        self.book = SeriesBook(definitions, partitions)
        self.told: dict[Key, KpiValue] = {}
        self.history: list[KpiValue] = []
        self.outcomes: list[Outcome] = []

    def partition_of(self, subject: str) -> int:
        """Where the events of a key go."""
        return crc32(subject.encode()) % len(self.kernels)

    def feed(self, events: Sequence[BusinessEvent]) -> None:
        """One chunk: split by partition and topic, orders first."""
        for partition, kernel in enumerate(self.kernels):
            mine = [event for event in events if self.partition_of(event.subject) == partition]
            for family in range(3):
                chunk: list[BusinessEvent | None] = [event for event in mine if family_of(event) == family]
                if chunk:
                    self.outcomes.append(feed(kernel, family, chunk))

    def feed_topic(self, family: int, events: Sequence[BusinessEvent]) -> None:
        """One chunk of one topic, split by partition; heartbeats go to all of them."""
        for partition, kernel in enumerate(self.kernels):
            chunk: list[BusinessEvent | None] = [
                event
                for event in events
                if isinstance(event, SourceHeartbeat) or self.partition_of(event.subject) == partition
            ]
            if chunk:
                self.outcomes.append(feed(kernel, family, chunk))

    def heartbeat(self, time: int) -> None:
        """Every source vouches for everything up to ``time``."""
        for kernel in self.kernels:
            for family in range(3):
                feed(kernel, family, [heartbeat(time)])

    def drain(self) -> list[Partial]:
        """Partials from the kernels to the book, and what becomes final of them."""
        partials = [partial for kernel in self.kernels for partial in kernel.drain()]
        self.apply(partials)
        return partials

    def apply(self, partials: Iterable[Partial]) -> None:
        """Partials, as they come off the wire, to the book."""
        for partial in partials:
            self.book.apply(Partial.decode(partial.encode()))
        for value in self.book.advance():
            key = (value.kpi, value.stat, tuple(value.slice.items()), value.start)
            known = self.told.get(key)
            assert known is None or value.revision == known.revision + 1, (known, value)
            assert value.status == ("corrected" if value.revision else "final")
            self.told[key] = value
            self.history.append(value)

    def final(self, kpi: str, start: int, stat: str = "value", **slice_: str) -> KpiValue | None:
        """The newest final or corrected value of a grain; slices in the order of their definition."""
        return self.told.get((kpi, stat, tuple(slice_.items()), start))

    def now(self, kpi: str, span: str = "now", stat: str = "value", **slice_: str) -> KpiValue | None:
        """The provisional value of a rolling window, by default what a level stands at."""
        for value in self.book.current([kpi]):
            if value.rolling and (value.span, value.stat, value.slice) == (span, stat, slice_):
                return value
        return None

    def finals(self) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
        """The newest final or corrected value of each series and grain."""
        return {key: (value.value, value.parts) for key, value in self.told.items()}
