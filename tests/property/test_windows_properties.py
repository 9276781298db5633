"""Add the newest, subtract the oldest: the same as adding up what is in the window, for any sequence of panes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.kpis.definitions import Span
from streams.kpis.sums import Sums
from streams.kpis.windows import Rolling

PANE = 10_000
PLACES = 4
PANES = st.sampled_from([1, 2, 3, 7, 360, 720, 1080])

# Mostly small moves, now and then a gap around or far beyond any window, back and forth.
move = st.one_of(st.integers(-8, 8), st.integers(-1200, 1200), st.sampled_from([10**6, -(10**6)]))
place = st.integers(0, PLACES - 1)
change = st.tuples(move, place, st.integers(-5, 5))
# No changes: the window is only moved on.
step = st.tuples(move, st.lists(change, max_size=4))


@given(PANES, st.integers(-2_000, 2_000), st.lists(step, max_size=40))
def test_a_window_equals_the_sum_of_the_panes_in_it(
    panes: int, start: int, steps: list[tuple[int, list[tuple[int, int, int]]]]
) -> None:
    window = Rolling(Span("window", panes * PANE), PANE)
    window.widen(PLACES)
    width = window.panes_per_step
    history: list[tuple[int, int, int]] = []
    head: int | None = None
    pane = start
    for moved, changes in steps:
        pane += moved
        touched = [(pane + off, where, delta) for off, where, delta in changes]
        if touched:
            columns = np.array(touched, dtype=np.int64).T
            window.add(*columns)
            history += [(at // width, where, delta) for at, where, delta in touched]
        else:
            window.advance(pane)
        newest = max([pane // width] if not touched else [at // width for at, _, _ in touched])
        head = newest if head is None else max(head, newest)
        expected = [0] * PLACES
        for at, where, delta in history:
            if head - window.steps < at <= head:
                expected[where] += delta
        assert window.totals.tolist() == expected


@given(st.integers(1, 5_000))
def test_the_steps_make_up_the_window(panes: int) -> None:
    window = Rolling(Span("window", panes * PANE), PANE)
    covered = window.steps * window.panes_per_step
    assert panes <= covered < panes + window.panes_per_step


amount = st.one_of(st.integers(-3, 3), st.integers(-(2**40), 2**40), st.sampled_from([2**31 - 1, 2**31, -(2**31)]))


@given(st.lists(st.one_of(st.none(), st.lists(st.tuples(place, amount), max_size=5)), max_size=60))
def test_sparse_sums_are_the_sums_however_often_they_were_added_to_and_settled(
    additions: list[list[tuple[int, int]] | None],
) -> None:
    sums, expected = Sums(), [0] * PLACES
    for addition in additions:
        if addition is None:
            sums.settle()
            continue
        where, delta = np.array(addition, dtype=np.int64).reshape(-1, 2).T
        sums.add(where, delta)
        for at, change in addition:
            expected[at] += change
    totals = np.zeros(PLACES, dtype=np.int64)
    sums.add_to(totals)
    assert totals.tolist() == expected
    again = np.zeros(PLACES, dtype=np.int64)
    np.add.at(again, *sums.state())
    assert again.tolist() == expected
    sums.subtract_from(totals)
    assert not totals.any()
