"""Every query of every dashboard, asked of a Prometheus that scrapes a worker's metrics after ten days of a shop."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.config import PACKAGED, load_config
from streams.runtime.metrics import Metrics, serve
from streams.runtime.ports import next_free
from tests.support.boards import asked, committed, filled, variables
from tests.support.live_shop import LiveShop
from tests.support.monitoring import PrometheusProgram
from tests.support.programs import program
from tests.support.rules import alerts

LOOKED_AT = 8.0
"""Seconds of a range: of some scrapes, one that took too long does not matter."""
SCRAPED = 2
"""How many times between two parts of the shop's day: rates need several samples."""


class Asked:
    """A Prometheus that has seen it all, asked for the last seconds of that, as a panel asks for a range."""

    def __init__(self, prometheus: PrometheusProgram) -> None:
        self._prometheus, self._at = prometheus, time.time()

    def query(self, expr: str) -> list[Any]:
        """Each series that has a number there, with its last as ``value``."""
        found = self._prometheus.query_range(expr, self._at - LOOKED_AT, self._at)
        numbers = [(one["metric"], [text for _, text in one["values"] if text != "NaN"]) for one in found]
        return [{"metric": metric, "value": several[-1]} for metric, several in numbers if several]

    def busiest(self, dimension: str) -> str:
        """The value of a dimension that most KPIs have something of; of several such the one with most orders, parcels
        and tickets, so that what is busiest of two dimensions is there together."""
        of = f'job="daybook", {dimension}!=""'
        named = f'count by (__name__, {dimension}) ({{window!="", kpi="", {of}}})'
        kpis = f"count by ({dimension}) ({named})"
        cases = f'{{__name__=~"daybook_(orders_placed|deliveries_completed|tickets_opened)", {of}}}'
        ranked = f"{kpis} + clamp_max(sum by ({dimension}) ({cases}) / 1e6, 0.9) or {kpis}"
        return str(self.query(f"topk(1, {ranked})")[0]["metric"][dimension])

    def choices(self, variable: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
        """What Grafana would offer for a variable."""
        if variable["type"] != "query":
            return [str(one) for one in str(variable["query"]).split(",")]
        inner = filled(variable["query"]["query"], values).removeprefix("label_values(").removesuffix(")")
        selector, _, label = inner.rpartition(", ")
        query = urllib.parse.urlencode({"match[]": selector})
        url = f"http://{self._prometheus.address}/api/v1/label/{label}/values?{query}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer)["data"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program("prometheus")
    return tmp_path_factory.mktemp("prometheus")


@pytest.fixture(scope="module")
def prometheus(folder: Path) -> Iterator[Asked]:
    config = load_config(PACKAGED, env={})
    metrics = Metrics(CollectorRegistry(), config.kpis)
    server = serve(metrics.registry, "127.0.0.1", next_free("127.0.0.1", 24_600))
    started = PrometheusProgram(folder, f"127.0.0.1:{server.port}", "127.0.0.1:1")
    try:
        with asyncio.Runner() as runner:
            runner.run(lived(LiveShop(config, metrics), started))
            yield Asked(started)
    finally:
        started.stop()
        server.close()


async def lived(shop: LiveShop, prometheus: PrometheusProgram) -> None:
    """The shop's past, then its last hours while Prometheus looks; an alert without a delay is firing."""
    try:
        await shop.begin()
        prometheus.start()
        await prometheus.ready()
        for _ in range(shop.LEFT):
            await scraped(prometheus, SCRAPED)
            await shop.go_on()
        await scraped(prometheus, SCRAPED)
        await until(prometheus, 'ALERTS{alertname="DaybookDeadLetters", alertstate="firing"}')
    finally:
        await shop.close()


async def scraped(prometheus: PrometheusProgram, times: int) -> None:
    """Returns when it has looked so many times more."""
    looks = 'sum(count_over_time(up{job="daybook"}[1h]))'
    before = await asyncio.to_thread(prometheus.query, looks)
    count = int(before[0]["value"][1]) if before else 0
    await until(prometheus, f"{looks} >= {count + times}")


async def until(prometheus: PrometheusProgram, expr: str, within: float = 30.0) -> None:
    """Returns when a query has data."""

    def wait() -> None:
        deadline = time.monotonic() + within
        while not prometheus.query(expr):
            assert time.monotonic() < deadline, f"no data within {within:g} s: {expr}"
            time.sleep(0.1)

    await asyncio.to_thread(wait)


def settings(prometheus: Asked, dashboard: Mapping[str, Any]) -> list[dict[str, str]]:
    """What may be chosen: every window with All, and the longest with one value of each dimension."""
    base = {"__rate_interval": "1m", "job": "daybook"}
    known = variables(dashboard)
    windows = str(known["window"]["query"]).split(",") if "window" in known else [""]
    dimensions = [name for name, one in known.items() if one.get("allValue")]
    every = {name: str(known[name]["allValue"]) for name in dimensions}
    chosen = {name: prometheus.busiest(name) for name in dimensions}
    return [*({**base, **every, "window": window} for window in windows), {**base, **chosen, "window": windows[-1]}]


def explained(prometheus: Asked, expr: str, filled_in: str) -> bool:
    """Whether it is right that a query has no data: what marks strange values has none where no value is strange. Shown
    by asking for all values instead."""
    return ">= 3)" in expr and bool(prometheus.query(filled_in.replace(">= 3)", ">= 0)")))


@pytest.mark.parametrize("uid", sorted(committed()))
def test_every_query_has_data(prometheus: Asked, uid: str) -> None:
    dashboard = committed()[uid]
    empty = []
    for values in settings(prometheus, dashboard):
        for where, expr, _ in asked(dashboard):
            filled_in = filled(expr, values)
            if prometheus.query(filled_in):
                continue
            if not explained(prometheus, expr, filled_in):
                empty.append(f"{where} over {values['window']}: {filled_in}")
    assert not empty, "\n".join(empty)


def test_variables_offer_what_there_is(prometheus: Asked) -> None:
    known = variables(committed()["daybook-operations"])
    assert prometheus.choices(known["job"], {}) == ["daybook"]
    for name in ("region", "channel", "carrier", "topic"):
        found = prometheus.choices(known[name], {"job": "daybook"})
        assert len(found) >= 2, name
        assert not [one for one in found if one.startswith("daybook.")], f"{name}: labels of other metrics"


def test_what_was_made_to_go_wrong_is_seen(prometheus: Asked) -> None:
    values = {"job": "daybook", "window": "1h", "__rate_interval": "1m"}
    of = {where: filled(expr, values) for where, expr, _ in asked(committed()["daybook-platform"])}
    (letters,) = prometheus.query(of["Dead letters A"])
    assert letters["value"] == "1"
    firing = {one["metric"]["alertname"] for one in prometheus.query(of["Alerts A"])}
    assert "DaybookDeadLetters" in firing <= alerts().keys()
    (failing,) = [
        filled(expr, values)
        for where, expr, _ in asked(committed()["daybook-operations"])
        if where.startswith("Payment failure ratio ") and ">= 3)" in expr
    ]
    assert prometheus.query(failing), "payments fail in the shop's last hours"
