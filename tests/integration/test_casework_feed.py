"""Casework on a real broker: the topics themselves become worklists, read at once or kept up to date."""

from __future__ import annotations

from functools import cache

import pytest
from kafka import KafkaProducer

from detectors.casework.affected import affected
from detectors.casework.ledger import Ledger
from streams.config import Config
from streams.errors import BrokerError
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.incidents import Incident
from streams.ingest.simulator.labels import Label
from streams.ingest.simulator.send import kafka_sink, records
from streams.ingest.simulator.world import TimedEvent
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.runtime.casework import CaseFeed, read_cases
from streams.runtime.topics import TopicNames, create_topics
from tests.support.casework import told
from tests.support.waiting import eventually

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
OUTAGE = Incident(
    kind="courier_outage",
    start=START + 22 * DAY_MS,
    duration=35 * HOUR_MS,
    scope={"carrier": ["postbird"], "region": ["north"]},
)


@cache
def shop() -> tuple[list[TimedEvent], Label]:
    simulation = Simulation(
        SimulatorSettings(
            start=START, end=START + 27 * DAY_MS, seed=3, orders_per_day=120, heartbeat=DAY_MS, incidents=[OUTAGE]
        )
    )
    events = list(simulation.arrivals())
    return events, simulation.labels()[0]


def send(config: Config, events: list[TimedEvent]) -> None:
    with kafka_sink(config) as sink:
        batch = list(records(events, config.kafka.partitions))
        for begin in range(0, len(batch), 500):
            sink(batch[begin : begin + 500])


def spoil(config: Config) -> None:
    producer = KafkaProducer(bootstrap_servers=config.kafka.bootstrap.split(","))
    producer.send(TopicNames(config.namespace).orders, b"no event", partition=0).get(10)
    producer.close()


def hit(ledger: Ledger, config: Config) -> set[str]:
    return {case.order for case in affected(told(shop()[1]), ledger, config.definitions())}


def test_a_worklist_is_read_from_the_topics_and_its_places_lead_back(config: Config) -> None:
    create_topics(config)
    events, label = shop()
    send(config, events)
    spoil(config)
    progress: list[tuple[int, int]] = []
    ledger = read_cases(config, START, progress=lambda done, total: progress.append((done, total)))
    found = hit(ledger, config)
    assert len(found & set(label.orders)) >= 0.9 * max(len(found), len(label.orders))
    assert progress[-1][0] == progress[-1][1] > len(events)
    case = affected(told(label), ledger, config.definitions())[0]
    assert case.places[0].startswith(f"{TopicNames(config.namespace).deliveries}/")
    until = read_cases(config, START, START + 10 * DAY_MS)
    assert START + 9 * DAY_MS < until.newest <= START + 10 * DAY_MS


def test_a_feed_keeps_up_waits_when_asked_to_and_assesses(config: Config) -> None:
    create_topics(config)
    events, label = shop()
    half = len(events) // 2
    send(config, events[:half])
    spoil(config)
    allowed, asked = False, 0

    def may_run() -> bool:
        nonlocal asked
        asked += 1
        return allowed

    feed = CaseFeed(config, may_run, days=60)
    feed.start()
    try:
        eventually(lambda: asked >= 3)
        assert feed.behind >= half
        allowed = True
        eventually(lambda: not feed.behind)
        assert feed.unreadable == 1
        send(config, events[half:])
        eventually(lambda: feed.assess(told(label)).orders >= 0.9 * len(label.orders))
        eventually(lambda: not feed.behind)
        found = feed.assess(told(label))
        assert found.complete
        assert {case.order for case in found.cases} >= set(sorted(label.orders)[:1])
        assert {one.kpi for one in feed.forecast(24 * HOUR_MS)} == {"on_time_ratio", "answered_in_4h"}
    finally:
        feed.close()


def test_without_topics_reading_says_so(config: Config) -> None:
    with pytest.raises(BrokerError, match="there is no topic"):
        read_cases(config, START)
