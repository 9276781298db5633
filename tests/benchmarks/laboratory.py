"""Apache Kafka, the load in it, and workers that read it: all on loopback, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml

from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.runtime.bulk import BulkProducer
from streams.runtime.kafka import ApacheKafka, fetch_jars
from streams.runtime.ports import next_free
from streams.runtime.status import MetricsError, Samples, fetch, metrics_url, read_samples
from streams.runtime.supervisor import ProcessPart
from streams.runtime.topics import TopicNames, admin, create_topics
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.marketplace import ORDERS, PARTITIONS, Record
from tests.benchmarks.peers.job import Row, Sums, order_of

HOST = "127.0.0.1"
DEFAULTS = Path(__file__).resolve().parents[2] / "streams" / "daybook.yaml"
_STARTED_WITHIN = 60.0
_DELETED_WITHIN = 30.0


class Sent(NamedTuple):
    """What was sent: events without heartbeats, all records, orders placed, each counted once; and by region and minute
    what is to be found of them, each counted as often as it was sent."""

    events: int
    records: int
    bytes: int
    orders: int
    seconds: float
    rows: list[Row]


class Setup(NamedTuple):
    """A configuration, the file it is in, and the environment that goes with it."""

    config: Config
    path: Path
    environment: Mapping[str, str]


class Laboratory:
    """Use as a context manager. Raises :class:`BenchmarkError` where Java or Maven is missing."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
        if missing:
            raise BenchmarkError(
                f"{' and '.join(missing)} not installed: this benchmark runs Apache Kafka, which needs a JDK "
                "(17 or later) and Maven; --only core and --only scaling --no-kafka do without"
            )
        self._made = 0

    def __enter__(self) -> Self:
        self.say("starting Apache Kafka")
        jars = fetch_jars()
        self.folder = Path(tempfile.mkdtemp(prefix="daybook-bench-"))
        try:
            port = free_port()
            self.kafka = ApacheKafka(self.folder / "kafka", port, jars, controller_port=free_port(port))
            self.kafka.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kafka.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def setup(self, namespace: str, changes: Mapping[str, Any] | None = None) -> Setup:
        """A configuration like the default one, with ``changes`` to its sections, under ``namespace``; its worker
        group is a new one."""
        self._made += 1
        plain = yaml.safe_load(DEFAULTS.read_text())
        plain.update(changes or {})
        plain["worker"] = {**plain["worker"], "group": f"worker-{self._made}"}
        path = self.folder / f"daybook-{self._made}.yaml"
        path.write_text(yaml.safe_dump(plain, sort_keys=False))
        environment = {
            "DAYBOOK_CONFIG": str(path),
            "DAYBOOK_NAMESPACE": namespace,
            "DAYBOOK_DATA_DIR": str(self.folder / f"data-{self._made}"),
            "DAYBOOK_BOOTSTRAP": self.kafka.bootstrap,
            "DAYBOOK_EMBEDDED": "false",
            "DAYBOOK_PARTITIONS": str(PARTITIONS),
            "DAYBOOK_METRICS_HOST": HOST,
            "DAYBOOK_METRICS_PORT": str(free_port()),
        }
        return Setup(load_config(path, environment), path, environment)

    def send(self, setup: Setup, load: Iterable[Record], portion: Callable[[int], None] | None = None) -> Sent:
        """Create the topics, if there are none, and send to those of the events. ``portion`` is told every 20,000
        records, acknowledged by then, how many events have been sent, and may wait."""
        create_topics(setup.config)
        topics = TopicNames(setup.config.namespace).events
        began = time.monotonic()
        events = records = size = orders = 0
        sums: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)
        with BulkProducer(setup.config) as producer:
            for record in load:
                producer.send(topics[record.family], record.value, record.key, partition=record.partition)
                records += 1
                size += len(record.value)
                events += record.partition is None
                orders += record.first
                if record.family == ORDERS and (order := order_of(record.value)) is not None:
                    sums[order.region, order.minute].add(order.amount)
                if portion is not None and records % 20_000 == 0:
                    producer.flush()
                    portion(events)
                if records % 250_000 == 0:
                    self.say(f"  {records:,} records sent")
        seconds = time.monotonic() - began
        return Sent(events, records, size, orders, seconds, sorted(one.row(*key) for key, one in sums.items()))

    def forget(self, setup: Setup) -> None:
        """Delete what workers have written of this namespace: all topics but those of the events."""
        names = TopicNames(setup.config.namespace)
        gone = [name for name in (*names.all, *names.dead_letters) if name not in names.events]
        with admin(setup.config) as client:
            client.delete_topics(gone)
            deadline = time.monotonic() + _DELETED_WITHIN
            while set(gone) & set(client.list_topics()):
                if time.monotonic() > deadline:
                    raise BrokerError(f"{setup.config.kafka.bootstrap}: topics were not deleted in time")
                time.sleep(0.2)

    def worker(self, setup: Setup, module: Sequence[str] = ("streams.cli", "worker")) -> Worker:
        """A worker, to be used as a context manager."""
        log = self.folder / f"worker-{setup.config.worker.group}.log"
        return Worker(setup, [sys.executable, "-m", *module], log)

    def program(self, name: str, argv: Sequence[str]) -> ProcessPart:
        """Another program, to be started, stopped and asked for its last words."""
        return ProcessPart(name, argv, log=self.folder / f"{name.replace(' ', '-')}.log")


class Worker:
    """A worker process, started when entered and stopped when left."""

    def __init__(self, setup: Setup, argv: Sequence[str], log: Path) -> None:
        self.url = metrics_url(setup.config)
        self._part = ProcessPart("worker", argv, log=log, environment=setup.environment, stop_within=20.0)

    @property
    def pid(self) -> int:
        """Its process. Raises :class:`BenchmarkError` when it has ended."""
        pid = self._part.pid
        if pid is None:
            raise BenchmarkError(f"the worker ended: {self._part.last_words() or self._part.ended()}")
        return pid

    def __enter__(self) -> Self:
        self._part.start()
        deadline = time.monotonic() + _STARTED_WITHIN
        while not self._answers():
            if time.monotonic() > deadline:
                self._part.stop()
                raise BenchmarkError(f"the worker did not answer in time: {self._part.last_words()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part.stop()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._part.stop()

    def samples(self, *names: str) -> Samples:
        """These metrics. Only they are rendered, which spares the worker the work."""
        self.pid  # noqa: B018 - says how it ended, where a refused connection would not
        return read_samples(fetch(f"{self.url}?{'&'.join(f'name[]={name}' for name in names)}", timeout=10.0))

    def total(self, name: str) -> float:
        """A metric's sum over all its labels."""
        return sum(self.samples(name).get(name, {}).values())

    def orders_placed(self) -> float:
        """What the KPI of that name says of the last 24 hours, in total."""
        return self.kpi("orders_placed", window="24h") or 0.0

    def kpi(self, name: str, **labels: str) -> float | None:
        """What a KPI says under exactly these labels."""
        metric = f"daybook_{name}"
        for found, value in self.samples(metric).get(metric, {}).items():
            if {name: text for name, text in found if text} == labels:
                return value
        return None

    def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        while self._part.ended() is None:
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            return self.total("daybook_events_total") >= 0
        except MetricsError:
            return False


def free_port(*taken: int) -> int:
    """A port of loopback nothing listens on, and none of ``taken``."""
    # Below those the system hands out by itself: no client takes it meanwhile.
    return next_free(HOST, random.randrange(20_000, 30_000), set(taken))
