"""The archivist on a real broker: everything that arrived, once, whatever happens to it or to the topics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition

from streams.config import Config, load_config
from streams.history.archive.files import ArchiveError, pieces_in
from streams.history.archive.layout import gaps
from streams.history.archive.reading import records_of
from streams.history.archive.verify import verify
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import kafka_sink, records
from streams.kpis.grid import DAY_MS
from streams.runtime.archivist import Archivist, folder_of
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer
from streams.runtime.reader import records as read_topic
from streams.runtime.topics import TopicNames, admin, create_topics
from tests.support.waiting import eventually

START = 1_772_406_000_000
Record = tuple[str, int, int, int, bytes | None, bytes | None]


def send(config: Config, first_day: int, days: int) -> None:
    """What a simulated shop sends in some days, and a record that is no event."""
    settings = SimulatorSettings(
        start=START + first_day * DAY_MS,
        end=START + (first_day + days) * DAY_MS,
        seed=1,
        orders_per_day=200,
        heartbeat=DAY_MS,
    )
    with kafka_sink(config) as sink:
        sink(list(records(Simulation(settings).arrivals(), config.kafka.partitions)))
    producer = KafkaProducer(bootstrap_servers=config.kafka.bootstrap.split(","))
    producer.send(TopicNames(config.namespace).support, b"no event", key=None, partition=0).get(10)
    producer.close()


def in_topics(config: Config) -> set[Record]:
    names = TopicNames(config.namespace)
    reader = consumer(config)
    try:
        found: set[Record] = set()
        for topic in names.events:
            partitions = [TopicPartition(topic, number) for number in range(config.kafka.partitions)]
            ranges = offset_ranges(config, partitions)
            starts = {each: begin for each, (begin, end) in ranges.items() if end > begin}
            ends = {each: ranges[each][1] for each in starts}
            found |= {
                (topic.split(".")[-2], r.partition, r.offset, r.timestamp, r.key, r.value)
                for r in read_topic(reader, starts, ends)
            }
        return found
    finally:
        reader.close(autocommit=False)


def in_archive(config: Config) -> list[Record]:
    folder = folder_of(config)
    return [
        (log.topic, log.partition, offset, arrival, key, value)
        for log, some in records_of(folder, pieces_in(folder))
        for offset, arrival, key, value in zip(
            some.offsets.tolist(), some.arrivals.tolist(), some.keys, some.values, strict=True
        )
    ]


def archived(config: Config) -> int:
    return sum(piece.end - piece.first for piece in pieces_in(folder_of(config)))


def more_than(config: Config, count: int) -> None:
    """Returns once so many are archived, and more."""
    eventually(lambda: archived(config) > count, 30.0)


@contextmanager
def archiving(config: Config) -> Iterator[Archivist]:
    """An archivist at work, in a thread."""
    archivist = Archivist(config, flush_s=0.2)
    thread = threading.Thread(target=archivist.run)
    thread.start()
    try:
        yield archivist
    finally:
        archivist.stop()
        thread.join(20.0)
        assert not thread.is_alive()


def test_everything_is_archived_once_over_starts_and_stops(config: Config) -> None:
    create_topics(config)
    send(config, 0, 1)
    with archiving(config):
        eventually(lambda: archived(config) > 0)
    send(config, 1, 1)
    with archiving(config):
        expected = in_topics(config)
        eventually(lambda: archived(config) >= len(expected))
    found = in_archive(config)
    assert len(found) == len(expected)
    assert set(found) == expected
    assert list(verify(folder_of(config))) == []


def test_what_was_not_written_when_it_was_killed_is_read_again(config: Config, tmp_path: Path) -> None:
    create_topics(config)
    send(config, 0, 2)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    environment |= {
        "DAYBOOK_BOOTSTRAP": config.kafka.bootstrap,
        "DAYBOOK_NAMESPACE": config.namespace,
        "DAYBOOK_DATA_DIR": str(config.data_dir),
    }
    (tmp_path / "daybook.yaml").write_text("archive: { flush: 1s }\n")
    argv = [sys.executable, "-m", "streams.cli", "--config", str(tmp_path / "daybook.yaml"), "archive", "run"]
    for day in (2, 3, 4):
        before = archived(config)
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        try:
            more_than(config, before)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        send(config, day, 1)
    expected = in_topics(config)
    with archiving(config):
        eventually(lambda: archived(config) >= len(expected))
    found = in_archive(config)
    assert len(found) == len(set(found)) == len(expected)
    assert set(found) == expected


def test_of_a_topic_that_was_made_again_a_new_log_begins(config: Config) -> None:
    create_topics(config)
    send(config, 0, 1)
    first = in_topics(config)
    with archiving(config):
        eventually(lambda: archived(config) >= len(first))
    names = TopicNames(config.namespace)
    with admin(config) as client:
        client.delete_topics(list(names.events))

        def gone() -> bool:
            return not set(names.events) & set(client.list_topics())

        eventually(gone)
    create_topics(config)
    send(config, 5, 1)
    second = in_topics(config)
    with archiving(config):
        eventually(lambda: archived(config) >= len(first) + len(second))
    found = in_archive(config)
    assert sorted(map(str, found)) == sorted(map(str, [*first, *second]))
    logs = {piece.log for piece in pieces_in(folder_of(config))}
    assert {len({log.begun for log in logs if (log.topic, log.partition) == ("orders", n)}) for n in range(4)} == {2}
    assert gaps(pieces_in(folder_of(config))) == []


def test_two_do_not_write_to_one_archive(config: Config) -> None:
    create_topics(config)
    with archiving(config):
        eventually(lambda: (folder_of(config) / "lock").exists())
        time_out = time.monotonic() + 5.0
        other = Archivist(config)
        with pytest.raises(ArchiveError, match="another process archives there"):
            other.run()
        assert time.monotonic() < time_out


def test_without_a_broker_it_waits_for_one(tmp_path: Path) -> None:
    config = load_config(env={"DAYBOOK_BOOTSTRAP": "127.0.0.1:9", "DAYBOOK_DATA_DIR": str(tmp_path)})
    with archiving(config) as archivist:
        eventually(lambda: (folder_of(config) / "lock").exists())
        assert archivist.archived == 0
