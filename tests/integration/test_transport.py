"""The chunk transport on real brokers."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP
from kafka import KafkaAdminClient

from streams.runtime.chunks import Chunk
from streams.runtime.kafka import ApacheKafka
from streams.runtime.server import BrokerProcess
from streams.runtime.transport import FETCH_BYTES, FETCH_WAIT_MS, PARTITION_FETCH_BYTES, QUEUED_CHUNKS
from tests.support.faust_apps import PARTITIONS, WITHIN, Recorder, create, make_app, running, send


@pytest.fixture
def topic(broker: BrokerProcess, namespace: str) -> str:
    create(broker, namespace)
    return namespace


def expected(topic: str, count: int) -> dict[TP, list[bytes | None]]:
    return {TP(topic, p): [b"%d" % n for n in range(p, count, PARTITIONS)] for p in range(PARTITIONS)}


@pytest.mark.parametrize("codec", [None, "gzip"])
async def test_chunks_are_complete_and_in_order(broker: BrokerProcess, topic: str, codec: str | None) -> None:
    await send(broker, topic, 0, 6_000, compression_type=codec)
    recorder = Recorder({topic})
    async with running(make_app(broker, f"{topic}-group", recorder)):
        await recorder.until(lambda: recorder.count >= 6_000)
        await send(broker, topic, 6_000, 3_000, compression_type=codec)
        await recorder.until(lambda: recorder.count >= 9_000)
    assert recorder.read == expected(topic, 9_000)
    assert len(recorder.chunks) < 300
    chunk = max(recorder.chunks, key=len)
    assert chunk.keys == [b"k%s" % value for value in chunk.values if value is not None]
    assert (chunk.arrivals > 1_600_000_000_000).all()


async def test_nothing_is_lost_or_doubled_when_a_worker_joins_and_leaves(broker: BrokerProcess, topic: str) -> None:
    await send(broker, topic, 0, 3_000)
    first, second = Recorder({topic}), Recorder({topic})
    tps = {TP(topic, number) for number in range(PARTITIONS)}
    async with running(make_app(broker, f"{topic}-group", first)):
        await first.until(lambda: first.count >= 3_000)
        async with running(make_app(broker, f"{topic}-group", second)):
            await second.until(lambda: bool(second.mine) and second.mine <= second.positions.keys())
            await first.until(lambda: first.mine | second.mine == tps)
            assert not first.mine & second.mine
            await send(broker, topic, 3_000, 3_000)
            await first.until(lambda: all(len(first.read.get(tp, ())) >= 2_000 for tp in first.mine))
            await second.until(lambda: all(len(second.read.get(tp, ())) >= 2_000 for tp in second.mine))
            assert first.read | second.read == expected(topic, 6_000)
            kept = first.mine & first.assignments[-2]
            # Who keeps a partition reads on, who gets one begins at the beginning.
            assert all(first.positions[tp].offset == 1_000 for tp in kept)
            assert all(second.positions[tp].offset == 0 for tp in second.mine)
        await first.until(lambda: first.mine == tps)
        await send(broker, topic, 6_000, 3_000)
        await first.until(lambda: first.count >= 9_000)
    assert first.read == expected(topic, 9_000)


async def test_committed_offsets_are_a_hint_for_others(broker: BrokerProcess, topic: str) -> None:
    await send(broker, topic, 0, 30)
    group, tp = f"{topic}-group", TP(topic, 1)
    first = Recorder({topic})
    async with running(make_app(broker, group, first)) as app:
        await first.until(lambda: first.count >= 30)
        assert await app.consumer.commit_published({tp: 7})
        assert not await app.consumer.commit_published({TP("somebody-elses", 0): 1})
    again = Recorder({topic})
    async with running(make_app(broker, group, again)):
        await again.until(lambda: again.count >= 30)
    assert again.positions[tp].offset == 0
    assert again.read == expected(topic, 30)
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        offsets = admin.list_group_offsets([group])
    finally:
        admin.close()
    assert "7" in str(offsets)


async def test_a_commit_during_a_rebalance_costs_nobody_the_membership(apache_broker: ApacheKafka) -> None:
    # Apache Kafka answers a connection in order: a commit behind a request to join waits with it for all members.
    topic = f"test-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(create, apache_broker, topic)
    group, tps = f"{topic}-group", {TP(topic, number) for number in range(PARTITIONS)}
    first, second, third = recorders = [Recorder({topic}) for _ in range(3)]
    hasty, late, new = [make_app(apache_broker, group, recorder) for recorder in recorders]

    def shared(*among: Recorder) -> bool:
        return all(one.mine for one in among) and sorted(tp for one in among for tp in one.mine) == sorted(tps)

    def coordinator(app: Any) -> Any:
        return app.consumer._thread._consumer._coordinator

    def commit() -> Any:
        return asyncio.ensure_future(hasty.consumer.commit_published(dict.fromkeys(first.mine, 1)))

    async def joins(app: Any, so: bool) -> None:
        deadline = asyncio.get_running_loop().time() + WITHIN
        while coordinator(app)._performed_join_prepare is not so:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)  # aiokafka has no event for it

    commits: list[Any] = []

    async def meanwhile(*_: Any, **__: Any) -> None:
        """The group waits for the late member; the hasty one has asked to join, waits for the answer, and commits."""
        if not commits:
            await joins(hasty, True)
            commits.extend(commit() for _ in range(2))
            await asyncio.wait(commits, timeout=0.2)

    async with running(hasty), running(late):
        await first.until(lambda: shared(first, second))
        await joins(hasty, False)
        before = [coordinator(app).member_id for app in (hasty, late)]
        late.on_partitions_revoked.connect(meanwhile, weak=False)
        async with running(new):
            await third.until(lambda: shared(*recorders))
            for app in (hasty, late, new):
                await joins(app, False)
            assert [coordinator(app).member_id for app in (hasty, late)] == before
            assert commits
            assert not any(await asyncio.gather(*commits)), "who joins has nothing to say"
            assert await commit(), "and then goes on"


async def test_a_log_that_ends_before_what_is_wanted_is_read_from_its_beginning(apache_broker: ApacheKafka) -> None:
    # The embedded broker answers with nothing; its topics and the state log go together.
    broker, topic = apache_broker, f"test-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(create, broker, topic)
    await send(broker, topic, 0, 30)
    recorder = Recorder({topic})
    recorder.next = {TP(topic, 2): 1_000}
    chunks: list[Chunk] = []
    recorder.take = lambda chunk: _keep(chunks, chunk, recorder.changed)  # type: ignore[method-assign]
    async with running(make_app(broker, f"{topic}-group", recorder)) as app:
        await recorder.until(lambda: any(chunk.tp == TP(topic, 2) for chunk in chunks))
        found = next(chunk for chunk in chunks if chunk.tp == TP(topic, 2))
        assert (found.start, found.epoch) == (0, recorder.positions[found.tp].epoch)
        assert app.consumer.highwater(found.tp) == 10


async def _keep(chunks: list[Chunk], chunk: Chunk, changed: asyncio.Event) -> None:
    chunks.append(chunk)
    changed.set()


async def test_a_rewind_reads_again_from_where_the_reader_wants(broker: BrokerProcess, topic: str) -> None:
    await send(broker, topic, 0, 900)
    recorder, tp = Recorder({topic}), TP(topic, 2)
    async with running(make_app(broker, f"{topic}-group", recorder)) as app:
        await recorder.until(lambda: recorder.count >= 900)
        before = recorder.positions[tp].epoch
        recorder.next[tp] = 100
        del recorder.read[tp][100:]
        assert await app.consumer.rewind([tp]) == {tp: 100}
        assert recorder.positions[tp].epoch == before + 1
        await recorder.until(lambda: recorder.count >= 900)
        assert app.consumer.highwater(tp) == 300
    assert recorder.read == expected(topic, 900)


async def test_other_topics_keep_the_stock_path_and_their_commits(broker: BrokerProcess, topic: str) -> None:
    plain = f"{topic}-plain"
    await asyncio.to_thread(create, broker, plain)
    await send(broker, topic, 0, 300)
    await send(broker, plain, 0, 30)

    async def run(records: int) -> list[bytes]:
        recorder, values, done = Recorder({topic}), [], asyncio.Event()
        app = make_app(broker, f"{topic}-group", recorder)
        if records == 0:
            done.set()

        async def one_by_one(stream: Any) -> None:
            async for value in stream:
                assert isinstance(value, bytes)
                values.append(value)
                if len(values) >= records:
                    done.set()

        app.agent(app.topic(plain, value_type=bytes, value_serializer="raw"), name="plain")(one_by_one)
        async with running(app), asyncio.timeout(WITHIN):
            await recorder.until(lambda: recorder.count >= 300)
            await done.wait()
            if records:
                await app.consumer.commit()
        return values

    assert sorted(await run(30), key=int) == [b"%d" % number for number in range(30)]
    await send(broker, plain, 30, 6)
    assert sorted(await run(6), key=int) == [b"%d" % number for number in range(30, 36)]


async def test_a_record_larger_than_a_fetch_comes_through(broker: BrokerProcess, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=12 << 20)
    await producer.start()
    try:
        large = b"x" * (5 * PARTITION_FETCH_BYTES)
        for value in (b"before", large, b"after"):
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()
    recorder = Recorder({topic})
    async with running(make_app(broker, f"{topic}-group", recorder)):
        await recorder.until(lambda: recorder.count >= 3)
    assert recorder.read[TP(topic, 0)] == [b"before", large, b"after"]


async def test_without_a_reader_it_is_the_stock_transport(broker: BrokerProcess, topic: str) -> None:
    await send(broker, topic, 0, 30)
    app, values, done = make_app(broker, f"{topic}-group", None), [], asyncio.Event()

    async def read(stream: Any) -> None:
        async for value in stream:
            values.append(value)
            if len(values) >= 30:
                done.set()

    app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"), name="read")(read)
    async with running(app), asyncio.timeout(WITHIN):
        await done.wait()
    assert sorted(values, key=int) == [b"%d" % number for number in range(30)]


BATCH_BYTES = 1 << 20


async def test_a_slow_reader_holds_the_fetches_back(broker: BrokerProcess, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        for number in range(1200):
            await producer.send(topic, b"%d" % number + b" " * 100_000, partition=number % PARTITIONS)
        await producer.flush()
    finally:
        await producer.stop()
    gate = asyncio.Event()

    class Slow(Recorder):
        async def take(self, chunk: Chunk) -> None:
            await gate.wait()
            await super().take(chunk)

    recorder = Slow({topic})
    async with running(make_app(broker, f"{topic}-group", recorder)) as app:
        (actor,) = app.agents["read"]._actors
        queue, thread = actor.stream.channel.queue, app.consumer._thread
        await recorder.until(lambda: len(recorder.positions) == PARTITIONS)
        full = asyncio.get_running_loop().time() + WITHIN
        while not queue.full():
            assert asyncio.get_running_loop().time() < full
            await asyncio.sleep(0.01)  # Faust's queue has no event for it
        await asyncio.sleep(10 * FETCH_WAIT_MS / 1000)  # that nothing more happens can only be waited for
        assert queue.qsize() == queue.maxsize == QUEUED_CHUNKS
        fetched = [await thread.position(TP(topic, number)) for number in range(PARTITIONS)]
        # A fetch ends with a whole batch, and so may a chunk.
        chunk = PARTITION_FETCH_BYTES + BATCH_BYTES
        assert sum(fetched) * 100_000 < 3 * (FETCH_BYTES + BATCH_BYTES) + (QUEUED_CHUNKS + 1) * 3 * chunk
        assert sum(fetched) < 1200
        gate.set()
        await recorder.until(lambda: recorder.count >= 1200)
    values = {tp: [int(value or b"") for value in read] for tp, read in recorder.read.items()}
    assert values == {TP(topic, p): list(range(p, 1200, PARTITIONS)) for p in range(PARTITIONS)}
