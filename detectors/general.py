"""A detector for a series of which nothing is known."""

from __future__ import annotations

import math
from typing import Any

from detectors.calibration.ranks import Ranks
from detectors.evaluation.candidate import Judged
from detectors.models.level import Level
from detectors.models.model import Reading
from detectors.models.residual import LARGEST
from detectors.models.seasonal import DAY, WEEK, Seasonal
from detectors.models.shape import Shape

ALERT = 1.1


class GeneralDetector:
    """Tells what is unusual in any numeric series, regularly or irregularly sampled."""

    def __init__(self) -> None:
        self._shapes = [Shape(scale) for scale in (1, 2, 4)]
        self._ranks = [Ranks() for _ in self._shapes]
        self._seasons = [Seasonal(DAY, 96), Seasonal(WEEK, 336)]
        self._season_ranks = [Ranks() for _ in self._seasons]
        self._level = Level()
        self._seen = 0
        self._smooth = 0.0
        self._weight = 0.0
        self._quiet = 0

    def step(self, time: int, value: float) -> Judged:
        x: Reading = {"time": float(time), "value": min(max(value, -LARGEST), LARGEST)}
        best = min((self._level, *self._seasons), key=lambda m: m.size.mean if m.size.seen >= 50 else math.inf)
        expected = best.expect(x)
        low, high = (math.nan, math.nan) if expected is None else (expected.low, expected.high)
        if value != value:
            return Judged(low, high, 0.0, False)
        total, weight = 0.0, 0.0
        for shape, ranks in zip(self._shapes, self._ranks, strict=True):
            score = shape.score_one(x)
            total += ranks.surprise(score)
            weight += 1
            ranks.add(score)
            shape.learn_one(x)
        strongest = max(self._seasons, key=lambda s: s.strength)
        for season, ranks in zip(self._seasons, self._season_ranks, strict=True):
            score = season.score_one(x)
            if season is strongest:
                total += season.strength * ranks.surprise(score)
                weight += season.strength
            ranks.add(score)
            season.learn_one(x)
        self._level.learn_one(x)
        self._seen += 1
        self._weight = 0.3 + 0.7 * self._weight
        self._smooth += 0.3 / self._weight * (total / weight - self._smooth)
        surprise = self._smooth - 0.8 * math.log10(max(self._seen, 100) / 1000)
        self._quiet -= 1
        alert = surprise >= ALERT and self._quiet < 0
        if alert:
            self._quiet = 100
        return Judged(low, high, surprise, alert)

    def state(self) -> dict[str, Any]:
        raise NotImplementedError
