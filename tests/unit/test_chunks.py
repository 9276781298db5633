"""Chunks taken from aiokafka's buffers: complete, in order, whatever lies in the log."""

from __future__ import annotations

import gc
import sys
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.runtime.chunks import Chunk, ChunkRecords, FetchedRecords

TOPIC = TopicPartition("events", 3)


def batch(base: int, offsets: Sequence[int], codec: int = 0, control: bool = False) -> bytes:
    """A record batch as the broker sends it; ``offsets`` are relative to ``base``."""
    builder = DefaultRecordBatchBuilder(2, codec, int(control), -1, -1, -1, 1 << 20)
    for offset in offsets:
        number = base + offset
        headers = [("content-type", b"application/json")]
        builder.append(offset, 1_000_000 + number, b"k%d" % number, b"v%d" % number, headers)
    raw = bytearray(builder.build())
    raw[0:8] = base.to_bytes(8, "big")  # not covered by the checksum, as the broker fills it in
    if control:
        raw[21:23] = (0x20).to_bytes(2, "big")
    return bytes(raw)


def read(raw: bytes, fetch_offset: int = 0, check_crcs: bool = True) -> tuple[list[Chunk], ChunkRecords]:
    stock = PartitionRecords(TOPIC, MemoryRecords(raw), [], fetch_offset, None, None, check_crcs, 0)
    records = ChunkRecords(stock, {TOPIC: 7})
    return list(records), records


def test_all_batches_of_a_fetch_are_one_chunk() -> None:
    (chunk,), records = read(batch(10, range(5)) + batch(15, range(3)), fetch_offset=10)
    assert (chunk.tp, chunk.epoch, chunk.start, chunk.end) == (TP("events", 3), 7, 10, 18)
    assert chunk.offsets.tolist() == list(range(10, 18))
    assert chunk.arrivals.tolist() == [1_000_000 + offset for offset in range(10, 18)]
    assert chunk.values == [b"v%d" % offset for offset in range(10, 18)]
    assert chunk.keys == [b"k%d" % offset for offset in range(10, 18)]
    assert records.next_fetch_offset == 18


def test_a_second_look_finds_nothing() -> None:
    _, records = read(batch(0, range(5)))
    assert list(records) == []
    assert records.next_fetch_offset == 5


@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
def test_a_fetch_from_within_a_batch_leaves_out_what_is_before(codec: int) -> None:
    (chunk,), _ = read(batch(0, range(10), codec), fetch_offset=4)
    assert (chunk.start, chunk.end) == (4, 10)
    assert chunk.offsets.tolist() == list(range(4, 10))
    assert chunk.values[0] == b"v4"
    assert len(chunk.arrivals) == len(chunk.keys) == len(chunk) == 6


def test_offsets_left_out_by_compaction_are_covered() -> None:
    (chunk,), _ = read(batch(0, [0, 3, 4]) + batch(9, [1]))
    assert chunk.offsets.tolist() == [0, 3, 4, 10]
    assert (chunk.start, chunk.end) == (0, 11)


def test_control_records_are_covered_and_not_shown() -> None:
    (chunk,), _ = read(batch(0, range(2)) + batch(2, [0], control=True) + batch(3, range(2)), check_crcs=False)
    assert chunk.offsets.tolist() == [0, 1, 3, 4]
    assert chunk.end == 5
    (only_control,), records = read(batch(0, [0], control=True), check_crcs=False)
    assert len(only_control) == 0
    assert (only_control.start, only_control.end, records.next_fetch_offset) == (0, 1, 1)


def test_an_incomplete_last_batch_is_left_for_the_next_fetch() -> None:
    (chunk,), records = read(batch(0, range(4)) + batch(4, range(4))[:-3])
    assert (chunk.end, records.next_fetch_offset) == (4, 4)
    assert read(batch(0, range(4))[:-3])[0] == []


def test_a_damaged_batch_is_an_error_only_when_it_is_the_first() -> None:
    damaged = bytearray(batch(4, range(4)))
    damaged[-5] ^= 1
    (chunk,), records = read(batch(0, range(4)) + bytes(damaged))
    assert (chunk.end, records.next_fetch_offset) == (4, 4)
    with pytest.raises(CorruptRecordException, match="offset 4"):
        read(bytes(damaged), fetch_offset=4)


def test_the_fetch_buffer_makes_chunks_of_the_named_topics_only() -> None:
    class Assignment:
        active = True

        def state_value(self, _: Any) -> Any:
            return self

        position = 0
        paused = False

        def consumed_to(self, offset: int) -> None:
            self.position = offset

    def result(tp: TopicPartition) -> FetchResult:
        records = PartitionRecords(tp, MemoryRecords(batch(0, range(3))), [], 0, None, None, True, 0)
        return FetchResult(tp, assignment=Assignment(), partition_records=records, backoff=0)

    buffer = FetchedRecords(frozenset({"events"}), {TOPIC: 1})
    assert isinstance(buffer, OrderedDict)
    other = TopicPartition("other", 0)
    buffer[TOPIC], buffer[other] = result(TOPIC), result(other)
    error = FetchError(error=ValueError(), backoff=0)
    buffer[TopicPartition("events", 4)] = error

    (chunk,) = buffer[TOPIC].getall(None)
    assert isinstance(chunk, Chunk)
    assert buffer[TOPIC]._assignment.position == 3
    assert not buffer[TOPIC].has_more()
    assert [record.value for record in buffer[other].getall(None)] == [b"v0", b"v1", b"v2"]
    assert buffer[TopicPartition("events", 4)] is error


def test_what_was_read_is_let_go_of_at_once() -> None:
    raw = batch(0, range(3))
    held = sys.getrefcount(raw)
    stock = PartitionRecords(TOPIC, MemoryRecords(raw), [], 0, None, None, True, 0)
    gone = weakref.ref(stock)
    chunks = ChunkRecords(stock, {TOPIC: 1})
    gc.disable()
    try:
        del stock
        assert gone() is None
        assert [len(chunk) for chunk in chunks] == [3]
        assert sys.getrefcount(raw) == held
    finally:
        gc.enable()


def test_a_limit_on_records_does_not_lose_a_chunk() -> None:
    class Result(FetchResult):  # type: ignore[misc]
        def check_assignment(self, tp: Any) -> bool:
            return True

        def _update_position(self) -> None:
            pass

    stock = PartitionRecords(TOPIC, MemoryRecords(batch(0, range(3))), [], 0, None, None, True, 0)
    chunks = ChunkRecords(stock, {TOPIC: 1})
    result = Result(TOPIC, assignment=None, partition_records=chunks, backoff=0)
    assert [len(chunk) for chunk in result.getall(1)] == [3]
    assert result.getall(1) == []
    assert not result.has_more()
