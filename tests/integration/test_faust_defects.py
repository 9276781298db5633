"""Defects of faust-streaming 0.15.3 that would lose events or count them twice: each shown in stock Faust on a real
broker, and beside it what Daybook does instead.

A test of the first kind that fails after an upgrade says that Faust has mended it. Windowed tables have a file of their
own; tests/unit/test_faust_kept_off.py shows that nothing of ours calls what is broken.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.transport.consumer import TransactionManager
from faust.types import TP

from streams.config import load_config
from streams.runtime.app import create_app
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.chunks import Chunk
from streams.runtime.kafka import ApacheKafka
from streams.runtime.outbox import Record, deliver
from streams.runtime.topics import TopicNames
from tests.integration.conftest import free_port
from tests.support.faust_apps import (
    Recorder,
    committed,
    create,
    make_app,
    raw_topic,
    running,
    send,
    stock_app,
    until,
    values,
)

QUICK: dict[str, Any] = {"broker_session_timeout": 1.0, "broker_heartbeat_interval": 0.3}
"""The embedded broker lets a group wait as long as this when it forms."""


@pytest.fixture
def topic(embedded_broker: EmbeddedBroker, namespace: str) -> str:
    """A topic of one partition, which is read by ``<topic>-group``."""
    create(embedded_broker, namespace, partitions=1)
    return namespace


class Held(Recorder):
    """Takes no chunk until it is let go."""

    def __init__(self, topics: set[str]) -> None:
        super().__init__(topics)
        self.reached, self.gate = asyncio.Event(), asyncio.Event()

    async def take(self, chunk: Chunk) -> None:
        self.reached.set()
        await self.gate.wait()
        await super().take(chunk)


async def rebalance(app: Any) -> None:
    """The group forms anew, as it does when a worker joins or leaves; returns when this one reads on."""
    thread, generation = app.consumer._thread, app.consumer_generation_id

    async def rejoin() -> None:
        thread._ensure_consumer()._coordinator.request_rejoin()

    await thread.call_thread(rejoin)
    await until(lambda: app.consumer_generation_id != generation and not app.rebalancing, "a new generation")


# -- commits ------------------------------------------------------------------------------------------------------


async def test_faust_commits_past_an_offset_that_is_still_in_flight(
    embedded_broker: EmbeddedBroker, topic: str
) -> None:
    app, done, gates = (
        stock_app(embedded_broker, f"{topic}-group"),
        set(),
        {b"0": asyncio.Event(), b"2": asyncio.Event()},
    )

    async def work(stream: Any) -> None:
        async for value in stream:
            if value in gates:
                await gates[value].wait()
            done.add(value)

    app.agent(raw_topic(app, topic), name="work", concurrency=2)(work)
    async with running(app):
        await send(embedded_broker, topic, 0, 2, partitions=1)
        await until(lambda: done == {b"1"})
        await app.consumer.commit()
        assert await committed(embedded_broker, f"{topic}-group") == {TP(topic, 0): 2}, "0 is not done"
        gates[b"0"].set()
        await until(lambda: b"0" in done)
        # So it is later on, where a committed offset is known: one in flight right behind it is passed over.
        await send(embedded_broker, topic, 2, 2, partitions=1)
        await until(lambda: b"3" in done)
        await app.consumer.commit()
        assert await committed(embedded_broker, f"{topic}-group") == {TP(topic, 0): 4}, "2 is not done"
        gates[b"2"].set()


async def test_faust_commits_nothing_of_ours_while_a_chunk_is_in_flight_or_after(
    embedded_broker: EmbeddedBroker, topic: str
) -> None:
    reader = Held({topic})
    app = make_app(embedded_broker, f"{topic}-group", reader, **QUICK)
    await send(embedded_broker, topic, 0, 4, partitions=1)
    async with running(app):
        await reader.reached.wait()
        await app.consumer.commit()
        assert await committed(embedded_broker, f"{topic}-group") == {}
        reader.gate.set()
        await reader.until(lambda: reader.count == 4)
        await app.consumer.commit()
        assert await committed(embedded_broker, f"{topic}-group") == {}
        # Only what we say has been published.
        assert await app.consumer.commit_published({TP(topic, 0): 3})
        await app.consumer.commit()
        assert await committed(embedded_broker, f"{topic}-group") == {TP(topic, 0): 3}


# -- producers ----------------------------------------------------------------------------------------------------


class Stalling(EmbeddedBroker):
    """A broker that can be made to answer nothing for a while."""

    def stall(self) -> None:
        assert self.pid is not None
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGCONT)


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[Stalling]:
    with Stalling(tmp_path / "stalling", free_port()) as running:
        create(running, "out", partitions=1)
        yield running
        running.go_on()


MESSAGES = 50


@pytest.fixture
async def sending(stalling: Stalling) -> AsyncIterator[Any]:
    """An app that only sends, one record in each batch."""
    app = stock_app(stalling, "sending", producer_max_batch_size=10)
    await app.producer.start()
    await app.producer.send_and_wait("out", None, b"first", 0, None, None)  # it knows the topic now
    yield app
    await app.producer.stop()


async def test_fausts_flush_returns_while_messages_are_queued(stalling: Stalling, sending: Any) -> None:
    stalling.stall()
    out = raw_topic(sending, "out")
    for number in range(MESSAGES):
        out.send_soon(value=b"%d" % number, partition=0)
    flushing = asyncio.ensure_future(sending.producer.flush())
    # The buffer is given up on after a tenth of a second in which nothing could be sent; then the batches that are
    # under way are waited for, but no others.
    buffer: Any = sending.producer.buffer
    await until(lambda: _in(flushing, "flush_atmost"))
    await until(lambda: not _in(flushing, "flush_atmost"))
    assert not flushing.done()
    stalling.go_on()
    await flushing
    assert buffer.size > 0, "these are lost if the process ends now"
    await until(lambda: buffer.size == 0)


def _in(task: asyncio.Future[Any], function: str) -> bool:
    """Whether a task waits in a coroutine of that name."""
    at = getattr(task, "get_coro", lambda: None)()
    while at is not None:
        if getattr(at, "__name__", "") == function:
            return True
        at = getattr(at, "cr_await", None)
    return False


async def test_deliver_returns_when_each_record_is_acknowledged(stalling: Stalling, sending: Any) -> None:
    async def send_one(record: Record) -> Any:
        return await sending.producer.send(record.topic, record.key, record.value, record.partition, None, [])

    stalling.stall()
    records = [Record("out", None, b"%d" % number, partition=0) for number in range(MESSAGES)]
    delivering = asyncio.ensure_future(deliver(send_one, records))
    # Longer than Faust's own patience.
    assert await asyncio.wait({delivering}, timeout=0.3) == (set(), {delivering})
    stalling.go_on()
    await delivering
    assert await values(stalling, "out") == [b"first", *(b"%d" % number for number in range(MESSAGES))]


THREADED = """
import asyncio, os, sys
import faust

async def main():
    app = faust.App("threaded", broker="kafka://" + sys.argv[1], producer_threaded=True, producer_linger=60.0)
    await app.producer.start()
    await app.producer.threaded_producer.start()
    out = app.topic(sys.argv[2], value_type=bytes, value_serializer="raw")
    out.send_soon(value=b"only", partition=0)
    await asyncio.wait_for(app.producer.flush(), 5)
    print("flushed", flush=True)
    os._exit(0)

asyncio.run(main())
"""
"""In a process of its own: the producer's thread ends with an error whatever one does."""


async def test_fausts_flush_does_not_reach_the_threaded_producer(embedded_broker: EmbeddedBroker, topic: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", THREADED, embedded_broker.bootstrap, topic, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output == b"flushed\n"
    assert await values(embedded_broker, topic) == [], "lost, though it was flushed"


# -- exactly_once -------------------------------------------------------------------------------------------------


async def test_faust_sends_outside_the_transaction_what_goes_to_a_topic_it_does_not_read(
    apache_broker: ApacheKafka, namespace: str
) -> None:
    # The embedded broker has no transactions.
    topic, out = namespace, f"{namespace}-out"
    await asyncio.to_thread(create, apache_broker, topic, out, partitions=1)
    app = stock_app(apache_broker, f"{topic}-group", processing_guarantee="exactly_once", broker_session_timeout=6.0)
    app.in_worker = True  # as under Faust's own command; otherwise the setting does nothing at all
    reached, gate = asyncio.Event(), asyncio.Event()
    results = raw_topic(app, out)

    async def work(stream: Any) -> None:
        async for value in stream:
            await (await results.send(value=value, partition=0))
            reached.set()
            await gate.wait()

    app.agent(raw_topic(app, topic), name="work")(work)
    async with running(app):
        await send(apache_broker, topic, 0, 1, partitions=1)
        await reached.wait()
        assert await committed(apache_broker, f"{topic}-group") == {}
        seen = await values(apache_broker, out, isolation_level="read_committed")
        assert seen == [b"0"], "a result is there of which the input is yet to be committed"


async def test_faust_gives_no_transaction_to_a_partition_it_does_not_know() -> None:
    # The reason, without a broker: the name it is asked for is thrown away, and only a known partition gives another.
    sent: list[str | None] = []

    class Producer:
        async def send(self, *_: Any, transactional_id: str | None = None) -> None:
            sent.append(transactional_id)

    transport: Any = SimpleNamespace(app=SimpleNamespace())
    consumer: Any = SimpleNamespace(key_partition=lambda *_: None)
    producer: Any = Producer()
    manager = TransactionManager(transport, consumer=consumer, producer=producer)
    await manager.send("new", b"key", b"value", None, None, None, transactional_id="the one asked for")
    assert sent == [None]


# -- take ---------------------------------------------------------------------------------------------------------


async def test_fausts_take_acknowledges_a_batch_that_failed(embedded_broker: EmbeddedBroker, topic: str) -> None:
    app = stock_app(embedded_broker, f"{topic}-group")
    failed: list[list[bytes]] = []

    async def work(stream: Any) -> None:
        async for batch in stream.take(3, within=30.0):
            failed.append(batch)
            raise ZeroDivisionError("the database is down")

    app.agent(raw_topic(app, topic), name="work")(work)
    async with running(app):
        await send(embedded_broker, topic, 0, 3, partitions=1)
        await until(lambda: failed)
        await until(lambda: not app.consumer.unacked)
        await app.consumer.commit()
        assert failed == [[b"0", b"1", b"2"]]
        assert await committed(embedded_broker, f"{topic}-group") == {TP(topic, 0): 3}


async def test_fausts_noack_take_gives_again_what_it_held_at_a_rebalance(
    embedded_broker: EmbeddedBroker, topic: str
) -> None:
    app = stock_app(embedded_broker, f"{topic}-group")
    batches: list[list[bytes]] = []

    async def work(stream: Any) -> None:
        async for batch in stream.noack_take(8, within=30.0):
            values = [event.value for event in batch]
            batches.append(values)

    app.agent(raw_topic(app, topic), name="work")(work)
    async with running(app):
        await send(embedded_broker, topic, 0, 4, partitions=1)
        await until(lambda: len(app.consumer.unacked) == 4)
        await rebalance(app)
        await until(lambda: batches)
    # Its own buffer is not emptied when the queues are: the partition may by now be somebody else's.
    assert batches == [[b"0", b"1", b"2", b"3"] * 2]


async def test_a_rebalance_gives_us_nothing_again(embedded_broker: EmbeddedBroker, topic: str) -> None:
    reader = Held({topic})
    app = make_app(embedded_broker, f"{topic}-group", reader, **QUICK)
    async with running(app):
        await send(embedded_broker, topic, 0, 4, partitions=1)
        await reader.reached.wait()
        await rebalance(app)
        await reader.until(lambda: reader.positions[TP(topic, 0)].epoch > 1)
        reader.gate.set()
        await send(embedded_broker, topic, 4, 4, partitions=1)
        await reader.until(lambda: reader.count == 8)
    assert reader.read == {TP(topic, 0): [b"%d" % number for number in range(8)]}
    assert 1 not in {chunk.epoch for chunk in reader.chunks}, "what was held from before is of no use"


# -- the assignor -------------------------------------------------------------------------------------------------


TOPICS = TopicNames("daybook").events
WORKERS = 2


class Cluster:
    """Three topics of three partitions."""

    def topics(self) -> set[str]:
        return set(TOPICS)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1, 2}


def shares(assignor: Any) -> list[set[TP]]:
    """What each worker is assigned."""
    members = {f"worker-{number}": assignor.metadata(set(TOPICS)) for number in range(WORKERS)}
    given: dict[str, ConsumerProtocolMemberAssignment] = assignor.assign(Cluster(), members)
    return [{TP(*tp) for tp in assignment.partitions()} for assignment in given.values()]


def together(share: set[TP]) -> bool:
    """Whether a worker has the same partitions of all three topics."""
    return all(
        {tp.partition for tp in share if tp.topic == topic} == {tp.partition for tp in share} for topic in TOPICS
    )


async def test_faust_without_standby_replicas_does_not_keep_topics_together(embedded_broker: EmbeddedBroker) -> None:
    app = stock_app(embedded_broker, "no-standby", table_standby_replicas=0)
    thread: Any = app.consumer._thread
    made = thread._create_worker_consumer(app.transport)
    made._closed = True  # it was never started
    thread.thread_loop.close()
    assert thread._assignor is RoundRobinPartitionAssignor
    assert not all(together(share) for share in shares(thread._assignor))


async def test_a_worker_keeps_the_three_event_topics_together() -> None:
    app = create_app(load_config(env={}))
    app.finalize()
    consumer: Any = app.consumer
    thread = consumer._thread
    made = thread._create_worker_consumer(app.transport)
    made._closed = True
    thread.thread_loop.close()
    assert app.conf.table_standby_replicas >= 1
    assert thread._assignor is app.assignor
    found = shares(app.assignor)
    assert all(together(share) for share in found)
    assert set().union(*found) == {TP(topic, number) for topic in TOPICS for number in range(3)}
