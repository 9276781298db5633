"""Absolute sums to changes: what partitions have told of their open panes, so that a repeat is no change.

The table is the cells' own; a key packs series (up to 2^51) and place of the sum (2^12).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.kpis.cells import CHANGED, FRONTIER, USED, VALUE, add, dump, find, new_cells, restore, sealed, with_room
from streams.kpis.compiled import njit

I64 = npt.NDArray[np.int64]

SPARE = 1024
"""Sums more than a quarter above what was kept the last time, before those of sealed panes are forgotten."""


@njit
def _replace(cells, series, place, pane, value, delta):  # type: ignore[no-untyped-def]
    for at in range(value.shape[0]):
        cells = with_room(cells, np.int64(1))
        key = (series[at] << 12) | place[at]
        known = find(cells, key, pane[at])
        before = np.int64(0) if known < 0 else cells.table[known, VALUE]
        delta[at] = value[at] - before
        if delta[at] != 0:
            add(cells, key, pane[at], delta[at])
    cells.meta[CHANGED] = 0
    return cells


class Absolutes:
    """The sums of one partition's open panes, by series and place."""

    def __init__(self) -> None:
        self._cells = new_cells(1024)
        self._kept = 0

    def replace(self, series: I64, place: I64, pane: I64, value: I64) -> I64:
        """Set sums and return by how much each has changed. Shapes: (n,) each."""
        delta = np.zeros(value.shape[0], dtype=np.int64)
        self._cells = _replace(self._cells, series, place, pane, value, delta)
        return delta

    def seal(self, pane: int) -> None:
        """Forget the panes before this one; no change of theirs is wanted any more."""
        if self._cells.meta[USED] > self._kept + self._kept // 4 + SPARE:
            self._cells = sealed(self._cells, np.int64(pane))
            self._kept = int(self._cells.meta[USED])

    def state(self) -> I64:
        """Everything, as rows (key, pane, value)."""
        rows: I64 = dump(self._cells)
        return rows

    def load(self, rows: I64) -> None:
        """Become what :meth:`state` told of."""
        self._cells = restore(np.ascontiguousarray(rows), np.int64(self._cells.meta[FRONTIER]))
        self._cells.meta[CHANGED] = 0
        self._kept = int(self._cells.meta[USED])
