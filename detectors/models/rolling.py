"""The last values of a series, kept so that quantiles, neighbours, means and variances cost little."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Any


class Sorted:
    """The last ``most`` values, in order of time and of size."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.recent: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: float) -> None:
        """One more; the oldest goes when there are too many."""
        insort(self._sorted, value)
        self.recent.append(value)
        if len(self.recent) > self.most:
            del self._sorted[bisect_left(self._sorted, self.recent.popleft())]

    def quantile(self, share: float) -> float:
        """The value that about ``share`` of them are below; there must be one."""
        return self._sorted[min(int(len(self._sorted) * share), len(self._sorted) - 1)]

    def distance(self, value: float, neighbours: int) -> float:
        """Root mean square of the distances to the nearest ones."""
        values = self._sorted
        right = bisect_left(values, value)
        left, total = right - 1, 0.0
        count = min(neighbours, len(values))
        for _ in range(count):
            if right >= len(values) or (left >= 0 and value - values[left] <= values[right] - value):
                total += (value - values[left]) ** 2
                left -= 1
            else:
                total += (values[right] - value) ** 2
                right += 1
        return math.sqrt(total / count) if count else 0.0

    def load(self, values: list[float]) -> None:
        """Become what ``list(recent)`` told of."""
        self.recent = deque(values)
        self._sorted = sorted(values)


class Moments:
    """Mean and standard deviation of the last ``most`` values, and how to take a value's share out again.

    Sums are of differences to a value nearby and are added up anew from time to time, so that they stay exact enough.
    """

    _ANEW_EVERY = 4_096

    def __init__(self, most: int) -> None:
        self.most = most
        self.recent: deque[float] = deque()
        self._origin = self._sum = self._squares = 0.0
        self._since = 0

    def __len__(self) -> int:
        return len(self.recent)

    def add(self, value: float) -> float | None:
        """One more; the one that went out, if one did."""
        gone = None
        self.recent.append(value)
        self._take(value, 1.0)
        if len(self.recent) > self.most:
            gone = self.recent.popleft()
            self._take(gone, -1.0)
        self._since += 1
        if self._since >= self._ANEW_EVERY or len(self.recent) == 1:
            self._anew()
        return gone

    def _take(self, value: float, sign: float) -> None:
        off = value - self._origin
        self._sum += sign * off
        self._squares += sign * off * off

    def _anew(self) -> None:
        self._since = 0
        self._origin = sum(self.recent) / len(self.recent)
        self._sum = math.fsum(value - self._origin for value in self.recent)
        self._squares = math.fsum((value - self._origin) ** 2 for value in self.recent)

    @property
    def mean(self) -> float:
        """Of the values; there must be one."""
        return self._origin + self._sum / len(self.recent)

    @property
    def deviation(self) -> float:
        """Their standard deviation."""
        count = len(self.recent)
        variance = self._squares / count - (self._sum / count) ** 2
        return math.sqrt(variance) if variance > 1e-12 * (self._squares / count) else 0.0

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [list(self.recent), self._origin, self._sum, self._squares, self._since]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        recent, self._origin, self._sum, self._squares, self._since = state
        self.recent = deque(recent)
