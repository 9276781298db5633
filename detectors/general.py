"""A detector for a series of which nothing is known."""

from __future__ import annotations

import math
from typing import Any

from detectors.calibration.pace import Pace
from detectors.calibration.ranks import Ranks
from detectors.evaluation.candidate import Judged
from detectors.models.level import Level
from detectors.models.model import Reading
from detectors.models.seasonal import DAY, WEEK, Seasonal
from detectors.models.shape import Shape

_SMOOTHING = 0.25
_KNOWN = 50
_QUARTERS_A_DAY = 96
_HALVES_A_WEEK = 336


class GeneralDetector:
    """Tells what is unusual in any numeric series, regularly or irregularly sampled; one setting for all.

    - Two :class:`~detectors.models.shape.Shape` models say how unlike the last 4 and 16 values are to what was before,
      and the stronger :class:`~detectors.models.seasonal.Seasonal` one, of the day or the week, how far a value is from
      what is usual at that time. It counts as much as the season explains.
    - Each score becomes a p-value by its rank among that model's last 4,000. The p-values are merged by their geometric
      mean, over models and, fading, over the last rows. (e times that is a p-value whatever the dependence: Vovk and
      Wang, "Combining p-values via averaging", 2020.)
    - :class:`~detectors.calibration.pace.Pace` makes alerts of it.

    What the band shows is the expectation, of the season or of the level, that has been least off. It is not below zero
    before a value was.
    """

    def __init__(self) -> None:
        self._shapes = [Shape(scale=1), Shape(scale=4)]
        self._seasons = [Seasonal(DAY, _QUARTERS_A_DAY), Seasonal(WEEK, _HALVES_A_WEEK)]
        self._level = Level()
        self._ranks = [Ranks() for _ in (*self._shapes, *self._seasons)]
        self._pace = Pace()
        self._surprise = 0.0
        self._weight = 0.0
        self._negative = False

    def step(self, time: int, value: float) -> Judged:
        value = float(value)
        x: Reading = {"time": float(time), "value": value}
        low, high = self._band(x)
        if value != value:
            return Judged(low, high, 0.0, False)
        self._negative = self._negative or value < 0.0
        self._smooth(self._merged(x))
        surprise, alert = self._pace.tell(self._surprise)
        return Judged(low, high, surprise, alert)

    def _band(self, x: Reading) -> tuple[float, float]:
        expected, size = self._level.expect(x), self._level.size.mean
        for season in self._seasons:
            if season.size.seen >= _KNOWN and season.size.mean < size:
                at_that_time = season.expect(x)
                if at_that_time is not None:
                    expected, size = at_that_time, season.size.mean
        if expected is None:
            return math.nan, math.nan
        return (expected.low, expected.high) if self._negative else (max(0.0, expected.low), max(0.0, expected.high))

    def _merged(self, x: Reading) -> float:
        """-log10 of the geometric mean of all models' p-values; all learn the reading."""
        strengths = [season.strength for season in self._seasons]
        strongest = max(strengths)
        weights = [1.0] * len(self._shapes) + [0.0] * len(self._seasons)
        weights[len(self._shapes) + strengths.index(strongest)] = strongest
        total = 0.0
        for model, ranks, weight in zip((*self._shapes, *self._seasons), self._ranks, weights, strict=True):
            score = model.score_one(x)
            if weight > 0.0:
                total += weight * ranks.surprise(score)
            ranks.add(score)
            model.learn_one(x)
        self._level.learn_one(x)
        return total / sum(weights)

    def _smooth(self, surprise: float) -> None:
        self._weight += _SMOOTHING * (1.0 - self._weight)
        self._surprise += _SMOOTHING / self._weight * (surprise - self._surprise)

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays."""
        return {
            "models": [model.state() for model in (*self._shapes, *self._seasons, self._level)],
            "ranks": [ranks.state() for ranks in self._ranks],
            "pace": self._pace.state(),
            "surprise": self._surprise,
            "weight": self._weight,
            "negative": self._negative,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        for model, known in zip((*self._shapes, *self._seasons, self._level), state["models"], strict=True):
            model.load(known)
        for ranks, known in zip(self._ranks, state["ranks"], strict=True):
            ranks.load(known)
        self._pace.load(state["pace"])
        self._surprise = float(state["surprise"])
        self._weight = float(state["weight"])
        self._negative = bool(state["negative"])
