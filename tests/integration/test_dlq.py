"""Dead letters read back through the command line, from a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import cli
from streams.config import load_config
from streams.events.codec import Rejection
from streams.runtime.deadletters import dead_letter
from streams.runtime.producer import open_producer
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, create_topics


@pytest.fixture
def letters(broker: BrokerProcess, namespace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TopicNames:
    """Three dead letters, of which one is JSON, one binary and one would clear a terminal."""
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", broker.bootstrap)
    monkeypatch.setenv("DAYBOOK_NAMESPACE", namespace)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path))
    config = load_config()
    create_topics(config)
    names = TopicNames(namespace)
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
