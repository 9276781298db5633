"""``daybook backfill`` into a Prometheus: dashboards show of the past what a replay makes of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from streams.config import Config, load_config
from streams.history.replay.run import replay
from streams.history.replay.source import source_of
from streams.ingest.simulator import Incident, Simulation, SimulatorSettings
from streams.ingest.simulator.send import records
from streams.runtime.archivist import folder_of
from tests.support.archived import archived
from tests.support.boards import asked, committed, filled, variables
from tests.support.monitoring import PrometheusProgram
from tests.support.programs import program

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
HOUR, DAY = 3_600_000, 86_400_000
DAYS = 10
END = START + DAYS * DAY
SINCE = START + 7 * DAY
"""Of the days before only what reaches into these is in Prometheus: windows, levels, what was learned."""
NOON = START + 9 * DAY + 12 * HOUR
EVENING = NOON + 8 * HOUR
TROUBLE = [
    Incident(kind="website_down", start=NOON - 4 * HOUR, duration=6 * HOUR, strength=1.0),
    Incident(kind="courier_outage", start=NOON - 4 * DAY, duration=DAY, scope={"carrier": ["postbird"]}),
    # Long enough for some not to be shipped by the time that was promised.
    Incident(kind="warehouse_stop", start=NOON - 7 * DAY, duration=7 * DAY, strength=0.9),
]
CHOSEN = {"job": "daybook", "window": "1h", "__rate_interval": "1m"}


class Shop(NamedTuple):
    """A folder with an archive, a configuration that finds it, and what a replay of it wrote."""

    folder: Path
    config: Config
    replayed: Path


def daybook(shop: Shop, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    argv = [sys.executable, "-m", "streams.cli", *map(str, arguments)]
    whole = {**kept, "DAYBOOK_DATA_DIR": str(shop.folder), **environment}
    return subprocess.run(argv, env=whole, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    program("promtool")
    folder = tmp_path_factory.mktemp("shop")
    config = load_config(env={"DAYBOOK_DATA_DIR": str(folder)})
    settings = SimulatorSettings(start=START, end=END, seed=2, orders_per_day=100, heartbeat=HOUR, incidents=TROUBLE)
    archived(folder_of(config), records(Simulation(settings).arrivals(), 2), 2, most_bytes=200_000)
    replay(config, source_of(folder_of(config)), folder / "replayed")
    return Shop(folder, config, folder / "replayed")


@pytest.fixture(scope="module")
def prometheus(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusProgram]:
    """Started on a folder that was filled in before."""
    folder = tmp_path_factory.mktemp("prometheus")
    started = PrometheusProgram(folder, "127.0.0.1:1", "127.0.0.1:1")
    (folder / "data").mkdir()
    done = daybook(shop, "backfill", "--data-dir", folder / "data", "--since", "2026-03-08")
    assert done.returncode == 0, done.stderr
    assert "filled in" in done.stdout
    try:
        started.start()
        asyncio.run(started.ready())
        yield started
    finally:
        started.stop()


def finals(shop: Shop, kpi: str, *, slice_: str = "", stat: str = "value") -> dict[int, float]:
    """The values of a KPI that hold at last, by the end of their hour (epoch ms)."""
    rows = pl.read_parquet(shop.replayed / "kpis" / "*.parquet").filter(
        (pl.col("kpi") == kpi) & (pl.col("slice") == slice_) & (pl.col("stat") == stat)
    )
    last = rows.sort("revision", maintain_order=True).unique("start", keep="last")
    return dict(last.select(pl.col("end").cast(pl.Int64), "value").iter_rows())


def panel(page: str, where: str, **more: str) -> str:
    """The first query of a panel, filled in."""
    return next(
        filled(expr, {**chosen(page), **more}) for at, expr, _ in asked(committed()[page]) if at == f"{where} A"
    )


def chosen(page: str) -> dict[str, str]:
    """What is chosen above a dashboard: all of each dimension."""
    every = {name: str(one["allValue"]) for name, one in variables(committed()[page]).items() if one.get("allValue")}
    return {**CHOSEN, **every}


def value(prometheus: PrometheusProgram, expr: str, at: int) -> float:
    (one,) = prometheus.query_range(expr, at / 1000, at / 1000)
    return float(one["values"][0][1])


@pytest.mark.parametrize(
    ("page", "where", "kpi", "stat"),
    [
        ("daybook-deliveries", "Deliveries dispatched", "deliveries_dispatched", "value"),
        ("daybook-deliveries", "On time ratio", "on_time_ratio", "value"),
        ("daybook-deliveries", "Delivery time", "delivery_time", "p90"),
        ("daybook-deliveries", "Deliveries in transit", "deliveries_in_transit", "value"),
        ("daybook-operations", "Payment failure ratio", "payment_failure_ratio", "value"),
        ("daybook-operations", "Orders open", "orders_open", "value"),
    ],
)
def test_a_panel_shows_at_the_end_of_each_hour_what_that_hour_became(
    shop: Shop, prometheus: PrometheusProgram, page: str, where: str, kpi: str, stat: str
) -> None:
    expected = {at: of for at, of in finals(shop, kpi, stat=stat).items() if of is not None and SINCE < at <= END}
    expr = panel(page, where)
    assert len(expected) > 10
    for at, of in expected.items():
        assert value(prometheus, expr, at) == pytest.approx(of, rel=1e-12), at


def test_a_window_of_a_day_is_the_sum_of_its_hours(shop: Shop, prometheus: PrometheusProgram) -> None:
    dispatched = finals(shop, "deliveries_dispatched")
    expr = panel("daybook-deliveries", "Deliveries dispatched", window="24h")
    expected = sum(dispatched[at] for at in range(NOON - DAY + HOUR, NOON + HOUR, HOUR))
    assert value(prometheus, expr, NOON) == expected


def test_slices_are_told_apart(shop: Shop, prometheus: PrometheusProgram) -> None:
    expr = 'daybook_orders_placed{job="daybook", window="1h", region="", channel=~".+"}'
    found = {
        one["metric"]["channel"]: float(one["values"][0][1])
        for one in prometheus.query_range(expr, NOON / 1000, NOON / 1000)
    }
    assert len(found) >= 2
    for channel, of in found.items():
        assert of == finals(shop, "orders_placed", slice_=f"channel={channel}")[NOON]


def test_lines_go_on_between_samples(prometheus: PrometheusProgram) -> None:
    (one,) = prometheus.query_range(
        panel("daybook-deliveries", "Deliveries in transit"), NOON / 1000, NOON / 1000 + HOUR / 1000
    )
    assert len(one["values"]) == HOUR / 1000 + 1


def test_what_was_expected_and_goals_are_shown_beside(shop: Shop, prometheus: PrometheusProgram) -> None:
    rows = pl.read_parquet(shop.replayed / "kpis" / "*.parquet").filter(
        (pl.col("kpi") == "orders_placed") & (pl.col("slice") == "") & (pl.col("status") == "final")
    )
    (row,) = rows.filter(pl.col("end").cast(pl.Int64) == NOON).iter_rows(named=True)
    for bound in ("low", "middle", "high"):
        expr = (
            f'max(daybook_kpi_expected{{job="daybook", kpi="orders_placed", stat="value", slice="", bound="{bound}"}})'
        )
        assert value(prometheus, expr, NOON) == pytest.approx(row[bound])
    goal = 'daybook_kpi_goal{job="daybook", kpi="on_time_ratio", bound="min"}'
    assert value(prometheus, goal, NOON) == next(k.goal_min for k in shop.config.kpis if k.name == "on_time_ratio")


@pytest.mark.parametrize("page", ["daybook-operations", "daybook-deliveries", "daybook-support"])
def test_every_panel_of_a_kpi_has_a_history(prometheus: PrometheusProgram, page: str) -> None:
    """Not those that mark what is strange: it may be that nothing was; nor forecasts, which look at open orders."""
    empty = []
    for where, expr, _ in asked(committed()[page]):
        if "ALERTS" in expr or ">= 3)" in expr or "daybook_promises" in expr:
            continue
        whole = filled(expr, {**chosen(page)})
        if not prometheus.query_range(f"count_over_time(({whole})[1d:10m])", EVENING / 1000, EVENING / 1000):
            empty.append(f"{where}: {whole}")
    assert not empty, "\n".join(empty)
