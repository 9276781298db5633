"""Where a flow fell, whether or not that was told of."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.incidents.attribution import Amount, Slice
from detectors.incidents.falls import Fall, fall

HOUR = 3_600_000
A, B, C = ((("warehouse", name),) for name in "abc")
Grains = dict[Slice, dict[int, Amount]]


def flow(hours: int, factors: dict[tuple[str, int], float], seed: int = 0, usual: float = 30.0) -> Grains:
    """Parcels of three warehouses, at a factor of what is usual by warehouse and hour; how many leave in all in an hour
    varies by much, for all alike."""
    generator = np.random.default_rng(seed)
    found: Grains = {}
    levels = generator.lognormal(0.0, 0.4, hours)
    for (pair,) in (A, B, C):
        amounts = {}
        for hour in range(hours):
            came = float(generator.poisson(usual * levels[hour] * factors.get((pair[1], hour), 1.0)))
            amounts[hour * HOUR] = Amount(came, usual, came, usual + (0.4 * usual) ** 2)
        found[(pair,)] = amounts
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_warehouse_that_sends_less_than_its_share_is_found_and_when(seed: int) -> None:
    found = fall(flow(36, {("b", hour): 0.3 for hour in range(14, 20)}, seed), HOUR)
    assert found is not None
    assert found.slice == B
    assert abs(found.since - 14 * HOUR) <= 2 * HOUR
    assert abs(found.until - 20 * HOUR) <= 2 * HOUR
    assert found.evidence > 4.0


def test_what_there_is_for_slices_of_other_dimensions_in_that_time_is_told_too() -> None:
    """All that b sends goes with x, which has others' parcels as well."""
    grains = flow(36, {("b", hour): 0.0 for hour in range(14, 20)})
    carriers: Grains = {(("carrier", name),): {} for name in "xy"}
    for hour in range(36):
        parts = [grains[one][hour * HOUR] for one in (A, B, C)]
        x = Amount(*(b + c / 2 for b, c in zip(parts[1], parts[2], strict=True)))
        y = Amount(*(a + c / 2 for a, c in zip(parts[0], parts[2], strict=True)))
        carriers[(("carrier", "x"),)][hour * HOUR], carriers[(("carrier", "y"),)][hour * HOUR] = x, y
    found = fall({**grains, **carriers}, HOUR)
    assert found is not None
    assert found.slice == B
    assert found.others[B] == found.evidence
    assert found.others[(("carrier", "x"),)] > 3.0 > found.others[(("carrier", "y"),)]


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 2.0])
def test_where_all_have_fewer_alike_none_fell(factor: float) -> None:
    factors = {(name, hour): factor for name in "abc" for hour in range(10, 20)}
    assert all((fall(flow(36, factors, seed), HOUR) or Fall((), 0, 0, 0.0, {})).evidence < 2.0 for seed in range(20))


def test_where_one_catches_up_the_others_have_not_fallen() -> None:
    found = fall(flow(36, {("a", hour): 3.0 for hour in range(10, 20)}, 1), HOUR)
    assert found is None or found.evidence < 2.0


def test_a_slice_without_a_name_is_not_found() -> None:
    grains = flow(36, {("b", hour): 0.0 for hour in range(14, 20)})
    grains[(("warehouse", "unknown"),)] = grains.pop(B)
    found = fall(grains, HOUR)
    assert found is None or found.evidence < 2.0


def test_of_nothing_and_of_one_slice_there_is_none() -> None:
    grains = flow(36, {("a", hour): 0.0 for hour in range(14, 20)})
    assert fall({}, HOUR) is None
    assert fall({A: {}, B: {}}, HOUR) is None
    assert fall({A: grains[A], (): grains[B]}, HOUR) is None
