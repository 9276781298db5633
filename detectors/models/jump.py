"""How far a value is from the one before."""

from __future__ import annotations

from typing import Any

from detectors.models.model import Model, Reading


class Jump(Model):
    """Ranks by the absolute change since the last reading, in the series' unit. For what moves in small steps."""

    def __init__(self) -> None:
        self._last: float | None = None

    def score_one(self, x: Reading) -> float:
        return 0.0 if self._last is None else abs(x["value"] - self._last)

    def learn_one(self, x: Reading) -> None:
        self._last = x["value"]

    def state(self) -> dict[str, Any]:
        return {"last": self._last}

    def load(self, state: dict[str, Any]) -> None:
        self._last = state["last"]
