"""The alerting rules name what there is: metrics, runbook sections, alerts; and each is tested."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import CollectorRegistry

from detectors.incidents.incident import Cause
from detectors.notification.alerts import NAME
from streams.config import load_config
from streams.runtime.metrics import Metrics
from tests.support.rules import ALERTMANAGER, PROMETHEUS, RUNBOOK, TESTS, alerts, metrics_in, rules

OF_A_SCRAPE = {"up", "process_start_time_seconds"}
"""What is there of every target; the latter a worker tells where there is /proc."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
ALERTS = alerts()


def exported() -> set[str]:
    """The names of all that a worker exports."""
    registry = CollectorRegistry()
    Metrics(registry, load_config(env={}).kpis)
    return {
        f"{family.name}{suffix}" for family in registry.collect() for suffix in SUFFIXES.get(family.type, ("",))
    } | OF_A_SCRAPE


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (job, topic) (rate(a_total{code!~"b|c"}[5m])) > 0.5', {"a_total"}),
        ("a:b:c unless on (job) (d offset 15m) or max without (instance) (e)", {"a:b:c", "d", "e"}),
        ("avg_over_time((a > bool 0)[5m:15s]) / ignoring (x) group_left (y) b and time() - c > 300", {"a", "b", "c"}),
        ('label_replace({__name__=~"daybook_.+"}, "metric", "$1", "__name__", "(.+)") > 1', set()),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, names: set[str]) -> None:
    assert metrics_in(expression) == names


def test_every_metric_in_a_rule_is_exported_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {rule.get("alert") or rule["record"]: metrics_in(rule["expr"]) for rule in rules()}
    assert {name: gone for name, found in used.items() if (gone := found - exported() - recorded)} == {}
    assert recorded <= set().union(*used.values())


def test_every_metric_that_an_annotation_asks_for_is_exported_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = [name for rule in ALERTS.values() for name in re.findall(r'printf "([\w:]+)\{', str(rule["annotations"]))]
    assert asked
    assert set(asked) <= exported() | recorded


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_what_how_much_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["kind"] in {"business", "pipeline"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "$value" in rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_others() -> None:
    page = RUNBOOK.read_text(encoding="utf-8")
    assert sorted(re.findall(r"^## (.+)$", page, re.MULTILINE)) == sorted([*ALERTS, NAME])
    # Where an incident's message leads to.
    assert sorted(map(str.lower, re.findall(r"^### (.+)$", page, re.MULTILINE))) == sorted(
        filter(None, get_args(Cause))
    )


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_to_fire_and_not_to(name: str) -> None:
    cases: list[dict[str, Any]] = [
        case
        for path in TESTS
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


def test_routes_and_inhibition_name_alerts_that_there_are() -> None:
    named = set(re.findall(r"\bDaybook[A-Z]\w+", ALERTMANAGER.read_text(encoding="utf-8")))
    assert named - ALERTS.keys() == {"DaybookIncident"}


def test_the_worker_that_is_scraped_is_where_the_first_one_is_by_default() -> None:
    worker = load_config(env={}).worker
    (group,) = yaml.safe_load((PROMETHEUS / "workers.yml").read_text(encoding="utf-8"))
    assert group["targets"] == [f"{worker.metrics_host}:{worker.metrics_port}"]
