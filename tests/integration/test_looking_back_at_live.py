"""Incidents named by the id that the live topic has them under: kept as golden ones, and unlearned."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka import TopicPartition

from detectors.incidents.incident import Incident
from streams.cli import cli
from streams.config import Config, load_config
from streams.events.codec import decode_calendar
from streams.events.times import parse_time
from streams.events.types import CalendarData
from streams.history.lookback.judging import judged
from streams.history.replay.source import source_of
from streams.runtime.archivist import folder_of
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.bulk import BulkProducer
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames, create_topics
from tests.support.archived_shop import DOWN, HOUR, shop_in


@pytest.fixture
def shop(embedded_broker: EmbeddedBroker, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Five archived weeks of a shop that was down for half a day, and its topics."""
    shop_in(tmp_path, "shop.yaml")
    (tmp_path / "archive" / "daybook").rename(tmp_path / "archive" / namespace)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", embedded_broker.bootstrap)
    monkeypatch.setenv("DAYBOOK_NAMESPACE", namespace)
    config = load_config(tmp_path / "shop.yaml")
    create_topics(config)
    return config


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--config", "shop.yaml", *arguments])


def told_live(config: Config) -> Incident:
    """What a replay finds of the half day, as a worker would have told it."""
    found = next(
        one
        for one in judged(config, source_of(folder_of(config))).incidents
        if one.state != "merged" and one.since <= DOWN + HOUR and one.until > DOWN
    )
    with BulkProducer(config) as producer:
        producer.send(TopicNames(config.namespace).incidents, found.encode(), found.id.encode())
    return found


def calendar(config: Config) -> list[CalendarData]:
    reader = consumer(config)
    try:
        ranges = offset_ranges(config, [TopicPartition(TopicNames(config.namespace).calendar, 0)])
        starts, ends = ({at: of[end] for at, of in ranges.items()} for end in (0, 1))
        return [decode_calendar(record.value).data for record in records(reader, starts, ends)]
    finally:
        reader.close(autocommit=False)


def test_an_incident_of_the_live_topic_is_kept_and_unlearned_by_its_id(shop: Config) -> None:
    one = told_live(shop)

    kept = call("golden", "add", one.id, "--within", "6h")
    assert kept.exit_code == 0, kept.output
    assert f"{one.id}: to be told within 6 h" in kept.output
    checked = call("golden", "check")
    assert checked.exit_code == 0, checked.output
    assert "1 checked, 0 failed" in checked.output

    looked = call("unlearn", one.id)
    assert looked.exit_code == 0, looked.output
    assert calendar(shop) == []
    for _ in range(2):  # saying it again is no other entry
        said = call("unlearn", one.id, "--apply")
        assert said.exit_code == 0, said.output
        assert "in the calendar: " in said.output
    first, second = calendar(shop)
    assert first == second
    assert (first.kind, parse_time(first.start), parse_time(first.end)) == ("outage", one.since, one.until)

    unknown = call("golden", "add", "no-such-incident")
    assert unknown.exit_code == 2
    assert "no-such-incident" in unknown.output
