"""Cells: the integer aggregates of one partition, an open-addressing hash table in flat arrays.

A cell's key is ``(series, pane)``. The series packs measure, slice group, histogram bucket and two dimension codes
into one integer (:func:`pack`); the value is what has been added up since the pane began: a count, a sum, a level
delta, or one histogram bucket's count. All functions here are compiled; the table grows by itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from streams.kpis.compiled import njit

I64 = npt.NDArray[np.int64]

FREE = np.int64(-1)
"""No series packs to a negative number, so this marks an empty place."""

USED, CHANGED = 0, 1


class Cells(NamedTuple):
    """The table: ``series``, ``pane``, ``value`` per place; ``mark`` is 1 where the cell waits in ``changed``.

    ``meta`` holds how many places are used and how many wait.
    """

    series: I64
    pane: I64
    value: I64
    mark: npt.NDArray[np.uint8]
    changed: I64
    meta: I64


@njit
def pack(measure, group, bucket, first, second):  # type: ignore[no-untyped-def]
    """measure 12 bits, group 6, bucket 12, two dimension codes of 16 bits each."""
    return (measure << 50) | (group << 44) | (bucket << 32) | (first << 16) | second


@njit
def new_cells(capacity):  # type: ignore[no-untyped-def]
    """An empty table; ``capacity`` is a power of two."""
    return Cells(
        np.full(capacity, FREE, dtype=np.int64),
        np.empty(capacity, dtype=np.int64),
        np.zeros(capacity, dtype=np.int64),
        np.zeros(capacity, dtype=np.uint8),
        np.empty(capacity, dtype=np.int64),
        np.zeros(2, dtype=np.int64),
    )


@njit
def add(cells, series, pane, delta):  # type: ignore[no-untyped-def]
    """Add ``delta`` to the cell and note that it changed. The caller keeps a free place (:func:`with_room`)."""
    mask = np.uint64(cells.series.shape[0] - 1)
    mixed = np.uint64(series) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(pane) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    place = np.int64(mixed & mask)
    while True:
        found = cells.series[place]
        if found == series and cells.pane[place] == pane:
            break
        if found == FREE:
            cells.series[place] = series
            cells.pane[place] = pane
            cells.meta[USED] += 1
            break
        place = np.int64((np.uint64(place) + np.uint64(1)) & mask)
    cells.value[place] += delta
    if cells.mark[place] == 0:
        cells.mark[place] = 1
        cells.changed[cells.meta[CHANGED]] = place
        cells.meta[CHANGED] += 1


@njit
def _copy(cells, capacity, floor):  # type: ignore[no-untyped-def]
    fresh = new_cells(capacity)
    for place in range(cells.series.shape[0]):
        if cells.series[place] == FREE or cells.pane[place] < floor:
            continue
        if cells.value[place] == 0 and cells.mark[place] == 0:
            # Nothing to say: a level that rose and fell within the pane, or a projection taken back.
            continue
        add(fresh, cells.series[place], cells.pane[place], cells.value[place])
    # `add` marked everything; only what waited before still waits.
    fresh.meta[CHANGED] = 0
    for place in range(capacity):
        fresh.mark[place] = 0
    for waiting in range(cells.meta[CHANGED]):
        old = cells.changed[waiting]
        if cells.pane[old] < floor:
            continue
        add(fresh, cells.series[old], cells.pane[old], np.int64(0))
    return fresh


@njit
def with_room(cells, wanted):  # type: ignore[no-untyped-def]
    """The same cells with room for ``wanted`` more at a load below 60 %."""
    capacity = cells.series.shape[0]
    if (cells.meta[USED] + wanted) * 10 <= capacity * 6:
        return cells
    while (cells.meta[USED] + wanted) * 10 > capacity * 6:
        capacity *= 2
    return _copy(cells, capacity, np.iinfo(np.int64).min)


@njit
def sealed(cells, floor):  # type: ignore[no-untyped-def]
    """The cells whose pane is ``floor`` or later, in a table no larger than they need."""
    kept = 0
    for place in range(cells.series.shape[0]):
        if cells.series[place] != FREE and cells.pane[place] >= floor:
            kept += 1
    capacity = 1024
    while kept * 10 > capacity * 4:
        capacity *= 2
    return _copy(cells, capacity, floor)


@njit
def take_changed(cells, ceiling):  # type: ignore[no-untyped-def]
    """The changed cells with ``pane <= ceiling``, as ``(n, 3)`` rows (series, pane, value); they wait no more.

    Later panes (deadlines still to come) keep waiting.
    """
    taken = 0
    for waiting in range(cells.meta[CHANGED]):
        if cells.pane[cells.changed[waiting]] <= ceiling:
            taken += 1
    rows = np.empty((taken, 3), dtype=np.int64)
    row = 0
    kept = 0
    for waiting in range(cells.meta[CHANGED]):
        place = cells.changed[waiting]
        if cells.pane[place] <= ceiling:
            rows[row, 0] = cells.series[place]
            rows[row, 1] = cells.pane[place]
            rows[row, 2] = cells.value[place]
            row += 1
            cells.mark[place] = 0
        else:
            cells.changed[kept] = place
            kept += 1
    cells.meta[CHANGED] = kept
    return rows
