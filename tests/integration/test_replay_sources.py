"""A replay from Kafka's topics, from files and from the archive of the same events: equal values and incidents; and
nothing of it is to be noticed on the broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer, TopicPartition

from detectors.incidents.incident import Incident
from streams.cli import cli
from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.events.codec import HEADERS
from streams.history.replay.files import source_of_files
from streams.history.replay.kafka_range import source_of_kafka
from streams.history.replay.lane import Counts
from streams.history.replay.run import engine_of, news_of
from streams.history.replay.source import ReplayError, Source, source_between, source_of
from streams.ingest.simulator import Incident as Trouble
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import Record, records
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.values import KpiValue
from streams.runtime.offsets import offset_ranges
from streams.runtime.partitions import KeyPartitioner
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, admin, create_topics, topic_layout
from tests.integration.test_replay import finals
from tests.support.archived import archived
from tests.support.archived_shop import CONFIGURATION

START = 1_772_406_000_000
WEEKS = 4
DOWN = Trouble(kind="website_down", start=START + 23 * DAY_MS + 9 * HOUR_MS, duration=12 * HOUR_MS, strength=0.9)
UP_TO = START + 24 * DAY_MS + 90 * 60_000


class Told(NamedTuple):
    """What a replay comes to: its values, and the incidents as they were at last."""

    counts: Counts
    finals: dict[object, object]
    incidents: dict[str, Incident]


def told(config: Config, source: Source) -> Told:
    engine = engine_of(config, source)
    values: list[KpiValue] = []
    incidents: dict[str, Incident] = {}
    for news in news_of(config, engine, source):
        values += [value for value in news.values if not value.rolling]
        incidents |= {one.id: one for one in news.incidents}
    return Told(engine.counts, finals(values), incidents)


@pytest.fixture
def config(broker: BrokerProcess, namespace: str, tmp_path: Path) -> Config:
    """Three KPIs, on the running broker, under the test's namespace."""
    path = tmp_path / "shop.yaml"
    path.write_text(CONFIGURATION)
    env = {"DAYBOOK_BOOTSTRAP": broker.bootstrap, "DAYBOOK_NAMESPACE": namespace, "DAYBOOK_DATA_DIR": str(tmp_path)}
    return load_config(path, env)


@pytest.fixture(scope="module")
def shop() -> list[Record]:
    """Four weeks of a shop that is down for half a day in the last."""
    settings = SimulatorSettings(
        start=START, end=START + WEEKS * 7 * DAY_MS, seed=5, orders_per_day=150, heartbeat=HOUR_MS, incidents=[DOWN]
    )
    return list(records(Simulation(settings).arrivals(), 4))


def send(config: Config, sent: Sequence[Record]) -> None:
    """Into topics that keep the times records are given."""
    layout = topic_layout(config)
    for topic in layout.values():
        topic["configs"]["message.timestamp.type"] = "CreateTime"
        topic["configs"]["retention.ms"] = "-1"
    names = TopicNames(config.namespace)
    with admin(config) as client:
        client.create_topics(layout)
        client.wait_for_topics(list(layout))
    topics = (*names.events, names.calendar)
    producer = KafkaProducer(
        bootstrap_servers=config.kafka.bootstrap,
        partitioner=KeyPartitioner(),
        batch_size=256 * 1024,
        linger_ms=20,
        enable_idempotence=False,
        max_in_flight_requests_per_connection=1,
    )
    for family, partition, key, value, arrival in sent:
        producer.send(topics[family], value, key, HEADERS, partition, arrival)
    producer.close()


def test_a_replay_is_the_same_from_kafka_from_files_and_from_the_archive(
    config: Config, shop: list[Record], tmp_path: Path
) -> None:
    archive = archived(tmp_path / "archive", shop, config.kafka.partitions, most_bytes=2_000_000)
    wanted = told(config, source_of(archive))
    assert len(wanted.finals) > 4_000
    assert any(DOWN.start <= one.since < DOWN.start + DOWN.duration for one in wanted.incidents.values())

    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(record.value + b"\n" for record in shop))
    now = START + WEEKS * 7 * DAY_MS
    from_files = told(config, source_of_files(config, [file], tmp_path / "files", now=now, odd=pytest.fail))
    assert from_files.finals == wanted.finals
    assert from_files.incidents == wanted.incidents
    assert from_files.counts.events == wanted.counts.events

    send(config, shop)
    names = TopicNames(config.namespace)
    partitions = [TopicPartition(name, 0) for name in names.all]
    before = offset_ranges(config, partitions)
    progress: list[tuple[int, int]] = []
    source = source_of_kafka(config, tmp_path / "kafka", progress=lambda done, of: progress.append((done, of)))
    assert progress[-1] == (source.records, source.records)
    assert told(config, source) == wanted
    assert offset_ranges(config, partitions) == before

    part = (START + 10 * DAY_MS + 5 * HOUR_MS, UP_TO)
    of_archive = source_between(archive, part)
    of_kafka = source_of_kafka(config, tmp_path / "part", part)
    assert of_kafka.records == of_archive.records < source.records // 2 + source.records // 20
    assert told(config, of_kafka) == told(config, of_archive)


def test_no_group_is_left_on_the_broker(config: Config, shop: list[Record], tmp_path: Path) -> None:
    send(config, shop[:500])
    with admin(config) as client:
        before = client.list_groups()
        source_of_kafka(config, tmp_path / "kafka")
        assert client.list_groups() == before


def test_what_is_missing_is_said(config: Config, shop: list[Record], tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=rf"there is no topic {config.namespace}\.orders\.v1"):
        source_of_kafka(config, tmp_path / "none")
    create_topics(config)
    with pytest.raises(ReplayError, match=rf"namespace {config.namespace}: there is no event in the topics"):
        source_of_kafka(config, tmp_path / "empty")


def test_a_time_in_which_nothing_arrived_is_said(config: Config, shop: list[Record], tmp_path: Path) -> None:
    send(config, shop[:500])
    said = r"nothing arrived in that time .what there is arrived from 2026-03-01T23:\S+Z to 2026-03-0"
    with pytest.raises(ReplayError, match=said):
        source_of_kafka(config, tmp_path / "before", (START - 10 * DAY_MS, START - 9 * DAY_MS))
    with pytest.raises(ReplayError, match=said):
        source_of_kafka(config, tmp_path / "after", (START + 300 * DAY_MS, START + 301 * DAY_MS))


def test_a_broker_that_does_not_answer_is_said_in_a_line(config: Config, tmp_path: Path) -> None:
    dead = msgspec.structs.replace(config, kafka=msgspec.structs.replace(config.kafka, bootstrap="127.0.0.1:9"))
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:9: no Kafka broker answers there"):
        source_of_kafka(dead, tmp_path / "dead")


def test_the_command_reads_the_topics(
    config: Config, shop: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(config, shop[:2_000])
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", config.kafka.bootstrap)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path / "data"))
    arguments = ["--config", str(config.source), "--namespace", config.namespace, "replay", "--kafka"]
    done = CliRunner().invoke(cli, [*arguments, "--no-detection"])
    assert done.exit_code == 0, done.output
    events = sum(record.family < 3 for record in shop[:2_000])
    assert done.stdout.startswith(f"{events:,} records in ")
    assert list(tmp_path.glob("data/*")) == [], "nothing of it is kept"
    part = CliRunner().invoke(cli, [*arguments, "--until", "2026-03-02T12:00Z", "--speed", "10000000x"])
    assert part.exit_code == 0, part.output
    until = START + 13 * HOUR_MS
    assert f"{sum(record.family < 3 and record.arrival < until for record in shop[:2_000]):,} records in" in part.stdout
