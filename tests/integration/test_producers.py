"""Sending, on both brokers: nothing lost, order kept, keys where they belong, faults told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.events.codec import HEADERS, decode
from streams.events.types import SourceHeartbeat
from streams.runtime.bulk import BulkProducer
from streams.runtime.kafka import ApacheKafka
from streams.runtime.partitions import partition_of
from streams.runtime.producer import open_producer, send_heartbeats
from streams.runtime.topics import MAX_EVENT_BYTES, TopicNames, admin, create_topics, describe_topics
from tests.integration.conftest import config_on, free_port

OPENERS = pytest.mark.parametrize("opener", [open_producer, BulkProducer])


async def everything(config: Config, *topics: str) -> list[Any]:
    """All records of the topics, as far as :func:`describe_topics` says there are any."""
    expected = sum(topic.records for topic in describe_topics(config) if topic.name in topics)
    records: list[Any] = []
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=config.kafka.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        while len(records) < expected:
            for chunk in (await consumer.getmany(timeout_ms=1000)).values():
                records += chunk
    return records


@OPENERS
async def test_every_record_arrives_once_in_order_where_its_key_belongs(
    config: Config, opener: Callable[[Config], Any]
) -> None:
    create_topics(config)
    topic = TopicNames(config.namespace).orders
    producer = opener(config)
    for number in range(6_000):
        producer.send(topic, b"%d" % number + b" " * 350, b"order-%d" % (number % 97), HEADERS)
    producer.close()
    records = await everything(config, topic)
    assert sorted(int(record.value) for record in records) == list(range(6_000))
    by_partition = defaultdict(list)
    for record in records:
        assert record.partition == partition_of(record.key, config.kafka.partitions)
        assert list(record.headers) == HEADERS
        by_partition[record.partition].append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in by_partition.values())


@OPENERS
async def test_heartbeats_reach_every_partition_of_the_three_event_topics_the_same_each_time(
    config: Config, opener: Callable[[Config], Any]
) -> None:
    create_topics(config)
    names = TopicNames(config.namespace)
    producer = opener(config)
    for _ in range(2):
        assert send_heartbeats(producer, names, config.kafka.partitions, 1_772_357_400_123, "import") == 12
    producer.close()
    records = await everything(config, *names.events)
    events = [decode(record.value) for record in records]
    assert len({(record.topic, record.partition) for record in records}) == 12
    assert len({event.id for event in events}) == 12
    assert len(events) == 24
    assert {(type(event), event.time, event.source, event.subject) for event in events} == {
        (SourceHeartbeat, "2026-03-01T09:30:00.123Z", "import", "import")
    }


def test_a_flush_returns_when_everything_is_in_the_log(config: Config) -> None:
    create_topics(config)
    names = TopicNames(config.namespace)
    with BulkProducer(config) as producer:
        for number in range(3_000):
            producer.send(names.support, b"x" * 350, b"%d" % number)
        producer.flush()
        told = {topic.name: topic.records for topic in describe_topics(config)}
        assert told[names.support] == 3_000


def test_a_record_beyond_the_limit_is_refused_and_harms_no_other(config: Config) -> None:
    create_topics(config)
    names = TopicNames(config.namespace)
    with BulkProducer(config) as producer:
        producer.send(names.orders, b"before", b"k")
        with pytest.raises(BrokerError, match=f"a record of {MAX_EVENT_BYTES + 1} bytes"):
            producer.send(names.orders, b"x" * (MAX_EVENT_BYTES + 1), b"k")
        producer.send(names.orders, b"x" * MAX_EVENT_BYTES, b"k")
        producer.send(names.orders, b"after", b"k")
    told = {topic.name: topic.records for topic in describe_topics(config)}
    assert told[names.orders] == 3


def test_what_the_broker_refuses_is_told_and_the_producer_goes_on(apache_broker: ApacheKafka, namespace: str) -> None:
    """Apache Kafka alone: the embedded broker refuses no record, whatever its size."""
    config = config_on(apache_broker, namespace)
    topic = f"{namespace}.small"
    with admin(config) as client:
        limits = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "10000"}}
        client.create_topics({topic: limits}, wait_for_metadata=True)
    with BulkProducer(config) as producer:
        producer.send(topic, b"x" * 20_000)
        with pytest.raises(BrokerError, match=r"records were not accepted: .*"):
            producer.flush()
        producer.send(topic, b"small")
    sync = open_producer(config)
    with pytest.raises(Exception, match="MessageSizeTooLarge"):
        sync.send(topic, b"x" * 20_000).get(10)
    assert sync.send(topic, b"small").get(10).offset == 1
    sync.close()


@OPENERS
def test_no_broker_is_an_error_with_its_address(opener: Callable[..., Any]) -> None:
    address = f"127.0.0.1:{free_port()}"
    config = load_config(env={"DAYBOOK_BOOTSTRAP": address})
    with pytest.raises(BrokerError, match=address):
        opener(config)


def test_an_unknown_topic_is_told_by_name(apache_broker: ApacheKafka, namespace: str) -> None:
    """Apache Kafka alone: the embedded broker creates a topic that it is asked about."""
    config = config_on(apache_broker, namespace)
    with BulkProducer(config, request_timeout_ms=1_000) as producer, pytest.raises(BrokerError, match="no-such"):
        producer.send("no-such", b"x", b"k")
