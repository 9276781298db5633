"""Rolling windows over panes: add the newest step, subtract the oldest.

A window is a ring of steps. Its newest edge moves with every pane, its oldest in steps of about 1/300 of its length,
so that neither time nor memory depends on how many events a window holds. One window serves all series of a KPI: its
totals are one array, a place for each sum of each series.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kpis.definitions import Span
from streams.kpis.sums import Sums

I64 = npt.NDArray[np.int64]

MOST_STEPS = 360
SETTLES_AFTER = 8
"""What lies this part of a window behind its newest edge is hardly added to any more."""


class Rolling:
    """One rolling window. ``totals`` (places,) holds the sums of what is in it now."""

    def __init__(self, span: Span, pane_ms: int) -> None:
        panes = span.ms // pane_ms
        self.span = span
        self.panes_per_step = ceil(panes / MOST_STEPS)
        self.steps = ceil(panes / self.panes_per_step)
        self.head: int | None = None
        """The newest step."""
        self.totals: I64 = np.zeros(0, dtype=np.int64)
        self._ring: list[Sums | None] = [None] * self.steps

    def widen(self, places: int) -> None:
        """Have at least so many places; what is there keeps its own."""
        if places > self.totals.size:
            self.totals = np.concatenate([self.totals, np.zeros(places - self.totals.size, dtype=np.int64)])

    def advance(self, pane: int) -> None:
        """Move the newest edge to a pane; what falls out of the oldest is subtracted. Never moves back."""
        step = pane // self.panes_per_step
        if self.head is None:
            self.head = step
        if step - self.head >= self.steps:
            self._ring = [None] * self.steps
            self.totals[:] = 0
        else:
            for passed in range(self.head + 1, step + 1):
                place = passed % self.steps
                leaving = self._ring[place]
                if leaving is not None:
                    leaving.subtract_from(self.totals)
                    self._ring[place] = None
                settling = self._ring[(passed - self.steps // SETTLES_AFTER) % self.steps]
                if settling is not None:
                    settling.settle()
        self.head = max(self.head, step)

    def add(self, pane: I64, where: I64, delta: I64) -> None:
        """Add to sums; what belongs to panes that have left the window is passed over. Shapes: (n,) each."""
        if not pane.size:
            return
        self.advance(int(pane.max()))
        assert self.head is not None
        step = pane // self.panes_per_step
        inside = step > self.head - self.steps
        if not inside.any():
            return
        step, where, delta = step[inside], where[inside], delta[inside]
        np.add.at(self.totals, where, delta)
        order = np.argsort(step, kind="stable")
        distinct, begin = np.unique(step[order], return_index=True)
        for one, places in zip(distinct.tolist(), np.split(order, begin[1:]), strict=True):
            self._put(one, where[places], delta[places])

    def state(self) -> list[Any]:
        """Everything, as plain values and arrays."""
        filled = [(place, *sums.state()) for place, sums in enumerate(self._ring) if sums is not None]
        sizes = np.array([(place, where.size) for place, where, _ in filled], dtype=np.int64).reshape(-1, 2)
        empty = [np.zeros(0, dtype=np.int64)]
        where = np.concatenate([where for _, where, _ in filled] or empty)
        delta = np.concatenate([delta for _, _, delta in filled] or empty)
        return [self.head, sizes, where, delta]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self.head, sizes, where, delta = state
        self._ring = [None] * self.steps
        at = 0
        for place, size in sizes.tolist():
            sums = self._ring[place] = Sums()
            sums.add(where[at : at + size], delta[at : at + size])
            sums.settle()
            at += size
        self.totals = np.zeros(int(where.max()) + 1 if where.size else 0, dtype=np.int64)
        np.add.at(self.totals, where, delta)

    def _put(self, step: int, where: I64, delta: I64) -> None:
        sums = self._ring[step % self.steps]
        if sums is None:
            sums = self._ring[step % self.steps] = Sums()
        sums.add(where, delta)
