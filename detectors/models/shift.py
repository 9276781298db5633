"""Whether the last few readings lie, or spread, otherwise than those before them."""

from __future__ import annotations

import math
from typing import Any

from detectors.models.model import Model, Reading
from detectors.models.rolling import Moments

LEAST = 20
"""Readings before the last few, before anything is strange."""


class _Compared(Model):
    """Compares the last ``short`` readings, the one asked about included, with the ``long`` before them."""

    def __init__(self, short: int, long: int) -> None:
        self._short, self._long = Moments(short - 1), Moments(long)
        self._waiting = short

    def learn_one(self, x: Reading) -> None:
        gone = self._short.add(x["value"])
        if gone is not None:
            self._long.add(gone)

    def _ready(self) -> bool:
        return len(self._long) >= LEAST

    def state(self) -> dict[str, Any]:
        return {"short": self._short.state(), "long": self._long.state()}

    def load(self, state: dict[str, Any]) -> None:
        self._short.load(state["short"])
        self._long.load(state["long"])


class Shift(_Compared):
    """A level shift: by how many standard deviations of those before the last ones' mean lies elsewhere."""

    def score_one(self, x: Reading) -> float:
        if not self._ready():
            return 0.0
        count = len(self._short)
        mean = (self._short.mean * count + x["value"]) / (count + 1)
        before = self._long.mean
        return abs(mean - before) / (self._long.deviation + 1e-9 * (1.0 + abs(before)))


class Spread(_Compared):
    """A change of variance: the ratio of both standard deviations, as its logarithm, whichever is larger."""

    def score_one(self, x: Reading) -> float:
        if not self._ready():
            return 0.0
        count, usual = len(self._short), self._long.deviation
        mean, deviation = self._short.mean, self._short.deviation
        off = x["value"] - mean
        # Of the last ones and this one together.
        now = math.sqrt(count / (count + 1) * (deviation**2 + off * off / (count + 1)))
        least = 1e-3 * usual + 1e-9 * (1.0 + abs(self._long.mean))
        return abs(math.log((now + least) / (usual + least)))
