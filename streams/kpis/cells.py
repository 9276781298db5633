"""Cells: the integer aggregates of one partition, an open-addressing hash table in flat arrays.

A cell's key is ``(series, pane)``. The series packs measure, slice group, histogram bucket and two dimension codes
into one integer (:func:`pack`); the value is what has been added up since the pane began: a count, a sum, a level
delta, or one histogram bucket's count. All functions here are compiled; the table grows by itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import lean, njit

I64 = npt.NDArray[np.int64]

FREE = np.int64(-1)
"""No series packs to a negative number, so this marks an empty place."""

SERIES, PANE_OF, VALUE, MARK = 0, 1, 2, 3
"""The columns of the table. ``MARK`` is 1 where the cell waits in ``changed``."""

USED, CHANGED, FRONTIER = 0, 1, 2
"""The places of ``meta``."""


class Cells(NamedTuple):
    """The table, a row of 32 bytes per place, so that a cell costs one cache line; which places wait to be told of;
    and, in ``meta``, how many places are used, how many wait, and the pane up to which deadlines have come due."""

    table: I64
    changed: I64
    meta: I64


@lean
def pack(measure, group, bucket, first, second):  # type: ignore[no-untyped-def]
    """measure 12 bits, group 6, bucket 12, two dimension codes of 16 bits each."""
    return (measure << 50) | (group << 44) | (bucket << 32) | (first << 16) | second


def unpack(series: I64) -> tuple[I64, I64, I64]:
    """Measure, bucket, and what is left of keys: group and both codes (see :func:`unpack_slice`). Shapes (n,)."""
    return series >> 50, series >> 32 & 0xFFF, ((series >> 44 & 0x3F) << 32) | (series & 0xFFFF_FFFF)


def unpack_slice(slice_: int) -> tuple[int, int, int]:
    """Group and the two codes of what :func:`unpack` left."""
    return slice_ >> 32, slice_ >> 16 & 0xFFFF, slice_ & 0xFFFF


@njit
def new_cells(capacity):  # type: ignore[no-untyped-def]
    """An empty table; ``capacity`` is a power of two."""
    table = np.zeros((capacity, 4), dtype=np.int64)
    for place in range(capacity):
        table[place, SERIES] = FREE
    meta = np.zeros(3, dtype=np.int64)
    meta[FRONTIER] = np.iinfo(np.int64).min
    return Cells(table, np.empty(capacity, dtype=np.int64), meta)


@lean
def _capacity(count):  # type: ignore[no-untyped-def]
    """Of a table that is to hold ``count`` cells: at most half of it, so that some more fit in."""
    capacity = 1024
    while count * 2 > capacity:
        capacity *= 2
    return capacity


@lean
def _first_place(series, pane, capacity):  # type: ignore[no-untyped-def]
    mixed = np.uint64(series) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(pane) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return np.int64(mixed & np.uint64(capacity - 1))


@lean
def find(cells, series, pane):  # type: ignore[no-untyped-def]
    """The place of a cell, -1 when there is none."""
    table = cells.table
    capacity = table.shape[0]
    place = _first_place(series, pane, capacity)
    while table[place, SERIES] != FREE:
        if table[place, SERIES] == series and table[place, PANE_OF] == pane:
            return place
        place = (place + 1) & (capacity - 1)
    return np.int64(-1)


@lean
def add(cells, series, pane, delta):  # type: ignore[no-untyped-def]
    """Add ``delta`` to the cell and note that it changed. The caller keeps a free place (:func:`with_room`)."""
    table = cells.table
    capacity = table.shape[0]
    place = _first_place(series, pane, capacity)
    while True:
        found = table[place, SERIES]
        if found == series and table[place, PANE_OF] == pane:
            break
        if found == FREE:
            table[place, SERIES] = series
            table[place, PANE_OF] = pane
            cells.meta[USED] += 1
            break
        place = (place + 1) & (capacity - 1)
    table[place, VALUE] += delta
    if table[place, MARK] == 0:
        table[place, MARK] = 1
        cells.changed[cells.meta[CHANGED]] = place
        cells.meta[CHANGED] += 1


@njit
def _copy(cells, capacity, floor, nothing):  # type: ignore[no-untyped-def]
    table = cells.table
    fresh = new_cells(capacity)
    for place in range(table.shape[0]):
        if table[place, SERIES] == FREE or table[place, PANE_OF] < floor:
            continue
        if not nothing and table[place, VALUE] == 0 and table[place, MARK] == 0:
            continue
        add(fresh, table[place, SERIES], table[place, PANE_OF], table[place, VALUE])
    # `add` marked everything; only what waited before still waits.
    fresh.meta[CHANGED] = 0
    fresh.meta[FRONTIER] = cells.meta[FRONTIER]
    for place in range(capacity):
        fresh.table[place, MARK] = 0
    for waiting in range(cells.meta[CHANGED]):
        old = cells.changed[waiting]
        if table[old, PANE_OF] >= floor:
            add(fresh, table[old, SERIES], table[old, PANE_OF], np.int64(0))
    return fresh


@lean
def has_room(cells, wanted):  # type: ignore[no-untyped-def]
    """Whether ``wanted`` more cells can be added."""
    return (cells.meta[USED] + wanted) * 3 <= cells.table.shape[0] * 2


@njit
def with_room(cells, wanted):  # type: ignore[no-untyped-def]
    """The same cells with room for ``wanted`` more at a load below two thirds.

    Those that came back to zero stay: that they did may have been taken out and not been published, and whoever goes
    on from here must then tell of it again.
    """
    if has_room(cells, wanted):
        return cells
    capacity = cells.table.shape[0]
    while (cells.meta[USED] + wanted) * 3 > capacity * 2:
        capacity *= 2
    return _copy(cells, capacity, np.iinfo(np.int64).min, True)


@njit
def sealed(cells, floor):  # type: ignore[no-untyped-def]
    """The cells whose pane is ``floor`` or later, in a table no larger than they need.

    Those that came back to zero (a level that rose and fell within the pane, or what was taken back) go as well, unless
    they wait: whoever calls this knows that what was taken out has been published.
    """
    kept = 0
    for place in range(cells.table.shape[0]):
        if cells.table[place, SERIES] != FREE and cells.table[place, PANE_OF] >= floor:
            kept += 1
    return _copy(cells, _capacity(kept), floor, False)


@njit
def take_changed(cells, ceiling):  # type: ignore[no-untyped-def]
    """The changed cells with ``pane <= ceiling``, as ``(n, 3)`` rows (series, pane, value); they wait no more.

    Later panes keep waiting until event time has reached them.
    """
    table = cells.table
    rows = np.empty((cells.meta[CHANGED], 3), dtype=np.int64)
    taken = 0
    kept = 0
    for waiting in range(cells.meta[CHANGED]):
        place = cells.changed[waiting]
        if table[place, PANE_OF] <= ceiling:
            rows[taken, 0] = table[place, SERIES]
            rows[taken, 1] = table[place, PANE_OF]
            rows[taken, 2] = table[place, VALUE]
            taken += 1
            table[place, MARK] = 0
        else:
            cells.changed[kept] = place
            kept += 1
    cells.meta[CHANGED] = kept
    return rows[:taken]


@njit
def dump(cells):  # type: ignore[no-untyped-def]
    """Every cell as ``(n, 3)`` rows (series, pane, value), those that came back to zero included."""
    rows = np.empty((cells.meta[USED], 3), dtype=np.int64)
    at = 0
    for place in range(cells.table.shape[0]):
        if cells.table[place, SERIES] != FREE:
            rows[at, 0] = cells.table[place, SERIES]
            rows[at, 1] = cells.table[place, PANE_OF]
            rows[at, 2] = cells.table[place, VALUE]
            at += 1
    return rows


@njit
def restore(rows, frontier):  # type: ignore[no-untyped-def]
    """The cells that :func:`dump` told of; all of them wait to be told of."""
    cells = new_cells(_capacity(rows.shape[0]))
    cells.meta[FRONTIER] = frontier
    for at in range(rows.shape[0]):
        add(cells, rows[at, 0], rows[at, 1], rows[at, 2])
    return cells
