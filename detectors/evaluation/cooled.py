"""The score of the Numenta Anomaly Benchmark for what alerts once and then is quiet for a while.

The benchmark takes a detection in each row that reaches the threshold, so a score that stays high costs in each of
them. Nobody would use a detector so: here, after each detection, there is none for as long as a cool-down.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.evaluation.nab import STANDARD, Profile, Series, probation, scaled, steps
from streams.kpis.grid import HOUR_MS

COOL_DOWNS = tuple(hours * HOUR_MS for hours in (6, 12, 24, 48))
TRIED = 300
_SHARES = 1.0 - np.geomspace(1e-5, 0.3, TRIED)
"""Of the rows, those below the thresholds that are tried."""


class Cooled(NamedTuple):
    """The highest score of any threshold and cool-down, ms, and these."""

    score: float
    threshold: float
    cool_down: int


def best_cooled(
    series: Sequence[Series],
    times: Sequence[Sequence[int]],
    profile: Profile = STANDARD,
    cool_downs: Sequence[int] = COOL_DOWNS,
) -> Cooled:
    """The one threshold and cool-down for all series that give the highest score; ``times``, of their rows, in epoch
    ms. Up to :data:`TRIED` thresholds are tried, as many quantiles of the scores."""
    best = Cooled(0.0, math.inf, 0)
    rows = steps(series)
    if not rows:
        return best
    scores = np.array([row.score for row in rows])
    clock = _one_after_the_other(times, max(cool_downs))
    thresholds = np.unique(np.quantile(scores, _SHARES))
    for cool_down in cool_downs:
        for threshold in thresholds.tolist():
            detected = _cooled(np.flatnonzero(scores >= threshold), clock, cool_down)
            score = scaled(series, (rows[at] for at in detected), profile)
            if score > best.score:
                best = Cooled(score, threshold, cool_down)
    return best


def _one_after_the_other(times: Sequence[Sequence[int]], apart: int) -> npt.NDArray[np.int64]:
    """The times of the rows that count as if all were one series, each so far behind the one before."""
    found, end = [], 0
    for each in times:
        counted = np.asarray(each[probation(len(each)) :], np.int64)
        if counted.size:
            found.append(counted - counted[0] + end)
            end = int(found[-1][-1]) + apart
    return np.concatenate(found)


def _cooled(reached: npt.NDArray[np.intp], clock: npt.NDArray[np.int64], cool_down: int) -> Iterator[int]:
    """The rows that are detected, of those that reach the threshold."""
    times = clock[reached]
    at = 0
    while at < len(reached):
        yield int(reached[at])
        at = max(at + 1, int(np.searchsorted(times, times[at] + cool_down)))
