"""Faust apps on a real broker, stock ones and Daybook's: made, run, fed, and asked what they have committed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streams.runtime.chunks import Chunk
from streams.runtime.server import BrokerProcess
from streams.runtime.transport import Position, chunk_topic

PARTITIONS = 3
WITHIN = 60.0


class Recorder:
    """Reads chunks as an agent does: in order, once, from where it was placed."""

    def __init__(self, topics: set[str], keep: bool = True) -> None:
        self.topics, self.keep = frozenset(topics), keep
        self.mine: set[TP] = set()
        self.positions: dict[TP, Position] = {}
        self.next: dict[TP, int] = {}
        self.read: dict[TP, list[bytes | None]] = {}
        self.chunks: list[Chunk] = []
        self.assignments: list[set[TP]] = []
        self.changed = asyncio.Event()

    def assigned(self, tps: set[TP]) -> None:
        self.mine = tps
        self.assignments.append(tps)
        for tp in list(self.next):
            if tp not in tps or not self.keep:
                del self.next[tp], self.read[tp]
        self.changed.set()

    def wanted(self, tp: TP) -> int:
        return self.next.get(tp, 0)

    def placed(self, positions: Mapping[TP, Position]) -> None:
        self.positions |= positions
        for tp, position in positions.items():
            assert position.offset <= self.next.get(tp, position.offset)
            self.next.setdefault(tp, position.offset)
            self.read.setdefault(tp, [])
        self.changed.set()

    async def take(self, chunk: Chunk) -> None:
        if chunk.tp not in self.mine or self.positions[chunk.tp].epoch != chunk.epoch:
            return
        self.chunks.append(chunk)
        at = self.next[chunk.tp]
        assert chunk.start <= at, "a chunk is missing"
        assert chunk.offsets.tolist() == list(range(chunk.start, chunk.end))
        self.read[chunk.tp] += chunk.values[at - chunk.start :]
        self.next[chunk.tp] = max(at, chunk.end)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def count(self) -> int:
        return sum(map(len, self.read.values()))


def make_app(
    broker: BrokerProcess, group: str, recorder: Recorder | None, scheme: str = "daybook", **settings: Any
) -> Any:
    """An app whose agent feeds the recorder; without one, or with the scheme ``kafka``, a stock app."""
    ours: dict[str, Any] = {
        "datadir": Path(tempfile.gettempdir()) / "daybook-tests",
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "autodiscover": False,
        "stream_wait_empty": False,
        "broker_rebalance_timeout": 6.0,
        "broker_session_timeout": 6.0,
        "broker_heartbeat_interval": 1.0,
        "broker_commit_interval": 0.2,
    }
    app: Any = faust.App(group, broker=f"{scheme}://{broker.bootstrap}", **ours | settings)
    if recorder is not None:
        app.reader = recorder

        async def read(stream: Any) -> None:
            async for chunk in stream:
                await recorder.take(chunk)

        app.agent(chunk_topic(app, recorder.topics), name="read")(read)
    return app


def stock_app(broker: BrokerProcess, group: str, **settings: Any) -> Any:
    """An app as Faust comes, in a group that forms quickly and commits only when it is asked to."""
    quick = {"broker_session_timeout": 1.0, "broker_heartbeat_interval": 0.3, "broker_commit_interval": 3600.0}
    return make_app(broker, group, None, "kafka", **quick | settings)


def raw_topic(app: Any, name: str, **settings: Any) -> Any:
    """The channel of an agent that reads records one by one, as bytes."""
    return app.topic(name, value_type=bytes, value_serializer="raw", **settings)


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[Any]:
    app.finalize()
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for something that has no event to await."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WITHIN
    while not condition():
        assert loop.time() < deadline, f"it never came to hold: {what or condition}"
        await asyncio.sleep(0.01)


@contextmanager
def admin_of(broker: BrokerProcess) -> Iterator[Any]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        yield admin
    finally:
        admin.close()


def create(broker: BrokerProcess, *names: str, partitions: int = PARTITIONS) -> None:
    """Topics that take large records."""
    settings = {"max.message.bytes": str(12 << 20)}
    with admin_of(broker) as admin:
        admin.create_topics(
            {n: {"num_partitions": partitions, "replication_factor": 1, "configs": settings} for n in names}
        )
        admin.wait_for_topics(list(names))


async def send(
    broker: BrokerProcess, topic: str, first: int, count: int, partitions: int = PARTITIONS, **settings: Any
) -> None:
    """Records ``first`` … spread over the partitions in turn."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, linger_ms=5, **settings)
    await producer.start()
    try:
        for number in range(first, first + count):
            await producer.send(
                topic, b"%d" % number, key=b"k%d" % number, partition=number % partitions, headers=[("h", b"x")]
            )
        await producer.flush()
    finally:
        await producer.stop()


async def committed(broker: BrokerProcess, group: str) -> dict[TP, int]:
    """The offsets a group has committed."""

    def ask() -> dict[TP, int]:
        with admin_of(broker) as admin:
            found = admin.list_group_offsets([group])[group]
        return {TP(tp.topic, tp.partition): int(place.offset) for tp, place in found.items() if place.offset >= 0}

    return await asyncio.to_thread(ask)


async def values(broker: BrokerProcess, topic: str, partition: int = 0, **settings: Any) -> list[bytes]:
    """All records of a partition, as a consumer sees them that begins and ends there."""

    def read() -> list[bytes]:
        consumer = KafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=None, auto_offset_reset="earliest", **settings
        )
        try:
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            found: list[bytes] = []
            for _ in range(2):  # a second look finds nothing more
                found += [record.value for record in consumer.poll(timeout_ms=300).get(tp, [])]
            return found
        finally:
            consumer.close()

    return await asyncio.to_thread(read)
