"""How far a value is from the middle of the last ones, in units of how far they usually are."""

from __future__ import annotations

from typing import Any

from detectors.models.model import Expected, Expecting, Reading
from detectors.models.rolling import Sorted

LEAST = 10
"""Readings before anything is strange."""


class Deviation(Expecting):
    """A robust z-score over the last ``window`` readings: median and quartile range, which an outlier does not move;
    some of the wider range as well, so that a series that mostly stands still may move a little."""

    def __init__(self, window: int) -> None:
        self._values = Sorted(window)

    def score_one(self, x: Reading) -> float:
        if len(self._values) < LEAST:
            return 0.0
        quantile = self._values.quantile
        usual = 0.75 * (quantile(0.75) - quantile(0.25)) + 0.2 * (quantile(0.95) - quantile(0.05))
        off = abs(x["value"] - quantile(0.5))
        return off / (usual + 1e-9 * (1.0 + abs(quantile(0.5))))

    def learn_one(self, x: Reading) -> None:
        self._values.add(x["value"])

    def expect(self, x: Reading) -> Expected | None:
        """Between the 1st and the 99th percentile of what was last."""
        if len(self._values) < LEAST:
            return None
        return Expected(*(self._values.quantile(share) for share in (0.01, 0.5, 0.99)))

    def side(self, x: Reading) -> int:
        if len(self._values) < LEAST:
            return 0
        middle = self._values.quantile(0.5)
        return (x["value"] > middle) - (x["value"] < middle)

    def state(self) -> dict[str, Any]:
        return {"values": list(self._values.recent)}

    def load(self, state: dict[str, Any]) -> None:
        self._values.load(state["values"])
