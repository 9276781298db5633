"""Who was held up: of all that waited for their next step in a standstill, those that would have taken it then.

Where all stands still for a day everybody with a parcel underway is hit; where it does so for an afternoon, only those
whose next step was due in it. What is due is read from the steps most like it (:class:`Usual`). When the next step came
after the end, the two stories are weighed: it was due in the standstill and taken when things moved again, or it was
due just then. Behind a standstill there is a queue; who joins it is held up as well, as long as it lasts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.casework.standstill import Standstill
from detectors.casework.steps import F64, Step, Usual
from streams.kpis.grid import HOUR_MS

UNUSUAL = 0.05
"""What moved in spite of it was held up if no more than this share usually takes as long."""
LEAST_STRENGTH = 0.1
"""At least this share stands still where something is known to be wrong."""
QUEUE = 16
"""So many in a row say whether there is a queue: by the mean share of those like them that usually wait longer. Where
nothing is unusual that is one half, with a standard deviation of 0.07."""
BEGINS, GOES_ON = 0.32, 0.42
IN_QUEUE = 0.6
"""In a queue, all are held up but those of which more usually wait longer than they did."""
ALONE = 0.1
"""Who does not wait for each other is held up only where it waits so unusually long by itself."""
_AFTERWARDS_MS = 48 * HOUR_MS
_LEAST_DENSITY = 0.1 / _AFTERWARDS_MS


class Held(NamedTuple):
    """A step that was held up; ``usual`` is its median gap, ms."""

    step: Step
    usual: float


class _Weighed(NamedTuple):
    step: Step
    gaps: F64
    inside: float
    """The share that is due in the standstill, of those that have come so far."""


def held(steps: Sequence[Step], usual: Usual, still: Standstill, at: int, sticks: bool) -> list[Held]:
    """Those of ``steps`` (all that wait for what stood still, of the slice in question) that were held up, as far as is
    known ``at`` an instant. ``sticks``: who moves in the standstill is not hit by it, and is not later on either."""
    moved = _moved(steps, usual, still) if sticks and not still.complete else set()
    found: list[Held] = []
    weighed: list[_Weighed] = []
    for step in steps:
        ended = step.next if step.next is not None else at
        if step.start >= still.end or ended <= still.start or (step.life.subject, step.entity) in moved:
            continue
        gaps = usual.gaps(step)
        if not len(gaps):
            continue
        if step.next is not None and step.next < still.end:
            if not still.complete and _share_longer(step, gaps, step.next) <= UNUSUAL:
                found.append(Held(step, _median(gaps)))
            continue
        due = step.start + gaps
        left = due >= max(still.start, step.start)
        if not left.any():
            # It was late before, nobody knows for how long yet.
            length = still.end - still.start
            if step.next is not None and step.next - still.end < length:
                weighed.append(_Weighed(step, gaps, length / (length + step.next - still.end)))
            continue
        weighed.append(_Weighed(step, gaps, float(np.mean(due[left] < still.end))))
    strength = 1.0 if still.complete else max(LEAST_STRENGTH, 1.0 - still.seen / still.expected)
    found += _weigh(weighed, still, at, strength)
    if sticks and still.complete:  # parcels that come later do not wait for those that were held up
        return found
    known = {(one.step.life.subject, one.step.entity, one.step.start) for one in found}
    others = [step for step in steps if (step.life.subject, step.entity, step.start) not in known]
    others = [step for step in others if (step.life.subject, step.entity) not in moved]
    return found + _queue(others, usual, still, at, ALONE if sticks else IN_QUEUE)


def _weigh(weighed: Sequence[_Weighed], still: Standstill, at: int, strength: float) -> list[Held]:
    sure = [(one.step.next, one.inside) for one in weighed if one.step.next is not None]
    times = np.array([time for time, _ in sure], dtype=np.float64)
    weights = np.array([weight for _, weight in sure])
    found = []
    for step, gaps, inside in weighed:
        due = step.start + gaps
        left = due >= max(still.start, step.start)
        if step.next is None:
            # Nothing has come yet: it should have by now, or in time it will.
            later = float(np.mean(due[left] >= max(at, still.end))) if left.any() else 0.0
            if inside * strength > later:
                found.append(Held(step, _median(gaps)))
            continue
        near = np.abs(times - step.next) <= HOUR_MS
        # Without itself: a single one says nothing of when things moved again.
        after = max(0.0, float(weights[near].sum()) - inside) / max(1e-9, float(weights.sum())) / (2 * HOUR_MS)
        usual = (
            float(np.mean((np.abs(due[left] - step.next) <= HOUR_MS) & (due[left] >= still.end))) if left.any() else 0.0
        )
        if inside * strength * max(after, _LEAST_DENSITY) > usual / (2 * HOUR_MS):
            found.append(Held(step, _median(gaps)))
    return found


def _queue(steps: Sequence[Step], usual: Usual, still: Standstill, at: int, share: float) -> list[Held]:
    """Those that joined the queue behind it, up to where no more of them wait long than usually."""
    waiting = [
        step
        for step in steps
        if still.start <= step.start < still.end + 3 * _AFTERWARDS_MS and (step.next is None or step.next >= still.end)
    ]
    last: deque[float] = deque(maxlen=QUEUE)
    found: list[Held] = []
    sure = 0
    for step in sorted(waiting, key=lambda one: one.start):
        gaps = usual.gaps(step)
        longer = _share_longer(step, gaps, step.next if step.next is not None else at) if len(gaps) else 1.0
        last.append(longer)
        if longer <= share:
            found.append(Held(step, _median(gaps)))
        if len(last) == QUEUE:
            if sum(last) > QUEUE * (GOES_ON if sure else BEGINS):
                break
            sure = len(found)
    return found[:sure]


def _moved(steps: Sequence[Step], usual: Usual, still: Standstill) -> set[tuple[str, int]]:
    found = set()
    for step in steps:
        if step.next is not None and still.start + HOUR_MS <= step.next < still.end - HOUR_MS:
            gaps = usual.gaps(step)
            if len(gaps) and _share_longer(step, gaps, step.next) > UNUSUAL:
                found.add((step.life.subject, step.entity))
    return found


def _share_longer(step: Step, gaps: F64, until: int) -> float:
    return float(np.mean(gaps >= until - step.start))


def _median(gaps: F64) -> float:
    return float(np.median(gaps))
