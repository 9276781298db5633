"""Commands that ask a real broker: dead letters read back, topics, and how things stand without a worker."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.cli import cli
from streams.config import Config
from streams.errors import BrokerError
from streams.events.codec import Rejection
from streams.runtime.deadletters import dead_letter
from streams.runtime.offsets import offset_ranges
from streams.runtime.producer import open_producer
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames, admin, create_topics
from tests.integration.conftest import free_port


@pytest.fixture(autouse=True)
def _surroundings(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the test's broker, namespace and folder in the environment."""
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", config.kafka.bootstrap)
    monkeypatch.setenv("DAYBOOK_NAMESPACE", config.namespace)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(config.data_dir))
    monkeypatch.setenv("DAYBOOK_METRICS_PORT", str(free_port()))


@pytest.fixture
def letters(config: Config) -> TopicNames:
    """Three dead letters, of which one is JSON, one binary and one would clear a terminal."""
    create_topics(config)
    names = TopicNames(config.namespace)
    producer = open_producer(config)
    try:
        for offset, (topic, value, code, reason) in enumerate(
            (
                (names.orders, b'{"id":"1","time":"yesterday"}', "bad_time", "time: 'yesterday'"),
                (names.orders, bytes(range(128, 256)), "invalid_utf8", "invalid UTF-8"),
                (names.support, b"\x1b[2J{", "malformed_json", "malformed JSON: \x1b[2J"),
            )
        ):
            record = dead_letter(topic, 1, offset, b"key", value, Rejection(reason=reason, code=code))
            producer.send(record.topic, record.value, record.key, list(record.headers)).get(timeout=10)
    finally:
        producer.close()
    return names


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_dead_letters_are_listed_with_place_and_reason_and_counted(letters: TopicNames) -> None:
    result = call("dlq", "list", "--json")
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {(letter["place"], letter["code"]) for letter in found} == {
        (f"{letters.orders}/1/0", "bad_time"),
        (f"{letters.orders}/1/1", "invalid_utf8"),
        (f"{letters.support}/1/2", "malformed_json"),
    }
    assert "all 3: " in call("dlq", "list").output
    assert "the newest 1 of 3: " in call("dlq", "list", "--limit", "1").output
    assert call("dlq", "list", "--topic", "deliveries").output == "no dead letters\n"
    assert call("dlq", "list", "--since", "0s").output == "no dead letters\n"


def test_one_dead_letter_is_shown_in_full(letters: TopicNames) -> None:
    output = call("dlq", "show", f"{letters.orders}/1/0").output
    assert "error     time: 'yesterday'" in output
    assert '  "time": "yesterday"' in output
    assert "80 81 82" in call("dlq", "show", f"{letters.orders}/1/1").output
    assert call("dlq", "show", f"{letters.orders}/1/1", "--raw").stdout_bytes == bytes(range(128, 256))


def test_nothing_in_a_record_reaches_the_terminal_as_a_command(letters: TopicNames) -> None:
    for arguments in (("list",), ("show", f"{letters.support}/1/2")):
        result = call("dlq", *arguments)
        assert result.exit_code == 0
        assert "\x1b" not in result.output
        assert "\\x1b[2J" in result.output.replace("\n", "").replace(" ", "")


def test_a_place_where_there_is_none_is_one_line(letters: TopicNames) -> None:
    result = call("dlq", "show", f"{letters.orders}/1/9")
    assert result.exit_code == 2
    assert f"{letters.orders}/1/9: no such dead letter" in result.stderr


def test_a_dead_letter_is_sent_again_once_as_it_was_and_marked(config: Config, letters: TopicNames) -> None:
    place = f"{letters.orders}/1/0"
    assert "1 sent again" in call("dlq", "requeue", place, "--by", "ann").output
    again = call("dlq", "requeue", place)
    assert again.exit_code == 2
    assert f"{place}: was sent again already, by ann" in again.stderr
    (sent,) = _records(config, TopicPartition(letters.orders, 1))
    assert (sent.key, sent.value) == (b"key", b'{"id":"1","time":"yesterday"}')
    assert dict(sent.headers)["requeued_from"] == place.encode()
    assert dict(sent.headers)["requeued_by"] == b"ann"
    # The note is no letter itself, and the letter stays to be read.
    listed = call("dlq", "list").output
    assert "all 3: " in listed
    assert "(sent again)" in " ".join(listed.split())
    assert "requeued  by ann" in call("dlq", "show", place).output


def test_all_dead_letters_of_a_reason_are_sent_again_once(config: Config, letters: TopicNames) -> None:
    assert "1 sent again" in call("dlq", "requeue", "--code", "invalid_utf8").output
    assert call("dlq", "requeue", "--code", "invalid_utf8").output.splitlines() == [
        "1 are left: sent again already, or cannot be",
        "0 sent again",
    ]
    (sent,) = _records(config, TopicPartition(letters.orders, 1))
    assert sent.value == bytes(range(128, 256))
    assert call("dlq", "requeue").exit_code == 2
    assert call("dlq", "requeue", f"{letters.orders}/1/9").exit_code == 2


def _records(config: Config, partition: TopicPartition) -> list[Any]:
    (bounds,) = offset_ranges(config, [partition]).values()
    reader = consumer(config)
    try:
        return list(records(reader, {partition: bounds[0]}, {partition: bounds[1]}))
    finally:
        reader.close(autocommit=False)


def test_topics_are_created_once_and_listed(config: Config) -> None:
    assert "no topics" in call("topics", "list").output
    names = TopicNames(config.namespace)
    assert call("topics", "create").output.splitlines() == [
        f"created {name}" for name in (*names.all, *names.dead_letters)
    ]
    assert call("topics", "create").output.startswith("nothing to do")
    listed = json.loads(call("topics", "list", "--json").stdout)
    assert [topic["name"] for topic in listed] == [*names.all, *names.dead_letters]
    assert {topic["records"] for topic in listed} == {0}


def test_without_a_worker_the_lag_is_what_its_group_has_not_published(config: Config) -> None:
    create_topics(config)
    orders = TopicNames(config.namespace).orders
    producer = open_producer(config)
    try:
        for _ in range(5):
            producer.send(orders, b"{}", b"key", partition=2).get(timeout=10)
    finally:
        producer.close()
    group = f"{config.namespace}-{config.worker.group}"
    committed = {TopicPartition(orders, 2): OffsetAndMetadata(3, "", -1)}
    deadline = time.monotonic() + 30
    while True:  # a fresh Kafka has no group coordinator at first
        try:
            with admin(config) as client:
                client.alter_group_offsets(group, committed)
            break
        except BrokerError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    status = json.loads(call("status", "--json").stdout)
    assert status["workers"] is None
    lags = {(part["topic"], part["partition"]): part["lag"] for part in status["partitions"]}
    assert lags[orders, 2] == 2
    assert lags[orders, 1] is None
    assert "workers  none answers" in call("status").output


def test_top_without_values_says_so(config: Config) -> None:
    assert "there is no topic" in call("top", "--once").stderr
    create_topics(config)
    assert "no KPI values yet" in call("top", "--once").output
