"""What will miss its promise."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.casework.counts import distribution, fate_of, interval
from detectors.casework.ledger import Ledger
from detectors.casework.promises import Promises, targets
from detectors.casework.survival import still_open
from detectors.casework.working import WorkingTime
from streams.config import load_config
from streams.events.times import parse_time
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.kpis.grid import DAY_MS, HOUR_MS
from tests.support.casework import business_events, fold

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""


def test_promises_and_answers_within_a_while_are_what_the_configuration_says_is_promised() -> None:
    found = {one.kpi: one for one in targets(load_config(env={}).definitions())}
    assert set(found) == {"on_time_ratio", "answered_in_4h"}
    assert found["answered_in_4h"].within == 4 * HOUR_MS
    assert found["on_time_ratio"].within is None


def test_what_is_forecast_is_about_what_happens_and_names_those_in_danger() -> None:
    definitions = load_config(env={}).definitions()
    events = business_events(
        Simulation(
            SimulatorSettings(start=START, end=START + 19 * DAY_MS, seed=8, orders_per_day=150, heartbeat=DAY_MS)
        )
    )
    at = START + 16 * DAY_MS + 12 * HOUR_MS
    ledger = fold(Ledger(definitions), [one for one in events if parse_time(one.time) <= at])
    after = fold(Ledger(definitions), events)
    target = next(one for one in targets(definitions) if one.entity == "order")
    promises = Promises(ledger, target, at)
    found = promises.forecast_of(ledger, at, 24 * HOUR_MS)
    soon = [one for one in promises.open(ledger, at) if at < one.due <= at + 24 * HOUR_MS]
    missed = 0
    for one in soon:
        life = after.get(one.life.subject)
        assert life is not None
        missed += life.first({"delivery.delivered", "order.cancelled", "delivery.returned"}) > one.due
    assert found.open == len(soon) > 20
    assert found.low <= missed <= found.high
    assert found.text.startswith(f"{round(found.expected)} order")
    assert f"({found.low} to {found.high}) will miss" in found.text
    assert "by Thu 12:00 unless" in found.text
    chances = [one.chance for one in found.endangered]
    assert chances == sorted(chances, reverse=True)
    assert all(one.order and at < one.promised <= found.by for one in found.endangered)


def test_chances_that_move_together_make_wider_intervals() -> None:
    chances = np.full(50, 0.3)
    alone, together = (interval(distribution(chances, fate), 0.9) for fate in (0.0, 1.0))
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    assert alone == pytest.approx((10, 20), abs=1)


def test_how_much_chances_move_together_is_read_from_what_came_of_them() -> None:
    generator = np.random.default_rng(3)
    chances, alone = np.full(80, 0.3), np.zeros(80)
    calm = [(chances, alone, int(generator.binomial(80, 0.3))) for _ in range(30)]
    odds = np.log(0.3 / 0.7) + 1.3 * generator.normal(size=30)
    stormy = [(chances, alone, int(generator.binomial(80, 1 / (1 + np.exp(-each))))) for each in odds]
    assert fate_of(calm) <= 0.3
    assert fate_of(stormy) >= 0.9


def test_what_is_still_open_counts_for_as_long_as_it_has_been() -> None:
    lasted = np.array([1.0, 2.0, 3.0, 4.0])
    assert still_open(lasted, np.array([True, True, True, True]), 2.0) == 0.5
    # The textbook's: of four one is lost sight of after 1; two of three are left after 2.
    assert still_open(lasted, np.array([False, True, True, True]), 2.0) == pytest.approx(2 / 3)


def test_a_day_on_which_nothing_is_done_is_no_working_time() -> None:
    weekdays = [START + day * DAY_MS + hour * HOUR_MS for day in range(28) if day % 7 != 6 for hour in (9, 12, 15)]
    working = WorkingTime("Europe/Berlin", weekdays)
    assert working.rest == {6}
    saturday, monday = START + 5 * DAY_MS + 12 * HOUR_MS, START + 7 * DAY_MS + 12 * HOUR_MS
    assert working(monday) - working(saturday) == DAY_MS
    # Clocks go forward on Sunday 29 March; weeks far away fit what was asked before.
    later = START + 200 * DAY_MS
    assert working(later + 7 * DAY_MS) - working(later) == 6 * DAY_MS
    assert working(monday) - working(saturday) == DAY_MS
    assert WorkingTime("Europe/Berlin", [])(saturday) == saturday
