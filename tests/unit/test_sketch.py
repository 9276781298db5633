"""The histogram of durations: exact borders, a stated error, nearest ranks."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from streams.kpis.definitions import stat_name
from streams.kpis.sketch import BORDERS, BUCKETS, RELATIVE_ERROR, bucket_of, quantile_of, representative
from streams.kpis.step import _bucket as compiled_bucket
from tests.support.histogram import quantile

GAMMA = Fraction(101, 99)
YEAR_MS = 366 * 24 * 3_600_000


def test_borders_are_the_powers_of_gamma_rounded_down_exactly() -> None:
    power = Fraction(1)
    for border in BORDERS.tolist():
        assert border == power.numerator // power.denominator
        power *= GAMMA


def test_a_bucket_holds_what_lies_between_two_powers_of_gamma() -> None:
    lower, upper = Fraction(0), Fraction(1)
    for bucket in range(1, BUCKETS - 1):
        first, last = lower.numerator // lower.denominator + 1, upper.numerator // upper.denominator
        # Below 34 ms some powers have no whole number between them.
        for value in {first, last} if first <= last else ():
            assert bucket_of(value) == bucket
        lower, upper = upper, upper * GAMMA


def test_every_border_separates_two_buckets() -> None:
    for border in sorted(set(BORDERS.tolist()))[:-1]:
        assert bucket_of(border + 1) > bucket_of(border)


@pytest.mark.parametrize("value", [0, -1, -(10**15)])
def test_no_duration_and_less_than_none_share_the_first_bucket(value: int) -> None:
    assert bucket_of(value) == 0
    assert representative(0) == 0.0


@pytest.mark.parametrize("value", [int(BORDERS[-1]) + 1, 10**18, 2**63 - 1])
def test_what_is_beyond_the_last_border_counts_as_the_last_bucket(value: int) -> None:
    assert bucket_of(value) == BUCKETS - 1


def test_the_last_bucket_is_beyond_forty_years() -> None:
    assert bucket_of(40 * YEAR_MS) < BUCKETS - 1


def test_the_representative_is_within_one_percent_of_both_ends_of_its_bucket() -> None:
    lower = Fraction(0)
    upper = Fraction(1)
    for bucket in range(1, BUCKETS - 1):
        told = Fraction(representative(bucket))
        # Of the border below, which the bucket excludes, and the one above, which it includes.
        tolerance = Fraction(RELATIVE_ERROR) + Fraction(1, 10**9)
        assert abs(told - upper) <= tolerance * upper
        if lower:
            assert abs(told - lower) <= tolerance * lower
        lower, upper = upper, upper * GAMMA


def test_compiled_and_plain_buckets_agree_around_every_border() -> None:
    for border in BORDERS.tolist():
        for value in (border - 1, border, border + 1):
            assert compiled_bucket(value) == bucket_of(value)
    for value in (-5, 0, 10**17):
        assert compiled_bucket(value) == bucket_of(value)


def test_a_quantile_of_nothing_is_none() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({3: 0}, 0.5) is None


def test_a_quantile_of_one_value_is_that_value() -> None:
    bucket = bucket_of(5_000)
    for q in (0.001, 0.5, 0.9, 1.0):
        assert quantile({bucket: 1}, q) == pytest.approx(5_000, rel=RELATIVE_ERROR)


def test_the_nearest_rank_is_taken_not_an_average() -> None:
    # Two values: the median is the lower one, p51 the upper.
    counts = {bucket_of(1_000): 1, bucket_of(9_000): 1}
    assert quantile(counts, 0.5) == representative(bucket_of(1_000))
    assert quantile(counts, 0.51) == representative(bucket_of(9_000))


def test_a_quantile_is_found_where_only_the_buckets_in_use_are_kept() -> None:
    upto = np.cumsum([1, 0, 2, 1])
    assert [quantile_of(upto, q, 700) for q in (0.25, 0.5, 0.75, 1.0)] == [
        representative(bucket) for bucket in (700, 702, 702, 703)
    ]


def test_removing_what_was_merged_leaves_what_there_was() -> None:
    one, other = Counter({3: 2, 700: 5}), Counter({3: 1, 9: 4})
    merged = one + other
    merged.subtract(other)
    assert [quantile(merged, q) for q in (0.1, 0.5, 0.9)] == [quantile(one, q) for q in (0.1, 0.5, 0.9)]


@pytest.mark.parametrize("percent", range(1, 100))
def test_the_rank_of_a_quantile_with_two_decimals_is_exact(percent: int) -> None:
    # Each value in a bucket of its own, so that the bucket tells the rank.
    q = float(f"0.{percent:02}")
    for total in (20, 25, 50, 75, 100, 150, 300, 450, 900, 1000):
        rank = ceil(Fraction(percent, 100) * total)
        assert quantile(dict.fromkeys(range(100, 100 + total), 1), q) == representative(99 + rank)


@pytest.mark.parametrize(("q", "name"), [(0.5, "p50"), (0.9, "p90"), (0.999, "p99_9"), (0.07, "p7"), (0.29, "p29")])
def test_a_statistic_is_named_after_its_quantile(q: float, name: str) -> None:
    assert stat_name(q) == name
