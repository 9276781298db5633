"""What a worker shows of the business, as it was at one time of history after another.

The collectors are the worker's own: they are told the same kind of values, and asked as for a scrape.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from detectors.incidents.incident import Incident
from streams import __version__
from streams.kpis.values import KpiValue
from streams.runtime.metrics import Metrics

if TYPE_CHECKING:
    from streams.config import Config


class Exporter:
    """What becomes known at a time is put in beforehand, and shown from then on."""

    def __init__(self, config: Config) -> None:
        self._metrics = Metrics(CollectorRegistry(), config.kpis, __version__)
        self._metrics.incidents.tell([])
        self._incidents: dict[str, Incident] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self._steady: list[Metric] = []

    def judged(self, values: Iterable[KpiValue]) -> None:
        """Put in what detection makes of grains: each is known when it ends."""
        by_end = defaultdict[int, list[KpiValue]](list)
        for value in values:
            if not value.rolling:
                by_end[value.end].append(value)
        for end, several in by_end.items():
            self._put(end, partial(self._judge, several))

    def incidents(self, time: int, incidents: list[Incident]) -> None:
        """Put in incidents as they are from a time on, epoch ms."""
        self._put(time, partial(self._note, incidents))

    def reach(self, time: int) -> None:
        """Go on to a time, epoch ms; times must not descend."""
        while self._due and self._due[0][0] <= time:
            heapq.heappop(self._due)[2]()
            self._steady = []

    def show(self, values: Mapping[str, Iterable[KpiValue]]) -> Iterator[Metric]:
        """What a scrape finds, given what each KPI is worth over its windows. A metric that is as it was the last time
        is the same object."""
        shown = self._metrics
        shown.kpis.tell(values)
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
