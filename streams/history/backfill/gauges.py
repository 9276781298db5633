"""The gauges of history while it is replayed: every window at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
from prometheus_client.metrics_core import Metric

from streams.history.backfill.exporter import Exporter
from streams.history.backfill.in_order import InOrder
from streams.history.replay.engine import News
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.partials import Partial

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
        self._exporter = Exporter(config)
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
        self._exporter.judged(news.values)
        self._last = max([self._last, *(value.end for value in news.values if not value.rolling)])
        if news.incidents:
            self._exporter.incidents(self._last, news.incidents)

    def end(self) -> None:
        """There is nothing more to come."""
        self._cells.end()

    def skip(self, time: int) -> None:
        """Go on to a time, which must be settled, without looking."""
        for one in self._cells.until(time):
            self._book.apply(one)
        self._book.advance()
        self._exporter.reach(time)

    def at(self, time: int) -> Iterator[Metric]:
        """What was shown at a time, epoch ms; times must ascend by multiples of a pane, and be settled."""
        self.skip(time)
        return self._exporter.show({name: self._book.current([name]) for name in self._kpis})
