"""Detectors to compare with: chance, a static threshold, and river's as shipped.

Each one's ``alert`` is where its score exceeds what all but a tenth of a percent of the scores before it were, or the
threshold it has, and not again for a while: an alert each row would cost them more than they deserve.
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
RANGED = 4_000
"""As many values has the range of the static threshold."""
BEYOND = 10.0
"""Its score of another value where all but a thousandth were the same."""


class Scored:
    """Anything with a score for each value, and perhaps a threshold of its own."""

    def __init__(self, score: Callable[[float], float], threshold: float | None = None) -> None:
        self._score = score
        self._threshold = threshold
        self._scores = Sorted(REMEMBERED)
        self._onset = Onset(1.0, 1.0, COOL_DOWN, COOL_DOWN)

    def step(self, time: int, value: float) -> Judged:
        """Judge a row by the threshold or by its rank among the scores before it, then learn it."""
        if not math.isfinite(value):
            return Judged(math.nan, math.nan, 0.0, False)
        score = self._score(value)
        score = score if math.isfinite(score) else 0.0
        if self._threshold is not None:
            rare = score > self._threshold
        else:
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
    """How far a value is outside of what all but a thousandth of those before it were, on either side, in the width of
    that; less than 0 within."""
    known = Sorted(RANGED)

    def score(value: float) -> float:
        found = -1.0
        if len(known) >= LEAST:
            low, high = known.quantile(1.0 - RARE), known.quantile(RARE)
            outside = max(value - high, low - value)
            found = outside / (high - low) if high > low else (BEYOND if outside > 0.0 else -1.0)
        known.add(value)
        return found

    return score


def _chance(seed: int = 1) -> Callable[[float], float]:
    draw = np.random.default_rng(seed)
    return lambda value: float(draw.random())


BASELINES: dict[str, Make] = {
    "chance": lambda: Scored(_chance()),
    "static threshold": lambda: Scored(_static(), 0.0),
    "river GaussianScorer": lambda: Scored(_gaussian()),
    "river StandardAbsoluteDeviation": lambda: Scored(_deviation()),
    "river HalfSpaceTrees": lambda: Scored(
        _river(compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1)))
    ),
    "river LODA": lambda: Scored(_river(anomaly.LODA(seed=1))),
}
"""By name."""
