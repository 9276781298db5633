"""Alertmanager takes its configuration, tells whom it should, and keeps quiet about what something else explains."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.conftest import free_port
from tests.support.programs import program, run
from tests.support.rules import ALERTMANAGER

INCIDENT = {"alertname": "DaybookIncident", "incident": "i-1", "kpi": "on_time_ratio", "kind": "business"}
STARTED_WITHIN = 20.0

SETTLED_WITHIN, SETTLES_IN = 10.0, 0.3
"""Seconds in which it is known what explains what, and in which that would change if it were not."""

Tell = Callable[..., None]


@pytest.fixture
def amtool() -> str:
    return program("amtool")


def test_alertmanager_takes_the_configuration(amtool: str) -> None:
    assert "SUCCESS" in run(amtool, "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (INCIDENT | {"severity": "critical", "region": "north"}, "pages"),
        (INCIDENT | {"severity": "warning", "carrier": "postbird"}, "messages"),
        (INCIDENT | {"severity": "info"}, "messages"),
        (INCIDENT, "messages"),
        (INCIDENT | {"severity": "critical", "kind": "pipeline"}, "engineer"),
        ({"alertname": "DaybookDown", "severity": "critical", "kind": "pipeline"}, "engineer"),
        ({"alertname": "DaybookLagging", "severity": "warning", "kind": "pipeline"}, "engineer"),
        ({"alertname": "DaybookGoalMissed", "severity": "info", "kind": "business"}, "messages"),
        ({"alertname": "SomebodyElses"}, "engineer"),
    ],
)
def test_an_alert_goes_to_whom_it_should(amtool: str, labels: Mapping[str, str], receiver: str) -> None:
    told = [f"{name}={value}" for name, value in labels.items()]
    assert run(amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", *told).split() == [receiver]


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a running one answers."""
    path = program("prometheus-alertmanager", "alertmanager")
    folder, address = tmp_path_factory.mktemp("alertmanager"), f"127.0.0.1:{free_port()}"
    argv = [path, f"--config.file={ALERTMANAGER}", f"--storage.path={folder}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*argv, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        _wait_for(f"http://{address}/-/ready", process, folder / "log")
        yield f"http://{address}/api/v2/alerts"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def states(alertmanager: str, request: pytest.FixtureRequest) -> Tell:
    """Tells of alerts, and waits until they ``become``, by incident or name, ``active``, or ``suppressed`` where
    another explains it.

    All are resolved in the end: they would explain the next test's too.
    """

    def post(alerts: list[dict[str, str]], **more: str) -> None:
        body = json.dumps([{"labels": labels, **more} for labels in alerts]).encode()
        headers = {"content-type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(alertmanager, body, headers), timeout=5).close()

    def now() -> dict[str, str]:
        with urllib.request.urlopen(alertmanager, timeout=5) as answer:
            found = json.load(answer)
        return {one["labels"].get("incident", one["labels"]["alertname"]): one["status"]["state"] for one in found}

    def tell(*alerts: dict[str, str], become: dict[str, str]) -> None:
        post(list(alerts))
        request.addfinalizer(lambda: post(list(alerts), endsAt="2020-01-01T00:00:00Z", startsAt="2019-12-31T00:00:00Z"))
        end = time.monotonic() + SETTLED_WITHIN
        while now() != become and time.monotonic() < end:
            time.sleep(0.05)
        # One alert explains another a moment after both are known: what is right stays so.
        time.sleep(SETTLES_IN)
        assert now() == become

    return tell


def platform(name: str, severity: str = "critical", **more: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, "kind": "pipeline", "job": "daybook"} | more


def incident(name: str, severity: str, **more: str) -> dict[str, str]:
    return INCIDENT | {"incident": name, "severity": severity} | more


def test_where_a_worker_is_down_lag_needs_no_message(states: Tell) -> None:
    states(
        platform("DaybookWorkerDown", "warning", instance="a"),
        platform("DaybookLagging", "warning", partition="0"),
        platform("DaybookWatermarkStalled", partition="1"),
        platform("DaybookDeadLetters", "warning", topic="orders", code="bad_time"),
        become={
            "DaybookWorkerDown": "active",
            "DaybookLagging": "suppressed",
            "DaybookWatermarkStalled": "suppressed",
            "DaybookDeadLetters": "active",
        },
    )


def test_what_is_not_read_does_not_seem_to_come_and_is_no_fault_of_the_sources(states: Tell) -> None:
    states(
        platform("DaybookRecovering", instance="a", agent="aggregate"),
        platform("DaybookNoHeartbeats"),
        platform("DaybookNoEvents", "warning", topic="orders"),
        platform("DaybookPublishFailures", "warning", instance="a"),
        become={
            "DaybookRecovering": "active",
            "DaybookNoHeartbeats": "suppressed",
            "DaybookNoEvents": "suppressed",
            "DaybookPublishFailures": "active",
        },
    )


def test_where_no_worker_answers_that_is_all_there_is_to_say_of_workers(states: Tell) -> None:
    states(
        platform("DaybookDown"),
        platform("DaybookWorkerDown", "warning", instance="a"),
        platform("DaybookNoHeartbeats"),
        become={"DaybookDown": "active", "DaybookWorkerDown": "suppressed", "DaybookNoHeartbeats": "suppressed"},
    )


def test_a_fault_that_holds_up_all_kpis_explains_them_but_for_what_is_critical(states: Tell) -> None:
    goal = {
        "alertname": "DaybookGoalMissed",
        "severity": "info",
        "kind": "business",
        "kpi": "revenue",
        "job": "daybook",
    }
    states(
        platform("DaybookPartitionsUnowned"),
        incident("worse", "critical"),
        incident("bad", "warning"),
        goal,
        become={
            "DaybookPartitionsUnowned": "active",
            "worse": "active",
            "bad": "suppressed",
            "DaybookGoalMissed": "suppressed",
        },
    )


def test_lag_alone_hides_no_incident(states: Tell) -> None:
    states(
        platform("DaybookLagging", "warning", partition="0"),
        incident("bad", "warning"),
        become={"DaybookLagging": "active", "bad": "active"},
    )


def test_an_incident_of_the_data_explains_those_of_the_same_kpi(states: Tell) -> None:
    states(
        incident("data", "warning", kind="pipeline"),
        incident("same", "critical", region="north"),
        incident("other", "warning", kpi="revenue"),
        become={"data": "active", "same": "suppressed", "other": "active"},
    )
