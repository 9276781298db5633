"""Whether the last values have been like this before."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.compiled import njit
from detectors.models.model import Model, Reading

LARGEST = 1e18
"""Values beyond are taken for this: their squares can still be told apart."""


@njit
def _distance(means: Any, end: Any, history: Any, scale: Any, width: Any, latest: Any, nearest: Any) -> Any:
    """The mean distance of the window that ends in ``latest`` to its nearest among those of ``means[:end]``.

    Windows that share a value with it are left out, as it is like those for that reason alone.
    """
    last = end - width * scale
    first = max((width - 1) * scale, last - history + 1)
    if first > last:
        return 0.0
    neighbours = len(nearest)
    nearest[:] = np.inf
    for at in range(first, last + 1):
        off = latest - means[at]
        squares = off * off
        for block in range(1, width):
            off = means[end - block * scale] - means[at - block * scale]
            squares += off * off
        if squares < nearest[neighbours - 1]:
            place = neighbours - 1
            while place > 0 and nearest[place - 1] > squares:
                nearest[place] = nearest[place - 1]
                place -= 1
            nearest[place] = squares
    total, found = 0.0, 0
    for square in nearest:
        if square < np.inf:
            total += np.sqrt(square)
            found += 1
    return total / found


class Shape(Model):
    """The distance of the last window of values to the most alike of those before it (k nearest neighbours).

    A window is ``width`` means of ``scale`` values each. It is compared with the last ``history`` of them: what has
    not been seen for that long is strange again, and a new level is usual once ``neighbours`` windows are of it.
    The score is in the unit of the values. Values not observed are left out, gaps in time not looked at.

    Burnaev and Ishimtsev, "Conformalized density- and distance-based anomaly detection in time-series data", 2016.

    >>> model = Shape(width=2)
    >>> for i in range(40):
    ...     model.learn_one({"value": i % 4})
    >>> model.score_one({"value": 0}), model.score_one({"value": 3})
    (0.0, 1.0)
    """

    def __init__(self, scale: int = 1, width: int = 4, history: int = 1000, neighbours: int = 3) -> None:
        self._scale = scale
        self._width = width
        self._history = history
        # The means of the last `scale` values as of each row, so that a window is every `scale`-th of them. When it is
        # full, what is still needed moves to the front.
        self._needed = history + (2 * width - 1) * scale
        self._means = np.zeros(self._needed + 256)
        self._end = 0
        self._recent: list[float] = []
        self._nearest = np.zeros(neighbours)

    def _mean(self, value: float) -> float:
        value = min(max(value, -LARGEST), LARGEST)
        return (sum(self._recent) + value) / (len(self._recent) + 1)

    def score_one(self, x: Reading) -> float:
        value = float(x["value"])
        if value != value:
            return 0.0
        return float(
            _distance(self._means, self._end, self._history, self._scale, self._width, self._mean(value), self._nearest)
        )

    def learn_one(self, x: Reading) -> None:
        value = float(x["value"])
        if value != value:
            return
        if self._end == len(self._means):
            self._means[: self._needed] = self._means[self._end - self._needed : self._end]
            self._end = self._needed
        self._means[self._end] = self._mean(value)
        self._end += 1
        self._recent.append(min(max(value, -LARGEST), LARGEST))
        if len(self._recent) >= self._scale:
            del self._recent[0]

    def state(self) -> dict[str, Any]:
        start = max(0, self._end - self._needed)
        return {"means": self._means[start : self._end].copy(), "recent": list(self._recent)}

    def load(self, state: dict[str, Any]) -> None:
        means = np.asarray(state["means"], float)
        self._end = len(means)
        self._means[: self._end] = means
        self._recent = [float(value) for value in state["recent"]]
