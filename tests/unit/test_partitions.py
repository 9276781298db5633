"""A key's partition is the one every other Kafka client would choose."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from aiokafka.partitioner import DefaultPartitioner as AsyncPartitioner
from aiokafka.partitioner import murmur2 as async_murmur2
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner
from kafka.partitioner import murmur2 as sync_murmur2

from streams.runtime.partitions import KeyPartitioner, murmur2, partition_of


@given(st.binary(max_size=300))
def test_the_hash_is_that_of_both_client_libraries(key: bytes) -> None:
    assert murmur2(key) == sync_murmur2(key) & 0xFFFFFFFF == async_murmur2(key) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "expected"),
    # Apache Kafka's own UtilsTest.
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


@given(st.binary(min_size=1, max_size=40), st.integers(1, 64))
def test_both_libraries_partitioners_choose_the_same_partition(key: bytes, count: int) -> None:
    partitions = list(range(count))
    cluster = SimpleNamespace(
        topics=lambda: {"t"},
        partitions_for_topic=lambda _: set(partitions),
        available_partitions_for_topic=lambda _: (),
    )
    ours = partition_of(key, count)
    assert ours == AsyncPartitioner()(key, partitions, partitions)
    assert ours == DefaultPartitioner().partition("t", key, key, None, None, cluster)
    assert ours == KeyPartitioner().partition("t", key, key, None, None, cluster)


def test_keys_are_spread_evenly_and_keyless_records_in_turn() -> None:
    counts = [0] * 4
    for _ in range(4000):
        counts[partition_of(f"order-{random.randrange(10**9)}".encode(), 4)] += 1
    assert max(counts) - min(counts) < 400
    cluster = SimpleNamespace(partitions_for_topic=lambda _: {0, 1, 2})
    partitioner = KeyPartitioner()
    assert sorted(partitioner.partition("t", None, None, None, b"", cluster) for _ in range(3)) == [0, 1, 2]
