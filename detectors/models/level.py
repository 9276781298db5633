"""What is usual now."""

from __future__ import annotations

from typing import Any

from detectors.models.model import Reading
from detectors.models.residual import Residual


class Level(Residual):
    """A level that follows at ``rate``; values far off move it little, but a lasting new one is soon adopted.

    It moves at least by an ``rate`` of the typical deviation, and that grows while all is off.
    """

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self._rate = rate
        self._level = 0.0

    def middle(self, x: Reading) -> float | None:
        return self._level if self.size.seen else None

    def follow(self, x: Reading, value: float, off: float) -> None:
        if self.size.seen:
            self._level += self._rate * off
        else:
            self._level = value
            self.size.learn(0.0)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "level": self._level}

    def load(self, state: dict[str, Any]) -> None:
        super().load(state)
        self._level = float(state["level"])
