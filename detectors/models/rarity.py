"""How far a value is from all that was seen, wherever that was."""

from __future__ import annotations

from typing import Any

from detectors.models.model import Model, Reading
from detectors.models.rolling import Sorted


class Rarity(Model):
    """Ranks a value by its distance to the ``neighbours`` nearest of the last ``window``: high between two usual levels
    as well as beyond them."""

    def __init__(self, window: int, neighbours: int) -> None:
        self._values, self._neighbours = Sorted(window), neighbours

    def score_one(self, x: Reading) -> float:
        if len(self._values) < self._neighbours + 5:
            return 0.0
        return self._values.distance(x["value"], self._neighbours)

    def learn_one(self, x: Reading) -> None:
        self._values.add(x["value"])

    def state(self) -> dict[str, Any]:
        return {"values": list(self._values.recent)}

    def load(self, state: dict[str, Any]) -> None:
        self._values.load(state["values"])
