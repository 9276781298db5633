"""The state log in Kafka: append an entry and learn whether it continues the chain, read a partition back, trim it.

One partition of a state topic belongs to one source partition. Its owner is the only writer, but for an owner who
does not know yet that it was replaced. So the owner knows at which offset its next record must land; where it lands
elsewhere, somebody else has written, and only reading the log again tells whose entry continued the state.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from streams.config import Config
from streams.errors import BrokerError
from streams.runtime.client_errors import broker_errors
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer
from streams.runtime.security import client_security
from streams.runtime.state.chain import Chain, follow
from streams.runtime.state.frames import Entry, Kind, Offsets, Step, cut, join
from streams.runtime.topics import admin

log = structlog.get_logger(__name__)

FRAME_BYTES = 900_000
"""Payload of one record: below the megabyte that brokers accept unless told otherwise."""
APPENDED_WITHIN_MS = 10_000
"""An append that is not acknowledged by then has an unknown outcome."""
_POLL_MS = 500
_SILENT_S = 10.0


class LostRace(BrokerError):
    """Somebody else has written to the partition since it was read: the state must be read again."""


class Appends(Protocol):
    """What the agents use of a :class:`StateLog`."""

    async def recover(self, partition: int) -> Chain: ...
    async def unchanged(self, partitions: set[int]) -> set[int]: ...
    async def append(self, partition: int, kind: Kind, step: Step) -> int: ...
    async def trim(self, partition: int, before: int) -> None: ...


class StateLog:
    """Reads and appends for one worker, to a topic of its own form.

    ``plan`` is the fingerprint of what its states are made under, ``beginning`` the offsets of the empty state.
    """

    def __init__(self, config: Config, topic: str, plan: str, beginning: Offsets) -> None:
        self._config, self._topic, self._plan, self._beginning = config, topic, plan, beginning
        self._writer = uuid4().hex
        self._entries = 0
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        # By partition: where the next record must land, and how often it has been read: an append that was begun before
        # the last time knows nothing of what stands there now.
        self._next: dict[int, int] = {}
        self._readings: dict[int, int] = {}

    async def recover(self, partition: int) -> Chain:
        """Read a partition to its end and follow its chain. Raises :class:`BrokerError` where no broker answers."""
        self._next.pop(partition, None)
        reading = self._readings[partition] = self._readings.get(partition, 0) + 1
        chain, end = await asyncio.to_thread(self._read, partition)
        if self._readings[partition] == reading:
            self._next[partition] = end
        return chain

    def _read(self, partition: int) -> tuple[Chain, int]:
        tp = TopicPartition(self._topic, partition)
        records: list[tuple[int, bytes]] = []
        with broker_errors(self._config.kafka.bootstrap):
            reader = consumer(self._config)
            try:
                reader.assign([tp])
                begin, end = reader.beginning_offsets([tp])[tp], reader.end_offsets([tp])[tp]
                reader.seek(tp, begin)
                # Where a log with records ends only a fetch tells right; see streams.runtime.offsets.
                heard = time.monotonic()
                while begin < end and reader.position(tp) < (reader.highwater(tp) or end):
                    fetched = reader.poll(timeout_ms=_POLL_MS).get(tp, [])
                    records += [(record.offset, record.value) for record in fetched if record.value is not None]
                    if fetched:
                        heard = time.monotonic()
                    elif time.monotonic() - heard > _SILENT_S:
                        raise BrokerError(f"{self._topic}/{partition}: no records for {_SILENT_S:g} s before its end")
                end = reader.position(tp)
            finally:
                reader.close()
        return follow(join(records), self._plan, self._beginning), end

    async def unchanged(self, partitions: set[int]) -> set[int]:
        """Those of the partitions to which nobody has written since they were read or we appended."""
        known = {TopicPartition(self._topic, number): self._next[number] for number in partitions & self._next.keys()}
        ranges = await asyncio.to_thread(offset_ranges, self._config, list(known))
        return {tp.partition for tp, expected in known.items() if ranges[tp][1] == expected}

    async def append(self, partition: int, kind: Kind, step: Step) -> int:
        """Append an entry and await its acknowledgement; the offset of its first record. A snapshot is a step that
        stays where it is.

        Raises :class:`LostRace` where another writer came in between, and aiokafka's errors where it is unknown
        whether it was written: in both cases the state must be recovered before the next append.
        """
        expected, reading = self._next.pop(partition, None), self._readings.get(partition)
        if expected is None:
            raise LostRace(f"{self._topic}/{partition}: not read since an append failed")
        self._entries += 1
        entry = Entry(self._writer, kind, self._plan, *step)
        producer = await self._started()
        offsets = [
            (await acknowledged).offset
            for acknowledged in [
                await producer.send(self._topic, frame, key=b"%d" % partition, partition=partition)
                for frame in cut(entry, self._entries, FRAME_BYTES)
            ]
        ]
        if offsets != list(range(expected, expected + len(offsets))):
            raise LostRace(f"{self._topic}/{partition}: written at {offsets}, expected from {expected}")
        if self._readings[partition] != reading:
            raise LostRace(f"{self._topic}/{partition}: read again while an append was under way")
        self._next[partition] = offsets[-1] + 1
        return expected

    async def trim(self, partition: int, before: int) -> None:
        """Delete what stands before an offset. A broker that cannot is left alone: the log is longer, no less right."""
        try:
            await asyncio.to_thread(self._delete, partition, before)
        except Exception as error:
            log.debug("state log not trimmed", topic=self._topic, partition=partition, error=str(error))

    def _delete(self, partition: int, before: int) -> None:
        with admin(self._config) as client:
            client.delete_records({TopicPartition(self._topic, partition): before})

    async def close(self) -> None:
        """Let go of the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._config.kafka.bootstrap,
                    acks="all",
                    max_request_size=4 << 20,
                    request_timeout_ms=APPENDED_WITHIN_MS,
                    **client_security(self._config, "aiokafka"),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
        return self._producer
