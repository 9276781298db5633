"""A carrier stands still in one region: from the events to one incident, to whoever is told, and to its end, with a
worker killed in the middle."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from detectors.incidents.incident import Incident
from detectors.response.response import Response
from streams.config import Config, load_config
from streams.ingest.simulator import Incident as Trouble
from streams.ingest.simulator import Label, Shop, Simulation, SimulatorSettings
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE, LocalDays
from streams.ingest.simulator.send import Record, kafka_sink, records
from streams.ingest.simulator.shop import Region
from streams.runtime.agents.incidents import revive_response
from streams.runtime.app import INCIDENT_STATE_VERSION
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.incidents import read_incidents
from streams.runtime.notify.channels import notices_of
from streams.runtime.state.log import StateLog
from streams.runtime.topics import TopicNames, create_topics
from tests.integration.conftest import free_port
from tests.integration.test_notify_channels import SECRET
from tests.support.monitoring import AlertmanagerProgram, PrometheusProgram
from tests.support.receiver import Receiver, Request

MONDAY = 1_772_406_000_000
"""2 March 2026, midnight in Berlin."""
WEEKS = 5
"""So long all is as usual."""
WITHIN = 180.0
_DAYS = LocalDays("Europe/Berlin", MONDAY - 20 * DAY)


def at(day: int, hours: float = 0.0) -> int:
    """An instant by the wall clock in Berlin, of a day counted from MONDAY."""
    return _DAYS.at(_DAYS.day_of(MONDAY) + day, hours * 60)


OUTAGE = Trouble(
    kind="courier_outage",
    start=at(7 * WEEKS + 1),
    duration=at(7 * WEEKS + 2, 11) - at(7 * WEEKS + 1),
    scope={"carrier": ["postbird"], "region": ["north"]},
    name="postbird stands still",
)
SCOPE = {"carrier": "postbird", "region": "north"}


def _region(share: float, warehouse: str, **carriers: float) -> Region:
    return Region(share=share, warehouse=warehouse, days=1, lat=53.0, lon=10.0, carriers=carriers)


def settings() -> SimulatorSettings:
    """Two regions, five weeks as usual, the outage, and a week after it. No parcel is late or lost by itself: then
    what the outage has hit is what was under way."""
    shop = Shop(
        late=0.0,
        lost=0.0,
        regions={
            "north": _region(0.6, "hamburg", postbird=0.8, swiftparcel=0.2),
            "south": _region(0.4, "nuremberg", postbird=0.5, swiftparcel=0.5),
        },
    )
    return SimulatorSettings(
        start=at(-14),
        end=at(7 * WEEKS + 9) + MINUTE,
        reference=at(0),
        seed=1,
        orders_per_day=600,
        heartbeat=HOUR // 4,
        shop=shop,
        incidents=[OUTAGE],
    )


class Worker:
    """A worker as a process, with the configuration of a file."""

    def __init__(self, config: Path, log: Path) -> None:
        self.port, self._log = free_port(), log
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
        environment |= {"DAYBOOK_METRICS_PORT": str(self.port), "HOOK_SECRET": SECRET}
        with log.open("wb") as output:
            argv = [sys.executable, "-m", "streams.cli", "--config", str(config), "worker"]
            self._process = subprocess.Popen(argv, env=environment, stdout=output, stderr=subprocess.STDOUT)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self._log.read_text()[-8_000:]

    def has_recorded_what_arrived(self) -> bool:
        """Whether messages have arrived, and none is on its way by what the worker has recorded."""
        return self._sum("daybook_notifications_total", outcome="delivered") >= 2 and not self._sum(
            "daybook_notifications_pending"
        )

    def has_incidents(self) -> bool:
        """Whether it has read back the incidents that the one before it had recorded."""
        return self._sum("daybook_incidents", kind="business") > 0

    def _sum(self, name: str, **labels: str) -> float:
        """Of a metric's samples with these labels; 0 where nothing is served yet."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def check(self) -> None:
        assert self._process.poll() is None, self.said

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


def daybook(config: Path, *arguments: str) -> str:
    """What the command line says."""
    argv = [sys.executable, "-m", "streams.cli", "--config", str(config), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest_asyncio.fixture
async def people() -> AsyncIterator[Receiver]:
    """Whom Alertmanager tells."""
    found = await Receiver().start()
    yield found
    await found.close()


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Receiver]:
    """Whom the signed webhook tells."""
    found = await Receiver().start()
    yield found
    await found.close()


@pytest.fixture
def alertmanager(tmp_path: Path, people: Receiver) -> Iterator[AlertmanagerProgram]:
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    found = AlertmanagerProgram(folder, people.url)
    yield found
    found.stop()


@pytest.fixture
def path(
    embedded_broker: EmbeddedBroker,
    namespace: str,
    tmp_path: Path,
    alertmanager: AlertmanagerProgram,
    program: Receiver,
) -> Path:
    """The configuration file: the default one, but for where things are. History is told of too."""
    text = (Path(__file__).resolve().parents[2] / "daybook.yaml").read_text(encoding="utf-8")
    for before, after in {
        "namespace: daybook ": f"namespace: {namespace} ",
        "data_dir: .daybook ": f"data_dir: {tmp_path / 'data'} ",
        "bootstrap: 127.0.0.1:19092 ": f"bootstrap: {embedded_broker.bootstrap} ",
        "embedded: true ": "embedded: false ",
        "too_old: 1d ": "too_old: 5000d ",
        "notify:\n": f"notify:\n  alertmanager: http://{alertmanager.address}\n"
        f'  webhooks: [{{ url: "{program.url}", secret_env: HOOK_SECRET }}]\n',
    }.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file = tmp_path / "daybook.yaml"
    file.write_text(text)
    return file


@pytest.fixture
def workers(path: Path, tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    """Starts workers; what still runs at the end is killed."""
    started: list[Worker] = []

    def begin() -> Worker:
        started.append(Worker(path, tmp_path / f"worker-{len(started)}.log"))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()


class Shopping:
    """The shop's events on their way to Kafka, up to an instant at a time."""

    def __init__(self, config: Config) -> None:
        self._config, self._simulation = config, Simulation(settings())
        self._records = records(self._simulation.arrivals(), config.kafka.partitions)
        self._next: Record | None = next(self._records)

    def until(self, instant: int) -> None:
        """Send all that arrives before."""
        batch: list[Record] = []
        with kafka_sink(self._config) as send:
            while self._next is not None and self._next.arrival < instant:
                batch.append(self._next)
                self._next = next(self._records, None)
                if len(batch) == 5_000:
                    send(batch)
                    batch = []
            send(batch)

    @property
    def label(self) -> Label:
        return self._simulation.labels()[0]


def about(incidents: dict[str, list[Incident]]) -> list[Incident]:
    """Those that began while the carrier stood still or within three days after, and are not retracted; as they are
    now."""
    newest = [revisions[-1] for revisions in incidents.values()]
    begun = [one for one in newest if OUTAGE.start - HOUR <= one.since < OUTAGE.end + 3 * DAY]
    return [one for one in begun if one.state not in ("retracted", "merged")]


async def recorded(config: Config) -> dict[str, Incident]:
    """The incidents that somebody who takes over now would go on with."""
    log = StateLog(config, TopicNames(config.namespace).incident_state, f"{INCIDENT_STATE_VERSION}", (0, 0))
    try:
        chain = await log.recover(0)
    finally:
        await log.close()
    response = Response(config.definitions(), notices_of(config))
    return {one.id: one for one in revive_response(response, chain, 1).response.incidents}


async def until(worker: Worker, holds: Callable[[], Any], within: float = WITHIN) -> Any:
    """What is said once it is true of what it was asked for; the worker must not end before."""
    end = time.monotonic() + within
    while not (found := await asyncio.to_thread(holds)):
        worker.check()
        assert time.monotonic() < end, worker.said
        await asyncio.sleep(0.3)
    return found


def news(requests: list[Request]) -> Counter[tuple[str, str, str]]:
    """How often Alertmanager told of an incident, by its severity, that it is ``firing`` or ``resolved``.

    The very same told again is Alertmanager's: with groups a second apart it sends again what the receiver has not yet
    answered. What Daybook ends or begins again has other instants.
    """
    told = {
        (alert["labels"]["incident"], alert["status"], alert["labels"]["severity"], alert["startsAt"], alert["endsAt"])
        for one in requests
        for alert in one.json["alerts"]
        if alert["labels"]["alertname"] == "DaybookIncident"
    }
    return Counter((incident, status, severity) for incident, status, severity, *_ in told)


def is_told(requests: list[Request], incident: str, status: str) -> bool:
    return any((name, how) == (incident, status) for name, how, _ in news(requests))


async def test_one_incident_from_the_events_to_whoever_is_told_and_to_its_end(
    path: Path,
    people: Receiver,
    program: Receiver,
    alertmanager: AlertmanagerProgram,
    workers: Callable[[], Worker],
    tmp_path: Path,
) -> None:
    config = load_config(path, env={})
    create_topics(config)
    await alertmanager.start().ready()
    shop = Shopping(config)
    worker = workers()
    prometheus = PrometheusProgram(tmp_path / "prometheus", worker.address, alertmanager.address)
    await prometheus.start().ready()
    try:
        # The carrier has stood still since midnight, it is the afternoon.
        await asyncio.to_thread(shop.until, OUTAGE.start + 17 * HOUR)

        def found() -> Incident | None:
            known = [one for one in about(read_incidents(config)) if one.scope.items() >= SCOPE.items()]
            return known[0] if known and known[0].assessment is not None else None

        one: Incident = await until(worker, found)
        assert (one.kind, one.state, one.cause) == ("business", "open", "delivery")
        await people.until(lambda requests: is_told(requests, one.id, "firing"), WITHIN)
        await program.until(lambda requests: any(one.id in request.body.decode() for request in requests), WITHIN)
        await until(worker, lambda: prometheus.query('sum(daybook_incidents{kind="business"})')[0]["value"][1] == "1")

        # What has arrived is recorded: else it may be sent again, under the same id.
        await until(worker, worker.has_recorded_what_arrived)
        worker.kill()
        worker = workers()
        await until(worker, worker.has_incidents)
        said = await asyncio.to_thread(daybook, path, "incidents", "ack", one.id, "--by", "Ada")
        assert said == f"{one.id}: acknowledged, owner Ada\n"

        await asyncio.to_thread(shop.until, settings().end or 0)

        def over() -> Incident | None:
            known = read_incidents(config)[one.id][-1]
            return known if known.state == "resolved" and known.until > OUTAGE.end else None

        ended: Incident = await until(worker, over)
        assert ended.scope == SCOPE
        assert ended.owner == "Ada", [(change.at, change.what, change.by, change.note[:60]) for change in ended.history]
        assert [each.id for each in about(read_incidents(config))] == [one.id]

        told = {name: revisions[-1] for name, revisions in read_incidents(config).items()}
        known = await recorded(config)
        assert {name: told[name] for name in known} == known, "whoever takes over goes on with what was told"

        sheet = await asyncio.to_thread(daybook, path, "incidents", "show", one.id, "--worklist")
        assert {row["order"] for row in csv.DictReader(io.StringIO(sheet))} == set(shop.label.orders)

        await people.until(lambda requests: is_told(requests, one.id, "resolved"), WITHIN)
        await program.until(lambda requests: any("resolved" in request.headers["webhook-id"] for request in requests))
        ids = [request.headers["webhook-id"] for request in program.requests]
        assert len(ids) == len(set(ids)), "nothing is sent twice"
        assert {f"{one.id}/opened/1", f"{one.id}/resolved/1"} <= set(ids)
        changes = Counter(change.what for change in read_incidents(config)[one.id][-1].history)
        for (name, status, severity), times in news(people.requests).items():
            begun = changes["opened"] + changes["reopened"] if name == one.id else 1
            assert times <= begun, f"{name} ({severity}) told {status} {times} times, begun {begun} times"
        assert one.id not in await asyncio.to_thread(alertmanager.alerts)
    finally:
        prometheus.stop()
