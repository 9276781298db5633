"""Creating topics and telling how they stand, on both brokers."""

from __future__ import annotations

import threading

import msgspec
import pytest

from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.runtime.kafka import ApacheKafka
from streams.runtime.producer import open_producer
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, admin, create_topics, describe_topics, topic_layout
from tests.integration.conftest import free_port


def with_kafka(config: Config, **changes: object) -> Config:
    return msgspec.structs.replace(config, kafka=msgspec.structs.replace(config.kafka, **changes))


def test_topics_are_created_once_and_left_alone_afterwards(config: Config) -> None:
    names = TopicNames(config.namespace)
    assert create_topics(config) == [*names.all, *names.dead_letters]
    assert create_topics(config) == []


def test_only_missing_topics_are_created(config: Config) -> None:
    names = TopicNames(config.namespace)
    create_topics(config)
    with admin(config) as client:
        client.delete_topics([names.feedback])
        while names.feedback in client.list_topics():
            pass
    assert create_topics(config) == [names.feedback]


def test_workers_that_start_at_once_create_each_topic_once(config: Config) -> None:
    created: list[str] = []
    failures: list[BaseException] = []

    def create() -> None:
        try:
            created.extend(create_topics(config))
        except BrokerError as error:
            failures.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(created) == sorted(topic_layout(config))


def test_they_have_the_partitions_asked_for_and_count_their_records(config: Config) -> None:
    names = TopicNames(config.namespace)
    create_topics(config)
    producer = open_producer(config)
    for number in range(500):
        producer.send(names.orders, b"x" * 350, str(number).encode())
    producer.close()
    told = {topic.name: topic for topic in describe_topics(config)}
    assert list(told) == [*names.all, *names.dead_letters]
    layout = topic_layout(config)
    assert {name: topic.partitions for name, topic in told.items()} == {
        name: topic["num_partitions"] for name, topic in layout.items()
    }
    assert told[names.orders].records == 500
    assert told[names.orders].begin == (0,) * config.kafka.partitions
    assert told[names.support].records == 0


def test_apache_kafka_keeps_them_as_asked(config: Config, broker: BrokerProcess) -> None:
    """The embedded broker takes the settings and does not tell them again."""
    names = TopicNames(config.namespace)
    create_topics(config)
    told = {topic.name: topic for topic in describe_topics(config)}
    if isinstance(broker, ApacheKafka):
        assert (told[names.orders].cleanup, told[names.orders].retention_ms) == ("delete", 30 * 86_400_000)
        assert (told[names.incidents].cleanup, told[names.incidents].retention_ms) == ("compact", None)
        assert (told[names.feedback].cleanup, told[names.feedback].retention_ms) == ("delete", None)
    else:
        assert {(topic.cleanup, topic.retention_ms) for topic in told.values()} == {("", None)}


def test_another_partition_count_than_configured_is_refused_with_the_way_out(config: Config) -> None:
    create_topics(config)
    with pytest.raises(BrokerError) as caught:
        create_topics(with_kafka(config, partitions=8))
    message = str(caught.value)
    assert "expected 8 (kafka.partitions)" in message
    assert "set kafka.partitions to 4" in message
    assert "\n" not in message


def test_event_topics_that_differ_among_themselves_are_refused(config: Config) -> None:
    names = TopicNames(config.namespace)
    with admin(config) as client:
        client.create_topics({names.orders: {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
        client.create_topics({names.support: {"num_partitions": 5, "replication_factor": 1}}, wait_for_metadata=True)
    with pytest.raises(BrokerError, match=rf"{names.orders} has 3, {names.support} has 5 partitions, expected 4"):
        create_topics(config)
    with admin(config) as client:
        assert names.deliveries not in client.list_topics()


def test_more_replicas_than_brokers_are_refused_with_kafkas_reason(config: Config, broker: BrokerProcess) -> None:
    wished = with_kafka(config, replication=3)
    if isinstance(broker, ApacheKafka):
        with pytest.raises(BrokerError, match=r"cannot create .*replication factor"):
            create_topics(wished)
    else:
        assert create_topics(wished)


def test_a_broker_that_is_not_there_is_told_at_once_with_its_address() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerError, match=address):
        create_topics(load_config(env={"DAYBOOK_BOOTSTRAP": address}))
