"""The gauges that a worker shows of the business, as they were at one time of history after another.

They are the worker's own: the same collectors are told the same kind of values, and asked as for a scrape.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from detectors.incidents.incident import Incident
from streams import __version__
from streams.history.backfill.in_order import InOrder
from streams.history.replay.engine import News
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.metrics import Metrics

if TYPE_CHECKING:
    from streams.config import Config


class Gauges:
    """For so many source ``partitions``, whose panes are those of ``definitions``.

    A window is what it was worth at its end, late events included, which live could not know then. What was expected,
    how strange it was, alerts and incidents are there from the end of the grain on that told of them.
    """

    def __init__(self, config: Config, definitions: Definitions, partitions: int) -> None:
        self._cells = InOrder(partitions, definitions.pane_ms, definitions.allowed_lateness_ms)
        # What it is told is settled, so nothing has to be kept for corrections.
        self._book = SeriesBook(msgspec.structs.replace(definitions, allowed_lateness_ms=0), 1)
        self._kpis = [kpi.name for kpi in definitions.kpis]
        self._metrics = Metrics(CollectorRegistry(), config.kpis, __version__)
        self._metrics.incidents.tell([])
        self._incidents: dict[str, Incident] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self._steady: list[Metric] = []
        self._last = 0

    @property
    def began(self) -> int | None:
        """The earliest event's time, epoch ms."""
        return self._cells.began

    @property
    def settled(self) -> int | None:
        """The time up to which :meth:`at` can be asked, as :attr:`InOrder.settled`."""
        return self._cells.settled

    def take(self, partials: Iterable[Partial], news: News) -> None:
        """Take in what a partition tells, and what came of it."""
        self._cells.take(partials)
        by_end = defaultdict[int, list[KpiValue]](list)
        for value in news.values:
            if not value.rolling:
                by_end[value.end].append(value)
        for end, values in by_end.items():
            self._put(end, partial(self._judge, values))
        self._last = max(self._last, *by_end) if by_end else self._last
        if news.incidents:
            self._put(self._last, partial(self._note, news.incidents))

    def end(self) -> None:
        """There is nothing more to come."""
        self._cells.end()

    def skip(self, time: int) -> None:
        """Go on to a time, which must be settled, without looking."""
        for one in self._cells.until(time):
            self._book.apply(one)
        self._book.advance()
        while self._due and self._due[0][0] <= time:
            heapq.heappop(self._due)[2]()
            self._steady = []

    def at(self, time: int) -> Iterator[Metric]:
        """What was shown at a time, epoch ms; times must ascend by multiples of a pane, and be settled. What is as it
        was at the time before is the same object."""
        self.skip(time)
        shown = self._metrics
        shown.kpis.tell({name: self._book.current([name]) for name in self._kpis})
        yield from shown.kpis.collect()
        if not self._steady:
            for collector in (shown.judged, shown.judged.alerts, shown.incidents, shown.goal, shown.build):
                self._steady += collector.collect()
        yield from self._steady

    def _put(self, time: int, tell: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._number), tell))

    def _judge(self, values: list[KpiValue]) -> None:
        self._metrics.judged.tell(values)
        for value in values:
            if value.alert:
                self._metrics.judged.alerts.labels(value.kpi).inc()

    def _note(self, incidents: list[Incident]) -> None:
        self._incidents.update((one.id, one) for one in incidents)
        self._incidents = {id_: one for id_, one in self._incidents.items() if one.live}
        self._metrics.incidents.tell(self._incidents.values())
