"""Whether the last few readings look like anything that was seen before.

The distance of a window of values to its nearest neighbours among those before it, which the calibration turns into a
conformal p-value: kNN-CAD (Burnaev and Ishimtsev: Conformalized density- and distance-based anomaly detection in
time-series data, 2016), with plain Euclidean distance and a bounded past.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from detectors.models.model import Model, Reading


class Shape(Model):
    """Ranks windows of ``width`` readings by the root mean square distance to the ``neighbours`` nearest of the last
    ``remembered`` windows that do not overlap them."""

    def __init__(self, width: int, remembered: int, neighbours: int) -> None:
        self._width, self._neighbours = width, neighbours
        self._recent: deque[float] = deque(maxlen=width - 1)
        self._windows = np.zeros((remembered, width))
        self._seen = 0
        # Windows that still overlap the one to come.
        self._waiting: deque[np.ndarray] = deque()

    def score_one(self, x: Reading) -> float:
        known = min(self._seen, len(self._windows))
        if known < self._neighbours + 5 or len(self._recent) < self._width - 1:
            return 0.0
        off = self._windows[:known] - np.array([*self._recent, x["value"]])
        distances = np.einsum("ij,ij->i", off, off)
        nearest = np.partition(distances, self._neighbours - 1)[: self._neighbours]
        return float(np.sqrt(nearest.mean()))

    def learn_one(self, x: Reading) -> None:
        if len(self._recent) == self._width - 1:
            self._waiting.append(np.array([*self._recent, x["value"]]))
            if len(self._waiting) >= self._width:
                self._windows[self._seen % len(self._windows)] = self._waiting.popleft()
                self._seen += 1
        self._recent.append(x["value"])

    def state(self) -> dict[str, Any]:
        known = min(self._seen, len(self._windows))
        return {
            "recent": list(self._recent),
            "windows": self._windows[:known].copy(),
            "seen": self._seen,
            "waiting": [window.tolist() for window in self._waiting],
        }

    def load(self, state: dict[str, Any]) -> None:
        self._recent = deque(state["recent"], maxlen=self._width - 1)
        self._windows[: len(state["windows"])] = state["windows"]
        self._seen = state["seen"]
        self._waiting = deque(np.array(window) for window in state["waiting"])
