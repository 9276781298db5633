"""Sending records one by one, and the heartbeats that move time on.

Producers here place a key where Kafka does by default (see :mod:`streams.runtime.partitions`), keep the order
within a partition, wait for the broker's acknowledgement, and leave a record's timestamp to the clock: it is
the arrival. They do not ask the broker for exactly-once: an event sent twice is known by its ``source`` and
``id`` and dropped where it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kafka import KafkaProducer

from streams.events.codec import HEADERS
from streams.events.heartbeats import heartbeats
from streams.runtime.client_errors import broker_errors
from streams.runtime.partitions import KeyPartitioner
from streams.runtime.ports import require_reachable
from streams.runtime.security import client_security
from streams.runtime.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from streams.config import Config
    from streams.runtime.topics import TopicNames


class Producer(Protocol):
    """What :func:`open_producer`'s and :class:`~streams.runtime.bulk.BulkProducer` have in common."""

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Any = None,
        partition: int | None = None,
    ) -> Any: ...

    def flush(self) -> Any: ...


def open_producer(config: Config, **settings: Any) -> Any:
    """A ``kafka.KafkaProducer`` on the configured broker, for records whose fate the caller follows one by
    one: ``send`` returns a future. For many records see :class:`~streams.runtime.bulk.BulkProducer`.

    ``settings`` go to it as they are, over ours. Raises :class:`~streams.errors.BrokerError` when no broker
    answers.
    """
    ours: dict[str, Any] = {
        "bootstrap_servers": config.kafka.bootstrap.split(","),
        "client_id": "daybook-producer",
        "acks": "all",
        "linger_ms": 20,
        "batch_size": 256 * 1024,
        "max_request_size": MAX_EVENT_BYTES + 64 * 1024,
        "partitioner": KeyPartitioner(),
        # Its idempotent mode is broken for good after one record that the broker finds too large.
        "enable_idempotence": False,
        # One request at a time instead, so that a retry cannot overtake.
        "max_in_flight_requests_per_connection": 1,
        "bootstrap_timeout_ms": 10_000,
    }
    require_reachable(config.kafka.bootstrap)
    with broker_errors(config.kafka.bootstrap):
        return KafkaProducer(**ours | client_security(config, "kafka-python") | settings)


def send_heartbeats(producer: Producer, names: TopicNames, partitions: int, time_ms: int, source: str) -> int:
    """Tell every partition of the three event topics that nothing older than ``time_ms`` (epoch ms, UTC)
    follows from ``source``; how many records that took.

    The same call gives the same events, ids included, so a repeated import repeats nothing.
    """
    sent = 0
    for family, partition, key, value in heartbeats(source, time_ms, partitions):
        producer.send(names.events[family], value=value, key=key, headers=HEADERS, partition=partition)
        sent += 1
    return sent
