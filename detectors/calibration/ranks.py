"""How rare a score is among those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.compiled import njit

FEW = 20
"""With fewer scores than these nothing is said to be rare."""
_LARGEST = 3e38


@njit
def _place(ordered: Any, count: Any, score: Any) -> Any:
    """How many of the first ``count`` are less than ``score``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < score:
            low = middle + 1
        else:
            high = middle
    return low


@njit
def _replace(ordered: Any, count: Any, old: Any, new: Any) -> None:
    """Take ``old`` out of the first ``count``, put ``new`` in."""
    at = _place(ordered, count, old)
    to = _place(ordered, count, new)
    if to > at:
        for i in range(at, to - 1):
            ordered[i] = ordered[i + 1]
        ordered[to - 1] = new
    else:
        for i in range(at, to, -1):
            ordered[i] = ordered[i - 1]
        ordered[to] = new


@njit
def _insert(ordered: Any, count: Any, new: Any) -> None:
    to = _place(ordered, count, new)
    for i in range(count, to, -1):
        ordered[i] = ordered[i - 1]
    ordered[to] = new


@njit
def _surprise(ordered: Any, count: Any, tail: Any, score: Any) -> Any:
    above = count - _place(ordered, count, score)
    if above >= tail:
        return np.log10((count + 1.0) / (above + 1.0))
    start = ordered[count - tail - 1]
    excess = 0.0
    for i in range(count - tail, count):
        excess += ordered[i] - start
    excess /= tail
    if excess <= 0.0:
        return np.log10((count + 1.0) / (above + 1.0))
    return np.log10((count + 1.0) / (tail + 1.0)) + (score - start) / excess / np.log(10.0)


class Ranks:
    """The last ``size`` scores, in order: the p-value of another by its rank among them (as in conformal prediction).

    Ranks end at one in ``size``: the highest ``tail`` of them, a share, are taken for exponential (as in extreme value
    theory, peaks over a threshold with shape 0), so that a score far beyond all others is rarer than one just beyond.
    """

    def __init__(self, size: int = 4000, tail: float = 0.1) -> None:
        self._size = size
        self._tail = tail
        self._ordered = np.zeros(size, np.float32)
        self._ring = np.zeros(size, np.float32)
        self._count = 0
        self._at = 0

    def __len__(self) -> int:
        return self._count

    def surprise(self, score: float) -> float:
        """-log10 of the share of scores as high; 0 while there are few."""
        if self._count < FEW:
            return 0.0
        tail = max(FEW // 2, int(self._tail * self._count))
        return float(_surprise(self._ordered, self._count, tail, np.float32(min(max(score, -_LARGEST), _LARGEST))))

    def quantile(self, share: float) -> float:
        """The score that a share of them is below; NaN while there are few."""
        if self._count < FEW:
            return float("nan")
        return float(self._ordered[min(self._count - 1, int(share * self._count))])

    def add(self, score: float) -> None:
        """Take a score in, for the oldest where there is no room."""
        new = np.float32(min(max(score, -_LARGEST), _LARGEST))
        if self._count < self._size:
            _insert(self._ordered, self._count, new)
            self._count += 1
        else:
            _replace(self._ordered, self._count, self._ring[self._at], new)
        self._ring[self._at] = new
        self._at = (self._at + 1) % self._size

    def state(self) -> dict[str, Any]:
        """The scores, oldest first."""
        start = self._at if self._count == self._size else 0
        return {"scores": np.roll(self._ring, -start)[: self._count].copy()}

    def load(self, state: dict[str, Any]) -> None:
        scores: npt.NDArray[np.float32] = np.asarray(state["scores"], np.float32)[-self._size :]
        self._count = len(scores)
        self._at = self._count % self._size
        self._ring[: self._count] = scores
        self._ordered[: self._count] = np.sort(scores)
