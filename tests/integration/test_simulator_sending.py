from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.config import load_config
from streams.errors import BrokerError
from streams.events.codec import ChunkDecoder, decode_calendar
from streams.events.types import SourceHeartbeat
from streams.ingest.simulator import FAMILIES, SimulatorSettings
from streams.ingest.simulator.run import run_simulator
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, create_topics, describe_topics


def test_a_history_reaches_its_topics_whole(broker: BrokerProcess, namespace: str, tmp_path: Path) -> None:
    config = load_config(
        env={
            "DAYBOOK_BOOTSTRAP": broker.bootstrap,
            "DAYBOOK_NAMESPACE": namespace,
            "DAYBOOK_DATA_DIR": str(tmp_path),
        }
    )
    create_topics(config)
    run = run_simulator(
        config,
        SimulatorSettings(start=0, orders_per_day=100),
        history=timedelta(days=3),
        duration=timedelta(milliseconds=500),
        incidents=["promotion start=-1d duration=3h"],
    )

    names = TopicNames(namespace)
    topics = (*names.events, names.calendar)
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap.split(","), consumer_timeout_ms=10_000)
    places = [TopicPartition(t, p) for t in topics for p in consumer.partitions_for_topic(t)]
    consumer.assign(places)
    consumer.seek_to_beginning()
    expected = sum(topic.records for topic in describe_topics(config) if topic.name in topics)
    values = defaultdict(list)
    partitions_of_key = defaultdict(set)
    for record in consumer:
        values[record.topic].append(record.value)
        if record.key != b"heartbeat":
            partitions_of_key[record.key].add(record.partition)
        if sum(map(len, values.values())) == expected:
            break
    consumer.close()

    events = []
    for family, topic in enumerate(names.events):
        decoded, rejected = ChunkDecoder(FAMILIES[family]).decode_chunk(values[topic])
        assert rejected == []
        events += decoded
    heartbeats = sum(isinstance(event, SourceHeartbeat) for event in events)
    calendar = [decode_calendar(value) for value in values[names.calendar]]
    assert "promotion" in {entry.data.kind for entry in calendar}
    assert heartbeats == run.heartbeats > 0
    assert len(events) - heartbeats + len(calendar) == run.events > 500
    # An order, its delivery and its tickets meet in one partition number.
    assert {len(found) for key, found in partitions_of_key.items() if key.startswith(b"O")} == {1}


def test_a_broker_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    config = load_config(env={"DAYBOOK_BOOTSTRAP": "127.0.0.1:9", "DAYBOOK_DATA_DIR": str(tmp_path)})
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:9") as told:
        run_simulator(config, SimulatorSettings(start=0), history=timedelta(days=1))
    assert "\n" not in str(told.value)
