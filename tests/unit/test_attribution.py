"""Whose deviation it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.incidents.attribution import (
    Amount,
    Share,
    Slice,
    attribute,
    contribution,
    evidence,
)
from detectors.incidents.votes import OTHER, Vote, contradicts, scope
from streams.kpis.values import KpiValue

NORTH, SOUTH = (("region", "north"),), (("region", "south"),)


def of(actual: float, expected: float) -> Amount:
    """A count, as counts vary."""
    return Amount(actual, expected, actual, expected)


def about(amounts: dict[Slice, Amount], side: int, kind: str = "count", surprise: float = 12.0) -> dict[str, str]:
    """Whom one KPI says that it is about, as a whole."""
    return scope([vote(amounts, side, kind, surprise)])


def vote(amounts: dict[Slice, Amount], side: int, kind: str = "count", surprise: float = 12.0) -> Vote:
    return Vote(surprise * math.log(10.0), evidence(amounts, side, kind))


def explaining(shares: list[Share]) -> dict[str, str]:
    return max(shares, key=lambda one: one.explains).slice


def shop(north: float, south: float, post: float, ups: float) -> dict[Slice, Amount]:
    """What is there of 25 + 75 parcels by region, and of 40 + 60 by carrier."""
    return {
        (): of(north + south, 100),
        NORTH: of(north, 25),
        SOUTH: of(south, 75),
        (("carrier", "post"),): of(post, 40),
        (("carrier", "ups"),): of(ups, 60),
    }


def value(parts: tuple[int, ...], value_: float, weight: int) -> KpiValue:
    return KpiValue(
        kpi="k",
        stat="value",
        slice={},
        span="1h",
        rolling=False,
        start=0,
        end=3_600_000,
        value=value_,
        weight=weight,
        parts=parts,
        status="final",
        revision=0,
        unit="orders",
        better="higher",
    )


def test_the_region_that_brings_nothing_explains_it_and_the_carriers_do_not() -> None:
    shares = attribute(shop(north=0, south=75, post=30, ups=45), -1)
    assert shares[0].slice == {"region": "north"}
    assert shares[0].share == 1.0
    assert shares[0].size == 0.25
    assert about(shop(north=0, south=75, post=30, ups=45), -1) == {"region": "north"}


def test_where_everything_is_off_alike_nothing_explains_it() -> None:
    assert about(shop(north=10, south=30, post=16, ups=24), -1) == {}


@pytest.mark.parametrize("size", [56, 70, 90])
def test_a_slice_that_is_most_of_all_explains_what_it_alone_is_off_by(size: int) -> None:
    amounts: dict[Slice, Amount] = {
        (): of(100 - size, 100),
        (("channel", "web"),): of(0, size),
        (("channel", "app"),): of(100 - size, 100 - size),
    }
    assert about(amounts, -1) == {"channel": "web"}


def test_two_dimensions_together_come_before_each_alone() -> None:
    amounts = shop(north=15, south=75, post=30, ups=60) | {
        (("carrier", "post"), ("region", "north")): of(0, 10),
        (("carrier", "post"), ("region", "south")): of(30, 30),
        (("carrier", "ups"), ("region", "north")): of(15, 15),
        (("carrier", "ups"), ("region", "south")): of(45, 45),
    }
    assert about(amounts, -1) == {"carrier": "post", "region": "north"}
    assert explaining(attribute(amounts, -1)) == {"carrier": "post", "region": "north"}


def test_the_only_value_of_a_dimension_explains_nothing() -> None:
    amounts: dict[Slice, Amount] = {(): of(0, 100), (("warehouse", "w1"),): of(0, 100)}
    assert about(amounts, -1) == {}


def test_few_cases_explain_nothing() -> None:
    amounts: dict[Slice, Amount] = {(): of(8, 10), NORTH: of(0, 2), SOUTH: of(8, 8)}
    assert about(amounts, -1) == {}


def test_what_is_off_to_the_other_side_has_no_share() -> None:
    shares = attribute({(): of(90, 100), NORTH: of(5, 25), SOUTH: of(85, 75)}, -1)
    assert {one.slice["region"]: one.share for one in shares} == {"north": 1.0, "south": 0.0}


def test_a_slice_nothing_was_expected_of_can_explain() -> None:
    amounts: dict[Slice, Amount] = {(): of(30, 10), (("topic", "new"),): of(20, 0), (("topic", "old"),): of(10, 10)}
    assert about(amounts, 1) == {"topic": "new"}


def test_of_kpis_that_disagree_the_one_that_is_surer_has_its_way() -> None:
    north: dict[Slice, Amount] = {NORTH: of(0, 50), SOUTH: of(50, 50)}
    south: dict[Slice, Amount] = {NORTH: of(50, 50), SOUTH: of(0, 50)}
    assert scope([vote(north, -1, surprise=9.0), vote(south, -1, surprise=4.0)]) == {"region": "north"}
    assert scope([vote(north, -1, surprise=4.0), vote(south, -1, surprise=9.0)]) == {"region": "south"}


def test_a_kpi_that_is_off_for_another_reason_does_not_outvote_the_rest() -> None:
    north, alike = shop(north=0, south=75, post=30, ups=45), shop(north=10, south=30, post=16, ups=24)
    assert vote(alike, -1).of(NORTH) == -OTHER
    assert scope([vote(north, -1), vote(alike, -1), vote(alike, -1)]) == {"region": "north"}
    assert scope([vote(north, -1, surprise=2.0), vote(alike, -1), vote(alike, -1)]) == {}


def test_another_value_of_a_dimension_contradicts_and_another_dimension_does_not() -> None:
    north = vote(shop(north=0, south=75, post=30, ups=45), -1)
    assert contradicts(north, {"region": "south"})
    assert not contradicts(north, {"region": "north"})
    assert not contradicts(north, {"channel": "web"})
    assert not contradicts(north, {})
    assert not contradicts(vote(shop(north=10, south=30, post=16, ups=24), -1), {"region": "south"})


@pytest.mark.parametrize(("late", "found"), [(0.3, {"carrier": "post"}), (0.95, {})])
def test_of_a_ratio_that_is_nearly_one_a_carrier_that_is_late_is_told_from_all_that_are(
    late: float, found: dict[str, str]
) -> None:
    amounts: dict[Slice, Amount] = {
        (("carrier", "post"),): Amount(30.0 if late < 0.5 else 57.0, 57.0, 60.0, 3.0),
        (("carrier", "ups"),): Amount(38.0, 38.0, 40.0, 2.0),
    }
    assert about(amounts, -1, "ratio") == found


@pytest.mark.parametrize(
    ("kind", "one", "middle", "amount"),
    [
        ("count", value((4,), 4.0, 4), 10.0, Amount(4.0, 10.0, 4.0, 1.0)),
        ("sum", value((900,), 900.0, 3), 1000.0, Amount(900.0, 1000.0, 3.0, 1.0)),
        ("ratio", value((8, 10), 0.8, 10), 0.9, Amount(8.0, 9.0, 10.0, 100.0)),
        ("mean", value((30, 10), 3.0, 10), 4.0, Amount(30.0, 40.0, 10.0, 100.0)),
        ("duration", value((1, 2), 50.0, 20), 40.0, Amount(1000.0, 800.0, 20.0, 400.0)),
        ("level", value((7,), 7.0, 7), 5.0, Amount(7.0, 5.0, 7.0, 1.0)),
    ],
)
def test_what_a_value_adds_to_its_kpi(kind: str, one: KpiValue, middle: float, amount: Amount) -> None:
    """99 % of values are 2.576 standard deviations around the middle: here one."""
    assert contribution(one, kind, (middle - 2.576, middle, middle + 2.576)) == pytest.approx(amount)


def test_what_was_not_observed_adds_nothing() -> None:
    assert contribution(replace(value((0, 0), 0.0, 0), value=None), "ratio", (0.8, 0.9, 1.0)) is None
    assert contribution(value((1,), math.inf, 1), "count", (0.0, 1.0, 2.0)) is None


def test_a_region_without_any_revenue_explains_that_there_is_less() -> None:
    amounts: dict[Slice, Amount] = {
        (): Amount(75_000.0, 100_000.0, 75.0, 100 * 1_500.0**2),
        NORTH: Amount(0.0, 25_000.0, 0.0, 25 * 1_500.0**2),
        SOUTH: Amount(75_000.0, 75_000.0, 75.0, 75 * 1_500.0**2),
    }
    [north, _] = attribute(amounts, -1, "sum")
    assert north.cases == 25.0
    assert about(amounts, -1, "sum") == {"region": "north"}


def test_two_dimensions_that_do_not_meet_are_not_named_together() -> None:
    amounts = shop(north=0, south=75, post=5, ups=70) | {
        (("carrier", "post"), ("region", "north")): of(0, 5),
        (("carrier", "post"), ("region", "south")): of(5, 35),
        (("carrier", "ups"), ("region", "north")): of(0, 20),
        (("carrier", "ups"), ("region", "south")): of(70, 40),
    }
    assert len(about(amounts, -1)) == 1


def test_beside_a_slice_that_is_nearly_all_nothing_can_be_told() -> None:
    amounts: dict[Slice, Amount] = {(): of(51, 100), (("channel", "web"),): of(50, 99), (("channel", "app"),): of(1, 1)}
    assert about(amounts, -1) == {}


def test_a_slice_without_a_name_explains_nothing() -> None:
    amounts: dict[Slice, Amount] = {(): of(75, 100), (("region", "unknown"),): of(0, 25), SOUTH: of(75, 75)}
    assert about(amounts, -1) == {}


amounts_ = st.dictionaries(
    st.sampled_from([(), NORTH, SOUTH, (("carrier", "a"),), (("carrier", "b"),), (("carrier", "a"), *NORTH)]),
    st.builds(of, st.floats(0, 1e6), st.floats(0, 1e6)),
)


@given(amounts_, st.sampled_from([-1, 1]))
def test_shares_are_shares(amounts: dict[Slice, Amount], side: int) -> None:
    shares = attribute(amounts, side)
    assert len(shares) == sum(bool(one) for one in amounts)
    assert all(0.0 <= one.share <= 1.0 and 0.0 <= one.size <= 1.0 and one.explains >= 0.0 for one in shares)
    assert [side * one.off for one in shares] == sorted((side * one.off for one in shares), reverse=True)
    backwards = dict(reversed(amounts.items()))
    assert attribute(backwards, side) == shares
    assert about(backwards, side) == about(amounts, side)
