"""The chunk transport: Faust over aiokafka, where a busy topic arrives as whole fetched chunks.

Stock Faust makes one message of each record, and that costs more than everything this project does with the
record afterwards. Here the topics a :class:`Reader` names arrive as one message for each fetched piece of a
partition, its value a :class:`Chunk`; every other topic keeps the stock path. The URL scheme is
``daybook://host:port``.

Offsets of chunked topics are not Faust's business: nothing is acknowledged message by message. The reader
says where to read on when partitions are assigned, and commits what it has published itself
(:meth:`Consumer.commit_published`).

The private parts of faust-streaming and aiokafka used here are held by tests/unit/test_private_parts_*.py;
the reasons are in docs/decisions/0002-chunk-transport.md.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import faust
import structlog
from aiokafka.errors import KafkaError, NoError, for_code
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.structs import TopicPartition
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage
from faust.types.tuples import Message
from mode import get_logger

from streams.runtime.chunks import Chunk, FetchedRecords

log = structlog.get_logger(__name__)
_FAUST_LOGGER = get_logger("faust.daybook")
"""Services log every start and stop under the name of their module: these belong to Faust's."""

PARTITION_FETCH_BYTES = 1 << 20
"""Of one partition in one fetch: 1,000 to 10,000 events of usual size."""
FETCH_BYTES = 8 << 20
"""Of all partitions of one broker in one fetch. One fetch is under way, one is taken apart, :data:`QUEUED_CHUNKS`
wait, and one of each partition is folded: that bounds the memory of a backlog."""
QUEUED_CHUNKS = 8
"""Chunks that wait for an agent."""
FETCH_WAIT_MS = 100
"""How long the broker may hold a fetch that finds nothing. A client has one fetch under way per broker: a
partition whose chunk has just been taken waits this long behind the idle ones, so Faust's 1,500 ms would be
a stall."""


KNOWN_WITHIN = 4.0
"""Seconds that an assignment waits for metadata; within the group's rebalance timeout."""
CLOSED_WITHIN = 3.0
"""Seconds to leave the group, and to close the connections."""
COMMITTED_WITHIN = 3.0
"""Seconds for the broker to acknowledge a commit; whoever publishes waits for it."""


class Position(NamedTuple):
    """Where a partition is read on (``offset``), and since which seek (``epoch``)."""

    offset: int
    epoch: int


class Reader(Protocol):
    """Who reads the chunked topics. Called in the event loop of the app, which has it as its ``reader``."""

    topics: frozenset[str]

    def assigned(self, tps: set[TP]) -> None:
        """These partitions of the chunked topics are this worker's from now on, and no others."""

    def wanted(self, tp: TP) -> int:
        """The offset to read on from."""

    def placed(self, positions: Mapping[TP, Position]) -> None:
        """The partitions are read on from there. An offset above the wanted one: the log begins there now."""


class ChunkSchema(faust.Schema[Any, Any]):
    """Hands a message's value on as it is."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> None:
        return None

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:
        return message.value


def chunk_topic(app: faust.App, topics: Iterable[str]) -> faust.Topic:
    """The channel of an agent that reads chunks of these topics."""
    # Not app.topic(), which loses maxsize: the queue would hold 4096 chunks.
    return faust.Topic(
        app, topics=list(topics), schema=ChunkSchema(), acks=False, maxsize=QUEUED_CHUNKS, allow_empty=False
    )


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """The thread that talks to Kafka, with an event loop of its own."""

    consumer: Consumer
    logger = _FAUST_LOGGER

    def __post_init__(self) -> None:
        super().__post_init__()
        self._epochs: defaultdict[TopicPartition, int] = defaultdict(int)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no settings for the last two.
        consumer._max_partition_fetch_bytes = PARTITION_FETCH_BYTES
        consumer._fetch_max_bytes = FETCH_BYTES
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def _fetch_records(self, consumer: Any, active_partitions: set[TP], *more: Any, **settings: Any) -> Any:
        wanted = active_partitions - self.consumer.held
        if not wanted:  # for aiokafka that would be all
            await asyncio.sleep(FETCH_WAIT_MS / 1000)
            return {}
        return await super()._fetch_records(consumer, wanted, *more, **settings)

    async def on_start(self) -> None:
        await super().on_start()
        reader = self.consumer.reader
        if reader is not None:
            consumer = self._ensure_consumer()
            consumer._fetcher._records = FetchedRecords(reader.topics, self._epochs)
            consumer._coordinator._perform_assignment = _knowing(
                reader.topics, consumer._client, consumer._coordinator._perform_assignment
            )

    def close(self) -> None:
        """Nothing: the consumer is stopped when its thread is.

        Faust would close its connections from the app's loop while this thread's still uses them; of uvloop's that
        ended the process now and then (SIGSEGV).
        """

    async def on_thread_stop(self) -> None:
        # aiokafka cancels the fetches that wait for a broker to come back, and passes that on; uvloop fails on
        # connections that were closed meanwhile. By either Faust's thread would end at once, and whoever stops it would
        # wait for a minute. And where no broker answers it may wait for one without an end.
        task = asyncio.current_task()
        for close in (super().on_thread_stop, self.disconnect):
            try:
                async with asyncio.timeout(CLOSED_WITHIN):
                    await close()
            except (Exception, asyncio.CancelledError) as error:
                if task is not None and task.cancelling():
                    raise
                log.debug("the consumer did not stop cleanly", error=str(error) or type(error).__name__)

    async def disconnect(self) -> None:
        """Close all connections."""
        await self._ensure_consumer()._client.close()

    async def place(self, wanted: Mapping[TP, int]) -> dict[TP, Position]:
        """Seek to the ``wanted`` offsets, or to the log's beginning where that is later."""
        consumer = self._ensure_consumer()
        tps = [TopicPartition(*tp) for tp in wanted]
        begins = await consumer.beginning_offsets(tps)
        positions = {}
        for tp, (ours, offset) in zip(tps, wanted.items(), strict=True):
            start = max(offset, begins[tp])
            consumer.seek(tp, start)
            self._epochs[tp] += 1
            positions[ours] = Position(start, self._epochs[tp])
        return positions

    async def seek_stock(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Seek these partitions to what the group has committed, as Faust does for all."""
        partitions = [TopicPartition(*tp) for tp in tps]
        # Without arguments it would seek all.
        return await self._ensure_consumer().seek_to_committed(*partitions) if partitions else {}

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        # Not consumer.commit(): it waits for a coordinator for as long as there is none, goes out while the group is
        # being joined, and gives up the membership when it is refused. A hint must not do any of that.
        consumer = self._ensure_consumer()
        coordinator = consumer._coordinator
        assigned = consumer.assignment()
        ours = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        if not ours:
            return not offsets
        # Kafka answers a connection in order: behind a request to join a commit is of a generation that is over.
        if coordinator._performed_join_prepare or coordinator.generation < 0 or coordinator.coordinator_id is None:
            return False
        by_topic: dict[str, list[tuple[int, int, str]]] = {}
        for tp, offset in ours.items():
            by_topic.setdefault(tp.topic, []).append((tp.partition, offset, ""))
        request = OffsetCommitRequest(
            coordinator.group_id,
            coordinator.generation,
            coordinator.member_id,
            OffsetCommitRequest.DEFAULT_RETENTION_TIME,
            list(by_topic.items()),
        )
        try:
            async with asyncio.timeout(COMMITTED_WITHIN):
                response = await coordinator._send_req(request)
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets not committed", error=str(error) or type(error).__name__)
            return False
        codes = {code for _, partitions in response.topics for _, code in partitions} - {NoError.errno}
        if codes:
            log.warning("offsets not committed", error=", ".join(sorted(for_code(code).__name__ for code in codes)))
        return not codes and len(ours) == len(offsets)


def _knowing(
    topics: Iterable[str], client: Any, assign: Callable[[Any], Awaitable[Any]]
) -> Callable[[Any], Awaitable[Any]]:
    """The same assigning of partitions, once all topics are known.

    A broker that has just started may not know its topics yet. Faust's assignor passes over those that are missing, and
    with nothing to read nobody asks for metadata again for five minutes.
    """

    async def assign_all(response: Any) -> Any:
        deadline = time.monotonic() + KNOWN_WITHIN
        while missing := [topic for topic in topics if not client.cluster.partitions_for_topic(topic)]:
            if time.monotonic() > deadline:
                log.warning("topics are not known, nothing of them is read", topics=sorted(missing))
                break
            await client.force_metadata_update()
            await asyncio.sleep(0.1)
        return await assign(response)

    return assign_all


class _ReadOffsets(dict[TP, int | None]):
    """What Faust remembers having read, to drop what comes again. Of chunked topics it remembers nothing: the reader
    takes each record once, and a log that was made again begins at 0."""

    def __init__(self, is_chunked: Callable[[TP], bool]) -> None:
        super().__init__()
        self._is_chunked = is_chunked

    def __missing__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        if not self._is_chunked(tp):
            super().__setitem__(tp, offset)

    def update(self, offsets: Mapping[TP, int | None]) -> None:  # type: ignore[override]
        for tp, offset in offsets.items():
            self[tp] = offset


class Consumer(stock.Consumer):
    """Faust's consumer, for which a chunk is one message."""

    _thread: ConsumerThread
    logger = _FAUST_LOGGER
    held: frozenset[TP] = frozenset()
    """What is not read on for a while."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._seeking = asyncio.Lock()
        super().__init__(*args, **kwargs)
        self._read_offset = _ReadOffsets(self._is_chunked)

    @property
    def reader(self) -> Reader | None:
        """The app's reader; without one nothing is chunked and this is the stock consumer."""
        return getattr(self.app, "reader", None)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _is_chunked(self, tp: TP) -> bool:
        reader = self.reader
        return reader is not None and tp.topic in reader.topics

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if type(record) is not Chunk:
            return super()._to_message(tp, record)
        at = float(record.arrivals[-1]) / 1000.0 if len(record) else 0.0
        generation = self.app.consumer_generation_id
        message = ConsumerMessage(
            tp.topic, tp.partition, record.start, at, 0, None, None, None, None, 0, 0, tp, generation_id=generation
        )
        message.value = record  # type: ignore[assignment]  # ChunkSchema hands it on
        return message

    # A full queue makes the one who delivers wait, and that is enough. Pausing partitions as well, as Faust does,
    # sleeps a second once all of them are paused.
    def on_buffer_full(self, tp: TP) -> None:
        if not self._is_chunked(tp):
            super().on_buffer_full(tp)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        if self.reader is not None:
            self.reader.assigned({tp for tp in assigned if self._is_chunked(tp)})
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        assigned = self.assignment()
        chunked = {tp for tp in assigned if self._is_chunked(tp)}
        committed = await self._thread.call_thread(self._thread.seek_stock, assigned - chunked)
        return {**committed, **await self.rewind(chunked)}

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Read chunked partitions on from where the reader wants to; the offsets they are read from."""
        reader = self.reader
        if reader is None:
            return {}
        async with self._seeking:  # what is placed answers what was wanted last
            wanted = {tp: reader.wanted(tp) for tp in tps}
            positions = await self._thread.call_thread(self._thread.place, wanted) if wanted else {}
            reader.placed(positions)
        return {tp: position.offset for tp, position in positions.items()}

    def hold(self, tps: Iterable[TP]) -> None:
        """Read nothing more of these partitions, and no others, until called again. What has been fetched of them waits
        where it is; pausing them would have Faust drop what it has already taken."""
        self.held = frozenset(tps)

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, for each partition, that everything below the offset has been published. Whether it was
        committed: not when the group has moved on or the broker refuses, which is logged and harmless, for
        it is a hint."""
        done: bool = await self._thread.call_thread(self._thread.commit_published, offsets)
        return done


class Transport(stock.Transport):
    """``daybook://host:port``."""

    Consumer = Consumer


# Also without the entry point, in a checkout that has not been installed.
TRANSPORTS.aliases.setdefault("daybook", "streams.runtime.transport:Transport")
