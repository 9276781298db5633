"""Partials in the order of event time: the same sums, each pane once, nothing before it is settled."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from streams.history.backfill.in_order import InOrder
from streams.kpis.partials import Partial

MINUTE = 60_000
TOTAL: list[tuple[str, str]] = []
NORTH = [("region", "north")]


def partial(
    partition: int,
    watermark: int | None,
    cells: dict[tuple[int, int], int],
    slices: list[list[tuple[str, str]]] | None = None,
    idle: bool = False,
) -> Partial:
    """Of cells by (slice, pane)."""
    rows = [(0, slice_, 0, pane, value) for (slice_, pane), value in cells.items()]
    return Partial(
        kpi="orders",
        partition=partition,
        as_of=(0, 0, 0),
        began=min((pane for _, pane in cells), default=0) * MINUTE,
        watermark=watermark,
        idle=idle,
        slices=[TOTAL, NORTH] if slices is None else slices,
        cells=np.array(rows, dtype="<i8").reshape(-1, 5).tobytes(),
    )


def told(in_order: InOrder, time: int) -> dict[tuple[tuple[tuple[str, str], ...], int], int]:
    """By slice and pane what is told until then; no cell twice."""
    found: dict[tuple[tuple[tuple[str, str], ...], int], int] = {}
    for one in in_order.until(time):
        for _, slice_, _, pane, value in one.rows.tolist():
            key = (tuple(one.slices[slice_]), pane)
            assert key not in found
            found[key] = value
    return found


def test_nothing_is_settled_before_every_partition_has_spoken_and_lateness_has_passed() -> None:
    in_order = InOrder(2, MINUTE, 5 * MINUTE)
    in_order.take([partial(0, 20 * MINUTE, {(0, 10): 1})])
    assert in_order.settled is None
    in_order.take([partial(1, 12 * MINUTE, {(0, 9): 1})])
    assert in_order.settled == 7 * MINUTE
    assert in_order.began == 9 * MINUTE


def test_a_cell_is_the_sum_over_partitions_of_what_each_told_last() -> None:
    in_order = InOrder(2, MINUTE, 0)
    in_order.take([partial(0, 12 * MINUTE, {(0, 10): 1, (1, 10): 1}), partial(1, 12 * MINUTE, {(0, 10): 5})])
    in_order.take([partial(0, 12 * MINUTE, {(0, 10): 3})])
    assert told(in_order, 11 * MINUTE) == {((), 10): 8, (tuple(NORTH), 10): 1}


def test_slices_are_told_apart_by_name_and_not_by_the_number_a_partition_gave_them() -> None:
    in_order = InOrder(2, MINUTE, 0)
    in_order.take([partial(0, 12 * MINUTE, {(1, 10): 1}), partial(1, 12 * MINUTE, {(0, 10): 5}, [NORTH, TOTAL])])
    assert told(in_order, 12 * MINUTE) == {(tuple(NORTH), 10): 6}


def test_panes_are_told_once_and_in_order_of_time() -> None:
    in_order = InOrder(1, MINUTE, 0)
    in_order.take([partial(0, 20 * MINUTE, {(0, 12): 3, (0, 10): 1, (0, 11): 2})])
    assert told(in_order, 11 * MINUTE) == {((), 10): 1}
    in_order.take([partial(0, 21 * MINUTE, {(0, 10): 9, (0, 20): 4})])  # too late for the first
    assert told(in_order, 13 * MINUTE) == {((), 11): 2, ((), 12): 3}
    assert told(in_order, 21 * MINUTE) == {((), 20): 4}


def test_a_kpi_without_a_cell_is_told_of_too_so_that_its_total_is_zero() -> None:
    in_order = InOrder(1, MINUTE, 0)
    in_order.take([partial(0, 20 * MINUTE, {(0, 10): 1}), msgspec.structs.replace(partial(0, 0, {}), kpi="refunds")])
    assert [(one.kpi, len(one.rows), one.began) for one in in_order.until(9 * MINUTE)] == [
        ("orders", 0, 0),
        ("refunds", 0, 0),
    ]


def test_what_has_not_come_to_the_end_of_a_lateness_is_told_at_the_end() -> None:
    in_order = InOrder(2, MINUTE, 60 * MINUTE)
    in_order.take([partial(0, 12 * MINUTE, {(0, 10): 1}), partial(1, 13 * MINUTE, {(0, 14): 2})])
    in_order.take([partial(0, 12 * MINUTE, {}, idle=True), partial(1, 13 * MINUTE, {}, idle=True)])
    in_order.end()
    assert in_order.settled == 15 * MINUTE
    assert told(in_order, 15 * MINUTE) == {((), 10): 1, ((), 14): 2}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_whatever_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    in_order, cells, found = InOrder(3, MINUTE, 10 * MINUTE), {}, dict[object, int]()
    time = 0
    for now in range(30, 400, 7):
        for partition in range(3):
            some = {(int(rng.integers(2)), int(rng.integers(now - 10, now + 30))): int(rng.integers(9)) for _ in "many"}
            cells.update({(partition, *cell): value for cell, value in some.items()})
            in_order.take([partial(partition, now * MINUTE, some)])
        settled = in_order.settled
        assert settled is not None
        while time + 3 * MINUTE <= settled:
            time += 3 * MINUTE
            found.update(told(in_order, time))
    in_order.end()
    found.update(told(in_order, 500 * MINUTE))
    sums: dict[object, int] = {}
    for (_, slice_, pane), value in cells.items():
        key = ((), pane) if slice_ == 0 else (tuple(NORTH), pane)
        sums[key] = sums.get(key, 0) + value
    assert found == sums
