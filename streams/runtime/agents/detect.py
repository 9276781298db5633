"""The ``detect`` agent: partials in, KPI values out.

It merges the partials of all source partitions into series, tells the KPI topic what has become final or was
corrected, tells it and the metrics how things stand, and is where detection will listen. Where it takes its news is
recorded in a state log before the news is told; see :mod:`streams.runtime.agents.series`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec
import structlog
from faust.types import TP

from streams.config import Config
from streams.errors import ContractError
from streams.events.codec import Rejection
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike, highwater
from streams.runtime.agents.ledger import Ledger, NotRecorded
from streams.runtime.agents.recovery import Recovery
from streams.runtime.agents.revival import Revived
from streams.runtime.agents.series import Announcement, SeriesPartition
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record, Send, deliver
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import Appends
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

log = structlog.get_logger(__name__)

BREATHE_EVERY = 5_000
"""Cells applied before others get a turn."""
TOLD_EVERY = 2.0
"""Seconds between two provisional values of a series."""
TOLD_AGAIN_MS = 60_000
"""A rolling value that stays the same is told again when its window has moved so far."""
MOST_REPLAYED = 2_000_000
"""Cells of a partition that a recovery applies again, at most: then a snapshot is due."""


class Detect:
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
        self.topic, self._kpis_topic = names.partials, names.kpis
        self._consumer, self._send, self._metrics = consumer, send, metrics
        self._clock, self._told_every = clock, told_every
        self._ledger = Ledger(state_log, MOST_REPLAYED, clock)
        self._recovery = Recovery(self._ledger, revive, self._came_back, metrics.recovered, "detect", clock)
        self._partitions: dict[int, SeriesPartition] = {}
        self._committed: dict[TP, int] = {}
        self._uncommitted: dict[TP, int] = {}
        self._fresh: dict[str, list[KpiValue]] = {}
        self._told: dict[str, KpiValue] = {}
        self._told_at = clock()
        self._flushing = asyncio.Lock()

    # -- where to read ------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions of the partials topic are ours now, and no others."""
        self.revoked()
        kept = self._partitions.keys() & numbers
        for number in self._partitions.keys() - numbers:
            self._recovery.cancel(number)
            self._forget(self._partitions.pop(number))
        for number in numbers - kept:
            self._begin(number)
        self._recovery.check({number for number in kept if self._partitions[number].book is not None}, self._checked)

    def revoked(self) -> None:
        """Record and publish nothing final until it is known that nobody else has."""
        for partition in self._partitions.values():
            partition.trusted = False

    def _checked(self, unchanged: set[int], checked: set[int]) -> None:
        for number in checked & self._partitions.keys():
            if number in unchanged:
                self._partitions[number].trusted = True
            else:
                self._restart(self._partitions[number])

    def wanted(self, tp: TP) -> int:
        """The offset to read on from."""
        partition = self._partitions.get(tp.partition)
        return 0 if partition is None else partition.next

    def placed(self, tp: TP, position: Position) -> None:
        """The partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None or partition.book is None:
            return
        if position.offset > partition.next:
            log.warning("partials are gone that were not read", partition=tp.partition)
        partition.place(position.offset, position.epoch)

    def _begin(self, number: int) -> None:
        self._partitions[number] = SeriesPartition(number, self._clock())
        self._recovery.begin(number)

    async def _came_back(self, number: int, revived: Revived) -> None:
        self._partitions[number].begin(*revived, now=self._clock())
        await self._place(number)

    def _restart(self, partition: SeriesPartition) -> None:
        """Read a partition's state again."""
        if self._ours(partition):
            self._forget(partition)
            self._begin(partition.number)

    def _forget(self, partition: SeriesPartition) -> None:
        self._metrics.kpis.forget(partition.kpis)
        for kpi in partition.kpis:
            self._fresh.pop(kpi, None)
        self._told = {series: value for series, value in self._told.items() if value.kpi not in partition.kpis}

    def _ours(self, partition: SeriesPartition) -> bool:
        return self._partitions.get(partition.number) is partition

    async def _place(self, number: int) -> None:
        tp = TP(self.topic, number)
        self._consumer().resume_partitions([tp])
        await self._rewind(tp)

    async def _rewind(self, tp: TP) -> None:
        try:
            await self._consumer().rewind([tp])
        except Exception as error:
            log.warning("cannot seek now", error=str(error) or type(error).__name__)

    async def close(self) -> None:
        """Stop reading states."""
        await self._recovery.close()

    # -- partials in --------------------------------------------------------------------------------------------

    async def take(self, chunk: Chunk) -> None:
        """Apply a chunk of partials, giving others a turn in between. Nothing in it raises."""
        partition = self._partitions.get(chunk.tp.partition)
        if partition is None:
            return
        if partition.book is None:  # nothing of it is wanted until its state has been read
            self._consumer().pause_partitions([chunk.tp])
            return
        if partition.epoch != chunk.epoch:
            return
        if partition.starts_anew(chunk.start, highwater(self._consumer(), chunk.tp)):
            log.warning("the log ends before what was read of it, read from its beginning", topic=chunk.tp.topic)
        if chunk.start > partition.next:
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=partition.number)
            await self._rewind(chunk.tp)
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
            letter = dead_letter(self.topic, partition.number, offset, key, value, rejection)
            partition.letters.append(letter)
            self._metrics.dead_letters.labels(self.topic, rejection.code).inc()

    # -- values out ---------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Compute the values of what has news, show them in the metrics, record and publish them."""
        async with self._flushing:
            for partition in list(self._partitions.values()):
                if partition.book is None:
                    continue
                if partition.epoch is None:
                    await self._place_again(partition)
                elif partition.current(highwater(self._consumer(), TP(self.topic, partition.number))):
                    await self._compute(partition)
            self._metrics.series.set(sum(p.book.series for p in self._partitions.values() if p.book is not None))
            await asyncio.gather(*(self._announce(partition) for partition in list(self._partitions.values())))
            await self._tell()
            news = {tp: offset for tp, offset in self._uncommitted.items() if self._committed.get(tp) != offset}
            if news and await self._consumer().commit_published(news):
                self._committed |= news
                self._uncommitted.clear()

    async def _compute(self, partition: SeriesPartition) -> None:
        assert partition.book is not None
        touched, partition.touched = sorted(partition.touched), set()
        values: dict[str, list[KpiValue]] = {}
        for kpi in touched:
            values[kpi] = partition.book.current([kpi])
            await asyncio.sleep(0)
        if values and self._ours(partition):
            self._metrics.kpis.tell(values)
            self._fresh |= values

    async def _announce(self, partition: SeriesPartition) -> None:
        """What has become final, in steps each of which is taken up again where it failed."""
        if not partition.trusted or not self._ours(partition):
            return
        news = partition.announcement or self._take_news(partition)
        if news is None:
            return
        try:
            await deliver(self._send, partition.letters[: news.letters])
            del partition.letters[: news.letters]
            news.letters = 0
            if not news.recorded:
                await self._ledger.step(partition.number, news.step)
                news.recorded = True
            await deliver(self._send, (self._record(value) for value in news.values))
            partition.announcement = None
            self._uncommitted[TP(self.topic, partition.number)] = news.step.end[0]
            if news.snapshot is not None:
                await self._ledger.snapshot(partition.number, news.step.sequence, news.step.end, news.snapshot)
        except NotRecorded as error:
            log.warning("state not recorded, it is read again", partials=partition.number, error=str(error))
            self._restart(partition)
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("values not published, trying again", error=str(error) or type(error).__name__)

    def _take_news(self, partition: SeriesPartition) -> Announcement | None:
        news = partition.announce()
        if news is not None and self._ledger.worked(partition.number, news.step.weight):
            assert partition.book is not None
            news.snapshot = partition.book.state()
        return news

    async def _tell(self) -> None:
        """The provisional values that have changed, every few seconds."""
        if self._clock() - self._told_at < self._told_every:
            return
        told = dict(self._changed())
        try:
            await deliver(self._send, (self._record(value) for value in told.values()))
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("values not published, trying again", error=str(error) or type(error).__name__)
            return
        self._told |= told
        self._told_at = self._clock()
        self._fresh.clear()

    def _changed(self) -> Iterator[tuple[str, KpiValue]]:
        """The provisional values that are not what was told last, by series."""
        for values in self._fresh.values():
            for value in values:
                if _is_news(value, self._told.get(value.series)):
                    yield value.series, value

    def _record(self, value: KpiValue) -> Record:
        return Record(self._kpis_topic, value.series.encode(), value.encode())

    async def _place_again(self, partition: SeriesPartition) -> None:
        if self._clock() - partition.begun > PLACED_WITHIN:
            partition.begun = self._clock()
            await self._place(partition.number)


def _is_news(value: KpiValue, told: KpiValue | None) -> bool:
    if told is None or value.end - told.end >= TOLD_AGAIN_MS or (value.start != told.start and not value.rolling):
        return True
    return msgspec.structs.replace(value, start=told.start, end=told.end) != told
