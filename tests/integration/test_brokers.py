"""Both brokers as Daybook uses them: started, stopped, and speaking Kafka's protocol as far as it is needed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AsyncTopicPartition
from kafka import KafkaConsumer, TopicPartition

from streams.config import Config
from streams.errors import BrokerError
from streams.runtime import kafka as kafka_module
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.kafka import ApacheKafka, fetch_jars, require_java
from streams.runtime.offsets import offset_ranges
from streams.runtime.ports import is_free
from streams.runtime.producer import open_producer
from streams.runtime.server import BrokerProcess, answers
from streams.runtime.topics import TopicNames, create_topics
from tests.integration.conftest import QUICK_START, config_on, free_port

DAY_MS = 86_400_000


@contextlib.contextmanager
def reader(config: Config, **settings: object) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(bootstrap_servers=config.kafka.bootstrap, enable_auto_commit=False, **settings)
    try:
        yield consumer
    finally:
        consumer.close()


def read(consumer: KafkaConsumer, count: int, within: float = 15.0) -> list[object]:
    """The next ``count`` records, or as many as came in time."""
    records: list[object] = []
    deadline = time.monotonic() + within
    while len(records) < count and time.monotonic() < deadline:
        records += [record for chunk in consumer.poll(timeout_ms=200).values() for record in chunk]
    return records


def ended(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # nobody has asked for its status yet
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


# Starting and stopping


def test_the_embedded_broker_answers_once_started_and_leaves_nothing_when_stopped(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, free_port())
    with broker:
        pid = broker.pid
        assert pid is not None
        assert answers(broker.bootstrap, broker.cluster_id)
        assert not answers(broker.bootstrap, "another cluster")
    assert broker.pid is None
    assert ended(pid)
    assert is_free(broker.host, broker.port)
    assert not answers(broker.bootstrap)
    broker.stop()


def test_it_starts_again_on_the_port_it_has_just_left(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, free_port())
    with broker:
        client = socket.create_connection((broker.host, broker.port))
    with client, broker:  # the connection it closed itself winds down for a minute
        assert answers(broker.bootstrap)


def test_a_port_in_use_is_one_line_that_names_it_and_who_holds_it(broker: BrokerProcess, tmp_path: Path) -> None:
    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker(tmp_path, broker.port).start()
    message = str(caught.value)
    assert message.startswith(f"{broker.bootstrap}: in use by ")
    assert f"(pid {broker.pid})" in message
    assert "DAYBOOK_BOOTSTRAP" in message
    assert "\n" not in message


def test_a_broker_that_dies_at_the_start_is_told_with_its_last_words_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho first\necho no memory left >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    broker = EmbeddedBroker(tmp_path / "data", free_port())
    with pytest.raises(BrokerError, match=r"ended with status 3: no memory left .*broker\.log"):
        broker.start()
    assert "first" in broker.log.read_text()


def test_a_broker_that_never_answers_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho $$ > $(dirname $0)/pid\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(BrokerError, match=r"did not answer within 0\.5 s"):
        EmbeddedBroker(tmp_path / "data", free_port()).start(timeout=0.5)
    assert ended(int((tmp_path / "pid").read_text()))


def test_a_missing_binary_says_what_to_use_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "absent"))
    with pytest.raises(BrokerError, match=r"cannot run here: .*kafka\.embedded: false"):
        EmbeddedBroker(tmp_path)


def test_an_embedded_broker_is_never_reachable_from_outside(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"0\.0\.0\.0:19092: the embedded broker listens on loopback only"):
        EmbeddedBroker(tmp_path, host="0.0.0.0")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_no_broker_is_left_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from streams.runtime.broker import EmbeddedBroker\n"
        f"print(EmbeddedBroker(pathlib.Path({str(tmp_path)!r}), {free_port()}).start().pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert ended(pid)


def test_apache_kafka_killed_and_started_again_still_has_what_it_acknowledged(
    kafka_jars: Path, tmp_path: Path, namespace: str
) -> None:
    broker = ApacheKafka(
        tmp_path, free_port(), kafka_jars, controller_port=free_port(), heap="512m", java_options=QUICK_START
    )
    config = config_on(broker, namespace)
    orders = TopicPartition(TopicNames(namespace).orders, 0)
    with broker:
        create_topics(config)
        producer = open_producer(config)
        futures = [producer.send(orders.topic, str(number).encode(), partition=0) for number in range(100)]
        assert [future.get(10).offset for future in futures] == list(range(100))
        producer.close()
        broker.kill()
        assert broker.pid is None
        broker.start()
        assert offset_ranges(config, [orders]) == {orders: (0, 100)}
        with reader(config) as consumer:
            consumer.assign([orders])
            consumer.seek_to_beginning()
            assert [int(record.value) for record in read(consumer, 100)] == list(range(100))  # type: ignore[attr-defined]


# What is missing on the machine


def test_without_maven_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pom = tmp_path / "pom.xml"
    pom.write_text("<project/>")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerError, match=r"Maven \(mvn\) is not installed"):
        fetch_jars(pom)


def test_a_failing_maven_is_told_in_its_own_first_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mvn").write_text("#!/bin/sh\necho '[INFO] x'\necho '[ERROR] Could not resolve kafka'\nexit 1\n")
    (tmp_path / "java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n")
    for program in ("mvn", "java"):
        (tmp_path / program).chmod(0o755)
    (tmp_path / "pom.xml").write_text("<project/>")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BrokerError, match=r"^Maven could not bring Apache Kafka's jars: Could not resolve kafka$"):
        fetch_jars(tmp_path / "pom.xml")
    assert not (tmp_path / "target" / "jars.complete").exists()


def test_java_missing_or_too_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerError, match="Java is not installed: Apache Kafka needs Java 17"):
        require_java()
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BrokerError, match="is Java 11: Apache Kafka needs Java 17"):
        require_java()


def test_a_wheel_without_the_deployment_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="checkout of the project"):
        fetch_jars(tmp_path / "pom.xml")


def test_the_kafka_files_name_no_download_address() -> None:
    for file in (Path(kafka_module.__file__).parents[2] / "deploy" / "kafka").glob("*.*"):
        assert "repo" not in file.read_text().replace("report", "")


# The protocol, as far as Daybook needs it


def test_key_value_headers_and_an_empty_value_come_back_as_they_were_sent(config: Config) -> None:
    create_topics(config)
    orders = TopicPartition(TopicNames(config.namespace).orders, 0)
    producer = open_producer(config)
    producer.send(orders.topic, b"value", b"key", [("content-type", b"a/b"), ("none", b"")], partition=0)
    producer.send(orders.topic, None, b"key", partition=0)
    producer.close()
    with reader(config) as consumer:
        consumer.assign([orders])
        consumer.seek_to_beginning()
        first, second = read(consumer, 2)
    assert (first.key, first.value, first.headers) == (  # type: ignore[attr-defined]
        b"key",
        b"value",
        [("content-type", b"a/b"), ("none", b"")],
    )
    assert second.value is None  # type: ignore[attr-defined]


def test_a_record_of_ten_million_bytes_gets_through_and_does_not_block_those_behind_it(config: Config) -> None:
    create_topics(config)
    orders = TopicPartition(TopicNames(config.namespace).orders, 0)
    producer = open_producer(config)
    for size in (1, 10_000_000, 2):
        producer.send(orders.topic, b"x" * size, partition=0).get(30)
    producer.close()
    with reader(config, check_crcs=False) as consumer:
        consumer.assign([orders])
        consumer.seek_to_beginning()
        assert [len(record.value) for record in read(consumer, 3)] == [1, 10_000_000, 2]  # type: ignore[attr-defined]


async def test_a_fetch_from_the_middle_of_a_batch_begins_there_and_the_end_is_told_right(config: Config) -> None:
    create_topics(config)
    topic = TopicNames(config.namespace).orders
    async with AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap) as producer:
        for first in (0, 10):
            batch = producer.create_batch()
            for number in range(first, first + 10):
                batch.append(timestamp=None, key=None, value=b"%d" % number)
            await (await producer.send_batch(batch, topic, partition=0))
    partition = AsyncTopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=config.kafka.bootstrap) as consumer:
        consumer.assign([partition])
        for offset in (0, 5, 10, 15, 19):
            consumer.seek(partition, offset)
            record = await asyncio.wait_for(consumer.getone(partition), 10)
            assert (record.offset, record.value) == (offset, b"%d" % offset)
        assert consumer.highwater(partition) == 20
    ends = await asyncio.to_thread(offset_ranges, config, [TopicPartition(topic, at) for at in range(2)])
    assert list(ends.values()) == [(0, 20), (0, 0)]


async def test_a_group_shares_the_partitions_and_goes_on_where_it_committed(config: Config) -> None:
    create_topics(config)
    topic = TopicNames(config.namespace).orders
    partitions = [AsyncTopicPartition(topic, at) for at in range(config.kafka.partitions)]

    def member() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            topic,
            bootstrap_servers=config.kafka.bootstrap,
            group_id=config.namespace,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=3_000,
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=6_000,
            max_poll_interval_ms=6_000,
        )

    async def shared(first: AIOKafkaConsumer, second: AIOKafkaConsumer) -> None:
        while sorted(first.assignment() | second.assignment()) != partitions or not (
            len(first.assignment()) == len(second.assignment()) == 2
        ):
            await first.getmany(timeout_ms=50)
            await second.getmany(timeout_ms=50)

    async with AIOKafkaProducer(bootstrap_servers=config.kafka.bootstrap) as producer:
        for partition in partitions:
            await producer.send_and_wait(topic, b"x", partition=partition.partition)
    async with asyncio.timeout(40):
        async with member() as first:
            while len(first.assignment()) < 4:
                await first.getmany(timeout_ms=50)
            await first.commit(dict.fromkeys(partitions, 1))
            second = member()
            starting = asyncio.create_task(second.start())
            while not starting.done():
                await first.getmany(timeout_ms=50)
            await starting
            await shared(first, second)
            await second.stop()
            # The embedded broker's group would never come back if the last member left during a rebalance.
            while len(first.assignment()) < 4:
                await first.getmany(timeout_ms=50)
        async with member() as again:
            while len(again.assignment()) < 4:
                await again.getmany(timeout_ms=50)
            assert [await again.position(partition) for partition in partitions] == [1] * 4


def test_arrival_is_the_brokers_clock_on_apache_kafka_and_the_producers_on_the_embedded_broker(
    config: Config, broker: BrokerProcess
) -> None:
    """The embedded broker keeps the producer's time whatever the topic says: nobody here sets one."""
    create_topics(config)
    orders = TopicPartition(TopicNames(config.namespace).orders, 0)
    sent = int(time.time() * 1000)
    producer = open_producer(config)
    producer.send(orders.topic, b"as we send", partition=0)
    producer.send(orders.topic, b"with a time of its own", partition=0, timestamp_ms=sent - DAY_MS)
    producer.close()
    with reader(config) as consumer:
        consumer.assign([orders])
        consumer.seek_to_beginning()
        plain, dated = (record.timestamp for record in read(consumer, 2))  # type: ignore[attr-defined]
    assert abs(plain - sent) < 60_000
    if isinstance(broker, ApacheKafka):
        assert abs(dated - sent) < 60_000
    else:
        assert dated == sent - DAY_MS
