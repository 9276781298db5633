"""What is usual at that time of the day, or of the week."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.models.model import Reading
from detectors.models.residual import Residual, Size

DAY = 24 * 60 * 60 * 1000
WEEK = 7 * DAY
_MONDAY = 4 * DAY
"""The epoch was a Thursday: the first week began four days later."""
_KNOWN = 50


class Seasonal(Residual):
    """A level for each of ``parts`` of a ``period`` of ms; each follows at ``rate``, and outliers move it little."""

    def __init__(self, period: int = DAY, parts: int = 96, rate: float = 0.1) -> None:
        super().__init__()
        self._period = period
        self._rate = rate
        self._usual = np.zeros(parts)
        self._seen = np.zeros(parts, np.int64)
        self._level = 0.0
        self._spread = Size()

    @property
    def strength(self) -> float:
        """How much smaller what the season leaves is than deviations from one level: 0 if there is none, 1 if nothing
        else is."""
        if self.size.seen < _KNOWN or self._spread.mean <= 0.0:
            return 0.0
        return max(0.0, 1.0 - self.size.mean / self._spread.mean)

    def _part(self, x: Reading) -> int:
        return int((int(x["time"]) - _MONDAY) % self._period * len(self._usual) // self._period)

    def middle(self, x: Reading) -> float | None:
        part = self._part(x)
        return float(self._usual[part]) if self._seen[part] else None

    def follow(self, x: Reading, value: float, off: float) -> None:
        part = self._part(x)
        self._seen[part] += 1
        if self._seen[part] == 1:
            self._usual[part] = value
        else:
            self._usual[part] += max(self._rate, 1.0 / self._seen[part]) * off
        off = self._spread.learn(value - self._level)
        self._level += off / self._spread.seen

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "usual": self._usual.copy(),
            "seen": self._seen.copy(),
            "level": self._level,
            "spread": self._spread.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._usual = np.array(state["usual"], float)
        self._seen = np.array(state["seen"], np.int64)
        self._level = float(state["level"])
        self._spread.load(state["spread"])
