"""The grains of a KPI that are open, or can still be corrected."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kpis.sums import Sums

I64 = npt.NDArray[np.int64]


class Grain:
    """One span's sums of all series, and what was said of them.

    ``revision`` (series,) is -1 until a series' value was final once; ``changed`` (series,) marks what is news,
    ``heard`` the series with data.
    """

    def __init__(self, end: int) -> None:
        self.end = end
        self.sums = Sums()
        self.revision: I64 = np.zeros(0, dtype=np.int64)
        self.changed: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self.heard: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def state(self) -> list[Any]:
        """Everything, as plain values and arrays."""
        return [self.end, *self.sums.state(), self.revision.copy(), self.changed.copy(), self.heard.copy()]

    @staticmethod
    def of(state: list[Any]) -> Grain:
        """What :meth:`state` told of."""
        end, where, delta, revision, changed, heard = state
        grain = Grain(end)
        grain.sums.add(where, delta)
        grain.revision, grain.changed, grain.heard = revision, changed, heard
        return grain

    def widen(self, series: int) -> None:
        """Have room for so many series."""
        more = series - self.revision.size
        if more > 0:
            self.revision = np.concatenate([self.revision, np.full(more, -1, dtype=np.int64)])
            self.changed = np.concatenate([self.changed, np.ones(more, dtype=np.bool_)])
            self.heard = np.concatenate([self.heard, np.zeros(more, dtype=np.bool_)])
