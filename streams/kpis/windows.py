"""Rolling windows over panes: add the newest step, subtract the oldest.

A window is a ring of steps. Its newest edge moves with every pane, its oldest in steps of about 1/300 of its length,
so that neither time nor memory depends on how many events a window holds.
"""

from __future__ import annotations

from math import ceil

from streams.kpis.definitions import Span

MOST_STEPS = 360

Bag = dict[int, int]
"""Sums by key (measure and histogram bucket, see :func:`key_of`); a key that came back to zero is absent."""


def key_of(measure: int, bucket: int) -> int:
    """The key of a sum in a bag."""
    return measure << 12 | bucket


def add_to(bag: Bag, key: int, delta: int) -> None:
    """Add to one sum of a bag."""
    total = bag.get(key, 0) + delta
    if total:
        bag[key] = total
    else:
        bag.pop(key, None)


class Rolling:
    """One rolling window of one series. ``bag`` holds the sums of what is in it now."""

    __slots__ = ("bag", "head", "panes_per_step", "span", "steps", "_ring")

    def __init__(self, span: Span, pane_ms: int) -> None:
        panes = span.ms // pane_ms
        self.span = span
        self.panes_per_step = ceil(panes / MOST_STEPS)
        while panes % self.panes_per_step:
            self.panes_per_step += 1
        self.steps = panes // self.panes_per_step
        self.head: int | None = None
        self.bag: Bag = {}
        self._ring: list[Bag | None] = [None] * self.steps

    def advance(self, pane: int) -> None:
        """Move the newest edge to a pane; what falls out of the oldest is subtracted. Never moves back."""
        step = pane // self.panes_per_step
        if self.head is None:
            self.head = step
        if step <= self.head:
            return
        if step - self.head >= self.steps:
            self._ring = [None] * self.steps
            self.bag.clear()
        else:
            for passed in range(self.head + 1, step + 1):
                place = passed % self.steps
                leaving = self._ring[place]
                if leaving:
                    for key, total in leaving.items():
                        add_to(self.bag, key, -total)
                    self._ring[place] = None
        self.head = step

    def add(self, pane: int, key: int, delta: int) -> None:
        """Add to a pane that is in the window or newer; older ones have left it."""
        self.advance(pane)
        step = pane // self.panes_per_step
        if self.head is None or step <= self.head - self.steps:
            return
        place = step % self.steps
        bag = self._ring[place]
        if bag is None:
            bag = self._ring[place] = {}
        add_to(bag, key, delta)
        add_to(self.bag, key, delta)
