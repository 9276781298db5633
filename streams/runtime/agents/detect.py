"""The ``detect`` agent: partials in, KPI values out.

It merges the partials of all source partitions into series, tells the KPI topic what has become final or was
corrected, tells it and the metrics how things stand, and is where detection will listen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
import structlog
from faust.types import TP

from streams.config import Config
from streams.errors import ContractError
from streams.events.codec import Rejection
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike, highwater
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record, Send, deliver
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

log = structlog.get_logger(__name__)

BREATHE_EVERY = 5_000
"""Cells applied before others get a turn."""
TOLD_EVERY = 2.0
"""Seconds between two provisional values of a series."""
TOLD_AGAIN_MS = 60_000
"""A rolling value that stays the same is told again when its window has moved so far."""


class BookLike(Protocol):
    """What is used of a :class:`~streams.kpis.book.SeriesBook`."""

    @property
    def series(self) -> int: ...
    def apply(self, partial: Partial) -> None: ...
    def advance(self) -> list[KpiValue]: ...
    def current(self, kpis: list[str]) -> list[KpiValue]: ...


class SeriesPartition:
    """One partition of the partials topic: the series of the KPIs whose key falls there."""

    def __init__(self, number: int, book: BookLike, now: float) -> None:
        self.number, self.book = number, book
        self.next: int | None = None
        self.epoch = 0
        self.published = 0
        """What is below has been told, by this worker or another one before."""
        self.kpis: set[str] = set()
        self.touched: set[str] = set()
        """KPIs with news since their values were last computed."""
        self.news: list[Record] = []
        """Final and corrected values not yet acknowledged."""
        self.reached: int | None = None
        """Where those come from: everything below."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.due = False
        """Whether the book may have final values that were not asked for."""
        self.asked = False
        """Whether its position was asked of this object: a seek under way may have been for the one
        before."""
        self.placed_at = now

    @property
    def rebuilding(self) -> bool:
        """Whether what it knows is older than what was told."""
        return self.next is None or self.next < self.published

    def passed(self, offset: int) -> None:
        """Everything below ``offset`` has been applied.

        What follows from it was told before as long as that was published. It is let go after each partial:
        so a value's revision is never lower than the one it was told with, whatever was told of together
        then.
        """
        if offset <= self.published:
            self.book.advance()
        self.next = offset


class Detect:
    """The series of one worker. ``make_book`` gives an empty series book."""

    def __init__(
        self,
        config: Config,
        make_book: Callable[[], BookLike],
        consumer: Callable[[], ConsumerLike],
        send: Send,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        told_every: float = TOLD_EVERY,
    ) -> None:
        names = TopicNames(config.namespace)
        self.topic, self._kpis_topic = names.partials, names.kpis
        self._make_book, self._consumer, self._send, self._metrics = make_book, consumer, send, metrics
        self._clock, self._told_every = clock, told_every
        self._partitions: dict[int, SeriesPartition] = {}
        self._committed: dict[TP, int] = {}
        self._fresh: dict[str, list[KpiValue]] = {}
        self._told: dict[str, KpiValue] = {}
        self._told_at = clock()
        self._flushing = asyncio.Lock()

    # -- where to read ------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions of the partials topic are ours now, and no others."""
        for number in self._partitions.keys() - numbers:
            gone = self._partitions.pop(number)
            self._metrics.kpis.forget(gone.kpis)
            for kpi in gone.kpis:
                self._fresh.pop(kpi, None)
            self._told = {series: value for series, value in self._told.items() if value.kpi not in gone.kpis}
        for number in numbers - self._partitions.keys():
            self._partitions[number] = SeriesPartition(number, self._make_book(), self._clock())

    def wanted(self, tp: TP) -> int | None:
        """The offset to read on from; None for the beginning."""
        partition = self._partitions.get(tp.partition)
        if partition is None:
            return None
        partition.asked = True
        return partition.next

    def placed(self, tp: TP, position: Position) -> None:
        """The partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None or not partition.asked:
            return
        partition.epoch = position.epoch
        partition.next = max(position.offset, partition.next or 0)
        partition.published = max(partition.published, position.committed)
        self._committed[tp] = position.committed

    # -- partials in --------------------------------------------------------------------------------------------

    async def take(self, chunk: Chunk) -> None:
        """Apply a chunk of partials, giving others a turn in between. Nothing in it raises."""
        partition = self._partitions.get(chunk.tp.partition)
        if partition is None or partition.epoch != chunk.epoch or partition.next is None:
            return
        if chunk.start > partition.next:
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=partition.number)
            await self._rewind(chunk.tp)
            return
        end = highwater(self._consumer(), chunk.tp)
        if end is not None and end < partition.published:
            partition.published = 0  # the topic was deleted and made again, its group was not
        cells = 0
        for place, offset in enumerate(chunk.offsets.tolist()):
            if offset < partition.next:
                continue
            cells += self._apply(partition, chunk, place)
            partition.passed(offset + 1)
            if cells >= BREATHE_EVERY:
                cells = 0
                await asyncio.sleep(0)
                if self._partitions.get(partition.number) is not partition or partition.epoch != chunk.epoch:
                    return
        partition.next = max(partition.next, chunk.end)

    def _apply(self, partition: SeriesPartition, chunk: Chunk, place: int) -> int:
        """Apply one partial; how much work it was, in cells."""
        raw = chunk.values[place]
        try:
            partial = Partial.decode(raw or b"")
            partition.book.apply(partial)
        except Exception as error:
            code = "malformed_partial" if isinstance(error, ContractError) else "processing_failed"
            self._set_aside(partition, chunk, place, Rejection(reason=f"{error}", code=code))
            return 10
        partition.kpis.add(partial.kpi)
        partition.touched.add(partial.kpi)
        partition.due = True
        return 10 + len(partial.cells) // 40

    def _set_aside(self, partition: SeriesPartition, chunk: Chunk, place: int, rejection: Rejection) -> None:
        offset = int(chunk.offsets[place])
        log.error("a partial cannot be applied", partition=partition.number, offset=offset, error=rejection.reason)
        if offset >= partition.published:
            key, value = chunk.keys[place], chunk.values[place]
            letter = dead_letter(self.topic, partition.number, offset, key, value, rejection)
            partition.letters.append(letter)
            self._metrics.dead_letters.labels(self.topic, rejection.code).inc()

    # -- values out ---------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Compute the values of what has news, show them in the metrics, publish them."""
        async with self._flushing:
            for partition in list(self._partitions.values()):
                if partition.next is None:
                    await self._replace(partition)
                elif not partition.rebuilding:
                    await self._compute(partition)
            self._metrics.series.set(sum(partition.book.series for partition in self._partitions.values()))
            await self._publish()

    async def _compute(self, partition: SeriesPartition) -> None:
        if partition.due and not partition.news:
            partition.due, partition.reached = False, partition.next
            partition.news = [self._record(value) for value in partition.book.advance()]
            await asyncio.sleep(0)
        touched, partition.touched = sorted(partition.touched), set()
        values: dict[str, list[KpiValue]] = {}
        for kpi in touched:
            values[kpi] = partition.book.current([kpi])
            await asyncio.sleep(0)
        if values:
            self._metrics.kpis.tell(values)
            self._fresh |= values

    async def _publish(self) -> None:
        partitions = list(self._partitions.values())
        counts = [(p, len(p.letters), len(p.news), p.reached) for p in partitions]
        records = [record for p in partitions for record in (*p.letters, *p.news)]
        due = self._clock() - self._told_at >= self._told_every
        told = dict(self._changed()) if due else {}
        try:
            await deliver(self._send, records)
            await deliver(self._send, (self._record(value) for value in told.values()))
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("values not published, trying again", error=str(error) or type(error).__name__)
            return
        if due:
            self._told |= told
            self._told_at = self._clock()
            self._fresh.clear()
        reached: dict[TP, int] = {}
        for partition, letters, news, offset in counts:
            del partition.letters[:letters]
            del partition.news[:news]
            tp = TP(self.topic, partition.number)
            if offset is not None and self._committed.get(tp) != offset:
                partition.published = max(partition.published, offset)
                reached[tp] = offset
        if reached and await self._consumer().commit_published(reached):
            self._committed |= reached

    def _changed(self) -> Iterator[tuple[str, KpiValue]]:
        """The provisional values that are not what was told last, by series."""
        for values in self._fresh.values():
            for value in values:
                if _is_news(value, self._told.get(value.series)):
                    yield value.series, value

    def _record(self, value: KpiValue) -> Record:
        return Record(self._kpis_topic, value.series.encode(), value.encode())

    async def _replace(self, partition: SeriesPartition) -> None:
        if self._clock() - partition.placed_at > PLACED_WITHIN:
            partition.placed_at = self._clock()
            await self._rewind(TP(self.topic, partition.number))

    async def _rewind(self, tp: TP) -> None:
        try:
            await self._consumer().rewind([tp])
        except Exception as error:
            log.warning("cannot seek now", error=str(error) or type(error).__name__)


def _is_news(value: KpiValue, told: KpiValue | None) -> bool:
    if told is None or value.end - told.end >= TOLD_AGAIN_MS or (value.start != told.start and not value.rolling):
        return True
    return msgspec.structs.replace(value, start=told.start, end=told.end) != told
