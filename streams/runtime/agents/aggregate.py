"""The ``aggregate`` agent: events of the three event topics in, partial aggregates and dead letters out.

A partition's results are published in this order: records sent, their acknowledgements awaited, then the
offsets they are made from committed. Committed offsets are a hint for the next owner ("published up to
here"), never where it reads on from: a kernel's state comes from its log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from faust.types import TP

from streams.config import Config
from streams.events.codec import ChunkDecoder, Rejection
from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike, highwater
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.agents.source import KernelLike, SourcePartition
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send, deliver
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

log = structlog.get_logger(__name__)

MOST_LETTERS = 1_000
"""Dead letters that wait for the next flush; more of them bring it forward."""


class Aggregate:
    """The source partitions of one worker. ``make_kernel`` gives a fresh kernel for a partition number."""

    def __init__(
        self,
        config: Config,
        make_kernel: Callable[[int], KernelLike],
        consumer: Callable[[], ConsumerLike],
        send: Send,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = TopicNames(config.namespace)
        self.topics: Sequence[str] = names.events
        self._partials_topic = names.partials
        self._pane_ms = config.time.pane
        self._idle_after = config.time.idle_after / 1000
        self._family = {topic: family for family, topic in enumerate(self.topics)}
        size = config.limits.event_bytes
        self._decoders = [ChunkDecoder(family, size) for family in ("orders", "deliveries", "support")]
        self._make_kernel, self._consumer, self._send, self._metrics = make_kernel, consumer, send, metrics
        self._clock = clock
        self._partitions: dict[int, SourcePartition] = {}
        self._committed: dict[TP, int] = {}
        self._flushing = asyncio.Lock()

    # -- where to read ------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions are ours now. Kernels of those we had are kept: they read on where they are."""
        for number in self._partitions.keys() - numbers:
            del self._partitions[number]
            self._metrics.dropped(number, self.topics)
        for number in sorted(numbers - self._partitions.keys()):
            self._begin(number, Poison())
        self._metrics.assigned.set(len(numbers))

    def wanted(self, tp: TP) -> int | None:
        """The offset to read on from; None for the beginning."""
        partition = self._partitions.get(tp.partition)
        return None if partition is None else partition.next[self._family[tp.topic]]

    def placed(self, tp: TP, position: Position) -> None:
        """The topic's partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None:
            return
        self._committed[tp] = position.committed
        if not partition.place(self._family[tp.topic], position):
            log.warning("records are gone that were not read", topic=tp.topic, partition=tp.partition)

    def _begin(self, number: int, poison: Poison) -> SourcePartition:
        partition = SourcePartition(
            *(number, self.topics, self._make_kernel(number), self._decoders),
            *(self._metrics, poison, self._clock),
        )
        self._partitions[number] = partition
        return partition

    # -- events in ----------------------------------------------------------------------------------------------

    async def take(self, chunk: Chunk) -> None:
        """Fold a chunk, giving others a turn in between. Nothing in it raises."""
        number, family = chunk.tp.partition, self._family[chunk.tp.topic]
        partition = self._partitions.get(number)
        if partition is None or not partition.expects(family, chunk):
            return
        if chunk.start > (partition.next[family] or 0):
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=number)
            await self._rewind([chunk.tp])
            return
        if (end := highwater(self._consumer(), chunk.tp)) is not None:
            partition.ends_at(family, end)
        try:
            for start, stop in partition.slices(family, chunk):
                partition.fold(family, chunk, start, stop)
                await asyncio.sleep(0)
                if self._partitions.get(number) is not partition or not partition.expects(family, chunk):
                    return
            partition.finish(family, chunk)
        except Failure as failure:
            await self._rebuild(partition, chunk, failure)
        if len(partition.letters) > MOST_LETTERS:
            await self.flush()

    async def _rebuild(self, partition: SourcePartition, chunk: Chunk, failure: Failure) -> None:
        """Begin again without what the kernel failed on."""
        log.error(
            "the kernel failed, its state is rebuilt",
            topic=chunk.tp.topic,
            partition=partition.number,
            first=failure.first,
            last=failure.last,
            exc_info=failure.__cause__,
        )
        if partition.poison.note(failure):
            place = int((chunk.offsets == failure.first).argmax())
            rejection = Rejection(reason=str(failure), code="processing_failed")
            partition.set_aside(failure.family, chunk, place, rejection, attempts=2)
        fresh = self._begin(partition.number, partition.poison)
        fresh.letters, fresh.published = partition.letters, partition.published
        await self._rewind([TP(topic, partition.number) for topic in self.topics])

    async def _rewind(self, tps: Iterable[TP]) -> None:
        try:
            await self._consumer().rewind(tps)
        except Exception as error:  # a rebalance is under way, or the broker is; flush() comes back to it
            log.warning("cannot seek now", error=str(error) or type(error).__name__)

    # -- results out --------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Publish what has changed, then commit. What cannot be published now is kept for the next time."""
        async with self._flushing:
            partitions = list(self._partitions.values())
            for partition in partitions:
                await self._tend(partition)
                if not partition.partials:
                    partition.drain(self._partials_topic, self._pane_ms)
                await asyncio.sleep(0)
            batches = [(p, len(p.letters), len(p.partials)) for p in partitions]
            records = [record for p in partitions for record in (*p.letters, *p.partials)]
            try:
                await deliver(self._send, records)
            except Exception as error:
                self._metrics.publish_failures.inc()
                log.warning("results not published, trying again", error=str(error) or type(error).__name__)
                return
            reached: dict[TP, int] = {}
            for partition, letters, partials in batches:
                del partition.letters[:letters]
                del partition.partials[:partials]
                if (offsets := partition.settle()) is not None:
                    reached |= {
                        TP(topic, partition.number): offset for topic, offset in zip(self.topics, offsets, strict=True)
                    }
            news = {tp: offset for tp, offset in reached.items() if self._committed.get(tp) != offset}
            if news and await self._consumer().commit_published(news):
                self._committed |= news

    async def _tend(self, partition: SourcePartition) -> None:
        """What is due at each flush: silent topics, metrics, a seek that did not happen."""
        tps = [TP(topic, partition.number) for topic in self.topics]
        if None in partition.next:
            if self._clock() - partition.begun > PLACED_WITHIN:
                partition.begun = self._clock()
                await self._rewind(tps)
            return
        ends = [highwater(self._consumer(), tp) for tp in tps]
        partition.mark_idle(ends, self._idle_after)
        number = str(partition.number)
        for tp, end, at in zip(tps, ends, partition.next, strict=True):
            if end is not None:
                self._metrics.lag.labels(tp.topic, number).set(max(0, end - (at or 0)))
        if (watermark := partition.kernel.watermark) is not None:
            self._metrics.watermark.labels(number).set(watermark / 1000)
        self._metrics.open_cases.labels(number).set(partition.kernel.open_cases)
