"""What every agent does with its partitions: own them, read their states back, record, publish, commit.

What a partition has taken in is recorded in the state log before anything made of it is published. Each step is
acknowledged before the next: dead letters, the state log, results, the group's offsets. So whoever owns a partition
next stands where everything that was published had been recorded, and goes on from there. The committed offsets are
for people and their tools.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import structlog
from faust.types import TP

from streams.runtime.agents.consumer import PLACED_WITHIN, ConsumerLike
from streams.runtime.agents.ledger import Ledger, NotRecorded
from streams.runtime.agents.owned import Owned, Publication
from streams.runtime.agents.recovery import Recovery
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send, deliver
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import Appends
from streams.runtime.transport import Position

log = structlog.get_logger(__name__)

Partition = TypeVar("Partition", bound=Owned)
Made = TypeVar("Made")

AFTER_A_FAILURE = 1.0
"""Seconds before a state that became undefined is read again."""


class Owner(ABC, Generic[Partition, Made]):
    """The partitions of one worker, of topics that are read side by side.

    ``revive`` makes what a partition begins with of the chain its state log holds, in a thread. A snapshot is due when
    a recovery would have to do work of ``most_replayed`` again.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[str],
        revive: Callable[[int, Chain], Made],
        state_log: Appends,
        most_replayed: int,
        consumer: Callable[[], ConsumerLike],
        send: Send,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topics = tuple(topics)
        self._consumer, self._send, self._metrics, self._clock = consumer, send, metrics, clock
        self._name = name
        self._ledger = Ledger(state_log, most_replayed, clock, metrics.appended(name))
        self._recovery = Recovery(
            self._ledger, revive, self._came_back, metrics.recovered.labels(name), metrics.recovering.labels(name), name
        )
        self._partitions: dict[int, Partition] = {}
        self._committed: dict[TP, int] = {}
        self._uncommitted: dict[TP, int] = {}
        self._flushing = asyncio.Lock()
        self._copied: Partition | None = None
        """The one whose state has been copied for a snapshot. One at a time: a copy is as large as the state."""

    @abstractmethod
    def _new(self, number: int, before: Partition | None) -> Partition:
        """A partition whose state is to be read; ``before`` is what it was, where its state is read again."""

    @abstractmethod
    def _begin(self, partition: Partition, made: Made) -> int:
        """Go on with what was read back; the number of the state that is."""

    @abstractmethod
    def _forget(self, partition: Partition) -> None:
        """Show nothing more of it."""

    # -- whose it is --------------------------------------------------------------------------------------------

    def assigned(self, numbers: set[int]) -> None:
        """These partitions are ours now, and no others. Those we had go on where they are, if nobody else had them
        meanwhile."""
        self.revoked()
        kept = self._partitions.keys() & numbers
        for number in self._partitions.keys() - numbers:
            self._recovery.cancel(number)
            self._forget(self._partitions.pop(number))
        for offsets in (self._committed, self._uncommitted):
            for tp in [tp for tp in offsets if tp.partition not in kept]:
                del offsets[tp]
        for number in sorted(numbers - kept):
            self._partitions[number] = self._new(number, None)
            self._recovery.begin(number)
        self._recovery.check({number for number in kept if self._partitions[number].recovered}, self._checked)

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
                log.info("another worker has owned it, its state is read again", agent=self._name, partition=number)
                self._restart(partition)

    def _ours(self, partition: Partition) -> bool:
        return self._partitions.get(partition.number) is partition

    def _may_record(self, partition: Partition) -> bool:
        return partition.trusted and self._ours(partition)

    # -- where it stands ----------------------------------------------------------------------------------------

    async def _came_back(self, number: int, chain: Chain, made: Made) -> None:
        partition = self._partitions[number]
        sequence = self._begin(partition, made)
        partition.recorded = sequence if chain.sequence is None else chain.sequence
        partition.trusted, partition.begun = True, self._clock()
        await self._place(partition)

    def _restart(self, partition: Partition, wait: float = 0.0) -> None:
        """Read a partition's state again."""
        if self._ours(partition):
            self._forget(partition)
            again = self._partitions[partition.number] = self._new(partition.number, partition)
            again.condemned = partition.condemned
            self._recovery.begin(partition.number, wait)

    def _broke(self, partition: Partition, error: Exception) -> None:
        """Read a state again that something failed on."""
        partition.failed = True
        self._metrics.publish_failures.inc()
        log.error(
            "a fault of ours, the state is read again", agent=self._name, partition=partition.number, exc_info=error
        )
        self._restart(partition, AFTER_A_FAILURE)

    def wanted(self, tp: TP) -> int:
        """The offset to read on from."""
        partition = self._partitions.get(tp.partition)
        return 0 if partition is None else partition.wanted(tp.topic)

    def placed(self, tp: TP, position: Position) -> None:
        """The topic's partition is read on from there."""
        partition = self._partitions.get(tp.partition)
        if partition is None or not partition.recovered:
            return
        try:
            if not partition.place(tp.topic, position):
                log.warning("records are gone that were not read", topic=tp.topic, partition=tp.partition)
        except Exception as error:
            self._broke(partition, error)

    def _tps(self, partition: Partition) -> list[TP]:
        return [TP(topic, partition.number) for topic in self.topics]

    async def _place(self, partition: Partition) -> None:
        await self._rewind(self._tps(partition), resume=True)

    async def _is_placed(self, partition: Partition) -> bool:
        """Whether all its topics are read on; a seek that did not happen is made good after a while."""
        if not partition.placed and self._clock() - partition.begun > PLACED_WITHIN:
            partition.begun = self._clock()
            await self._place(partition)
        return partition.placed

    async def _rewind(self, tps: Iterable[TP], resume: bool = False) -> None:
        try:
            if resume:
                self._consumer().resume_partitions(tps)
            await self._consumer().rewind(tps)
        except Exception as error:  # a rebalance is under way, or the broker is; _is_placed() comes back to it
            log.warning("cannot seek now", error=str(error) or type(error).__name__)

    async def close(self) -> None:
        """Stop reading states and trimming logs."""
        await self._recovery.close()
        await self._ledger.close()

    # -- results out --------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Record and publish what has changed, all partitions side by side, then commit."""
        async with asyncio.TaskGroup() as group:
            for partition in [one for one in self._partitions.values() if one.recovered]:
                group.create_task(self._publish_one(partition))
        news = {tp: offset for tp, offset in self._uncommitted.items() if self._committed.get(tp) != offset}
        if news and await self._consumer().commit_published(news):
            self._committed |= news
            for tp, offset in news.items():
                if self._uncommitted.get(tp) == offset:
                    del self._uncommitted[tp]

    async def _tend(self, partition: Partition) -> None:
        """What is due before a partition's news is taken."""

    async def _publish_one(self, partition: Partition) -> None:
        """What one partition has to say, in steps each of which is taken up again where it failed."""
        async with partition.publishing:
            await self._publish_next(partition)

    async def _publish_next(self, partition: Partition) -> None:
        async with partition.busy:
            if partition.failed or not self._ours(partition):
                return
            try:
                await self._tend(partition)
                if not self._may_record(partition):
                    return
                publication = partition.publication or self._take_news(partition)
            except Exception as error:
                self._broke(partition, error)
                return
        try:
            await self._deliver_letters(partition, publication)
            if publication is not None and (publication.recorded or await self._record(partition, publication)):
                await deliver(self._send, publication.records)
                partition.publication = None
                self._uncommitted |= zip(self._tps(partition), publication.step.end, strict=True)
                await self._snapshot(partition, publication)
        except NotRecorded as error:
            log.warning(
                "state not recorded, it is read again", agent=self._name, partition=partition.number, error=str(error)
            )
            self._restart(partition)
        except Exception as error:
            self._metrics.publish_failures.inc()
            log.warning("results not published, trying again", error=str(error) or type(error).__name__)

    async def _snapshot(self, partition: Partition, publication: Publication) -> None:
        """Have the state after a publication in the state log, where it was copied for that."""
        if publication.snapshot is None:
            return
        step = publication.step
        try:
            await self._ledger.snapshot(partition.number, step.sequence, step.end, publication.snapshot)
        finally:
            self._copied = publication.snapshot = None

    def _news(self, partition: Partition) -> Publication | None:
        return partition.take_news()

    def _take_news(self, partition: Partition) -> Publication | None:
        publication = self._news(partition)
        if publication is None:
            return None
        due = self._ledger.worked(partition.number, publication.step.weight)
        if due and (self._copied is None or not self._ours(self._copied)):
            self._copied, publication.snapshot = partition, partition.state()
        return publication

    async def _deliver_letters(self, partition: Partition, publication: Publication | None) -> None:
        """Those that go before what is published next."""
        ready = len(partition.letters) if publication is None else publication.letters
        for letters, count in ((partition.condemned, len(partition.condemned)), (partition.letters, ready)):
            await deliver(self._send, letters[:count])
            del letters[:count]
        if publication is not None:
            publication.letters = 0

    async def _record(self, partition: Partition, publication: Publication) -> bool:
        """Have it in the state log. False where it is not known any more whether that is ours."""
        step = publication.step
        if publication.payload is not None:
            step = step._replace(payload=await asyncio.to_thread(publication.payload))
        if not self._may_record(partition):
            return False
        await self._ledger.step(partition.number, step)
        publication.recorded, partition.recorded = True, step.sequence
        return True


class Taker(Owner[Partition, Made]):
    """An agent that takes chunks in one after the other, each as a whole."""

    async def take(self, chunk: Chunk) -> None:
        """Take in a chunk, giving others a turn in between. What goes wrong is logged, and the state read again."""
        partition = self._partitions.get(chunk.tp.partition)
        if partition is None:
            return
        if not partition.recovered:  # nothing of it is wanted until its state has been read
            self._consumer().pause_partitions([chunk.tp])
            return
        try:
            await self._take(partition, chunk)
        except Exception as error:
            self._broke(partition, error)

    @abstractmethod
    async def _take(self, partition: Partition, chunk: Chunk) -> None:
        """Take in a chunk of a partition whose state has been read."""
