"""The ``aggregate`` agent: events of the three event topics in, partial aggregates and dead letters out.

What a partition has taken in is recorded in the state log before anything made of it is published. Each step is
acknowledged before the next: dead letters, the state log, partials, the group's offsets. So whoever owns a partition
next stands exactly where everything that was published had been recorded, and goes on from there. The committed
offsets are for people and their tools.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from faust.types import TP

from streams.config import Config
from streams.events.codec import ChunkDecoder, Rejection
from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike, highwater
from streams.runtime.agents.ledger import Ledger, NotRecorded
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.agents.recovery import Recovery
from streams.runtime.agents.source import KernelLike, Publication, SourcePartition
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send, deliver
from streams.runtime.state.chain import Chain
from streams.runtime.state.frames import Step
from streams.runtime.state.log import Appends
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

log = structlog.get_logger(__name__)

MOST_LETTERS = 1_000
"""Dead letters that wait for the next flush; more of them bring it forward."""
MOST_NOTED = 400_000
"""Events of a partition that wait to be recorded; more of them make reading wait."""
MOST_REPLAYED = 200_000
"""Events of a partition that a recovery folds again, at most: then a snapshot is due."""


THREADS = 2
"""That decode and fold, each one partition's events: what is compiled, nearly half of it, needs no interpreter lock."""


class Aggregate:
    """The source partitions of one worker. ``revive`` gives the kernel of a partition number that a chain leads to."""

    def __init__(
        self,
        config: Config,
        revive: Callable[[int, Chain], KernelLike],
        state_log: Appends,
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
        self._consumer, self._send, self._metrics, self._clock = consumer, send, metrics, clock
        self._ledger = Ledger(state_log, MOST_REPLAYED, clock)
        self._recovery = Recovery(self._ledger, revive, self._came_back, metrics.recovered, "aggregate", clock)
        self._partitions: dict[int, SourcePartition] = {}
        self._threads = ThreadPoolExecutor(THREADS, "fold")
        self._folding: dict[int, asyncio.Task[None]] = {}
        self._committed: dict[TP, int] = {}
        self._uncommitted: dict[TP, int] = {}
        self._flushing = asyncio.Lock()

    # -- where to read ------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions are ours now. Those we had go on where they are, if nobody else had them meanwhile."""
        self.revoked()
        kept = self._partitions.keys() & numbers
        for number in self._partitions.keys() - numbers:
            del self._partitions[number]
            self._recovery.cancel(number)
            self._metrics.dropped(number, self.topics)
        for number in sorted(numbers - kept):
            self._begin(number, Poison())
        self._recovery.check({number for number in kept if self._partitions[number].kernel is not None}, self._checked)
        self._metrics.assigned.set(len(numbers))

    def revoked(self) -> None:
        """Record and publish nothing more until it is known that nobody else has."""
        for partition in self._partitions.values():
            partition.trusted = False

    def _checked(self, unchanged: set[int], checked: set[int]) -> None:
        for number in checked & self._partitions.keys():
            partition = self._partitions[number]
            if number in unchanged:
                partition.trusted = True
            else:
                log.info("another worker has owned it meanwhile, its state is read again", partition=number)
                self._restart(partition)

    def wanted(self, tp: TP) -> int:
        """The offset to read on from."""
        partition = self._partitions.get(tp.partition)
        return 0 if partition is None else partition.next[self._family[tp.topic]]

    def placed(self, tp: TP, position: Position) -> None:
        """The topic's partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None or partition.kernel is None:
            return
        if not partition.place(self._family[tp.topic], position):
            log.warning("records are gone that were not read", topic=tp.topic, partition=tp.partition)

    def _begin(self, number: int, poison: Poison) -> SourcePartition:
        partition = SourcePartition(number, self.topics, self._decoders, self._metrics, poison, self._clock)
        self._partitions[number] = partition
        self._recovery.begin(number)
        return partition

    async def _came_back(self, number: int, kernel: KernelLike) -> None:
        partition = self._partitions[number]
        partition.begin(kernel)
        await self._place(partition)

    def _restart(self, partition: SourcePartition) -> None:
        """Read a partition's state again."""
        if self._partitions.get(partition.number) is partition:
            self._begin(partition.number, partition.poison).letters = partition.letters

    async def _place(self, partition: SourcePartition) -> None:
        tps = [TP(topic, partition.number) for topic in self.topics]
        self._consumer().resume_partitions(tps)
        await self._rewind(tps)

    async def _rewind(self, tps: Iterable[TP]) -> None:
        try:
            await self._consumer().rewind(tps)
        except Exception as error:  # a rebalance is under way, or the broker is; flush() comes back to it
            log.warning("cannot seek now", error=str(error) or type(error).__name__)

    async def close(self) -> None:
        """Stop reading states and folding."""
        await self._recovery.close()
        for task in self._folding.values():
            task.cancel()
        await asyncio.gather(*self._folding.values(), return_exceptions=True)
        self._threads.shutdown(cancel_futures=True)

    # -- events in ----------------------------------------------------------------------------------------------

    async def offer(self, chunk: Chunk) -> None:
        """Have a chunk folded, beside those of other partitions, after those of its own; returns when it is begun."""
        number = chunk.tp.partition
        if (before := self._folding.get(number)) is not None:
            await asyncio.wait([before])
        self._folding[number] = task = asyncio.ensure_future(self.take(chunk))
        task.add_done_callback(_note_failure)

    async def take(self, chunk: Chunk) -> None:
        """Fold a chunk, giving others a turn in between. Nothing in it raises."""
        partition = self._partitions.get(chunk.tp.partition)
        if partition is None:
            return
        if partition.kernel is None:  # nothing of it is wanted until its state has been read
            self._consumer().pause_partitions([chunk.tp])
            return
        family = self._family[chunk.tp.topic]
        if not partition.expects(family, chunk):
            return
        if partition.begins_anew(family, chunk, highwater(self._consumer(), chunk.tp)):
            log.warning("the log ends before what was read of it, read from its beginning", topic=chunk.tp.topic)
        if chunk.start > partition.next[family]:
            log.warning("a chunk is missing, reading again", topic=chunk.tp.topic, partition=partition.number)
            await self._rewind([chunk.tp])
            return
        loop = asyncio.get_running_loop()
        try:
            for start, stop in partition.slices(family, chunk):
                async with partition.busy:
                    await loop.run_in_executor(self._threads, partition.fold, family, chunk, start, stop)
                if not self._ours(partition) or not partition.expects(family, chunk):
                    return
            partition.finish(family, chunk)
        except Failure as failure:
            await self._rebuild(partition, chunk, failure)
            return
        if len(partition.letters) > MOST_LETTERS:
            await self.flush()
        while self._ours(partition) and partition.kernel.noted > MOST_NOTED:
            await self.flush()
            await asyncio.sleep(0.05)

    def _ours(self, partition: SourcePartition) -> bool:
        return self._partitions.get(partition.number) is partition

    async def _rebuild(self, partition: SourcePartition, chunk: Chunk, failure: Failure) -> None:
        """Begin again without what the kernel failed on."""
        log.error(
            "the kernel failed, its state is read again",
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
        async with self._flushing:  # what is under way ends first: it is then in the log
            self._restart(partition)

    # -- results out --------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Record and publish what has changed, then commit. What cannot be published now is kept for the next time."""
        async with self._flushing:
            ready = [partition for partition in self._partitions.values() if partition.kernel is not None]
            for partition in ready:
                async with partition.busy:
                    await self._tend(partition)
            await asyncio.gather(*(self._publish(partition) for partition in ready))
            news = {tp: offset for tp, offset in self._uncommitted.items() if self._committed.get(tp) != offset}
            if news and await self._consumer().commit_published(news):
                self._committed |= news
                self._uncommitted.clear()

    async def _publish(self, partition: SourcePartition) -> None:
        """What one partition has to say, in steps each of which is taken up again where it failed."""
        if not partition.trusted or not self._ours(partition):
            return
        async with partition.busy:
            publication = partition.publication or self._drain(partition)
        letters = len(partition.letters) if publication is None else publication.letters
        try:
            await deliver(self._send, partition.letters[:letters])
            del partition.letters[:letters]
            if publication is None:
                return
            publication.letters = 0
            if not publication.recorded:
                await self._record(partition, publication)
            await deliver(self._send, publication.records)
            partition.publication = None
            self._uncommitted |= {
                TP(topic, partition.number): offset
                for topic, offset in zip(self.topics, publication.delta.end, strict=True)
            }
            if publication.snapshot is not None:
                end = publication.delta.end
                await self._ledger.snapshot(partition.number, publication.sequence, end, publication.snapshot)
        except NotRecorded as error:
            log.warning("state not recorded, it is read again", partition=partition.number, error=str(error))
            self._restart(partition)
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("results not published, trying again", error=str(error) or type(error).__name__)

    def _drain(self, partition: SourcePartition) -> Publication | None:
        publication = partition.drain(self._partials_topic, self._pane_ms)
        if publication is not None and self._ledger.worked(partition.number, publication.weight):
            assert partition.kernel is not None
            publication.snapshot = partition.kernel.state()
        return publication

    async def _record(self, partition: SourcePartition, publication: Publication) -> None:
        delta = publication.delta
        payload = await asyncio.to_thread(delta.encode)
        step = Step(publication.sequence, delta.begin, delta.end, payload, publication.weight)
        await self._ledger.step(partition.number, step)
        publication.recorded = True

    async def _tend(self, partition: SourcePartition) -> None:
        """What is due at each flush: silent topics, metrics, a seek that did not happen."""
        assert partition.kernel is not None
        tps = [TP(topic, partition.number) for topic in self.topics]
        if len(partition.placed) < len(tps):
            if self._clock() - partition.begun > PLACED_WITHIN:
                partition.begun = self._clock()
                await self._place(partition)
            return
        ends = [highwater(self._consumer(), tp) for tp in tps]
        partition.mark_idle(ends, self._idle_after)
        number = str(partition.number)
        for tp, end, at in zip(tps, ends, partition.next, strict=True):
            if end is not None:
                self._metrics.lag.labels(tp.topic, number).set(max(0, end - at))
        if (watermark := partition.kernel.watermark) is not None:
            self._metrics.watermark.labels(number).set(watermark / 1000)
        self._metrics.open_cases.labels(number).set(partition.kernel.open_cases)
        for dimension, values in partition.kernel.folded.items():
            self._metrics.folded.labels(number, dimension).set(values)


def _note_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a chunk was not taken, it is read again", exc_info=error)
