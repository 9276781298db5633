"""A replay from the archive beside what a worker made of the same events, late and repeated ones among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path

import msgspec
import pytest

from detectors.incidents.incident import Incident
from streams.config import Config
from streams.events.codec import encode
from streams.events.types import OrderPlaced
from streams.history.replay.lane import Counts
from streams.history.replay.run import engine_of, news_of
from streams.history.replay.source import source_of
from streams.ingest.simulator import Incident as Trouble
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import Record, kafka_sink, records
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.values import KpiValue
from streams.runtime.archivist import folder_of
from streams.runtime.incidents import read_incidents
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import create_topics
from tests.integration.conftest import config_on
from tests.integration.test_archivist import archived, archiving
from tests.integration.test_worker import RUN, Process, Start, Told, read_everything, start, told
from tests.support.oracle import told as not_empty
from tests.support.waiting import eventually

__all__ = ["start", "told"]  # fixtures

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
WEEKS = 4
OUTAGE = Trouble(
    kind="courier_outage",
    start=START + 22 * DAY_MS + 6 * HOUR_MS,
    duration=30 * HOUR_MS,
    scope={"carrier": ["postbird"]},
)


@pytest.fixture
def config(apache_broker: BrokerProcess, namespace: str, tmp_path: Path) -> Config:
    """On Apache Kafka, which keeps what it is given."""
    return config_on(apache_broker, namespace, tmp_path / "daybook")


class _Timed(msgspec.Struct):
    time: str


def history() -> Iterator[Record]:
    """Four weeks of a shop in which a carrier stands still. Every fortieth record is sent twice, and some orders come
    again under another id, two days late."""
    settings = SimulatorSettings(
        start=START, end=START + WEEKS * 7 * DAY_MS, seed=5, orders_per_day=250, heartbeat=HOUR_MS, incidents=[OUTAGE]
    )
    late: list[Record] = []
    for number, record in enumerate(records(Simulation(settings).arrivals(), 4)):
        yield record
        if number % 40 == 0:
            yield record
        if record.value is not None and b'"order.placed"' in record.value and number % 200 == 0:
            one = msgspec.json.decode(record.value, type=OrderPlaced)
            again = msgspec.structs.replace(one, id=f"{one.id}-late")
            late.append(record._replace(value=encode(again), arrival=record.arrival + 2 * DAY_MS))
        while late and late[0].arrival <= record.arrival:
            yield late.pop(0)


def in_time(history: Iterable[Record]) -> list[Record]:
    """The same, each topic's partition in the order of event time: nothing is late."""
    time_of = attrgetter("time")
    return sorted(history, key=lambda record: time_of(msgspec.json.decode(record.value, type=_Timed)))


def send(config: Config, history: Iterable[Record]) -> int:
    batch, sent = [], 0
    with kafka_sink(config) as sink:
        for record in history:
            batch.append(record)
            sent += 1
            if len(batch) == 5_000:
                sink(batch)
                batch = []
        sink(batch)
    return sent


def finals(values: list[KpiValue]) -> dict[object, object]:
    best: dict[object, KpiValue] = {}
    for value in values:
        key = (value.kpi, value.stat, tuple(value.slice.items()), value.start)
        if key not in best or value.revision >= best[key].revision:
            best[key] = value
    return not_empty({key: (value.value, value.parts) for key, value in best.items()})  # type: ignore[misc]


def replayed(config: Config, sent: int) -> tuple[list[KpiValue], dict[str, Incident], Counts]:
    source = source_of(folder_of(config))
    assert source.records >= sent
    values: list[KpiValue] = []
    incidents: dict[str, Incident] = {}
    engine = engine_of(config, source)
    for news in news_of(config, engine, source):
        values += news.values
        incidents |= {one.id: one for one in news.incidents}
    assert engine.counts.records == source.records
    return values, incidents, engine.counts


PATIENT = """
from streams.runtime.agents import response
response.QUIET, response.LONGEST = 15.0, 600.0
"""
"""However busy the machine is, values wait for others of their hour: only what comes last has none to wait for."""


def judged(values: Iterable[KpiValue]) -> dict[object, KpiValue]:
    """By series and beginning, what became final."""
    return {(value.series, value.start): value for value in values if value.status == "final"}


def known(incidents: Iterable[Incident]) -> dict[str, Incident]:
    """What was made of values; live looks through the events behind them as well, and hears what people say."""
    return {
        one.id: msgspec.structs.replace(one, assessment=None, history=(), revision=0)
        for one in incidents
        if one.kind == "business"
    }


def test_of_what_came_in_time_a_replay_thinks_what_live_thought(config: Config, told: Told, tmp_path: Path) -> None:
    create_topics(config)
    worker = Process(config, tmp_path / "worker.log", ("-c", PATIENT + RUN))
    try:
        with archiving(config):
            worker.ready()
            sent = send(config, in_time(history()))
            worker.until(lambda: read_everything(config, worker))
            eventually(lambda: archived(config) >= sent)
        thinks_the_same(config, told, *replayed(config, sent)[:2])
        worker.stop()
    finally:
        worker.kill()


def thinks_the_same(config: Config, told: Told, values: list[KpiValue], incidents: dict[str, Incident]) -> None:
    wanted = judged(values)
    assert sum(value.alert for value in wanted.values()) >= 3

    def thought_the_same() -> bool:
        told.catch_up()
        return judged(told.finals) == wanted

    eventually(thought_the_same, 60.0)
    eventually(lambda: known(of[-1] for of in read_incidents(config).values()) == known(incidents.values()), 60.0)


def test_a_replay_gives_the_values_that_live_gave(config: Config, start: Start, told: Told, tmp_path: Path) -> None:
    with archiving(config):
        worker: Process = start().ready()
        sent = send(config, history())
        worker.until(lambda: read_everything(config, worker))
        eventually(lambda: archived(config) >= sent)
    values, incidents, counts = replayed(config, sent)
    assert counts.duplicates >= 1_000
    assert counts.late >= 10

    def told_the_same() -> bool:
        told.catch_up()
        return finals(told.finals) == finals(values)

    eventually(told_the_same, 60.0)
    # Whether what comes late within the lateness is there before a value is told of first, or corrects it, is a matter
    # of pace: history that is sent at once is judged a little otherwise. What happened is found all the same.
    assert any(one.scope.get("carrier") == "postbird" and one.cause == "delivery" for one in incidents.values())

    def found_live() -> bool:
        known = [revisions[-1] for revisions in read_incidents(config).values()]
        return any(one.scope.get("carrier") == "postbird" and one.cause == "delivery" for one in known)

    eventually(found_live, 60.0)
    assert (worker.total("daybook_late_events_total"), worker.total("daybook_duplicate_events_total")) == (
        counts.late,
        counts.duplicates,
    )
