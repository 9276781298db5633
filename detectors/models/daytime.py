"""What is usual at this time of the day."""

from __future__ import annotations

import math
from typing import Any

from detectors.models.model import Expected, Expecting, Reading

HOURS = 24
DAY_MS = 86_400_000
KEPT = 0.995
"""What a reading leaves of the weight of those before it in the same hour."""
LEAST = 10.0
"""Readings in an hour, by weight, before anything is strange in it."""


class Daytime(Expecting):
    """Mean and standard deviation of each hour of the day, in UTC, the last some 200 readings of it counting most.

    A twentieth of the mean is added to the deviation, so that what is nearly constant may move by that.
    """

    def __init__(self) -> None:
        self._weight = [0.0] * HOURS
        self._mean = [0.0] * HOURS
        self._square = [0.0] * HOURS
        """The weighted sum of squares of differences to the mean."""

    def score_one(self, x: Reading) -> float:
        hour = _hour(x)
        if self._weight[hour] < LEAST:
            return 0.0
        return abs(x["value"] - self._mean[hour]) / self._usual(hour)

    def _usual(self, hour: int) -> float:
        deviation = math.sqrt(max(self._square[hour], 0.0) / self._weight[hour])
        return deviation + 0.05 * abs(self._mean[hour]) + 1e-9

    def learn_one(self, x: Reading) -> None:
        # West: Updating mean and variance estimates, CACM 1979, with weights that decay.
        hour, value = _hour(x), x["value"]
        weight = self._weight[hour] = self._weight[hour] * KEPT + 1.0
        off = value - self._mean[hour]
        self._mean[hour] += off / weight
        self._square[hour] = self._square[hour] * KEPT + off * (value - self._mean[hour])

    def expect(self, x: Reading) -> Expected | None:
        """Three standard deviations around the hour's mean."""
        hour = _hour(x)
        if self._weight[hour] < LEAST:
            return None
        reach = 3.0 * math.sqrt(max(self._square[hour], 0.0) / self._weight[hour])
        return Expected(self._mean[hour] - reach, self._mean[hour], self._mean[hour] + reach)

    def side(self, x: Reading) -> int:
        hour = _hour(x)
        if self._weight[hour] < LEAST:
            return 0
        return (x["value"] > self._mean[hour]) - (x["value"] < self._mean[hour])

    def state(self) -> dict[str, Any]:
        return {"weight": list(self._weight), "mean": list(self._mean), "square": list(self._square)}

    def load(self, state: dict[str, Any]) -> None:
        self._weight, self._mean, self._square = (list(state[name]) for name in ("weight", "mean", "square"))


def _hour(x: Reading) -> int:
    return int(x["time"] % DAY_MS // (DAY_MS // HOURS))
