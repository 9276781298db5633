"""The last values of a series, kept so that quantiles cost little."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


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
