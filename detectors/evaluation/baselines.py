"""Detectors to compare with: chance, a static threshold, and river's as shipped.

Each one's ``alert`` is where its score reaches a threshold that a tenth of a percent of the scores before it exceeded,
and not again for a while: an alert each row would cost them more than they deserve.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from river import anomaly, compose, preprocessing

from detectors.calibration.onset import Onset
from detectors.evaluation.candidate import Judged, Make
from detectors.models.rolling import Sorted

RARE = 0.999
REMEMBERED = 2_000
LEAST = 100
COOL_DOWN = 120
BEYOND = 10.0
"""The score of any other value where all but a thousandth were the same."""


class Scored:
    """Anything with a score for each value."""

    def __init__(self, score: Callable[[float], float]) -> None:
        self._score = score
        self._scores = Sorted(REMEMBERED)
        self._onset = Onset(1.0, 1.0, COOL_DOWN, COOL_DOWN)

    def step(self, time: int, value: float) -> Judged:
        """Judge a row by its rank among the scores before it, then learn it."""
        if not math.isfinite(value):
            return Judged(math.nan, math.nan, 0.0, False)
        score = self._score(value)
        score = score if math.isfinite(score) else 0.0
        rare = len(self._scores) >= LEAST and score > self._scores.quantile(RARE)
        self._scores.add(score)
        return Judged(math.nan, math.nan, score, self._onset.step(1.0 if rare else 0.0))


def _river(model: Any) -> Callable[[float], float]:
    """Scores first, learns then. What river raises on the way is a score of 0: its rolling variance can be negative."""

    def score(value: float) -> float:
        x = {"value": value}
        try:
            found = float(model.score_one(x))
            model.learn_one(x)
        except (ValueError, ZeroDivisionError, OverflowError):
            return 0.0
        return found

    return score


def _gaussian() -> Callable[[float], float]:
    model: Any = anomaly.GaussianScorer(window_size=None)  # type: ignore[no-untyped-call]

    def score(value: float) -> float:
        try:
            found = float(model.score_one(None, value))
            model.learn_one(None, value)
        except (ValueError, ZeroDivisionError):
            return 0.0
        return found

    return score


def _deviation() -> Callable[[float], float]:
    model: Any = anomaly.StandardAbsoluteDeviation()

    def score(value: float) -> float:
        found = float(model.score_one(None, value))
        model.learn_one(None, value)
        return found

    return score


def _static() -> Callable[[float], float]:
    """How far a value is from the median, where 1 is what all but a thousandth of those before it were."""
    known = Sorted(REMEMBERED)

    def score(value: float) -> float:
        found = 0.0
        if len(known) >= LEAST:
            low, usual, high = (known.quantile(share) for share in (1.0 - RARE, 0.5, RARE))
            off, reach = (value - usual, high - usual) if value >= usual else (usual - value, usual - low)
            found = off / reach if reach > 0.0 else BEYOND * (off > 0.0)
        known.add(value)
        return found

    return score


def _chance(seed: int = 1) -> Callable[[float], float]:
    draw = np.random.default_rng(seed)
    return lambda value: float(draw.random())


BASELINES: dict[str, Make] = {
    "chance": lambda: Scored(_chance()),
    "static threshold": lambda: Scored(_static()),
    "river GaussianScorer": lambda: Scored(_gaussian()),
    "river StandardAbsoluteDeviation": lambda: Scored(_deviation()),
    "river HalfSpaceTrees": lambda: Scored(
        _river(compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1)))
    ),
    "river LODA": lambda: Scored(_river(anomaly.LODA(seed=1))),
}
"""By name."""
