"""Goals as a metric: for which of a KPI's series they are, and what has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from streams.config import load_config
from streams.errors import ConfigError
from streams.kpis.definitions import KpiDefinition, LevelKpi, Span
from streams.runtime.goals import GOAL_LABELS, goals_of
from streams.runtime.metrics import Metrics

HOUR, DAY, WEEK = Span("1h", 3_600_000), Span("24h", 86_400_000), Span("1w", 604_800_000)


def configured(name: str) -> KpiDefinition:
    return next(kpi for kpi in load_config(env={}).kpis if kpi.name == name)


def goals(kpi: KpiDefinition) -> list[tuple[dict[str, str], float]]:
    return [(dict(zip(GOAL_LABELS, labels, strict=True)), at) for labels, at in goals_of(kpi, f"daybook_{kpi.name}")]


def test_a_goal_names_the_series_it_is_for() -> None:
    ((labels, at),) = goals(configured("on_time_ratio"))
    assert labels == {
        "kpi": "on_time_ratio",
        "metric": "daybook_on_time_ratio",
        "bound": "min",
        "window": "24h",
        "quantile": "",
    }
    assert at == 0.95


def test_the_goal_of_a_duration_is_for_its_highest_quantile() -> None:
    ((labels, at),) = goals(configured("time_to_ship"))
    assert (labels["quantile"], labels["bound"], at) == ("0.9", "max", 172_800.0)


def test_the_goal_of_a_level_is_for_now() -> None:
    kpi = configured("deliveries_overdue")
    assert isinstance(kpi, LevelKpi)
    assert [labels["window"] for labels, _ in goals(kpi)] == ["now"]


@pytest.mark.parametrize(
    ("windows", "chosen"),
    [((HOUR, DAY, WEEK), "24h"), ((DAY, HOUR), "24h"), ((HOUR,), "1h"), ((WEEK,), "1w")],
)
def test_a_goal_is_for_the_longest_window_up_to_a_day(windows: tuple[Span, ...], chosen: str) -> None:
    assert [labels["window"] for labels, _ in goals(replace(configured("on_time_ratio"), windows=windows))] == [chosen]


def test_without_windows_there_is_nothing_to_hold_to_a_goal() -> None:
    assert goals(replace(configured("on_time_ratio"), windows=())) == []


def test_both_bounds_are_told_also_where_one_is_nought() -> None:
    kpi = replace(configured("on_time_ratio"), goal_min=0.0, goal_max=0.5)
    assert [(labels["bound"], at) for labels, at in goals(kpi)] == [("min", 0.0), ("max", 0.5)]


def test_every_goal_of_the_default_configuration_is_exported_for_a_metric_there_is() -> None:
    kpis, registry = load_config(env={}).kpis, CollectorRegistry()
    metrics = Metrics(registry, kpis)
    (family,) = (family for family in registry.collect() if family.name == "daybook_kpi_goal")
    told = {sample.labels["kpi"]: sample for sample in family.samples}
    assert set(told) == {kpi.name for kpi in kpis if (kpi.goal_min, kpi.goal_max) != (None, None)}
    assert {sample.labels["metric"] for sample in told.values()} <= set(metrics.kpis.names)
    assert told["time_to_ship"].labels["metric"] == "daybook_time_to_ship_seconds"


def test_a_dimension_cannot_have_the_name_of_a_label_that_goals_are_found_by(tmp_path: Path) -> None:
    path = tmp_path / "daybook.yaml"
    kpis = "kpis: {orders: {kind: count, of: order.placed, by: [metric]}}"
    path.write_text(f"dimensions: {{metric: order.placed.channel}}\n{kpis}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dimensions\.metric: "):
        load_config(path, {})
