"""Whatever the durations: quantiles within 1 % of the exact nearest rank, in any order, merged and subtracted."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from streams.kpis.sketch import BORDERS, bucket_of
from tests.support.histogram import quantile

LONGEST = int(BORDERS[-1])
ROUNDING = Fraction(1, 10**12)
"""What a representative, a float, is off by."""
QUANTILES = st.sampled_from(["0.01", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.999", "1"])
durations = st.one_of(
    st.integers(0, 100),
    st.integers(0, LONGEST),
    # Around the borders, where a rounding error would show.
    st.builds(lambda border, off: max(0, border + off), st.sampled_from(BORDERS.tolist()), st.integers(-1, 0)),
)


@given(st.lists(durations, min_size=1, max_size=200), QUANTILES)
def test_a_quantile_is_within_one_percent_of_the_exact_nearest_rank(values: list[int], q: str) -> None:
    counts = Counter(map(bucket_of, values))
    exact = sorted(values)[max(1, ceil(Fraction(q) * len(values))) - 1]
    told = quantile(counts, float(q))
    assert told is not None
    assert abs(Fraction(told) - exact) <= (Fraction(1, 100) + ROUNDING) * exact


@given(st.integers(0, LONGEST), st.integers(0, LONGEST))
def test_a_longer_duration_is_never_in_an_earlier_bucket(one: int, other: int) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other


@given(st.lists(durations, max_size=50), st.lists(durations, max_size=50), QUANTILES)
def test_merging_in_any_order_and_subtracting_again_is_exact(one: list[int], other: list[int], q: str) -> None:
    first, second = Counter(map(bucket_of, one)), Counter(map(bucket_of, other))
    together = Counter(map(bucket_of, [*one, *other]))
    assert quantile(first + second, float(q)) == quantile(second + first, float(q)) == quantile(together, float(q))
    together.subtract(second)
    assert quantile(together, float(q)) == quantile(first, float(q))
