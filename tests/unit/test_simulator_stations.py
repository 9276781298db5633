from __future__ import annotations

from math import exp
from statistics import mean, stdev

import numpy as np
import pytest

from streams.ingest.simulator import Incident
from streams.ingest.simulator.draws import Quantiles, Shares, mix, mixes, poisson, uniform, uniforms
from streams.ingest.simulator.labels import Active
from streams.ingest.simulator.localtime import LocalDays, OpeningHours
from streams.ingest.simulator.stations import Desk, PackingStation
from tests.support.simulated import DAY, HOUR, MONDAY

ALWAYS = [[(0, 24 * 60)]] * 7


def hours(week=ALWAYS) -> OpeningHours:
    return OpeningHours(LocalDays("UTC", MONDAY), week)


def station(*stops: Incident, week=ALWAYS) -> PackingStation:
    """One order an hour."""
    opened = hours(week)
    weekly = opened.hours_per_week
    return PackingStation(opened, lambda _: weekly, [Active(stop, n) for n, stop in enumerate(stops)], spare=1.0)


def test_orders_are_packed_one_after_the_other():
    packers = station()
    assert [packers.serve(MONDAY).ms - MONDAY for _ in range(3)] == [HOUR, 2 * HOUR, 3 * HOUR]
    assert packers.serve(MONDAY + 9 * HOUR).ms == MONDAY + 10 * HOUR


def test_what_comes_by_night_is_packed_in_the_morning():
    packers = station(week=[[(8 * 60, 10 * 60)]] * 7)
    done = [packers.serve(MONDAY + 2 * HOUR).ms - MONDAY for _ in range(4)]
    assert done == [9 * HOUR, 10 * HOUR, DAY + 9 * HOUR, DAY + 10 * HOUR]


def test_a_stop_makes_a_queue_and_the_queue_is_worked_off():
    stop = Incident(kind="warehouse_stop", start=MONDAY + 2 * HOUR, duration=3 * HOUR)
    packers = station(stop)
    arrivals = [MONDAY + at * 2 * HOUR for at in range(8)]
    served = [packers.serve(ms) for ms in arrivals]
    assert [(done.ms - done.due) // HOUR for done in served] == [0, 3, 2, 1, 0, 0, 0, 0]
    assert [done.because is not None for done in served] == [
        False,
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_weak_stop_slows_down():
    packers = station(Incident(kind="warehouse_stop", start=MONDAY, duration=DAY, strength=0.5))
    assert [packers.serve(MONDAY).ms - MONDAY for _ in range(2)] == [2 * HOUR, 4 * HOUR]


def desk(agents: int, *absences: Incident) -> Desk:
    return Desk(hours(), lambda _: agents * 168.0, [Active(a, n) for n, a in enumerate(absences)], busy=1.0)


def test_the_agent_who_is_free_first_takes_the_next_ticket():
    agents = desk(2)
    done = [agents.assign(MONDAY, effort).ms - MONDAY for effort in (3 * HOUR, HOUR, HOUR, HOUR)]
    assert done == [3 * HOUR, HOUR, 2 * HOUR, 3 * HOUR]


def test_absent_agents_take_nothing_and_the_wait_is_put_down_to_it():
    absence = Incident(kind="support_understaffed", start=MONDAY, duration=4 * HOUR, strength=0.5)
    agents = desk(2, absence)
    done = [agents.assign(MONDAY, HOUR) for _ in range(4)]
    assert [each.ms - MONDAY for each in done] == [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]
    assert [each.due - MONDAY for each in done] == [HOUR, HOUR, 2 * HOUR, 2 * HOUR]
    assert [each.because is not None for each in done] == [False, True, True, True]


def test_nobody_there_means_waiting_until_somebody_is():
    agents = desk(3, Incident(kind="support_understaffed", start=MONDAY, duration=4 * HOUR))
    assert agents.assign(MONDAY + HOUR, HOUR).ms == MONDAY + 5 * HOUR


def test_a_growing_shop_hires_and_a_shrinking_one_lets_go():
    wanted = [2]
    agents = Desk(hours(), lambda _: wanted[0] * 168.0, [], busy=1.0)
    agents.assign(MONDAY, HOUR)
    assert agents.agents == 2
    for size in (5, 1):
        wanted[0] = size
        agents.assign(MONDAY + (6 - size) * 2 * DAY, HOUR)
        assert agents.agents == size


def test_draws_alone_and_in_tables_are_the_same():
    keys = mixes(12345, 50)
    assert keys.tolist() == [mix(12345, number) for number in range(50)]
    table = uniforms(keys, 20)
    assert table[7].tolist() == [uniform(int(keys[7]), purpose) for purpose in range(20)]
    assert mix(-1, 3) == mix(2**64 - 1, 3)


def test_draws_are_even_and_independent():
    table = uniforms(mixes(99, 20_000), 6)
    assert np.abs(table.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(table.var(axis=0) - 1 / 12).max() < 0.002
    assert np.abs(np.corrcoef(table.T) - np.eye(6)).max() < 0.03


def test_quantiles_have_the_moments_of_their_distribution():
    chance = uniforms(mixes(5, 20_000), 2)[:, 1].tolist()
    lognormal = list(map(Quantiles.lognormal(100.0, 0.5), chance))
    assert mean(lognormal) == pytest.approx(100 * exp(0.125), rel=0.02)
    exponential = list(map(Quantiles.exponential(50.0, 200.0), chance))
    assert mean(exponential) == pytest.approx(50, rel=0.05)
    assert max(exponential) <= 200


def test_poisson_quantiles_have_mean_and_variance():
    chance = uniforms(mixes(6, 5_000), 2)[:, 1].tolist()
    for expected in (0.3, 12.0, 199.0):
        counts = [poisson(u, expected) for u in chance]
        assert mean(counts) == pytest.approx(expected, rel=0.06)
        assert stdev(counts) ** 2 == pytest.approx(expected, rel=0.08)
    assert poisson(0.5, 0.0) == 0


def test_shares_are_met_at_both_ends():
    shares = Shares({"a": 1.0, "b": 3.0})
    assert [shares(u) for u in (0.0, 0.2499, 0.25, 1 - 2**-53)] == ["a", "a", "b", "b"]
