"""What ``docker-compose.yml`` runs, run here without containers: its own commands, settings and files, on a real Apache
Kafka, with names of services mapped to this machine. One run serves all tests here; the last one stops it.

Left out is Grafana, which no package index has.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.history.archive.files import pieces_in
from streams.history.archive.verify import verify
from streams.runtime.server import BrokerProcess
from tests.integration.conftest import free_port
from tests.support.compose import ELSEWHERE, ROOT, mounts, with_passwords
from tests.support.programs import program

NAMES = {
    "/bin/prometheus": ("prometheus",),
    "/bin/alertmanager": ("prometheus-alertmanager", "alertmanager"),
}
"""What the programs of the images are called here."""
COMES_WITHIN = 60.0
WORKERS = 2
IN_VOLUME = "/var/lib/daybook"
"""The image's data folder."""


class Process:
    """A service's process. ``grace`` is how long an engine would wait for its end, in seconds."""

    def __init__(self, name: str, argv: list[str], environment: Mapping[str, str], folder: Path, grace: float) -> None:
        self.name, self.grace = name, grace
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.of = subprocess.Popen(argv, env=dict(environment), cwd=folder, stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        self.of.kill()
        self.of.wait(10)


class Stack:
    """The services on this machine, their files in ``folder``."""

    def __init__(self, folder: Path, broker: str, namespace: str) -> None:
        self.folder = folder
        self.services: dict[str, Any] = with_passwords(DAYBOOK_NAMESPACE=namespace)["services"]
        self.prometheus = f"127.0.0.1:{free_port()}"
        self.alertmanager = f"127.0.0.1:{free_port()}"
        self.console = free_port()
        self.metrics = [free_port() for _ in range(WORKERS)]
        self._addresses = {"kafka:9092": broker, "alertmanager:9093": self.alertmanager, "0.0.0.0": "127.0.0.1"}
        self.running: list[Process] = []

    def here(self, text: str) -> str:
        """A text with the addresses as they are here."""
        for there, address in self._addresses.items():
            text = text.replace(there, address)
        return text

    def file(self, service: str, path: str) -> Path:
        """Where a path of a service's container is here: what is mounted as it is mounted, a volume in a folder."""
        for target, source in mounts(self.services[service]).items():
            if path == target or path.startswith(f"{target}/"):
                base = ROOT / source if "/" in source else self.folder / source
                return base / path.removeprefix(target).lstrip("/")
        raise AssertionError(f"{service}: {path} is not in a volume")

    def daybook(self, service: str, name: str = "", **changes: str) -> Process:
        """Start a service that is a command of Daybook's."""
        definition = self.services[service]
        given = {key: self.here(value) for key, value in definition["environment"].items()}
        given["DAYBOOK_CONFIG"] = str(self.file(service, given["DAYBOOK_CONFIG"]))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DAYBOOK_")}
        environment = kept | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"} | given | changes
        argv = [sys.executable, "-m", "streams.cli", *definition["command"]]
        return self._start(service, name or service, argv, environment)

    def program(self, service: str, entrypoint: str, address: str, changed: Mapping[str, Path]) -> Process:
        """Start a service that is another program, with files of its command ``changed`` and listening here."""
        words = []
        for word in self.services[service]["command"]:
            option, _, value = word.partition("=")
            words.append(f"{option}={changed.get(value, self.file(service, value))}" if value.startswith("/") else word)
        argv = [program(*NAMES[entrypoint]), *words, f"--web.listen-address={address}"]
        return self._start(service, service, argv, os.environ)

    def _start(self, service: str, name: str, argv: list[str], environment: Mapping[str, str]) -> Process:
        grace = float(self.services[service].get("stop_grace_period", "10s").removesuffix("s"))
        self.running.append(Process(name, argv, environment, self.folder, grace))
        return self.running[-1]

    def query(self, expression: str) -> dict[str, float]:
        """What Prometheus says of an expression now, by instance."""
        found = self._ask(f"query?query={urllib.parse.quote(expression)}")["result"]
        return {one["metric"].get("instance", ""): float(one["value"][1]) for one in found}

    def alertmanagers(self) -> list[str]:
        """Those to whom Prometheus sends."""
        return [one["url"] for one in self._ask("alertmanagers")["activeAlertmanagers"]]

    def _ask(self, what: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/{what}", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)["data"]
                return found
        except OSError:
            return {"result": [], "activeAlertmanagers": []}

    def until(self, condition: Callable[[], bool], within: float = COMES_WITHIN) -> None:
        """Wait for a condition, which must come while all that run go on."""
        deadline = time.monotonic() + within
        while not condition():
            for one in self.running:
                assert one.of.poll() is None, f"{one.name} ended with {one.of.returncode}:\n{one.said[-3000:]}"
            assert time.monotonic() < deadline, "\n".join(f"{one.name}: {one.said[-800:]}" for one in self.running)
            time.sleep(0.2)


def _for_prometheus(stack: Stack) -> Path:
    """Its configuration with the rules beside, at a quicker pace, with the targets that a name server would tell."""
    file = stack.file("prometheus", "/etc/prometheus/compose.yml")
    copy = stack.folder / "etc-prometheus"
    shutil.copytree(file.parent, copy)
    config = yaml.safe_load(stack.here(file.read_text(encoding="utf-8")))
    config["global"] = dict.fromkeys(config["global"], "1s")
    for job in config["scrape_configs"]:
        (discovery,) = job.pop("dns_sd_configs")
        assert discovery["names"] == ["worker"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in stack.metrics]}]
    (copy / file.name).write_text(yaml.safe_dump(config), encoding="utf-8")
    return copy / file.name


@pytest.fixture(scope="module")
def stack(apache_broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, started in the order of what waits for what; killed if the tests left it running."""
    for names in NAMES.values():
        program(*names)
    made = Stack(tmp_path_factory.mktemp("compose"), apache_broker.bootstrap, f"compose-{os.getpid()}")
    try:
        topics = made.daybook("topics")
        assert topics.of.wait(60) == 0, topics.said
        made.running.remove(topics)
        for number, port in enumerate(made.metrics):
            made.daybook("worker", f"worker-{number}", DAYBOOK_METRICS_PORT=str(port))
        made.daybook("archive", DAYBOOK_DATA_DIR=str(made.file("archive", IN_VOLUME)))
        made.daybook(
            "console",
            DAYBOOK_CONSOLE_PORT=str(made.console),
            DAYBOOK_METRICS_HOST="127.0.0.1",
            DAYBOOK_METRICS_PORT=str(made.metrics[0]),
            DAYBOOK_DATA_DIR=str(made.file("console", IN_VOLUME)),
        )
        made.program("alertmanager", "/bin/alertmanager", made.alertmanager, {})
        made.program(
            "prometheus",
            "/bin/prometheus",
            made.prometheus,
            {"/etc/prometheus/compose.yml": _for_prometheus(made)},
        )
        yield made
    finally:
        for one in made.running:
            one.kill()


def test_nothing_is_left_out_but_what_is_not_there_yet(stack: Stack) -> None:
    run = {one.name.partition("-")[0] for one in stack.running} | {"kafka", "topics", "simulator"}
    assert stack.services.keys() - run == set(ELSEWHERE)


def test_workers_share_the_partitions_and_prometheus_finds_each(stack: Stack) -> None:
    instances = {f"127.0.0.1:{port}" for port in stack.metrics}
    partitions = int(stack.services["worker"]["environment"]["DAYBOOK_PARTITIONS"])
    stack.until(lambda: stack.query('up{job="daybook"} == 1').keys() == instances)
    stack.until(
        lambda: stack.query("daybook_assigned_partitions") == dict.fromkeys(instances, float(partitions // WORKERS))
    )
    # The rules add workers up by this name.
    assert stack.query("max by (job) (daybook_source_partitions)") == {"": float(partitions)}


def test_the_simulated_shops_events_arrive_and_become_kpis(stack: Stack) -> None:
    stack.daybook("simulator", DAYBOOK_DATA_DIR=str(stack.folder / "no-need-to-write-here"))
    stack.until(lambda: stack.query("sum(daybook_events_total)").get("", 0) > 10_000, within=120)
    stack.until(lambda: len(stack.query("daybook_events_total > 0")) == WORKERS)
    stack.until(lambda: stack.query('sum(daybook_orders_placed{window="24h", region="", channel=""})').get("", 0) > 100)
    assert not (stack.folder / "no-need-to-write-here").exists()


def test_alerts_and_incidents_reach_the_alertmanager(stack: Stack) -> None:
    stack.until(lambda: stack.alertmanagers() == [f"http://{stack.alertmanager}/api/v2/alerts"])
    stack.until(lambda: bool(stack.query('daybook_notifications_total{channel="alertmanager"}')))


def test_the_console_answers_and_asks_who_it_is(stack: Stack) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.console}/healthz", timeout=5) as answer:
                return bool(json.load(answer)["reads"])
        except OSError:
            return False

    stack.until(answers)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{stack.console}/", timeout=5)


def test_others_take_over_what_a_killed_worker_had(stack: Stack) -> None:
    victim, heir = (one for one in stack.running if one.name.startswith("worker"))
    partitions = float(stack.services["worker"]["environment"]["DAYBOOK_PARTITIONS"])
    stack.running.remove(victim)
    victim.kill()
    instance = f"127.0.0.1:{stack.metrics[1]}"
    assert heir.name == "worker-1"
    stack.until(lambda: stack.query("daybook_assigned_partitions").get(instance) == partitions)
    stack.until(lambda: stack.query('up{job="daybook"}').get(f"127.0.0.1:{stack.metrics[0]}") == 0)


def test_each_stops_cleanly_within_its_time(stack: Stack) -> None:
    took = {}
    for one in reversed(stack.running):
        began = time.monotonic()
        one.of.send_signal(signal.SIGTERM)
        status = one.of.wait(one.grace)
        took[one.name] = time.monotonic() - began
        assert status == 0, f"{one.name}: {one.said[-2000:]}"
        assert "Traceback" not in one.said, one.said[-3000:]
    assert took.keys() == {"worker-1", "archive", "console", "simulator", "prometheus", "alertmanager"}
    stack.running.clear()


def test_what_arrived_is_in_the_archive(stack: Stack) -> None:
    folder = (
        stack.file("archive", IN_VOLUME) / "archive" / stack.services["archive"]["environment"]["DAYBOOK_NAMESPACE"]
    )
    assert sum(piece.end - piece.first for piece in pieces_in(folder)) > 10_000
    assert list(verify(folder)) == []
