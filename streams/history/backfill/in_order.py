"""Partials told again in the order of event time: each pane once, when nothing more comes for it.

What is told of a KPI while history is replayed runs ahead in one topic or partition and is corrected later. A window
that ends at a time is right once all before that time is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from streams.kpis.partials import Partial
from streams.kpis.watermark import MergedWatermark

I64 = npt.NDArray[np.int64]

_PANE, _VALUE = 3, 4
_CELL = (2, 0, 1, _PANE)
"""Bucket, measure, slice and pane, the last one first in the order."""


class InOrder:
    """Cells of all ``partitions``, held back for ``lateness_ms`` behind the watermark; panes of ``pane_ms``."""

    def __init__(self, partitions: int, pane_ms: int, lateness_ms: int) -> None:
        self._pane_ms, self._lateness_ms = pane_ms, lateness_ms
        self._watermark = MergedWatermark(partitions)
        self._kpis = defaultdict[str, _Cells](_Cells)
        self._began: int | None = None
        self._newest: int | None = None
        self._ended = False
        self._sequence = 0

    @property
    def began(self) -> int | None:
        """The earliest event's time, epoch ms."""
        return self._began

    @property
    def settled(self) -> int | None:
        """The time before which nothing changes any more, epoch ms; None before every partition has spoken. After
        :meth:`end` how far history reaches."""
        reached = self._watermark.value
        if self._ended:
            return max((at for at in (reached, self._newest) if at is not None), default=None)
        return None if reached is None else reached - self._lateness_ms

    def take(self, partials: Iterable[Partial]) -> None:
        """Take in what partitions tell, in the order in which they do."""
        for partial in partials:
            self._watermark.observe(partial.partition, partial.watermark, partial.idle)
            if partial.began is not None:
                self._began = partial.began if self._began is None else min(self._began, partial.began)
            cells, rows = self._kpis[partial.kpi], partial.rows
            if rows.size:
                end = (int(rows[:, _PANE].max()) + 1) * self._pane_ms
                self._newest = end if self._newest is None else max(self._newest, end)
                cells.hold(partial.partition, partial.slices, rows)

    def end(self) -> None:
        """There is nothing more to come."""
        self._ended = True

    def until(self, time: int) -> list[Partial]:
        """What is new of the panes that end by ``time``, which must be settled: a partial of each KPI that was heard
        of, as the only partition there is would tell it. The watermark is just before ``time``, so that what is
        current then is the windows that end there."""
        settled = self.settled
        assert settled is not None
        self._sequence += 1
        return [
            Partial(
                kpi=kpi,
                partition=0,
                as_of=(0, 0, 0),
                began=None if self._began is None or self._began >= time else self._began,
                watermark=time - 1,
                idle=False,
                slices=[list(pairs) for pairs in cells.slices],
                cells=cells.told(time // self._pane_ms, settled // self._pane_ms).astype("<i8").tobytes(),
                sequence=self._sequence,
            )
            for kpi, cells in self._kpis.items()
        ]


class _Cells:
    """Those of one KPI: held back by partition, as they were told; and those that are settled, by pane."""

    def __init__(self) -> None:
        self.slices: list[tuple[tuple[str, str], ...]] = []
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self._held = defaultdict[int, list[I64]](list)
        self._ready: I64 = np.zeros((0, 5), dtype=np.int64)
        self._ready_below: int | None = None
        self._at = 0

    def hold(self, partition: int, slices: list[list[tuple[str, str]]], rows: I64) -> None:
        numbers = np.array([self._number(tuple((name, of) for name, of in pairs)) for pairs in slices], dtype=np.int64)
        rows = rows.copy()
        rows[:, 1] = numbers[rows[:, 1]]
        self._held[partition].append(rows)

    def told(self, below: int, settled_below: int) -> I64:
        """The settled rows of panes before ``below`` that were not told yet."""
        if self._ready_below is None or below > self._ready_below:
            self._settle(settled_below)
        begin = self._at
        self._at = int(np.searchsorted(self._ready[:, _PANE], below))
        return self._ready[begin : self._at]

    def _settle(self, below: int) -> None:
        settled = [self._ready[self._at :]]
        for several in self._held.values():
            rows = np.concatenate(several)
            over = rows[:, _PANE] < below
            mine = rows[over]
            if self._ready_below is not None:  # what comes for panes that were told is dropped, as live does
                mine = mine[mine[:, _PANE] >= self._ready_below]
            settled.append(_last(mine))
            several[:] = [rows[~over]]
        self._ready, self._ready_below, self._at = _summed(np.concatenate(settled)), below, 0

    def _number(self, slice_: tuple[tuple[str, str], ...]) -> int:
        number = self._numbers.get(slice_)
        if number is None:
            number = self._numbers[slice_] = len(self.slices)
            self.slices.append(slice_)
        return number


def _sorted(rows: I64) -> tuple[I64, npt.NDArray[np.bool_]]:
    """Rows by cell, equal ones in the order in which they were; and where a cell's first is. Shapes (n, 5), (n,)."""
    rows = rows[np.lexsort([rows[:, column] for column in _CELL])]
    first = np.ones(rows.shape[0], dtype=np.bool_)
    first[1:] = (rows[1:, :_VALUE] != rows[:-1, :_VALUE]).any(axis=1)
    return rows, first


def _last(rows: I64) -> I64:
    """Of each cell what was told last."""
    rows, first = _sorted(rows)
    return rows[np.append(first[1:], True)] if rows.size else rows


def _summed(rows: I64) -> I64:
    """Of each cell the sum, by pane."""
    rows, first = _sorted(rows)
    if not rows.size:
        return rows
    sums = np.add.reduceat(rows[:, _VALUE], np.flatnonzero(first))
    rows = rows[first]
    rows[:, _VALUE] = sums
    return rows
