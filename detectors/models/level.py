"""What is usual now."""

from __future__ import annotations

from typing import Any

from detectors.models.model import Reading
from detectors.models.residual import Residual


class Level(Residual):
    """A level that follows at ``rate``: outliers move it little, a lasting new level is soon adopted.

    >>> model = Level()
    >>> for value in [7.0] * 30 + [900.0] + [7.0] * 30:
    ...     model.learn_one({"value": value})
    >>> model.expect({"value": 7.0}).middle
    7.0
    """

    def __init__(self, rate: float = 0.3) -> None:
        super().__init__()
        self._rate = rate
        self._level: float | None = None

    def middle(self, x: Reading) -> float | None:
        return self._level

    def follow(self, x: Reading, value: float, off: float) -> None:
        self._level = value if self._level is None else self._level + self._rate * off

    def state(self) -> dict[str, Any]:
        return {**super().state(), "level": self._level}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._level = None if state["level"] is None else float(state["level"])
