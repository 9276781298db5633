"""The ``detect`` agent: partials in, KPI values out.

It merges the partials of all source partitions into series, tells the KPI topic what has become final or was
corrected, judged by what is usual, and tells it and the metrics how things stand. Where it takes its news is
recorded in a state log before the news is told; see :mod:`streams.runtime.agents.series`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec
import structlog

from streams.config import Config
from streams.errors import ContractError
from streams.events.codec import Rejection
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents.consumer import ConsumerLike, highwater
from streams.runtime.agents.owned import Publication
from streams.runtime.agents.owner import Taker
from streams.runtime.agents.revival import Revived
from streams.runtime.agents.series import SeriesPartition, told
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send, deliver
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import Appends
from streams.runtime.topics import TopicNames

log = structlog.get_logger(__name__)

BREATHE_EVERY = 5_000
"""Cells applied before others get a turn."""
TOLD_EVERY = 2.0
"""Seconds between two provisional values of a series."""
TOLD_AGAIN_MS = 60_000
"""A rolling value that stays the same is told again when its window has moved so far."""
MOST_REPLAYED = 2_000_000
"""Cells of a partition that a recovery applies again, at most: then a snapshot is due."""


class Detect(Taker[SeriesPartition, Revived]):
    """The series of one worker. ``revive`` gives the book that a chain of the series' state log leads to."""

    def __init__(
        self,
        config: Config,
        revive: Callable[[int, Chain], Revived],
        state_log: Appends,
        consumer: Callable[[], ConsumerLike],
        send: Send,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        told_every: float = TOLD_EVERY,
    ) -> None:
        names = TopicNames(config.namespace)
        topics = (names.partials,)
        super().__init__("detect", topics, revive, state_log, MOST_REPLAYED, consumer, send, metrics, clock)
        self._kpis_topic = names.kpis
        self._told_every = told_every
        self._fresh: dict[str, list[KpiValue]] = {}
        self._told: dict[str, KpiValue] = {}
        self._told_at = clock()

    def _new(self, number: int, before: SeriesPartition | None) -> SeriesPartition:
        return SeriesPartition(number, self._kpis_topic, self._clock())

    def _begin(self, partition: SeriesPartition, made: Revived) -> int:
        partition.begin(*made)
        return made.sequence

    def _forget(self, partition: SeriesPartition) -> None:
        self._metrics.kpis.forget(partition.kpis)
        self._metrics.judged.forget(partition.kpis)
        for kpi in partition.kpis:
            self._fresh.pop(kpi, None)
        self._told = {series: value for series, value in self._told.items() if value.kpi not in partition.kpis}

    # -- partials in --------------------------------------------------------------------------------------------

    async def _take(self, partition: SeriesPartition, chunk: Chunk) -> None:
        if partition.failed or partition.epoch != chunk.epoch:
            return
        if partition.begins_anew(chunk.start, highwater(self._consumer(), chunk.tp)):
            log.warning("the log ends before what was read of it, read from its beginning", topic=chunk.tp.topic)
        if chunk.start > partition.next:
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=partition.number)
            await self._rewind([chunk.tp])
            return
        cells = 0
        for place, offset in enumerate(chunk.offsets.tolist()):
            if offset < partition.next:
                continue
            cells += self._apply(partition, chunk, place)
            partition.next = offset + 1
            if cells >= BREATHE_EVERY:
                cells = 0
                await asyncio.sleep(0)
                if not self._ours(partition) or partition.epoch != chunk.epoch:
                    return
        partition.next = max(partition.next, chunk.end)
        partition.pass_stops(partition.next)

    def _apply(self, partition: SeriesPartition, chunk: Chunk, place: int) -> int:
        """Apply one partial; how much work it was, in cells."""
        try:
            return partition.apply(int(chunk.offsets[place]), Partial.decode(chunk.values[place] or b""))
        except Exception as error:
            code = "malformed_partial" if isinstance(error, ContractError) else "processing_failed"
            self._set_aside(partition, chunk, place, Rejection(reason=f"{error}", code=code))
            return 10

    def _set_aside(self, partition: SeriesPartition, chunk: Chunk, place: int, rejection: Rejection) -> None:
        offset = int(chunk.offsets[place])
        log.error("a partial cannot be applied", partition=partition.number, offset=offset, error=rejection.reason)
        if not partition.rebuilding:
            key, value = chunk.keys[place], chunk.values[place]
            letter = dead_letter(chunk.tp.topic, partition.number, offset, key, value, rejection)
            partition.letters.append(letter)
            self._metrics.dead_letters.labels(chunk.tp.topic, rejection.code).inc()

    # -- values out ---------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Compute the values of what has news, show them in the metrics, record and publish them."""
        async with self._flushing:
            for partition in [one for one in self._partitions.values() if one.recovered]:
                try:
                    await self._compute(partition)
                except Exception as error:
                    self._broke(partition, error)
            self._metrics.series.set(sum(p.book.series for p in self._partitions.values() if p.book is not None))
            await self._publish()
            self._show_judged()
            await self._tell()

    def _news(self, partition: SeriesPartition) -> Publication | None:
        begun = self._clock()
        publication = super()._news(partition)
        if publication is not None:
            self._metrics.detector.observe(self._clock() - begun)
        return publication

    def _show_judged(self) -> None:
        for partition in self._partitions.values():
            judged, partition.judged = partition.judged, []
            alerts, partition.alerts = partition.alerts, []
            self._metrics.judged.tell(judged)
            for value in alerts:
                self._metrics.judged.alerts.labels(value.kpi).inc()
                log.warning("alert", series=value.series, surprise=value.surprise, why=value.why, start=value.start)

    async def _compute(self, partition: SeriesPartition) -> None:
        (tp,) = self._tps(partition)
        if not await self._is_placed(partition) or not partition.current(
            highwater(self._consumer(), tp), self._clock()
        ):
            return
        assert partition.book is not None
        touched, partition.touched = sorted(partition.touched), set()
        values: dict[str, list[KpiValue]] = {}
        for kpi in touched:
            values[kpi] = partition.book.current([kpi])
            await asyncio.sleep(0)
        if values and self._ours(partition):
            self._metrics.kpis.tell(values)
            self._fresh |= values

    async def _tell(self) -> None:
        """The provisional values that have changed, every few seconds."""
        if self._clock() - self._told_at < self._told_every:
            return
        news = dict(self._changed())
        try:
            await deliver(self._send, (told(self._kpis_topic, value) for value in news.values()))
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("values not published, trying again", error=str(error) or type(error).__name__)
            return
        self._told |= news
        self._told_at = self._clock()
        self._fresh.clear()

    def _changed(self) -> Iterator[tuple[str, KpiValue]]:
        """The provisional values that are not what was told last, by series."""
        for values in self._fresh.values():
            for value in values:
                if _is_news(value, self._told.get(value.series)):
                    yield value.series, value


def _is_news(value: KpiValue, told: KpiValue | None) -> bool:
    if told is None or value.end - told.end >= TOLD_AGAIN_MS or (value.start != told.start and not value.rolling):
        return True
    return msgspec.structs.replace(value, start=told.start, end=told.end) != told
