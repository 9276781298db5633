"""The default configuration: it is complete, it is what the code believes the defaults to be, it is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from streams.config import PACKAGED, Config, Security, load_config
from streams.kpis.definitions import DurationKpi
from streams.kpis.plan import Plan

ROOT = Path(__file__).resolve().parents[2]

KINDS = {
    "orders_placed": "count",
    "revenue": "sum",
    "average_order_value": "mean",
    "payment_failure_ratio": "ratio",
    "cancellation_ratio": "ratio",
    "refund_ratio": "ratio",
    "deliveries_dispatched": "count",
    "time_to_ship": "duration",
    "deliveries_completed": "count",
    "order_to_door": "duration",
    "delivery_time": "duration",
    "on_time_ratio": "ratio",
    "delivery_failure_ratio": "ratio",
    "orders_open": "level",
    "orders_unshipped_overdue": "level",
    "deliveries_in_transit": "level",
    "deliveries_overdue": "level",
    "tickets_opened": "count",
    "tickets_answered": "count",
    "contact_ratio": "ratio",
    "first_response_time": "duration",
    "answered_in_4h": "ratio",
    "resolution_time": "duration",
    "tickets_open": "level",
    "reopen_ratio": "ratio",
    "satisfaction": "mean",
}


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(PACKAGED, {})


def test_it_has_every_kpi_a_shop_expects(config):
    assert {kpi.name: kpi.kind for kpi in config.kpis} == KINDS


def test_durations_come_as_median_and_ninetieth_percentile(config):
    assert {kpi.quantiles for kpi in config.kpis if isinstance(kpi, DurationKpi)} == {(0.5, 0.9)}


def test_every_kpi_says_what_it_is_and_can_be_sliced(config):
    for kpi in config.kpis:
        assert kpi.description, kpi.name
        assert kpi.by, kpi.name
        assert [window.text for window in kpi.windows] == ["1h", "24h"]
        assert kpi.grain.text == "1h"


def test_every_ratio_and_duration_has_a_goal_on_the_side_that_is_good(config):
    for kpi in config.kpis:
        if kpi.kind in ("ratio", "duration"):
            bound = kpi.goal_min if kpi.better == "higher" else kpi.goal_max
            assert bound is not None, kpi.name


def test_tickets_are_sliced_by_topic_queue_and_region(config):
    (tickets,) = [kpi for kpi in config.kpis if kpi.name == "tickets_opened"]
    assert tickets.by == (("topic",), ("queue",), ("region",))


def test_what_it_says_are_the_defaults_of_the_code(tmp_path):
    written = load_config(PACKAGED, {})
    almost_empty = tmp_path / "shop.yaml"
    almost_empty.write_text("namespace: daybook\n")
    left_out = load_config(almost_empty, {})
    for key in Config.__struct_fields__:
        if key != "source":
            assert getattr(left_out, key) == getattr(written, key), key


def test_the_core_takes_it(config):
    plan = Plan(config.definitions())
    assert len(plan.kpis) == len(KINDS)


def test_a_clone_has_it_at_the_root_and_the_package_carries_it():
    assert PACKAGED == ROOT / "streams" / "daybook.yaml"
    assert load_config(ROOT / "daybook.yaml", {}).namespace


def test_the_documentation_names_every_key():
    page = (ROOT / "docs" / "configuration.md").read_text()
    raw = yaml.safe_load(PACKAGED.read_text())
    keys = set(Security.__struct_fields__)
    for section, value in raw.items():
        assert f"`{section}`" in page or f"### {section}" in page or f" {section}\n" in page
        entries = value.values() if section in ("moments", "kpis") else [value]
        for entry in entries if section != "dimensions" else []:
            keys |= set(entry) if isinstance(entry, dict) else set()
    assert not {key for key in keys if f"`{key}`" not in page and f".{key}`" not in page}
    assert all(f"`{dimension}`" in page for dimension in raw["dimensions"])


def test_the_examples_of_the_documentation_are_right(tmp_path):
    page = (ROOT / "docs" / "configuration.md").read_text()
    for number, example in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)):
        if example.startswith("  "):
            example = "kpis:\n" + example
        if example.startswith("dimensions:"):
            example += "kpis: {k: {kind: count, of: ticket.opened, by: contact_channel}}\n"
        (tmp_path / f"{number}.yaml").write_text(example)
        assert load_config(tmp_path / f"{number}.yaml", {}).kpis
