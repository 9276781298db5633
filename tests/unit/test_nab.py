"""NAB's score against figures that can be derived by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation.cooled import best_cooled
from detectors.evaluation.nab import (
    LOW_FALSE,
    LOW_MISSED,
    PROFILES,
    STANDARD,
    Series,
    best_threshold,
    probation,
    score_at,
)

ROWS = 1_000
WINDOWS = [(300, 399), (700, 799)]


def series(*detected: int, windows: list[tuple[int, int]] | None = None, rows: int = ROWS) -> Series:
    return Series([1.0 if row in detected else 0.0 for row in range(rows)], WINDOWS if windows is None else windows)


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_the_first_rows_of_all_windows_are_a_hundred_and_nothing_is_zero(profile: object) -> None:
    assert score_at([series(300, 700)], 1.0, profile) == pytest.approx(100.0)  # type: ignore[arg-type]
    assert score_at([series()], 1.0, profile) == pytest.approx(0.0)  # type: ignore[arg-type]


def test_only_the_first_detection_in_a_window_counts() -> None:
    once = score_at([series(350)], 1.0)
    assert score_at([series(350, 351, 360, 399)], 1.0) == once
    # Half of the window has passed: (1 - worth of a missed one) of the two windows' span of 2 each.
    worth = sigmoid(-50 / 100) / sigmoid(-1.0)
    assert once == pytest.approx(100 * (worth + 1) / 4)


def test_what_is_false_costs_by_how_far_it_is_behind_a_window() -> None:
    full = score_at([series(300, 700)], 1.0)
    before = score_at([series(200, 300, 700)], 1.0)
    behind = score_at([series(300, 409, 700)], 1.0)
    far = score_at([series(300, 690, 700)], 1.0)
    assert full - before == pytest.approx(100 * 0.11 / 4)
    assert full - behind == pytest.approx(100 * 0.11 * -sigmoid(10 / 99) / 4)
    assert full - far == pytest.approx(100 * 0.11 * -sigmoid(290 / 99) / 4)
    assert full - score_at([series(200, 201, 300, 700)], 1.0) == pytest.approx(2 * 100 * 0.11 / 4), "each row"


def test_profiles_weigh_what_is_false_and_what_is_missed() -> None:
    one = [series(200, 300)]
    assert score_at(one, 1.0, STANDARD) == pytest.approx(100 * (2 - 0.11) / 4)
    assert score_at(one, 1.0, LOW_FALSE) == pytest.approx(100 * (2 - 0.22) / 4)
    assert score_at(one, 1.0, LOW_MISSED) == pytest.approx(100 * (3 - 0.11) / 6)


def test_the_first_rows_do_not_count() -> None:
    assert probation(1_000) == 150
    assert probation(18_000) == 750
    assert score_at([series(10, 100, 149, 300, 700)], 1.0) == pytest.approx(100.0)
    assert score_at([series(150, 300, 700)], 1.0) < 100.0


def test_a_window_that_has_ended_within_the_first_rows_is_none() -> None:
    early = [(20, 149), *WINDOWS]
    assert score_at([series(300, 700, windows=early)], 1.0) == pytest.approx(100.0)
    assert score_at([series(100, 300, windows=early)], 1.0) == score_at([series(300)], 1.0)
    assert best_threshold([series(300, 700, windows=early)]) == (pytest.approx(100.0), 1.0)
    assert score_at([series(windows=early[:1])], 1.0) == 0.0
    # How far a detection is behind it counts all the same, as in the published scorer.
    close = score_at([series(155, 300, 700, windows=early)], 1.0)
    assert score_at([series(300, 700)], 1.0) - close == pytest.approx(100 * 0.11 * -sigmoid(6 / 129) / 4)


def test_a_window_that_goes_on_after_the_first_rows_counts() -> None:
    late = [(100, 150), *WINDOWS]
    assert score_at([series(300, 700, windows=late)], 1.0) == pytest.approx(100 * 2 / 3)
    assert score_at([series(120, 300, 700, windows=late)], 1.0) == pytest.approx(100 * 2 / 3)
    assert score_at([series(150, 300, 700, windows=late)], 1.0) > 100 * 2 / 3


def test_series_without_windows_can_only_cost() -> None:
    quiet, loud = series(windows=[]), series(500, windows=[])
    assert score_at([series(300, 700), quiet], 1.0) == pytest.approx(100.0)
    assert score_at([series(300, 700), loud], 1.0) == pytest.approx(100 - 100 * 0.11 / 4)
    assert score_at([loud], 1.0) == 0.0


HOUR = 3_600_000


def test_with_a_cool_down_what_stays_high_is_detected_once() -> None:
    lasting = series(*range(200, 206), *range(300, 310), *range(700, 800))
    hourly = [row * HOUR for row in range(ROWS)]
    assert best_cooled([lasting], [hourly], cool_downs=[6 * HOUR]).score == pytest.approx(100 * (4 - 0.11) / 4)
    # Twelve rows are two times of quiet; without any, each row costs.
    longer = series(*range(200, 212), *range(300, 310), *range(700, 800))
    assert best_cooled([longer], [hourly], cool_downs=[6 * HOUR]).score == pytest.approx(100 * (4 - 0.22) / 4)
    assert best_cooled([longer], [hourly], cool_downs=[0]).score == pytest.approx(best_threshold([longer]).score)


def test_a_cool_down_ends_with_its_series() -> None:
    late = series(990, 300, 700)
    first = series(155, windows=[(155, 160)])
    hourly = [row * HOUR for row in range(ROWS)]
    best = best_cooled([late, first], [hourly, hourly], cool_downs=[6 * HOUR, 48 * HOUR])
    assert best.score == pytest.approx(score_at([late, first], 1.0))
    assert best.cool_down == 6 * HOUR


def test_nothing_to_score_is_zero() -> None:
    assert best_cooled([], []) == (0.0, math.inf, 0)
    assert best_cooled([series(windows=[])], [range(ROWS)]).score == 0.0


cases = st.lists(
    st.tuples(
        st.lists(st.integers(0, 9), min_size=40, max_size=40),
        st.sampled_from([[], [(10, 19)], [(8, 12), (30, 33)]]),
    ),
    min_size=1,
    max_size=3,
)


@given(cases, st.sampled_from(list(PROFILES.values())))
def test_the_best_threshold_is_what_trying_each_finds(
    drawn: list[tuple[list[int], list[tuple[int, int]]]], profile: object
) -> None:
    corpus = [Series([float(one) for one in scores], windows) for scores, windows in drawn]
    best = best_threshold(corpus, profile)  # type: ignore[arg-type]
    tried = [score_at(corpus, float(threshold), profile) for threshold in range(11)]  # type: ignore[arg-type]
    assert best.score == pytest.approx(max(0.0, *tried))
    if best.score > 0:
        assert score_at(corpus, best.threshold, profile) == pytest.approx(best.score)  # type: ignore[arg-type]
