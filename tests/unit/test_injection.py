"""Faults put into series."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation.injection import (
    ANY,
    COUNT,
    RATIO,
    SIZES,
    Bounds,
    Fault,
    Label,
    inject,
    place,
    spread,
    usual_of,
)
from detectors.models.model import Reading

PERIOD = 4
SPREAD = 1.4826
"""Of what :func:`steady` deviates by: 1 up, 1 down."""


def steady(rows: int = 80) -> list[Reading]:
    """10, 20, 30, 40, again and again; every other season 1 more, the others 1 less."""
    return [
        {
            "time": float(row),
            "span": 1.0,
            "value": 10.0 * (row % PERIOD + 1) + (1.0 if row // PERIOD % 2 else -1.0),
            "weight": 50.0,
        }
        for row in range(rows)
    ]


def changed(label: Label, bounds: Bounds = ANY) -> list[float]:
    """By how much the rows of a fault differ from what they were."""
    before, after = steady(), inject(steady(), [label], PERIOD, bounds)
    assert all(before[row] == after[row] for row in range(80) if not label.first <= row <= label.last)
    return [after[row]["value"] - before[row]["value"] for row in range(label.first, label.last + 1)]


@given(
    seed=st.integers(0, 1_000),
    each=st.integers(1, 3),
    length=st.integers(1, 24),
    apart=st.integers(0, 40),
    ignored=st.integers(0, 200),
)
def test_faults_do_not_overlap_and_leave_room(seed: int, each: int, length: int, apart: int, ignored: int) -> None:
    rows = ignored + each * len(SIZES) * (max(length, 3) + apart) + 17
    labels = place(rows, each, seed, length=length, apart=apart, ignored=ignored)
    assert Counter(label.kind for label in labels) == dict.fromkeys(SIZES, each)
    assert labels[0].first >= ignored
    assert labels[-1].last + apart < rows
    assert all(after.first - before.last > apart for before, after in pairwise(labels))
    for label in labels:
        rows_of = label.last - label.first + 1
        assert label.size in SIZES[label.kind]
        assert 1 <= rows_of <= 3 if label.kind in ("spike", "dip") else (length + 1) // 2 <= rows_of <= length


def test_the_same_seed_places_the_same_faults_and_another_others() -> None:
    placed = [place(2_000, 2, seed, length=24, apart=10) for seed in (1, 1, 2)]
    assert placed[0] == placed[1] != placed[2]


def test_only_the_kinds_that_are_wanted_are_placed() -> None:
    assert {label.kind for label in place(500, 3, 1, length=5, apart=5, kinds=["drift"])} == {"drift"}


def test_where_there_is_no_room_it_is_said_how_much_is_missing() -> None:
    # Two of each of 1 row and 10 rows of quiet: 22.
    with pytest.raises(ValueError, match="2 faults and what is between them take 2 rows more than there are"):
        place(20, 2, 1, length=1, apart=10, kinds=["drift"])


def test_what_is_usual_is_the_median_of_each_phase() -> None:
    values = np.array([1.0, 10.0, 3.0, math.nan, 50.0, math.nan])
    # Phase 0: 1, 3, 50; phase 1: 10 alone.
    assert usual_of(values, 2).tolist() == [3.0, 10.0, 3.0, 10.0, 3.0, 10.0]
    # A phase without any value is as all are: the median of 1 and 10.
    assert usual_of(np.array([1.0, 10.0, math.nan]), 3).tolist() == [1.0, 10.0, 5.5]


def test_spread_is_a_standard_deviation_that_outliers_do_not_move() -> None:
    assert spread(np.array([-1.0, 1.0, -1.0, 1.0, 1e6])) == pytest.approx(SPREAD)
    assert spread(np.array([0.0, 0.0, 0.0, 2.0])) == pytest.approx(math.sqrt(0.75))
    assert spread(np.array([0.0, 0.0])) == 1.0
    assert spread(np.array([math.nan])) == 1.0


@pytest.mark.parametrize(
    ("kind", "size", "by"),
    [
        ("spike", 4.0, [4 * SPREAD] * 2),
        ("dip", 4.0, [-4 * SPREAD] * 2),
        ("level_shift", 2.0, [2 * SPREAD] * 2),
        ("level_shift", -2.0, [-2 * SPREAD] * 2),
        ("drift", 6.0, [3 * SPREAD, 6 * SPREAD]),
        ("drift", -6.0, [-3 * SPREAD, -6 * SPREAD]),
        # Rows 20 and 21 are of the sixth season: 11 and 21.
        ("outage", 0.5, [-5.5, -10.5]),
        ("outage", 1.0, [-11.0, -21.0]),
        # What is usual is 10 and 20: they are 1 more, and would be twice and four times as much more.
        ("variance", 1.0, [1.0, 1.0]),
        ("variance", 3.0, [3.0, 3.0]),
        # Half a period away 30 and 40 are usual.
        ("seasonal_break", 1.0, [20.0, 20.0]),
        ("seasonal_break", 0.5, [10.0, 10.0]),
    ],
)
def test_sizes_mean_what_they_say(kind: Fault, size: float, by: list[float]) -> None:
    assert changed(Label(20, 21, kind, size)) == pytest.approx(by)


def test_the_series_given_stays_as_it_is() -> None:
    readings = steady()
    inject(readings, [Label(0, 79, "level_shift", 4.0)], PERIOD)
    assert readings == steady()


def test_two_faults_are_both_put_in() -> None:
    found = inject(steady(), [Label(20, 20, "spike", 4.0), Label(40, 40, "dip", 4.0)], PERIOD)
    assert [row for row in range(80) if found[row] != steady()[row]] == [20, 40]


def test_what_was_not_observed_stays_so() -> None:
    readings = [{**x, "value": math.nan} if x["time"] == 20 else x for x in steady()]
    found = inject(readings, [Label(20, 21, "spike", 4.0)], PERIOD)
    assert math.isnan(found[20]["value"])
    assert found[21]["value"] == pytest.approx(21 + 4 * SPREAD)


def test_values_stay_within_their_bounds_and_whole() -> None:
    assert changed(Label(20, 20, "dip", 10.0), COUNT) == [-11.0]
    assert changed(Label(20, 20, "spike", 4.0), COUNT) == [6.0]
    assert inject(steady(), [Label(20, 20, "spike", 4.0)], PERIOD, RATIO)[20]["value"] == 1.0


def test_the_weight_of_a_count_is_the_count_and_an_outage_takes_its_share_of_others() -> None:
    assert inject(steady(), [Label(20, 20, "spike", 4.0)], PERIOD, COUNT)[20]["weight"] == 17.0
    assert inject(steady(), [Label(20, 20, "outage", 0.8)], PERIOD)[20]["weight"] == 10.0
    assert inject(steady(), [Label(20, 20, "spike", 4.0)], PERIOD)[20]["weight"] == 50.0


@pytest.mark.parametrize(
    ("label", "period", "message"),
    [
        (Label(79, 80, "spike", 4.0), PERIOD, "rows 79 to 80 of a series of 80"),
        (Label(-1, 3, "spike", 4.0), PERIOD, "rows -1 to 3"),
        (Label(1, 2, "outage", 1.5), PERIOD, r"outage: the share 1.5 is not in \(0, 1\]"),
        (Label(1, 2, "seasonal_break", 0.0), PERIOD, "seasonal_break: the share 0"),
        (Label(1, 2, "spike", 4.0), 0, "a period of 0 rows"),
    ],
)
def test_what_makes_no_sense_is_said(label: Label, period: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inject(steady(), [label], period)
