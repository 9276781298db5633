"""Workers as processes on real brokers: values equal to the core's, whatever happens to the processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from detectors.watch.watch import Watch
from streams.config import Config, load_config
from streams.events.codec import encode
from streams.events.types import BusinessEvent
from streams.kpis.values import KpiValue
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.bulk import BulkProducer
from streams.runtime.letters import read_letters
from streams.runtime.offsets import offset_ranges
from streams.runtime.producer import send_heartbeats
from streams.runtime.reader import consumer
from streams.runtime.server import BrokerProcess
from streams.runtime.topics import TopicNames, create_topics
from streams.runtime.worker import STOPPED_WITHIN
from tests.integration.conftest import config_on, free_port
from tests.support.lives import lives
from tests.support.oracle import Key
from tests.support.oracle import told as not_empty
from tests.support.pipeline import Pipeline
from tests.support.shop import DAY, HOUR, MINUTE, T0, event, family_of

WITHIN = 90.0
RUN = """
from streams.config import load_config
from streams.runtime.worker import run_worker
run_worker(load_config(), lambda: print("READY", flush=True))
"""


class Process:
    """A worker process; its output goes to a file."""

    def __init__(self, config: Config, log: Path, argv: Sequence[str] = ("-c", RUN)) -> None:
        self.port, self.log = free_port(), log
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
        environment |= {
            "DAYBOOK_NAMESPACE": config.namespace,
            "DAYBOOK_BOOTSTRAP": config.kafka.bootstrap,
            "DAYBOOK_DATA_DIR": str(config.data_dir),
            "DAYBOOK_METRICS_PORT": str(self.port),
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *argv], env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def metrics(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        """By name, the value of each set of labels; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return {}
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def total(self, name: str) -> float:
        return sum(self.metrics().get(name, {}).values())

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < deadline, f"not within {WITHIN} s:\n{self.output}"
            time.sleep(0.05)

    def ready(self) -> Process:
        self.until(lambda: "READY" in self.output)
        return self

    def stop(self) -> None:
        """Ask it to end; it must, cleanly."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.output
        assert "Traceback" not in self.output, self.output

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


Start = Callable[[], Process]


@pytest.fixture
def start(config: Config, tmp_path: Path) -> Iterator[Start]:
    """Starts workers; what still runs at the end is killed."""
    started: list[Process] = []

    def begin() -> Process:
        started.append(Process(config, tmp_path / f"worker-{len(started)}.log"))
        return started[-1]

    create_topics(config)
    yield begin
    for process in started:
        if process.process.poll() is None:
            process.kill()


END = T0 + 3 * DAY


def send(config: Config, events: Sequence[BusinessEvent], *, closing: bool = False) -> None:
    """The events to their topics; ``closing``: and that nothing older follows."""
    names = TopicNames(config.namespace)
    with BulkProducer(config) as producer:
        for one in events:
            producer.send(names.events[family_of(one)], encode(one), one.subject.encode())
        if closing:
            send_heartbeats(producer, names, config.kafka.partitions, END, "test")


def expected(config: Config, events: Sequence[BusinessEvent]) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
    """Every final value, from the core without Kafka."""
    pipeline = Pipeline(config.definitions())
    pipeline.feed(events)
    pipeline.heartbeat(END)
    pipeline.drain()
    return pipeline.finals()


class Told:
    """Reads the KPI topic as it grows."""

    def __init__(self, config: Config) -> None:
        self._config, self._consumer = config, consumer(config)
        self.history: list[KpiValue] = []
        topic = TopicNames(config.namespace).kpis
        self._partitions = [TopicPartition(topic, 0)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning()

    def read(self) -> None:
        for records in self._consumer.poll(200).values():
            self.history += [KpiValue.decode(record.value) for record in records]

    def catch_up(self) -> None:
        """Read everything that is there now."""
        ranges = offset_ranges(self._config, self._partitions)
        while any(self._consumer.position(tp) < end for tp, (_, end) in ranges.items()):
            self.read()

    @property
    def finals(self) -> list[KpiValue]:
        return [value for value in self.history if value.status != "provisional"]

    def newest(self) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
        """The newest revision of each final value; of equals the last one told."""
        best: dict[Key, KpiValue] = {}
        for value in self.finals:
            key = (value.kpi, value.stat, tuple(value.slice.items()), value.start)
            if key not in best or value.revision >= best[key].revision:
                best[key] = value
        return {key: (value.value, value.parts) for key, value in best.items()}

    def until(self, wanted: dict[Key, tuple[float | None, tuple[int, ...]]]) -> None:
        """Read until exactly the wanted values are known; a grain told as empty and one never told of are
        the same."""
        deadline = time.monotonic() + WITHIN
        wanted = not_empty(wanted)
        while (found := not_empty(self.newest())) != wanted:
            if time.monotonic() > deadline:
                wrong = {key: (found.get(key), value) for key, value in wanted.items() if found.get(key) != value}
                more = found.keys() - wanted.keys()
                raise AssertionError(
                    f"{len(wrong)} of {len(wanted)} differ, {len(more)} too many: {[*wrong.items()][:5]}"
                )
            self.read()

    def close(self) -> None:
        self._consumer.close(autocommit=False)


@pytest.fixture
def told(config: Config, start: Start) -> Iterator[Told]:
    reader = Told(config)
    yield reader
    reader.close()


def read_everything(config: Config, worker: Process) -> bool:
    """Whether nothing waits to be read."""
    lag = worker.metrics().get("daybook_consumer_lag", {})
    return len(lag) == 3 * config.kafka.partitions and not any(lag.values())


def test_values_equal_the_cores_and_a_restart_repeats_nothing(config: Config, start: Start, told: Told) -> None:
    events = lives(400)
    wanted = expected(config, events)
    worker = start()
    send(config, events, closing=True)
    told.until(wanted)
    assert worker.total("daybook_duplicate_events_total") > 0
    assert worker.total("daybook_events_total") == len(events)
    worker.until(lambda: read_everything(config, worker))
    worker.until(lambda: bool(worker.metrics().get("daybook_orders_placed")))
    before = worker.metrics()
    worker.stop()
    told.catch_up()
    finals = len(told.finals)

    again = start().ready()
    again.until(lambda: read_everything(config, again))
    again.until(lambda: again.metrics().get("daybook_orders_placed") == before["daybook_orders_placed"])
    assert again.metrics()["daybook_recovery_seconds_count"][(("agent", "aggregate"),)] == config.kafka.partitions
    assert again.total("daybook_events_total") == 0, "what was recorded is not read again"
    more = [event("order.placed", END + MINUTE, f"L-{n}") for n in range(20)]
    send(config, more)
    again.until(lambda: again.total("daybook_events_total") == len(more))
    again.stop()
    told.catch_up()
    # What was told last may not have been: it is told again, with the revision it had.
    again_told = {(value.series, value.start, value.stat, value.revision): value for value in told.finals[finals:]}
    for value in told.finals[:finals]:
        key = (value.series, value.start, value.stat, value.revision)
        assert again_told.pop(key, value) == value
    assert not again_told, "a restart told final values that are none"


def test_values_equal_the_cores_though_workers_come_go_and_are_killed(config: Config, start: Start, told: Told) -> None:
    events = lives(600)
    wanted = expected(config, events)
    cut = [events[len(events) * n // 6 : len(events) * (n + 1) // 6] for n in range(6)]

    first = start().ready()
    send(config, cut[0])
    second = start().ready()
    send(config, cut[1])
    first.until(lambda: first.total("daybook_assigned_partitions") == 2)
    second.until(lambda: second.total("daybook_events_total") > 0)
    first.kill()
    send(config, cut[2])
    third = start()
    send(config, cut[3])
    second.until(lambda: second.total("daybook_assigned_partitions") == 2)
    second.stop()
    send(config, cut[4])
    third.ready().kill()
    fourth, fifth = start(), start()
    send(config, cut[5], closing=True)
    told.until(wanted)
    fourth.stop()
    fifth.stop()


def judged(values: Iterable[KpiValue]) -> dict[tuple[str, int], KpiValue]:
    """What was made of the values that became final, by series and beginning."""
    return {(value.series, value.start): value for value in values if value.status == "final"}


def test_judgements_equal_the_cores_though_the_worker_is_killed(config: Config, start: Start, told: Told) -> None:
    events = lives(2_000, span=2 * DAY)
    pipeline = Pipeline(config.definitions())
    pipeline.feed(events)
    pipeline.heartbeat(END)
    pipeline.drain()
    wanted = judged(Watch(config.definitions(), config.alerts.per_week).step(pipeline.history))
    assert sum(value.expected is not None for value in wanted.values()) > 1_000

    worker = start().ready()
    send(config, events[: len(events) // 2])
    worker.until(lambda: read_everything(config, worker))
    worker.kill()
    again = start()
    send(config, events[len(events) // 2 :], closing=True)
    told.until(expected(config, events))
    found = judged(told.finals)
    different = {key: (found.get(key), value) for key, value in wanted.items() if found.get(key, value) != value}
    assert not different, f"{len(different)} of {len(wanted)}, like {next(iter(different.values()))}"
    again.until(lambda: bool(again.metrics().get("daybook_kpi_surprise")))
    shown = again.metrics()["daybook_kpi_expected"]
    placed = next(
        value for key, value in sorted(wanted.items(), key=lambda one: -one[0][1]) if key[0] == "orders_placed@1h"
    )
    assert placed.expected is not None
    for bound, at in zip(("low", "middle", "high"), placed.expected, strict=True):
        labels = {"kpi": "orders_placed", "stat": "value", "slice": "", "bound": bound}
        assert shown[tuple(sorted(labels.items()))] == at
    again.stop()


def test_what_cannot_be_processed_is_a_dead_letter_once(config: Config, start: Start) -> None:
    names = TopicNames(config.namespace)
    huge = b'{"x":"' + b"x" * 2_000_000 + b'"}'
    bad = [b"{not json", b"", None, huge, encode(event("ticket.opened", T0, "T-1"))]
    with BulkProducer(config) as producer:
        for value in bad:
            producer.send(names.orders, value, b"key", partition=0)
        producer.send(names.orders, encode(event("order.placed", T0, "O-1")), b"O-1", partition=0)
        ahead = int(time.time() * 1000) + HOUR
        producer.send(names.orders, encode(event("order.placed", ahead, "O-2")), b"O-2", partition=0)
    worker = start().ready()
    worker.until(lambda: worker.total("daybook_dead_letters_total") == 6)
    worker.until(lambda: read_everything(config, worker))

    def written() -> int:
        ranges = offset_ranges(config, [TopicPartition(names.dlq(names.orders), 0)])
        return sum(end - begin for begin, end in ranges.values())

    worker.until(lambda: written() == 6)
    letters = sorted(read_letters(config, None, None), key=lambda letter: letter.offset)
    codes = ["malformed_json", "empty", "empty", "too_large", "wrong_topic", "future_time"]
    assert [(letter.offset, letter.code) for letter in letters] == list(zip([0, 1, 2, 3, 4, 6], codes, strict=True))
    assert [letter.value for letter in letters[:5]] == bad
    assert letters[0].key == b"key"
    worker.stop()

    again = start().ready()
    again.until(lambda: read_everything(config, again))
    again.stop()
    assert written() == 6, "a restart wrote dead letters again"


def test_workers_share_the_partitions_and_export_their_own_only(config: Config, start: Start) -> None:
    send(config, lives(60), closing=True)
    workers = [start().ready(), start().ready()]
    for worker in workers:
        worker.until(lambda worker=worker: worker.total("daybook_assigned_partitions") == 2)  # type: ignore[misc]
        worker.until(lambda worker=worker: len(worker.metrics().get("daybook_watermark_seconds", {})) == 2)  # type: ignore[misc]

    def shown() -> list[set[str]]:
        return [{name for name in worker.metrics() if name.startswith("daybook_orders")} for worker in workers]

    workers[0].until(lambda: bool(shown()[0] ^ shown()[1]))
    owned = [{dict(labels)["partition"] for labels in w.metrics()["daybook_watermark_seconds"]} for w in workers]
    assert owned[0] | owned[1] == {"0", "1", "2", "3"}
    assert not owned[0] & owned[1]
    assert not shown()[0] & shown()[1], "a KPI is shown by one worker"
    for worker in workers:
        worker.stop()


def test_faust_runs_the_app_by_its_own_command(config: Config, start: Start, tmp_path: Path) -> None:
    argv = ["-m", "faust", "-A", "streams.runtime.app", "worker", "-l", "info"]
    worker = Process(config, tmp_path / "faust.log", argv)
    try:
        worker.until(lambda: worker.total("daybook_assigned_partitions") == config.kafka.partitions)
        send(config, lives(20), closing=True)
        worker.until(lambda: bool(worker.metrics().get("daybook_orders_placed")))
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0, worker.output
    finally:
        if worker.process.poll() is None:
            worker.kill()


@pytest.mark.parametrize("when", ["starting", "running"])
def test_a_worker_stops_cleanly_when_asked(start: Start, when: str) -> None:
    worker = start()
    if when == "running":
        worker.ready()
    else:
        worker.until(lambda: "daybook_build_info" in worker.metrics())
    worker.stop()
    assert worker.process.returncode == 0


@pytest.mark.parametrize("imported", ["click", "streams.config", "faust", "streams.runtime.worker"])
def test_a_worker_ends_cleanly_while_it_is_still_being_imported(
    embedded_broker: EmbeddedBroker, namespace: str, tmp_path: Path, imported: str
) -> None:
    config = config_on(embedded_broker, namespace, tmp_path / "daybook")
    worker = Process(config, tmp_path / "log", ["-X", "importtime", "-m", "streams.cli", "worker"])
    try:
        worker.until(lambda: re.search(rf"\| +{re.escape(imported)}$", worker.output, re.MULTILINE) is not None)
        worker.stop()
    finally:
        worker.kill()


def test_a_worker_ends_in_time_though_the_broker_does_not_answer(start: Start, broker: BrokerProcess) -> None:
    worker = start().ready()
    pid = broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(22) == 0, worker.output
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "Traceback" not in worker.output, worker.output


def test_a_worker_ends_in_time_when_the_broker_is_gone(namespace: str, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker", free_port()) as broker:
        config = config_on(broker, namespace, tmp_path / "daybook")
        worker = Process(config, tmp_path / "log").ready()
        try:
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGKILL)
            worker.until(lambda: "Failed fetch messages" in worker.output)
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait(STOPPED_WITHIN) == 0, worker.output
            assert "Traceback" not in worker.output, worker.output
        finally:
            worker.kill()


ENDS_BADLY = """
import threading
from streams.runtime import worker
from streams.runtime.app import DaybookApp
worker.STOPPED_WITHIN = worker.THREADS_END_WITHIN = worker.LOOP_ANSWERS_WITHIN = 0.5

async def hangs(app):
    threading.Event().wait()

async def fails(app):
    raise RuntimeError("no reason")
"""


@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_a_worker_ends_in_time_though_something_in_it_does_not(
    embedded_broker: EmbeddedBroker, namespace: str, tmp_path: Path, how: str
) -> None:
    code = f"{ENDS_BADLY}\nDaybookApp.on_stop = {how}\n{RUN}"
    worker = Process(config_on(embedded_broker, namespace, tmp_path / "daybook"), tmp_path / "log", ("-c", code))
    try:
        worker.ready().stop()
    finally:
        worker.kill()


TELLS = RUN.replace("run_worker(", "from streams.errors import BrokerError\ntry:\n    run_worker(")
TELLS += "except BrokerError as error:\n    print('ERROR', error)\n"


def told_error(worker: Process) -> str:
    assert worker.process.wait(40) == 0, worker.output
    assert "Traceback" not in worker.output, worker.output
    (line,) = [line for line in worker.output.splitlines() if line.startswith("ERROR")]
    return line


def test_no_broker_is_a_one_line_error(tmp_path: Path) -> None:
    config = load_config(env={"DAYBOOK_BOOTSTRAP": f"127.0.0.1:{free_port()}"})
    assert "no Kafka broker answers there" in told_error(Process(config, tmp_path / "log", ("-c", TELLS)))


def test_a_broker_that_goes_while_a_worker_starts_is_a_one_line_error(namespace: str, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker", free_port()) as broker:
        config = config_on(broker, namespace, tmp_path / "daybook")
        gone = f"import os\nfrom streams.runtime import app\napp.warm = lambda: os.kill({broker.pid}, 9)\n"
        assert config.kafka.bootstrap in told_error(Process(config, tmp_path / "log", ("-c", gone + TELLS)))
