"""Records into Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streams.config import Config
from streams.events.codec import HEADERS
from streams.ingest.imports.send import Record, Sink
from streams.runtime.bulk import BulkProducer
from streams.runtime.topics import TopicNames, create_topics

FLUSH_SECONDS = 1.0
"""Partitions fill at different speeds; none is left behind for longer than this."""


@contextmanager
def kafka_sink(config: Config) -> Iterator[Sink]:
    """A sink that writes to the configured broker, whose topics are made if need be; at the end all is
    acknowledged.

    Raises :class:`BrokerError` where the broker cannot be reached or does not take the records.
    """
    create_topics(config)
    topics = TopicNames(config.namespace).events
    with BulkProducer(config) as producer:
        flushed = time.monotonic()

        def send(records: Sequence[Record]) -> None:
            nonlocal flushed
            for record in records:
                producer.send(
                    topics[record.family],
                    value=record.value,
                    key=record.key,
                    headers=HEADERS,
                    partition=record.partition,
                )
            if time.monotonic() - flushed >= FLUSH_SECONDS:
                producer.flush()
                flushed = time.monotonic()

        yield send
