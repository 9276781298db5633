"""What expectations have in common: a middle that follows, and a band as wide as it has been off."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from detectors.calibration.ranks import FEW, Ranks
from detectors.models.model import Expected, Expecting, Reading

LARGEST = 1e18
_CLIP = 4.0
_MEMORY = 1000


class Size:
    """The mean size of deviations, over about the last thousand; one far off counts for four of them."""

    def __init__(self) -> None:
        self.seen = 0
        self.mean = 0.0

    def clip(self, off: float) -> float:
        if self.seen < FEW:
            return off
        limit = _CLIP * self.mean
        return min(max(off, -limit), limit)

    def learn(self, off: float) -> float:
        """Take a deviation in; gives it as far as it counts."""
        off = self.clip(off)
        self.seen = min(self.seen + 1, _MEMORY)
        self.mean += (abs(off) - self.mean) / self.seen
        return off


class Residual(Expecting):
    """An expectation known by its middle: the score is how far off a value is, the band what 99 % were within."""

    def __init__(self) -> None:
        self.size = Size()
        self._offs = Ranks(_MEMORY)

    @abstractmethod
    def middle(self, x: Reading) -> float | None:
        """The most likely value; None where nothing is known."""

    @abstractmethod
    def follow(self, x: Reading, value: float, off: float) -> None:
        """Learn a value that was off by that much; an outlier's is cut."""

    def score_one(self, x: Reading) -> float:
        middle = self.middle(x)
        value = x["value"]
        if middle is None or value != value:
            return 0.0
        return abs(min(max(value, -LARGEST), LARGEST) - middle)

    def learn_one(self, x: Reading) -> None:
        value = min(max(x["value"], -LARGEST), LARGEST)
        if value != value:
            return
        middle = self.middle(x)
        off = 0.0
        if middle is not None:
            self._offs.add(value - middle)
            off = self.size.learn(value - middle)
        self.follow(x, value, off)

    def expect(self, x: Reading) -> Expected | None:
        middle = self.middle(x)
        if middle is None or len(self._offs) < FEW:
            return None
        low, high = self._offs.quantile(0.005), self._offs.quantile(0.995)
        return Expected(middle + min(low, 0.0), middle, middle + max(high, 0.0))

    def side(self, x: Reading) -> int:
        expected = self.expect(x)
        if expected is None:
            return 0
        return int(x["value"] > expected.high) - int(x["value"] < expected.low)

    def state(self) -> dict[str, Any]:
        return {"offs": self._offs.state(), "size": [self.size.seen, self.size.mean]}

    def load(self, state: dict[str, Any]) -> None:
        self._offs.load(state["offs"])
        seen, mean = state["size"]
        self.size.seen, self.size.mean = int(seen), float(mean)
