"""Events on their way out: as records, heartbeats in every partition, and into Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from streams.events.codec import encode
from streams.events.types import SourceHeartbeat
from streams.ingest.simulator.world import TimedEvent, family_of

if TYPE_CHECKING:
    from streams.config import Config


class Record(NamedTuple):
    """A record to be sent. ``family`` is the topic: 0 orders, 1 deliveries, 2 support, 3 calendar.
    ``partition`` is None where the key decides, as it does for all but heartbeats. ``arrival`` is
    epoch ms."""

    family: int
    partition: int | None
    key: bytes
    value: bytes
    arrival: int

    @property
    def heartbeat(self) -> bool:
        return self.partition is not None


Sink = Callable[[Sequence[Record]], None]
"""Writes records, those of a partition in the order they come in. Batches shorter than :data:`FULL_BATCH`
are written at once; there may be a while before the next."""

FULL_BATCH = 500
_FLUSH_SECONDS = 1.0


def records(events: Iterable[TimedEvent], partitions: int) -> Iterator[Record]:
    """The records of events, in their order; a heartbeat becomes one for each partition of its family's
    topic."""
    for arrival, event in events:
        key, value, family = event.subject.encode(), encode(event), family_of(event)
        if isinstance(event, SourceHeartbeat):
            for partition in range(partitions):
                yield Record(family, partition, key, value, arrival)
        else:
            yield Record(family, None, key, value, arrival)


@contextmanager
def kafka_sink(config: Config) -> Iterator[Sink]:
    """A sink that writes to the configured broker, whose topics exist; at the end all is acknowledged.

    Raises :class:`BrokerError` where the broker cannot be reached or does not take the records.
    """
    from streams.runtime.bulk import BulkProducer
    from streams.runtime.topics import TopicNames

    names = TopicNames(config.namespace)
    topics = (*names.events, names.calendar)
    with BulkProducer(config) as producer:
        flushed = time.monotonic()

        def send(batch: Sequence[Record]) -> None:
            nonlocal flushed
            for record in batch:
                producer.send(topics[record.family], value=record.value, key=record.key, partition=record.partition)
            # A short batch is all there is for the moment; in a long row of full ones, no partition is left behind.
            if len(batch) < FULL_BATCH or time.monotonic() - flushed >= _FLUSH_SECONDS:
                producer.flush()
                flushed = time.monotonic()

        yield send
