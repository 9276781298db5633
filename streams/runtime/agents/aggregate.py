"""The ``aggregate`` agent: events of the three event topics in, partial aggregates and dead letters out.

Publishing goes in this order, each step acknowledged before the next: the mark that says what will be
published, the partials and dead letters, the group's offsets. A partition's next owner reads its events from
the beginning, stops where the last mark says, and so says the same or nothing (see
:mod:`streams.runtime.agents.marks`). The committed offsets are for people and their tools.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from faust.types import TP

from streams.config import Config
from streams.errors import ContractError
from streams.events.codec import ChunkDecoder, Rejection
from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike, highwater
from streams.runtime.agents.marks import Mark
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.agents.source import KernelLike, SourcePartition
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record, Send, deliver
from streams.runtime.topics import TopicNames
from streams.runtime.transport import LAST_BATCH, Position

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
        edition: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = TopicNames(config.namespace)
        self.topics: Sequence[str] = names.events
        self.state_topic = names.state
        self._partials_topic = names.partials
        self._pane_ms = config.time.pane
        self._idle_after = config.time.idle_after / 1000
        self._family = {topic: family for family, topic in enumerate(self.topics)}
        size = config.limits.event_bytes
        self._decoders = [ChunkDecoder(family, size) for family in ("orders", "deliveries", "support")]
        self._make_kernel, self._consumer, self._send, self._metrics = make_kernel, consumer, send, metrics
        self._edition, self._owner = edition, secrets.token_hex(8)
        self._clock = clock
        self._partitions: dict[int, SourcePartition] = {}
        self._committed: dict[TP, int] = {}
        self._uncommitted: dict[TP, int] = {}
        self._flushing = asyncio.Lock()

    # -- where to read ------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions are ours now. Kernels of those we had are kept: they read on where they are."""
        for number in self._partitions.keys() - numbers:
            del self._partitions[number]
            self._metrics.dropped(number, self.topics)
        for number in sorted(numbers - self._partitions.keys()):
            self._begin(number, Poison())
        self.revoked()
        self._metrics.assigned.set(len(numbers))

    def revoked(self) -> None:
        """Publish nothing more until it is known that nobody else has."""
        for partition in self._partitions.values():
            partition.confirmed = False

    def wanted(self, tp: TP) -> int | None:
        """The offset to read on from; None for the beginning."""
        partition = self._partitions.get(tp.partition)
        if partition is not None:
            partition.asked.add(tp.topic)
        if tp.topic == self.state_topic:
            return LAST_BATCH
        return None if partition is None else partition.next[self._family[tp.topic]]

    def placed(self, tp: TP, position: Position) -> None:
        """The topic's partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None or tp.topic not in partition.asked:
            return
        if tp.topic == self.state_topic:
            partition.confirmed, partition.state_epoch = False, position.epoch
            if position.end <= position.offset:
                partition.contradicted = not partition.learn(None, self._edition)
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
        partition = self._partitions.get(chunk.tp.partition)
        if partition is None:
            return
        if chunk.tp.topic == self.state_topic:
            await self._take_marks(partition, chunk)
            return
        family = self._family[chunk.tp.topic]
        if not partition.expects(family, chunk):
            return
        if chunk.start > (partition.next[family] or 0):
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=partition.number)
            await self._rewind([chunk.tp])
            return
        if (end := highwater(self._consumer(), chunk.tp)) is not None:
            partition.ends_at(family, end)
        try:
            for start, stop in partition.slices(family, chunk):
                partition.fold(family, chunk, start, stop)
                await asyncio.sleep(0)
                if self._partitions.get(partition.number) is not partition or not partition.expects(family, chunk):
                    return
            partition.finish(family, chunk)
        except Failure as failure:
            await self._rebuild(partition, chunk, failure)
            return
        if partition.waits(family):
            partition.held.add(family)
            self._consumer().pause_partitions([chunk.tp])
        await self._go_on(partition)
        if len(partition.letters) > MOST_LETTERS:
            await self.flush()

    async def _take_marks(self, partition: SourcePartition, chunk: Chunk) -> None:
        """Marks from the state log: the last one there was, later our own."""
        if partition.state_epoch != chunk.epoch or not len(chunk):
            return
        try:
            mark = Mark.decode(chunk.values[-1])
        except ContractError as error:
            log.error("the state log cannot be read, nothing is published", topic=chunk.tp.topic, error=str(error))
            return
        if partition.confirmed and mark.owner == self._owner:
            return
        end = highwater(self._consumer(), chunk.tp)
        if end is not None and chunk.end < end:
            return
        if partition.learn(mark, self._edition):
            await self._go_on(partition)
        else:
            log.warning("another worker has published, the state is rebuilt", partition=partition.number)
            async with self._flushing:
                await self._restart(partition)

    async def _go_on(self, partition: SourcePartition) -> None:
        """Pass the stops that all three topics have come to, and fetch again what has waited."""
        partition.pass_stops(self._partials_topic, self._pane_ms)
        ready = {family for family in partition.held if not partition.waits(family)}
        if ready and self._partitions.get(partition.number) is partition:
            partition.held -= ready
            tps = [TP(self.topics[family], partition.number) for family in sorted(ready)]
            self._consumer().resume_partitions(tps)
            await self._rewind(tps)

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
        async with self._flushing:  # a publication under way ends first: its mark is then in the log
            await self._restart(partition)

    async def _restart(self, partition: SourcePartition) -> None:
        """Build a partition's state anew."""
        if self._partitions.get(partition.number) is partition:
            fresh = self._begin(partition.number, partition.poison)
            fresh.letters = partition.letters
            await self._place(fresh)

    async def _place(self, partition: SourcePartition) -> None:
        tps = [TP(topic, partition.number) for topic in (*self.topics, self.state_topic)]
        self._consumer().resume_partitions(tps)
        await self._rewind(tps)

    async def _rewind(self, tps: Iterable[TP]) -> None:
        try:
            await self._consumer().rewind(tps)
        except Exception as error:  # a rebalance is under way, or the broker is; flush() comes back to it
            log.warning("cannot seek now", error=str(error) or type(error).__name__)

    # -- results out --------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Publish what has changed, then commit. What cannot be published now is kept for the next time."""
        async with self._flushing:
            for partition in list(self._partitions.values()):
                await self._tend(partition)
                if not self._may_publish(partition):
                    continue
                if not partition.partials:
                    partition.drain(self._partials_topic, self._pane_ms, self._edition, self._owner)
                await asyncio.sleep(0)
            partitions = [partition for partition in self._partitions.values() if self._may_publish(partition)]
            batches = [(p, len(p.letters), len(p.partials)) for p in partitions]
            marks = [
                Record(self.state_topic, str(p.number).encode(), p.mark.encode(), partition=p.number)
                for p in partitions
                if p.mark is not None
            ]
            records = [record for p in partitions for record in (*p.letters, *p.partials)]
            try:
                await deliver(self._send, marks)
                for partition in partitions:
                    partition.marked()
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
            self._uncommitted |= reached
            news = {tp: offset for tp, offset in self._uncommitted.items() if self._committed.get(tp) != offset}
            if news and await self._consumer().commit_published(news):
                self._committed |= news
                self._uncommitted.clear()

    def _may_publish(self, partition: SourcePartition) -> bool:
        return partition.confirmed and self._partitions.get(partition.number) is partition

    async def _tend(self, partition: SourcePartition) -> None:
        """What is due at each flush: silent topics, metrics, a seek that did not happen."""
        tps = [TP(topic, partition.number) for topic in self.topics]
        if partition.contradicted:
            await self._restart(partition)
            return
        if None in partition.next or partition.stops is None:
            if self._clock() - partition.begun > PLACED_WITHIN:
                partition.begun = self._clock()
                await self._place(partition)
            return
        ends = [highwater(self._consumer(), tp) for tp in tps]
        partition.mark_idle(ends, self._idle_after)
        await self._go_on(partition)
        number = str(partition.number)
        for tp, end, at in zip(tps, ends, partition.next, strict=True):
            if end is not None:
                self._metrics.lag.labels(tp.topic, number).set(max(0, end - (at or 0)))
        if (watermark := partition.kernel.watermark) is not None:
            self._metrics.watermark.labels(number).set(watermark / 1000)
        self._metrics.open_cases.labels(number).set(partition.kernel.open_cases)
        for dimension, values in partition.kernel.folded.items():
            self._metrics.folded.labels(number, dimension).set(values)
