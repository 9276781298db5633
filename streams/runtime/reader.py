"""A consumer for reading a topic on the side: no group, no commits, nothing another client could notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.runtime.client_errors import brief
from streams.runtime.security import client_security

if TYPE_CHECKING:
    from streams.config import Config


def consumer(config: Config) -> Any:
    """A ``KafkaConsumer`` without a group on the configured broker. Raises :class:`BrokerError` when none
    answers."""
    bootstrap = config.kafka.bootstrap
    try:
        return KafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            client_id="daybook-reader",
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=10_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 << 20,
            **client_security(config, "kafka-python"),
        )
    except KafkaError as error:
        raise BrokerError(f"{bootstrap}: no Kafka broker answers there ({brief(error)})") from None
