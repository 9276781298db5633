"""Sending records: a client for a few, one for many, and the heartbeats that move time on.

Both place a key on the same partition (see :mod:`streams.runtime.partitions`), keep the order within a
partition, wait for the broker's acknowledgement, and leave the record's timestamp to the clock: it is the
arrival. Neither asks the broker for exactly-once: an event sent twice is known by its ``source`` and ``id``
and dropped where it is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as AsyncKafkaError
from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.events.codec import HEADERS, encode
from streams.events.times import format_time
from streams.events.types import SourceHeartbeat
from streams.runtime.partitions import KeyPartitioner, partition_of
from streams.runtime.security import client_security

if TYPE_CHECKING:
    from streams.config import Config
    from streams.runtime.topics import TopicNames

MAX_RECORD_BYTES = 12 << 20
"""The largest record that is sent: what the event topics take, see :mod:`streams.runtime.topics`."""

_BATCH_BYTES = 256 * 1024
_IN_FLIGHT = 64
_Headers = Sequence[tuple[str, bytes]]


class Producer(Protocol):
    """What both clients can do."""

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Any = None,
        partition: int | None = None,
    ) -> Any: ...

    def flush(self) -> Any: ...


def open_producer(config: Config, **settings: Any) -> Any:
    """A ``kafka.KafkaProducer`` on the configured broker, for records whose fate the caller follows one by
    one: ``send`` returns a future. About 20,000 records a second; see :class:`BulkProducer` for more.

    ``settings`` go to it as they are, over ours. Raises :class:`BrokerError` when no broker answers.
    """
    ours: dict[str, Any] = {
        "client_id": "daybook-producer",
        "acks": "all",
        "linger_ms": 20,
        "batch_size": _BATCH_BYTES,
        "max_request_size": MAX_RECORD_BYTES + 64 * 1024,
        "partitioner": KeyPartitioner(),
        # Its idempotent mode stays broken for all topics after one record that the broker finds too large.
        "enable_idempotence": False,
        # One at a time instead, so that a retry cannot overtake.
        "max_in_flight_requests_per_connection": 1,
        "bootstrap_timeout_ms": 10_000,
    }
    ours |= client_security(config, "kafka-python") | settings
    with _told(config):
        return KafkaProducer(bootstrap_servers=config.kafka.bootstrap.split(","), **ours)


class BulkProducer:
    """Sends many records from one thread: an import, a simulation. Five to ten times the throughput of
    :func:`open_producer`, since whole batches, not records, go through Python.

    Use as a context manager; leaving it flushes. A batch goes out when it is full or at :meth:`flush`, so a
    sender that is not in a hurry to fill batches flushes once a second or so. Not to be shared by threads.
    """

    def __init__(self, config: Config, **settings: Any) -> None:
        """Connect. ``settings`` go to ``AIOKafkaProducer``. Raises :class:`BrokerError` when no broker
        answers.
        """
        self._config = config
        self._open: dict[tuple[str, int], Any] = {}
        self._queues: dict[tuple[str, int], asyncio.Queue[Any]] = {}
        self._counts: dict[str, int] = {}
        self._failure: BaseException | None = None
        self._slots = threading.Semaphore(_IN_FLIGHT)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bulk-producer", daemon=True)
        self._thread.start()
        ours: dict[str, Any] = {
            "client_id": "daybook-bulk",
            "acks": "all",
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": MAX_RECORD_BYTES + 64 * 1024,
        }
        self._settings = ours | client_security(config, "aiokafka") | settings
        try:
            self._client = self._run(self._connect())
        except BaseException:
            self._end()
            raise

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: _Headers | None = HEADERS,
        partition: int | None = None,
    ) -> None:
        """Add a record to its partition's batch. Waits while the broker is behind.

        Raises :class:`BrokerError` for what went wrong with records sent earlier, and for one that is too
        large.
        """
        if partition is None:
            partition = partition_of(key or b"", self._partitions(topic))
        place = (topic, partition)
        builder = self._open.get(place)
        now = int(time.time() * 1000)
        if builder is not None:
            if builder.append(timestamp=now, key=key, value=value, headers=headers or []) is not None:
                return
            self._dispatch(place)
        if value is not None and len(value) > MAX_RECORD_BYTES:
            raise BrokerError(
                f"{topic}: a record of {len(value)} bytes is too large (limit {MAX_RECORD_BYTES})"
            )
        builder = self._open[place] = self._client.create_batch()
        builder.append(timestamp=now, key=key, value=value, headers=headers or [])

    def flush(self) -> None:
        """Send what is waiting and return when the broker has acknowledged all. Raises :class:`BrokerError`
        when it has not.
        """
        for place in list(self._open):
            self._dispatch(place)
        for _ in range(_IN_FLIGHT):
            self._slots.acquire()
        self._slots.release(_IN_FLIGHT)
        self._raise_failure()

    def close(self) -> None:
        """Flush and disconnect."""
        try:
            self.flush()
        finally:
            self._run(self._disconnect())
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with contextlib.suppress(BrokerError):  # the first error is the one to tell
            self.close()

    def _partitions(self, topic: str) -> int:
        count = self._counts.get(topic)
        if count is None:
            count = self._counts[topic] = len(self._run(self._client.partitions_for(topic)))
        return count

    def _dispatch(self, place: tuple[str, int]) -> None:
        """Hand the open batch of a partition to the network thread."""
        builder = self._open.pop(place)
        builder.close()
        self._raise_failure()
        self._slots.acquire()
        self._loop.call_soon_threadsafe(self._enqueue, place, builder)

    def _enqueue(self, place: tuple[str, int], builder: Any) -> None:
        queue = self._queues.get(place)
        if queue is None:
            # One feeder for each partition: handed over together, batches could overtake each other.
            queue = self._queues[place] = asyncio.Queue()
            queue.feeder = self._loop.create_task(self._feed(place, queue))  # type: ignore[attr-defined]
        queue.put_nowait(builder)

    async def _feed(self, place: tuple[str, int], queue: asyncio.Queue[Any]) -> None:
        topic, partition = place
        while True:
            builder = await queue.get()
            try:
                delivery = await self._client.send_batch(builder, topic, partition=partition)
            except (AsyncKafkaError, AssertionError) as error:
                self._delivered(error)
            else:
                delivery.add_done_callback(lambda done: self._delivered(done.exception()))

    def _delivered(self, error: BaseException | None) -> None:
        if error is not None and self._failure is None:
            self._failure = error
        self._slots.release()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise BrokerError(f"{self._config.kafka.bootstrap}: records were not accepted: {_brief(failure)}")

    async def _connect(self) -> Any:
        client = AIOKafkaProducer(bootstrap_servers=self._config.kafka.bootstrap, **self._settings)
        try:
            await client.start()
        except BaseException:
            await client.stop()
            raise
        return client

    async def _disconnect(self) -> None:
        feeders = [queue.feeder for queue in self._queues.values()]  # type: ignore[attr-defined]
        for feeder in feeders:
            feeder.cancel()
        await asyncio.gather(*feeders, return_exceptions=True)
        await self._client.stop()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        with _told(self._config):
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def send_heartbeats(producer: Producer, names: TopicNames, partitions: int, time_ms: int, source: str) -> int:
    """Tell every partition of the three event topics that nothing older than ``time_ms`` (epoch ms, UTC)
    follows from ``source``; how many records that took.

    The same call gives the same events, ids included, so a repeated import repeats nothing.
    """
    at = format_time(time_ms)
    for topic in names.events:
        family = topic.split(".")[-2]
        for partition in range(partitions):
            event = SourceHeartbeat(
                id=f"heartbeat-{family}-{partition}-{time_ms}", source=source, time=at, subject=source
            )
            producer.send(
                topic, value=encode(event), key=source.encode(), headers=HEADERS, partition=partition
            )
    return len(names.events) * partitions


@contextlib.contextmanager
def _told(config: Config) -> Iterator[None]:
    """Turn either library's errors into one a user can read."""
    try:
        yield
    except (KafkaError, AsyncKafkaError) as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {_brief(error)}") from None


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if 0 < len(text) <= 160 else type(error).__name__
