"""A consumer for reading a topic on the side: no group, no commits, nothing another client could notice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.runtime.client_errors import brief
from streams.runtime.security import client_security

if TYPE_CHECKING:
    from streams.config import Config


def consumer(config: Config, *, strict: bool = False) -> Any:
    """A ``KafkaConsumer`` without a group on the configured broker. Raises :class:`BrokerError` when none
    answers.

    Where the offset to read on from is none of the log's, as in a topic that was made again, it reads from the
    beginning; with ``strict`` it raises ``OffsetOutOfRangeError``.
    """
    bootstrap = config.kafka.bootstrap
    try:
        return KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            client_id="daybook-reader",
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="none" if strict else "earliest",
            bootstrap_timeout_ms=10_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 << 20,
            **client_security(config, "kafka-python"),
        )
    except KafkaError as error:
        raise BrokerError(f"{bootstrap}: no Kafka broker answers there ({brief(error)})") from None


SILENT_S = 10.0
"""Seconds without a record before the end after which reading is given up."""


def records(reader: Any, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> Iterator[Any]:
    """Every record from ``starts`` up to, not including, ``ends``, those of a partition in their order.

    Raises :class:`BrokerError` where the broker stops sending before the end.
    """
    if not ends:
        return
    reader.assign(list(ends))
    for partition, offset in starts.items():
        reader.seek(partition, offset)
    deadline = time.monotonic() + SILENT_S
    while any(reader.position(partition) < end for partition, end in ends.items()):
        for partition, fetched in reader.poll(500).items():
            yield from (record for record in fetched if record.offset < ends[partition])
            deadline = time.monotonic() + SILENT_S
        if time.monotonic() > deadline:
            raise BrokerError(f"the broker has sent nothing more for {SILENT_S:g} s")


def goes_on(
    reader: Any, partition: TopicPartition, following: int, bounds: tuple[int, int], is_it: Callable[[Any], bool]
) -> bool:
    """Whether a partition that was read up to, not including, an offset is still the same log, rather than one that was
    made again: ``is_it`` says of the record before that offset whether it is the one that was read.

    ``bounds`` are its first offset and the one after its last. Where that record is kept no more, a log that begins
    above 0 is taken for the same. Seeks.
    """
    begin, end = bounds
    last = following - 1
    if end < following:
        return False
    if last < begin:
        return begin > 0
    return any(is_it(record) for record in records(reader, {partition: last}, {partition: following}))
