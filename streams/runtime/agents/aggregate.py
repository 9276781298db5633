"""The ``aggregate`` agent: events of the three event topics in, partial aggregates and dead letters out."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from faust.types import TP

from streams.config import Config
from streams.events.codec import ChunkDecoder
from streams.runtime.agents.consumer import ConsumerLike, highwater
from streams.runtime.agents.owner import Owner
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.agents.source import KernelLike, SourcePartition
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import Appends
from streams.runtime.topics import TopicNames

log = structlog.get_logger(__name__)

MOST_LETTERS = 1_000
"""Dead letters of a partition that wait to be acknowledged; more of them make reading wait."""
MOST_NOTED = 100_000
"""Events of a partition that wait to be recorded; more of them make reading wait."""
MOST_PENDING = 100_000
"""Cells of a partition that wait to be told of, as many do where event time runs fast; likewise. They are kept twice as
long again, here until they have been published and by the series until they are sealed."""
MOST_REPLAYED = 400_000
"""Events of a partition that a recovery folds again, at most: then a snapshot is due."""
MOST_OFFERED = 12
"""Chunks that are folded or wait for their partition's turn: what one is busy with keeps no thread from the others."""
MOST_IN_TURN = 4
"""Of one partition."""
THREADS = 2
"""That decode and fold, each one partition's events: what is compiled, nearly half of it, needs no interpreter lock."""


class _Turns:
    """Whose turn it is among the chunks of one partition, and room for more of them."""

    def __init__(self) -> None:
        self.turn, self.free = asyncio.Lock(), asyncio.Semaphore(MOST_IN_TURN)


class Aggregate(Owner[SourcePartition, KernelLike]):
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
        self._names = TopicNames(config.namespace)
        topics = self._names.events
        super().__init__("aggregate", topics, revive, state_log, MOST_REPLAYED, consumer, send, metrics, clock)
        self._pane_ms = config.time.pane
        self._idle_after = config.time.idle_after / 1000
        self._ahead_ms = config.time.allowed_lateness
        self._family = {topic: family for family, topic in enumerate(topics)}
        size = config.limits.event_bytes
        self._decoders = [ChunkDecoder(family, size) for family in ("orders", "deliveries", "support")]
        self._threads = ThreadPoolExecutor(THREADS, "fold")
        self._free_threads = asyncio.Semaphore(THREADS)
        self._free_slots = asyncio.Semaphore(MOST_OFFERED)
        self._turns: defaultdict[int, _Turns] = defaultdict(_Turns)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._lag: dict[TP, int] = {}

    @property
    def lag(self) -> int:
        """How many records of its partitions have not been read."""
        return sum(self._lag.values())

    def assigned(self, numbers: set[int]) -> None:
        super().assigned(numbers)
        self._metrics.assigned.set(len(numbers))

    def _new(self, number: int, before: SourcePartition | None) -> SourcePartition:
        poison = Poison() if before is None else before.poison
        return SourcePartition(number, self._names, self._pane_ms, self._decoders, self._metrics, poison, self._clock)

    def _begin(self, partition: SourcePartition, made: KernelLike) -> int:
        partition.begin(made)
        return made.sequence

    def _forget(self, partition: SourcePartition) -> None:
        if partition.held:
            partition.held.clear()
            self._hold()
        self._metrics.dropped(partition.number, self.topics)
        for tp in self._tps(partition):
            self._lag.pop(tp, None)

    async def close(self) -> None:
        """Stop reading states, trimming logs and folding."""
        self._closed = True
        await super().close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(cancel_futures=True)

    # -- events in ----------------------------------------------------------------------------------------------

    async def offer(self, chunk: Chunk) -> None:
        """Have a chunk folded, beside those of other partitions, after those of its own; returns when there is room for
        another one."""
        turns = self._turns[chunk.tp.partition]
        await turns.free.acquire()
        await self._free_slots.acquire()

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            turns.free.release()
            self._free_slots.release()

        task = asyncio.ensure_future(self._take_in_turn(turns, chunk))
        self._tasks.add(task)
        task.add_done_callback(done)

    async def _take_in_turn(self, turns: _Turns, chunk: Chunk) -> None:
        async with turns.turn:
            if not self._closed:
                await self.take(chunk)

    async def take(self, chunk: Chunk) -> None:
        """Fold a chunk, giving others a turn in between. What goes wrong is logged, and the chunk read again."""
        try:
            await self._take(chunk)
        except Exception:
            log.exception("a chunk was not taken, it is read again", topic=chunk.tp.topic, partition=chunk.tp.partition)
            await self._rewind([chunk.tp])

    async def _take(self, chunk: Chunk) -> None:
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
                # A thread first: who has the kernel makes its publication wait.
                async with self._free_threads, partition.busy:
                    await loop.run_in_executor(self._threads, partition.fold, family, chunk, start, stop)
                if not self._ours(partition) or not partition.expects(family, chunk):
                    return
            partition.finish(family, chunk)
            self._align(partition)
        except Failure as failure:
            await self._rebuild(partition, chunk, failure)
            return
        while self._ours(partition) and partition.backlogged(MOST_NOTED, MOST_PENDING, MOST_LETTERS):
            await self._publish_one(partition)
            await asyncio.sleep(0.05)

    def _align(self, partition: SourcePartition) -> None:
        """Read the three topics side by side in event time.

        They are fetched by bytes. Where much waits to be read, the smallest would be read days ahead of the others, and
        all that it says be kept until they have come as far.
        """
        if partition.align([highwater(self._consumer(), tp) for tp in self._tps(partition)], self._ahead_ms):
            self._hold()

    def _hold(self) -> None:
        self._consumer().hold(TP(self.topics[f], one.number) for one in self._partitions.values() for f in one.held)

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
        partition.condemn(failure, chunk)
        async with partition.publishing:  # what is under way ends first: it is then in the log
            self._restart(partition)

    # -- results out --------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Record and publish what has changed, then commit. What cannot be published now is kept for the next time."""
        async with self._flushing:
            await self._publish()

    async def _tend(self, partition: SourcePartition) -> None:
        """Silent topics, metrics, a seek that did not happen."""
        assert partition.kernel is not None
        if not await self._is_placed(partition):
            return
        tps = self._tps(partition)
        ends = [highwater(self._consumer(), tp) for tp in tps]
        partition.mark_idle(ends, self._idle_after)
        if partition.align(ends, self._ahead_ms):
            self._hold()
        number = str(partition.number)
        for tp, end, at in zip(tps, ends, partition.next, strict=True):
            if end is not None:
                self._lag[tp] = max(0, end - at)
                self._metrics.lag.labels(tp.topic, number).set(self._lag[tp])
        if (watermark := partition.kernel.watermark) is not None:
            self._metrics.watermark.labels(number).set(watermark / 1000)
        self._metrics.open_cases.labels(number).set(partition.kernel.open_cases)
        for dimension, values in partition.kernel.folded.items():
            self._metrics.folded.labels(number, dimension).set(values)
