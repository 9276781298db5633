"""A detector for any series of numbers: of unknown kind, sampled regularly or not.

Several simple models, each of which misses what others see, rank every reading among those before it; their conformal
p-values are averaged (:mod:`detectors.calibration.combine`), and -log10 of that over the last few readings. Why these,
and what else was tried: docs/decisions/0010-general-detector.md.
"""

from __future__ import annotations

import math
from typing import Any

from detectors.calibration.combine import combined, surprise
from detectors.calibration.conformal import Calibration
from detectors.calibration.onset import Onset
from detectors.evaluation.candidate import Judged
from detectors.models.daytime import Daytime
from detectors.models.deviation import Deviation
from detectors.models.jump import Jump
from detectors.models.model import Expected, Expecting, Model
from detectors.models.rarity import Rarity
from detectors.models.shape import Shape
from detectors.models.shift import Shift, Spread

REMEMBERED = 2_000
"""Readings that a reading is ranked among."""
WEIGHT = 0.25
"""Of a reading's own surprise; the rest is what was before, so that it takes some moderate ones or one large."""
TRIGGER, RECOVERY = 1.75, 0.8
COOL_DOWN, LONGEST = 120, 120
TOLD = 0.99
"""The share of the trigger that the surprise of what has been told stays below."""
_ERROR_WEIGHT = 0.01


class GeneralDetector:
    """One setting for all series. ``step`` judges a reading, then learns it; memory is bounded by some 250 kB."""

    def __init__(self) -> None:
        self._recent, self._daytime = Deviation(300), Daytime()
        self._models: tuple[Model, ...] = (
            Jump(),
            self._recent,
            Deviation(1_500),
            Shift(12, 400),
            Shift(40, 800),
            Spread(20, 500),
            Spread(60, 800),
            Shape(8, 1_500, 5),
            Rarity(3_000, 10),
            self._daytime,
        )
        self._calibrations = tuple(Calibration(REMEMBERED, trust=0.0, heaviest=0.0) for _ in self._models)
        self._onset = Onset(TRIGGER, RECOVERY, COOL_DOWN, LONGEST)
        self._surprise = 0.0
        # How wrong either expectation was lately, of absolute errors.
        self._errors = [0.0, 0.0]

    def step(self, time: int, value: float) -> Judged:
        """Judge a reading (epoch ms; NaN where there is none), then learn it."""
        value = float(value)
        x = {"time": float(time), "span": math.nan, "value": value, "weight": 1.0}
        expected = self._expect(x)
        low, high = (math.nan, math.nan) if expected is None else (expected.low, expected.high)
        if not math.isfinite(value):
            return Judged(low, high, self._surprise, False)
        p_values = []
        for model, calibration in zip(self._models, self._calibrations, strict=True):
            score = model.score_one(x)
            p_values.append(calibration.p_value(score))
            calibration.learn(score)
            model.learn_one(x)
        self._surprise += WEIGHT * (surprise(combined(p_values)) - self._surprise)
        alert = self._onset.step(self._surprise)
        # What has been told is no news: until something can be told again it stays below what would be.
        news = self._surprise if alert or not self._onset.waits else min(self._surprise, TOLD * TRIGGER)
        return Judged(low, high, news, alert)

    def _expect(self, x: dict[str, float]) -> Expected | None:
        """Of the last readings or of the time of the day, whichever was nearer lately."""
        expectations: tuple[Expecting, ...] = (self._recent, self._daytime)
        found = [one.expect(x) for one in expectations]
        value = x["value"]
        if math.isfinite(value):
            for at, one in enumerate(found):
                if one is not None:
                    self._errors[at] += _ERROR_WEIGHT * (abs(value - one.middle) - self._errors[at])
        recent, daytime = found
        return daytime if daytime is not None and self._errors[1] < self._errors[0] else recent

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays."""
        return {
            "models": [model.state() for model in self._models],
            "calibrations": [one.state() for one in self._calibrations],
            "onset": self._onset.state(),
            "surprise": self._surprise,
            "errors": list(self._errors),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        for model, kept in zip(self._models, state["models"], strict=True):
            model.load(kept)
        for calibration, kept in zip(self._calibrations, state["calibrations"], strict=True):
            calibration.load(kept)
        self._onset.load(state["onset"])
        self._surprise, self._errors = state["surprise"], list(state["errors"])
