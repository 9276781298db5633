"""Where partitions end, told right by both brokers.

The embedded broker answers a question for the latest offset with the first offset of the last batch plus one,
so all but one record of that batch would be missed. The high watermark that comes with fetched records is
right on both: it is taken from the fetch of the last record.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition

from streams.errors import BrokerError
from streams.runtime.client_errors import broker_errors
from streams.runtime.ports import require_reachable
from streams.runtime.security import client_security

if TYPE_CHECKING:
    from streams.config import Config

_WAIT_S = 10.0


def offset_ranges(config: Config, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
    """The first offset kept and the offset after the last record, for each of ``partitions``.

    Raises :class:`BrokerError` when the broker does not answer within ten seconds.
    """
    partitions = list(partitions)
    if not partitions:
        return {}
    require_reachable(config.kafka.bootstrap)
    with broker_errors(config.kafka.bootstrap):
        consumer = KafkaConsumer(
            bootstrap_servers=config.kafka.bootstrap.split(","),
            client_id="daybook-offsets",
            enable_auto_commit=False,
            # The smallest fetch there is: a partition's first batch comes even where it is larger.
            max_partition_fetch_bytes=1,
            bootstrap_timeout_ms=int(_WAIT_S * 1000),
            **client_security(config, "kafka-python"),
        )
        try:
            # Assigned first: the consumer asks only about partitions of topics that it knows.
            consumer.assign(partitions)
            begin, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            filled = [tp for tp in partitions if end[tp] > begin[tp]]
            end |= _high_watermarks(consumer, {tp: end[tp] - 1 for tp in filled})
        finally:
            consumer.close()
    return {tp: (begin[tp], end[tp]) for tp in partitions}


def _high_watermarks(consumer: Any, last: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
    """The high watermark of each partition, learned by reading the record at the offset given."""
    deadline = time.monotonic() + _WAIT_S
    found: dict[TopicPartition, int] = {}
    consumer.assign(list(last))
    for partition, offset in last.items():
        consumer.seek(partition, offset)
    while len(found) < len(last):
        if time.monotonic() > deadline:
            missing = ", ".join(f"{tp.topic}-{tp.partition}" for tp in last if tp not in found)
            raise BrokerError(f"no answer about the end of {missing} within {_WAIT_S:g} s")
        consumer.poll(timeout_ms=200)
        for partition in last.keys() - found.keys():
            if (mark := consumer.highwater(partition)) is not None:
                found[partition] = mark
                consumer.pause(partition)
    return found
