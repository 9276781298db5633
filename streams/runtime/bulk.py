"""Sending many records: an import, a simulation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from streams.errors import BrokerError
from streams.events.codec import HEADERS
from streams.runtime.client_errors import brief, broker_errors
from streams.runtime.partitions import partition_of
from streams.runtime.ports import require_reachable
from streams.runtime.security import client_security
from streams.runtime.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from streams.config import Config

_BATCH_BYTES = 256 * 1024
_IN_FLIGHT = 64  # batches: at most 16 MiB wait for the broker
_Place = tuple[str, int]
_Queue = asyncio.Queue[Any]


class BulkProducer:
    """Sends many records from one thread, several times as fast as
    :func:`~streams.runtime.producer.open_producer`: whole batches, not records, go through Python.

    Use as a context manager; leaving it flushes. A batch goes out when it is full or at :meth:`flush`: a
    sender that fills batches slowly flushes once a second or so. The order within a partition is kept. Not to
    be shared by threads.
    """

    def __init__(self, config: Config, **settings: Any) -> None:
        """Connect. ``settings`` go to ``AIOKafkaProducer``, over ours. Raises :class:`BrokerError` when no
        broker answers."""
        self._bootstrap = config.kafka.bootstrap
        require_reachable(self._bootstrap)
        self._settings: dict[str, Any] = {
            "bootstrap_servers": self._bootstrap,
            "client_id": "daybook-bulk",
            "acks": "all",
            "max_batch_size": _BATCH_BYTES,
            **client_security(config, "aiokafka"),
            **settings,
        }
        self._open: dict[_Place, Any] = {}
        self._counts: dict[str, int] = {}
        self._queues: dict[_Place, _Queue] = {}
        self._feeders: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._slots = threading.Semaphore(_IN_FLIGHT)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bulk-producer", daemon=True)
        self._thread.start()
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
        headers: Sequence[tuple[str, bytes]] | None = HEADERS,
        partition: int | None = None,
    ) -> None:
        """Add a record to the batch of its partition, that of its key unless ``partition`` is given. Waits
        while the broker is behind.

        Raises :class:`BrokerError` for a record that is too large, for a topic that does not exist, and for
        what went wrong with records sent earlier.
        """
        if value is not None and len(value) > MAX_EVENT_BYTES:
            raise BrokerError(f"{topic}: a record of {len(value)} bytes (the limit is {MAX_EVENT_BYTES})")
        if partition is None:
            partition = partition_of(key or b"", self._partitions(topic))
        place, now, headers = (topic, partition), int(time.time() * 1000), headers or ()
        builder = self._open.get(place)
        if builder is not None:
            if builder.append(timestamp=now, key=key, value=value, headers=headers) is not None:
                return
            self._dispatch(place)
        builder = self._open[place] = self._client.create_batch()
        builder.append(timestamp=now, key=key, value=value, headers=headers)

    def flush(self) -> None:
        """Send what is waiting and return when the broker has acknowledged all of it. Raises
        :class:`BrokerError` when it has not."""
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
        with contextlib.suppress(BrokerError):  # the error under way is the one to tell
            self.close()

    def _partitions(self, topic: str) -> int:
        count = self._counts.get(topic)
        if count is None:
            with broker_errors(self._bootstrap):
                try:
                    count = len(self._run(self._client.partitions_for(topic)))
                except UnknownTopicOrPartitionError:
                    raise BrokerError(f"{self._bootstrap}: there is no topic {topic}") from None
            self._counts[topic] = count
        return count

    def _dispatch(self, place: _Place) -> None:
        """Hand the open batch of a partition to the network thread."""
        self._raise_failure()
        builder = self._open.pop(place)
        builder.close()
        self._slots.acquire()
        self._loop.call_soon_threadsafe(self._enqueue, place, builder)

    def _enqueue(self, place: _Place, builder: Any) -> None:
        queue = self._queues.get(place)
        if queue is None:
            # One feeder for each partition: batches handed over side by side could overtake each other.
            queue = self._queues[place] = asyncio.Queue()
            self._feeders.append(self._loop.create_task(self._feed(place, queue)))
        queue.put_nowait(builder)

    async def _feed(self, place: _Place, queue: _Queue) -> None:
        topic, partition = place
        while True:
            builder = await queue.get()
            try:
                delivery = await self._client.send_batch(builder, topic, partition=partition)
            except Exception as error:  # whatever it was, the sender must hear of it and not wait for ever
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
            raise BrokerError(f"{self._bootstrap}: records were not accepted: {brief(failure)}") from failure

    async def _connect(self) -> Any:
        client = AIOKafkaProducer(**self._settings)
        try:
            with broker_errors(self._bootstrap):
                await client.start()
        except BaseException:
            await client.stop()
            raise
        return client

    async def _disconnect(self) -> None:
        for feeder in self._feeders:
            feeder.cancel()
        await asyncio.gather(*self._feeders, return_exceptions=True)
        await self._client.stop()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
