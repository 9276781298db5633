"""What an event costs as work grows: more KPIs, more dimensions, more series."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from msgspec.structs import replace

from streams.config import load_config
from streams.kpis.definitions import Definitions
from tests.benchmarks import core, throughput
from tests.benchmarks.laboratory import DEFAULTS, Laboratory
from tests.benchmarks.marketplace import recording

KPIS, DIMENSIONS, SERIES = (1, 5, 25), (1, 4), (100, 10_000)

# One of each kind, the cheapest first.
_FIRST = ("orders_placed", "revenue", "on_time_ratio", "orders_open", "time_to_ship")
_MORE: dict[str, Any] = {
    "time_to_pay": {"kind": "duration", "entity": "order", "from": "order.placed", "to": "order.paid"},
    "time_to_pack": {"kind": "duration", "entity": "order", "from": "order.placed", "to": "order.packed"},
    "items_sold": {"kind": "sum", "of": "order.placed", "field": "items.quantity"},
    "basket_size": {"kind": "mean", "of": "order.placed", "field": "items.count"},
}
# Read from what every order begins with, so that all KPIs have all of them. Two read the same field as another: they
# cost what others would.
_FIELDS = {
    "region": "order.placed.region",
    "channel": "order.placed.channel",
    "area": "order.placed.region",
    "shop": "order.placed.channel",
}


class Case(NamedTuple):
    """How many KPIs, dimensions each is sliced by, and series of all together."""

    kpis: int
    dimensions: int
    series: int

    @property
    def values(self) -> int:
        """The distinct values of each dimension that make so many series: a KPI's are its total and one for each."""
        return max(1, round((self.series / self.kpis - 1) / self.dimensions))

    def changes(self) -> dict[str, Any]:
        """The sections of the configuration that make it so."""
        defaults = yaml.safe_load(DEFAULTS.read_text())
        every: dict[str, Any] = {name: defaults["kpis"][name] for name in _FIRST}
        every |= {name: kpi for name, kpi in defaults["kpis"].items() if name not in every}
        every |= {name: {**kpi, "better": "neither"} for name, kpi in _MORE.items()}
        chosen = list(itertools.islice(every.items(), self.kpis))
        names = list(_FIELDS)[: self.dimensions]
        return {
            "dimensions": {name: [_FIELDS[name]] for name in names},
            "kpis": {name: {**kpi, "by": names} for name, kpi in chosen},
            # The most that a configuration may ask for; see definitions() for more.
            "limits": {**defaults["limits"], "values_per_dimension": min(1_000, max(50, self.values))},
        }

    def definitions(self) -> Definitions:
        """For the core, which sets no bound to the values."""
        plain = yaml.safe_load(DEFAULTS.read_text()) | self.changes()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "daybook.yaml"
            path.write_text(yaml.safe_dump(plain, sort_keys=False))
            found = load_config(path, {}).definitions()
        return replace(found, values_per_dimension=max(found.values_per_dimension, self.values))


class Measured(NamedTuple):
    """A case in the core alone."""

    case: Case
    cost: core.Cost


class Corner(NamedTuple):
    """A case through Kafka."""

    case: Case
    run: throughput.Run


def cases() -> list[Case]:
    """All of them."""
    return [Case(*each) for each in itertools.product(KPIS, DIMENSIONS, SERIES)]


def measure(events: int, runs: int, say: Callable[[str], None]) -> list[Measured]:
    """The core alone, each case on a recording with as many values as it needs."""
    found = []
    now = int(time.time() * 1000)
    for values, group in itertools.groupby(sorted(cases(), key=lambda case: case.values), lambda case: case.values):
        load = core.pieces_of(recording(events, now, regions=values, channels=values).records())
        for case in group:
            cost = core.measure(case.definitions(), load, runs)
            what = f"{case.kpis:>2} KPIs, {case.dimensions} dimensions, {cost.series:,} series"
            say(f"{what}: {cost.total:.2f} µs an event")
            found.append(Measured(case, cost))
    return sorted(found, key=lambda one: one.case)


CORNERS = (Case(1, 1, 100), Case(25, 4, 10_000))


def measure_corners(lab: Laboratory, events: int) -> list[Corner]:
    """The least and the most through Kafka, one run each, on the same events."""
    values = CORNERS[-1].values
    market = recording(events, int(time.time() * 1000), regions=values, channels=values)
    found = []
    sent = None
    for case in CORNERS:
        setup = lab.setup("scaling", case.changes())
        if sent is None:
            lab.say(f"sending {events:,} events with {values} values in each dimension")
            sent = lab.send(setup, market.records())
        else:
            lab.forget(setup)
        run, _ = throughput.drain_with_worker(lab, setup, sent)
        lab.say(f"{case.kpis} KPIs, {case.dimensions} dimensions, {run.series:,} series: {run.rate:,.0f} events/s")
        found.append(Corner(case, run))
    return found
