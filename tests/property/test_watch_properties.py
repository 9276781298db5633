"""The same history gives the same judgements, however it is cut, and over however many partitions it comes."""

from __future__ import annotations

from functools import cache

import pytest

from detectors.watch.watch import Watch
from streams.config import load_config
from streams.events.types import BusinessEvent, CalendarEntry
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue
from tests.support.pipeline import Pipeline

DAY = 86_400_000
START = 1_772_409_600_000
"""2 March 2026, one in the morning in Berlin."""
WATCHED = ("orders_placed", "payment_failure_ratio", "delivery_time", "deliveries_in_transit", "average_order_value")
FIELDS = ("value", "expected", "surprise", "side", "alert", "why")


@cache
def definitions() -> Definitions:
    whole = load_config(env={}).definitions()
    kpis = tuple(kpi for kpi in whole.kpis if kpi.name in WATCHED)
    return type(whole)(**{**{name: getattr(whole, name) for name in whole.__struct_fields__}, "kpis": kpis})


@cache
def events() -> list[BusinessEvent]:
    """Nine days of a shop, in the order of their times, heartbeats left out."""
    simulation = Simulation(
        SimulatorSettings(start=START, end=START + 9 * DAY, reference=START, seed=7, orders_per_day=80, heartbeat=DAY)
    )
    found = [event for _, event in simulation.arrivals() if not isinstance(event, CalendarEntry)]
    return sorted((one for one in found if one.subject), key=lambda one: (one.time, one.id))


def judged(partitions: int, at_once: int) -> dict[tuple[str, int], tuple[object, ...]]:
    """Live: so many events at once, judged as they become final."""
    pipe, over = Pipeline(definitions(), partitions), Watch(definitions(), 3.0)
    found: list[KpiValue] = []
    several = events()
    for begin in range(0, len(several), at_once):
        before = len(pipe.history)
        pipe.feed(several[begin : begin + at_once])
        pipe.heartbeat(times()[min(begin + at_once, len(several)) - 1])
        pipe.drain()
        found += over.step(pipe.history[before:])
    return {(one.series, one.start): tuple(getattr(one, name) for name in FIELDS) for one in found if not one.revision}


@cache
def times() -> list[int]:
    from streams.events.times import parse_time

    return [one.time if isinstance(one.time, int) else parse_time(one.time) for one in events()]


@cache
def live() -> dict[tuple[str, int], tuple[object, ...]]:
    return judged(1, 40)


@pytest.mark.parametrize(("partitions", "at_once"), [(1, 1_000_000), (1, 333), (3, 40), (4, 5_000)])
def test_judgements_do_not_depend_on_how_history_comes(partitions: int, at_once: int) -> None:
    other = judged(partitions, at_once)
    assert len(live()) > 3_000
    assert sum(bool(one[1]) for one in live().values()) > 1_000
    assert other == live()
