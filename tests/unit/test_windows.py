"""Rolling windows: what goes in comes out again, whatever the gaps."""

from __future__ import annotations

import numpy as np
import pytest

from streams.kpis.definitions import Span
from streams.kpis.windows import MOST_STEPS, Rolling
from tests.support.footprint import footprint

PANE = 10_000


def rolling(panes: int, places: int = 3) -> Rolling:
    window = Rolling(Span(f"{panes} panes", panes * PANE), PANE)
    window.widen(places)
    return window


def add(window: Rolling, *changes: tuple[int, int, int]) -> None:
    """Changes as (pane, place, delta), all at once."""
    pane, where, delta = np.array(changes, dtype=np.int64).reshape(-1, 3).T
    window.add(pane, where, delta)


def test_a_pane_counts_until_the_window_has_moved_past_it() -> None:
    window = rolling(3)
    add(window, (10, 0, 5))
    for pane in (10, 11, 12):
        window.advance(pane)
        assert window.totals.tolist() == [5, 0, 0]
    window.advance(13)
    assert window.totals.tolist() == [0, 0, 0]


def test_late_news_of_a_pane_in_the_window_leave_with_that_pane() -> None:
    window = rolling(3)
    add(window, (12, 0, 1))
    add(window, (10, 0, 5), (11, 0, -2))
    assert window.totals[0] == 4
    window.advance(13)
    assert window.totals[0] == -1
    window.advance(14)
    assert window.totals[0] == 1


def test_news_of_a_pane_that_has_left_are_passed_over() -> None:
    window = rolling(3)
    add(window, (12, 0, 1), (9, 0, 7))
    add(window, (9, 1, 7))
    assert window.totals.tolist() == [1, 0, 0]
    assert window.head == 12


def test_a_place_named_twice_is_added_to_twice() -> None:
    window = rolling(3)
    add(window, (12, 0, 1), (12, 0, 2), (11, 0, 4))
    assert window.totals[0] == 7
    window.advance(14)
    assert window.totals[0] == 3


def test_a_window_holds_places_not_how_often_they_were_added_to() -> None:
    window = rolling(8_640, places=500)
    held = []
    for pane in range(8_640):
        add(window, *((pane, (pane * 7 + n) % 500, 1) for n in range(100)))
        if pane % 24 == 23:
            held.append(footprint(window))
    assert window.totals.sum() == 8_640 * 100
    # 360 steps of 260 places. Most are settled, 8 bytes each; an eighth is summed up or about to be, 16 bytes each.
    assert held[-1] < 360 * 260 * 8 * 1.6
    assert np.diff(held).max() < 500 * 16 * 4


def test_no_news_move_nothing() -> None:
    window = rolling(3)
    add(window)
    assert window.head is None


def test_a_gap_longer_than_the_window_empties_it() -> None:
    window = rolling(3)
    add(window, (10, 0, 1))
    add(window, (10 + 1_000_000, 0, 2))
    assert window.totals[0] == 2
    window.advance(10 + 1_000_003)
    assert window.totals[0] == 0


@pytest.mark.parametrize("gap", [2, 3, 4])
def test_a_gap_about_as_long_as_the_window_leaves_what_is_still_in_it(gap: int) -> None:
    window = rolling(3)
    add(window, (10, 0, 1), (11, 1, 1))
    add(window, (10 + gap, 2, 1))
    assert window.totals.tolist() == [int(pane > 10 + gap - 3) for pane in (10, 11, 10 + gap)]


def test_the_newest_edge_never_moves_back() -> None:
    window = rolling(3)
    window.advance(20)
    window.advance(5)
    assert window.head == 20


def test_panes_before_1970_roll_like_any_other() -> None:
    window = rolling(3)
    add(window, (-2, 0, 1), (0, 0, 1))
    assert window.totals[0] == 2
    window.advance(1)
    assert window.totals[0] == 1


def test_a_window_of_one_pane_holds_the_newest_only() -> None:
    window = rolling(1)
    add(window, (4, 0, 3))
    add(window, (5, 0, 4))
    assert window.totals[0] == 4


def test_a_new_series_finds_its_place_beside_the_others() -> None:
    window = rolling(3, places=1)
    add(window, (10, 0, 5))
    window.widen(4)
    add(window, (11, 3, 2))
    assert window.totals.tolist() == [5, 0, 0, 2]
    window.widen(2)
    assert window.totals.tolist() == [5, 0, 0, 2]
    window.advance(13)
    assert window.totals.tolist() == [0, 0, 0, 2]


@pytest.mark.parametrize("panes", [3, 360, 8_640])
def test_a_steady_flow_fills_a_window_to_within_a_step(panes: int) -> None:
    window = rolling(panes)
    for start in range(0, 3 * panes, 10):
        add(window, *((pane, 0, 1) for pane in range(start, start + 10)))
        if start >= panes:
            assert panes - max(panes / 150, 1) <= window.totals[0] <= panes


@pytest.mark.parametrize("hours", range(1, 25))
def test_windows_of_whole_hours_have_many_steps(hours: int) -> None:
    window = rolling(360 * hours)
    assert window.steps == MOST_STEPS


@pytest.mark.parametrize("panes", [1, 2, 30, 359, 360, 361, 367, 540, 719, 1801, 2526, 8_640, 60_480, 60_493])
def test_a_window_moves_in_steps_of_at_most_a_150th_of_its_length(panes: int) -> None:
    # Also one whose number of panes is prime: 367 panes must not become a single step that empties at once.
    window = rolling(panes)
    assert window.steps <= MOST_STEPS
    assert window.panes_per_step * 150 <= max(panes, 150)
