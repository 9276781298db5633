"""The table of cells: a dictionary in flat arrays, that knows what changed and lets go of what is settled."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from streams.kpis.cells import CHANGED, USED, add, new_cells, pack, sealed, take_changed, with_room

FOREVER = np.iinfo(np.int64).max
Model = dict[tuple[int, int], int]


def taken(cells: Any, ceiling: int = FOREVER) -> Model:
    rows = take_changed(cells, ceiling).tolist()
    found = {(series, pane): value for series, pane, value in rows}
    assert len(found) == len(rows)
    return found


def filled(changes: list[tuple[int, int, int]]) -> Any:
    cells = new_cells(1024)
    for series, pane, delta in changes:
        cells = with_room(cells, 1)
        add(cells, series, pane, delta)
    return cells


def test_what_is_added_to_a_cell_adds_up() -> None:
    cells = filled([(7, 3, 5), (7, 3, -2), (7, 4, 1), (8, 3, 1)])
    assert taken(cells) == {(7, 3): 3, (7, 4): 1, (8, 3): 1}


def test_only_what_changed_since_is_told_again_and_as_a_whole() -> None:
    cells = filled([(7, 3, 5), (8, 3, 1)])
    taken(cells)
    assert taken(cells) == {}
    add(cells, 7, 3, 2)
    assert taken(cells) == {(7, 3): 7}


def test_a_cell_that_came_back_to_zero_is_told_as_zero() -> None:
    cells = filled([(7, 3, 5)])
    taken(cells)
    add(cells, 7, 3, -5)
    assert taken(cells) == {(7, 3): 0}


def test_later_panes_wait_for_their_time() -> None:
    cells = filled([(7, 3, 5), (7, 10, 1), (7, 11, 2)])
    assert taken(cells, 3) == {(7, 3): 5}
    assert taken(cells, 9) == {}
    add(cells, 7, 10, 4)
    assert taken(cells, 10) == {(7, 10): 5}
    assert taken(cells) == {(7, 11): 2}


def test_panes_before_1970_and_the_largest_series_are_cells_like_any_other() -> None:
    largest = pack(4095, 63, 4095, 65_535, 65_535)
    cells = filled([(largest, -5, 1), (0, -(10**9), 2), (0, 0, 3)])
    assert taken(cells) == {(largest, -5): 1, (0, -(10**9)): 2, (0, 0): 3}


@pytest.mark.parametrize(
    "parts", [(0, 0, 0, 0, 0), (4095, 63, 4095, 65_535, 65_535), (3, 2, 1, 60_001, 7), (17, 0, 1399, 0, 1)]
)
def test_a_series_can_be_taken_apart_again(parts: tuple[int, ...]) -> None:
    series = int(pack(*(np.int64(part) for part in parts)))
    assert series >= 0
    taken_apart = (series >> 50, series >> 44 & 63, series >> 32 & 4095, series >> 16 & 65_535, series & 65_535)
    assert taken_apart == parts


def test_the_table_grows_and_neither_loses_nor_invents() -> None:
    rng = np.random.default_rng(1)
    cells = new_cells(1024)
    model: Model = defaultdict(int)
    told: Model = {}
    for round_ in range(20):
        for series, pane, delta in rng.integers([0, -50, -3], [500, 50, 4], (2_000, 3)).tolist():
            cells = with_room(cells, 1)
            add(cells, series, pane, delta)
            model[series, pane] += delta
        told |= taken(cells, 25 if round_ % 2 else FOREVER)
    told |= taken(cells)
    assert {cell: value for cell, value in told.items() if value} == {
        cell: value for cell, value in model.items() if value
    }


def test_growing_keeps_what_waits_and_tells_nothing_twice() -> None:
    cells = filled([(1, pane, 1) for pane in range(300)])
    taken(cells, 99)
    # Growth while 200 cells wait.
    cells = with_room(cells, 5_000)
    assert cells.meta[CHANGED] == 200
    assert taken(cells) == {(1, pane): 1 for pane in range(100, 300)}
    add(cells, 1, 5, 1)
    assert taken(cells) == {(1, 5): 2}


def test_growing_keeps_the_zeros_that_were_taken_and_sealing_forgets_them() -> None:
    """Taken out is not published yet: only who seals knows that it was."""
    cells = filled([(1, pane, 1) for pane in range(300)])
    taken(cells)
    for pane in range(300):
        add(cells, 1, pane, -1)
    taken(cells)
    cells = with_room(cells, 5_000)
    assert cells.meta[USED] == 300
    cells = sealed(cells, 0)
    assert cells.meta[USED] == 0
    add(cells, 1, 5, 1)
    assert taken(cells) == {(1, 5): 1}


def test_growing_keeps_a_zero_that_was_not_told_yet() -> None:
    cells = filled([(1, 5, 3)])
    taken(cells)
    add(cells, 1, 5, -3)
    cells = with_room(cells, 5_000)
    assert taken(cells) == {(1, 5): 0}


def test_sealing_lets_go_of_older_panes_only() -> None:
    cells = filled([(series, pane, 1) for series in range(50) for pane in range(100)])
    taken(cells, 89)
    cells = sealed(cells, 80)
    assert cells.meta[USED] == 50 * 20
    # Those that waited still wait; those that were told are still known.
    assert set(taken(cells)) == {(series, pane) for series in range(50) for pane in range(90, 100)}
    add(cells, 3, 80, 1)
    assert taken(cells) == {(3, 80): 2}


def test_sealing_makes_the_table_small_again() -> None:
    cells = filled([(1, pane, 1) for pane in range(20_000)])
    taken(cells)
    cells = sealed(cells, 19_990)
    assert sum(array.nbytes for array in cells) < 100_000
    assert cells.meta[USED] == 10


def test_everything_may_be_sealed() -> None:
    cells = filled([(1, pane, 1) for pane in range(2_000)])
    taken(cells)
    cells = sealed(cells, FOREVER)
    assert cells.meta[USED] == 0
    add(cells, 1, 1, 1)
    assert taken(cells) == {(1, 1): 1}
