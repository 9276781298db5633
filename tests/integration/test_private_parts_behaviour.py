"""What the private parts of Faust and aiokafka do that the chunk transport rests on: shown, not read.

That they are there is held by tests/unit/test_private_parts_*.py; the reasons are in
docs/decisions/0002-chunk-transport.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from streams.runtime.broker import EmbeddedBroker
from streams.runtime.chunks import Chunk, FetchedRecords
from streams.runtime.transport import (
    FETCH_BYTES,
    FETCH_WAIT_MS,
    PARTITION_FETCH_BYTES,
    QUEUED_CHUNKS,
    Consumer,
    ConsumerThread,
    chunk_topic,
)
from tests.support.faust_apps import Recorder, create, send

PLACE = TopicPartition("chunked", 0)
OURS, PLAIN = TP("chunked", 0), TP("plain", 0)


# -- aiokafka -----------------------------------------------------------------------------------------------------


def fetched(first: int, count: int, fetch_offset: int) -> FetchResult:
    """A batch of records as a fetch from ``fetch_offset`` brings it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        builder.append(number, 1_000_000, b"key", b"%d" % (first + number), [])
    raw = bytearray(builder.build())
    raw[0:8] = first.to_bytes(8, "big")
    records = PartitionRecords(PLACE, MemoryRecords(bytes(raw)), [], fetch_offset, None, None, True, 0)
    return FetchResult(PLACE, partition_records=records, assignment=None, backoff=0.0)


class Fetching:
    """aiokafka's fetcher with our buffer, without a broker: results are put in as its answers to fetches are."""

    def __init__(self) -> None:
        self.epochs = {PLACE: 7}
        self.state = SubscriptionState()
        self.state.assign_from_user({PLACE})
        client = SimpleNamespace(_loop=asyncio.get_running_loop(), _metadata_max_age_ms=1000)
        self.fetcher = Fetcher(client, self.state)
        self.fetcher._fetch_task.cancel()  # nobody is asked for records
        self.fetcher._records = FetchedRecords(frozenset({PLACE.topic}), self.epochs)
        self.state.seek(PLACE, 10)

    async def close(self) -> None:
        await self.fetcher.close()

    def answer(self, first: int, count: int, fetch_offset: int) -> None:
        result = fetched(first, count, fetch_offset)
        result._assignment = self.state.subscription.assignment
        self.fetcher._records[PLACE] = result

    async def read(self) -> list[Any]:
        found: dict[TopicPartition, list[Any]] = await self.fetcher.fetched_records([], 0, 500)
        return found.get(PLACE, [])

    @property
    def position(self) -> int:
        at: int = self.state.subscription.assignment.state_value(PLACE).position
        return at


@pytest.fixture
async def fetching() -> AsyncIterator[Fetching]:
    made = Fetching()
    yield made
    await made.close()


async def test_a_fetch_result_is_one_chunk_and_the_position_is_where_it_ends(fetching: Fetching) -> None:
    fetching.answer(10, 600, fetch_offset=10)
    (chunk,) = await fetching.read()
    assert type(chunk) is Chunk
    # One item, whatever Faust's limit of records for one reading is.
    assert (chunk.start, chunk.end, len(chunk), chunk.epoch) == (10, 610, 600, 7)
    assert fetching.position == 610
    assert not fetching.fetcher._records, "its place in the buffer is free, so that the next fetch is sent"


async def test_a_fetch_from_within_a_batch_moves_to_the_end_of_the_batch(fetching: Fetching) -> None:
    fetching.answer(5, 10, fetch_offset=10)
    (chunk,) = await fetching.read()
    assert (chunk.start, chunk.end, chunk.values[0]) == (10, 15, b"10")
    assert fetching.position == 15


async def test_a_seek_drops_what_was_fetched_before_it(fetching: Fetching) -> None:
    fetching.answer(10, 5, fetch_offset=10)
    fetching.fetcher.seek_to(PLACE, 3)
    assert await fetching.read() == []
    assert fetching.position == 3


async def test_an_answer_to_a_fetch_from_elsewhere_is_dropped(fetching: Fetching) -> None:
    fetching.fetcher.seek_to(PLACE, 3)
    fetching.answer(10, 5, fetch_offset=10)
    assert await fetching.read() == []
    assert fetching.position == 3


async def test_a_chunk_has_the_epoch_in_which_it_is_read_not_the_one_in_which_it_was_fetched(
    fetching: Fetching,
) -> None:
    # A seek in between drops the answer, so no chunk of before a seek has the epoch of after it.
    fetching.answer(10, 5, fetch_offset=10)
    fetching.epochs[PLACE] = 8
    (chunk,) = await fetching.read()
    assert chunk.epoch == 8


async def test_fetch_settings_made_before_the_start_are_those_of_the_fetcher(embedded_broker: EmbeddedBroker) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=embedded_broker.bootstrap, group_id="never joined")
    consumer._max_partition_fetch_bytes = PARTITION_FETCH_BYTES
    consumer._fetch_max_bytes = FETCH_BYTES
    consumer._fetch_max_wait_ms = FETCH_WAIT_MS
    await consumer.start()
    try:
        fetcher = consumer._fetcher
        assert fetcher._max_partition_fetch_bytes == PARTITION_FETCH_BYTES
        assert fetcher._fetch_max_bytes == FETCH_BYTES
        assert fetcher._fetch_max_wait_ms == FETCH_WAIT_MS
    finally:
        await consumer.stop()


async def test_seeking_to_what_was_committed_leaves_the_other_partitions_alone(
    embedded_broker: EmbeddedBroker, namespace: str
) -> None:
    await asyncio.to_thread(create, embedded_broker, namespace)
    await send(embedded_broker, namespace, 0, 30)
    first, second = TopicPartition(namespace, 0), TopicPartition(namespace, 1)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=embedded_broker.bootstrap, group_id=f"{namespace}-group", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([first, second])
        await consumer.commit({tp: OffsetAndMetadata(7, "") for tp in (first, second)})
        assert await consumer.beginning_offsets([first]) == {first: 0}
        consumer.seek(first, 3)
        consumer.seek(second, 3)
        assert await consumer.seek_to_committed(first) == {first: 7}
        assert [await consumer.position(tp) for tp in (first, second)] == [7, 3]
        # Hence no call without arguments.
        assert (await consumer.seek_to_committed()).keys() == {first, second}
        assert await consumer.position(second) == 7
        assert consumer.assignment() == {first, second}
        with pytest.raises(AssertionError):
            consumer.highwater(TopicPartition(namespace, 2))
    finally:
        await consumer.stop()


# -- Faust --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Any]:
    made: Any = faust.App("contracts", broker="daybook://127.0.0.1:1", datadir=tmp_path, web_enabled=False)
    made.reader = Recorder({OURS.topic})
    made.flow_control.resume()
    yield made
    made.consumer._thread.thread_loop.close()


def chunk(start: int = 0, end: int = 5) -> Any:
    result = FetchedRecords(frozenset({PLACE.topic}), {PLACE: 1})
    result[PLACE] = fetched(start, end - start, start)
    (made,) = result[PLACE]._partition_records
    return made


async def test_the_app_has_our_consumer_which_has_our_thread(app: Any) -> None:
    assert type(app.consumer) is Consumer
    assert type(app.consumer._thread) is ConsumerThread
    with pytest.raises(ConsumerNotStarted):
        app.consumer._thread._ensure_consumer()


async def test_the_threads_consumer_has_the_fetch_settings_of_ours(app: Any) -> None:
    made = app.consumer._thread._create_worker_consumer(app.transport)
    stocks = stock.AIOKafkaConsumerThread._create_worker_consumer(app.consumer._thread, app.transport)
    names = ("_max_partition_fetch_bytes", "_fetch_max_bytes", "_fetch_max_wait_ms")
    assert [getattr(made, name) for name in names] == [PARTITION_FETCH_BYTES, FETCH_BYTES, FETCH_WAIT_MS]
    assert [getattr(stocks, name) for name in names] == [1 << 20, 52_428_800, 1_500]
    made._closed = stocks._closed = True  # they were never started


async def test_a_chunk_is_one_message_whose_value_reaches_the_agent_as_it_is(app: Any) -> None:
    made = chunk()
    message = app.consumer._to_message(OURS, made)
    assert (message.tp, message.offset, message.generation_id) == (OURS, 0, app.consumer_generation_id)
    event = await chunk_topic(app, [OURS.topic]).decode(message)
    assert event.value is made
    assert event.key is None


async def drained(app: Any, *messages: tuple[TP, int]) -> list[tuple[TP, int]]:
    """Those of the messages that Faust's fetching loop delivers."""
    consumer, fetcher, delivered = app.consumer, SimpleNamespace(_stopped=asyncio.Event()), []

    async def deliver(message: Any) -> None:
        delivered.append((message.tp, message.offset))

    async def getmany(**_: Any) -> AsyncIterator[tuple[TP, Any]]:
        fetcher._stopped.set()
        for tp, offset in messages:
            yield tp, SimpleNamespace(offset=offset, topic=tp.topic, tp=tp, key=None, value=None)

    consumer.callback, consumer.getmany = deliver, getmany
    await consumer._drain_messages(fetcher)
    return delivered


async def test_faust_drops_what_lies_before_what_it_has_read_but_not_of_chunked_topics(app: Any) -> None:
    # A topic that is made again begins at 0, and a chunk may overlap the one before it.
    app.consumer._read_offset.update({OURS: 5, PLAIN: 5})
    assert await drained(app, (PLAIN, 3), (PLAIN, 6), (OURS, 3), (OURS, 6)) == [(PLAIN, 6), (OURS, 3), (OURS, 6)]
    assert await drained(app, (PLAIN, 0), (OURS, 0)) == [(OURS, 0)]
    assert app.consumer._read_offset == {PLAIN: 6}


async def test_a_seek_after_a_rebalance_goes_through_ours_and_is_remembered_for_plain_topics_only(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def seek_to_committed() -> dict[TP, int]:
        return {OURS: 5, PLAIN: 7}

    monkeypatch.setattr(app.consumer, "seek_to_committed", seek_to_committed)
    await app.consumer.perform_seek()
    assert app.consumer._read_offset == {PLAIN: 7}
    assert app.consumer._read_offset[OURS] is None
    app.consumer._read_offset.pop(OURS, None)  # as is done when partitions are revoked


async def test_a_chunked_topic_leaves_nothing_to_acknowledge_or_commit(app: Any) -> None:
    topic = chunk_topic(app, [OURS.topic])
    app.topics.add(topic)
    app.topics.add(app.topic(PLAIN.topic))
    await app.topics._update_indices()
    assert not app.topics.acks_enabled_for(OURS.topic)
    assert app.topics.acks_enabled_for(PLAIN.topic)
    message = app.consumer._to_message(OURS, chunk())
    assert not app.consumer.ack(message)
    assert app.consumer._acked == {}
    assert not await app.consumer.commit()


async def test_a_topic_made_by_the_app_loses_its_maximum_and_ours_has_it(app: Any) -> None:
    assert app.topic("plain", maxsize=QUEUED_CHUNKS).clone(is_iterator=True).queue.maxsize > QUEUED_CHUNKS
    assert chunk_topic(app, [OURS.topic]).clone(is_iterator=True).queue.maxsize == QUEUED_CHUNKS


async def test_a_full_queue_pauses_plain_partitions_and_not_chunked_ones(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once all partitions are paused Faust's fetching loop sleeps a second.
    monkeypatch.setattr(type(app), "in_recovery", False, raising=False)
    consumer = app.consumer
    consumer._set_active_tps({OURS, PLAIN})
    for tp in (OURS, PLAIN):
        consumer.on_buffer_full(tp)
    assert consumer._get_active_partitions() == {OURS}
