"""What expectations have in common: a middle that follows, and a band as wide as it has been off."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from detectors.calibration.ranks import FEW, Ranks
from detectors.models.model import Expected, Expecting, Reading

LARGEST = 1e18
"""Values beyond count as this."""
_FAR = 4.0
_MEMORY = 1000
_LASTING = 50


class Size:
    """The mean size of deviations, of about the last thousand.

    One far off counts for four typical ones, unless it is the last of 50 in a row that are far off: then it is no
    outlier but a new level, or values that have begun to move.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.mean = 0.0
        self._run = 0

    def learn(self, off: float) -> float:
        """Take a deviation in; gives it as far as it counts."""
        limit = _FAR * self.mean
        if self.seen < FEW or abs(off) <= limit:
            self._run = 0
        else:
            self._run += 1
            if self._run < _LASTING:
                off = limit if off > 0 else -limit
        self.seen = min(self.seen + 1, _MEMORY)
        self.mean += (abs(off) - self.mean) / self.seen
        return off

    def state(self) -> list[float]:
        return [self.seen, self.mean, self._run]

    def load(self, state: list[float]) -> None:
        self.seen, self.mean, self._run = int(state[0]), float(state[1]), int(state[2])


class Residual(Expecting):
    """An expectation known by its middle: the score is how far off a value is, the band what 99 % were within.

    Outliers widen the band as far as they count.
    """

    def __init__(self) -> None:
        self.size = Size()
        self._offs = Ranks(_MEMORY)

    @abstractmethod
    def middle(self, x: Reading) -> float | None:
        """The most likely value; None where nothing is known."""

    @abstractmethod
    def follow(self, x: Reading, value: float, off: float) -> None:
        """Learn a value that was off by that much, as far as it counts."""

    def score_one(self, x: Reading) -> float:
        middle, value = self.middle(x), x["value"]
        if middle is None or value != value:
            return 0.0
        return abs(min(max(value, -LARGEST), LARGEST) - middle)

    def learn_one(self, x: Reading) -> None:
        value = float(x["value"])
        if value != value:
            return
        value = min(max(value, -LARGEST), LARGEST)
        middle, off = self.middle(x), 0.0
        if middle is not None:
            off = self.size.learn(value - middle)
            self._offs.add(off)
        self.follow(x, value, off)

    def expect(self, x: Reading) -> Expected | None:
        middle = self.middle(x)
        if middle is None or len(self._offs) < FEW:
            return None
        low, high = self._offs.quantile(0.005), self._offs.quantile(0.995)
        return Expected(middle + min(low, 0.0), middle, middle + max(high, 0.0))

    def state(self) -> dict[str, Any]:
        return {"offs": self._offs.state(), "size": self.size.state()}

    def load(self, state: dict[str, Any]) -> None:
        self._offs.load(state["offs"])
        self.size.load(state["size"])
