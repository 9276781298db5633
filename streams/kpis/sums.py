"""Sparse sums: changes to places of a long array, kept until they are wanted as one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

MOST_PARTS = 16
"""So many additions are kept apart before they are summed up."""
LEAST_SUMMED = 256
"""Changes that wait to be summed up; more of them than that, and than there are places, do not wait."""


class Sums:
    """What has been added to which places. Its size follows the places touched, not how often they were."""

    __slots__ = ("_parts", "_places", "_waiting")

    def __init__(self) -> None:
        self._parts: list[tuple[I64 | I32, I64 | I32]] = []
        self._places = self._waiting = 0

    def add(self, where: I64, delta: I64) -> None:
        """Add ``delta`` (n,) to the places ``where`` (n,); a place may be named more than once."""
        self._parts.append((where, delta))
        self._waiting += where.size
        if len(self._parts) > MOST_PARTS or self._waiting > max(LEAST_SUMMED, self._places):
            self._parts = [self._summed()]
            self._places, self._waiting = self._parts[0][0].size, 0

    def settle(self) -> None:
        """Take as little room as possible: little is expected to be added any more."""
        if self._parts:
            where, delta = self.state()
            self._parts = [(_narrow(where), _narrow(delta))]
            self._places, self._waiting = where.size, 0

    def state(self) -> tuple[I64, I64]:
        """Everything: places and what has been added to them."""
        if not self._parts:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if len(self._parts) == 1:
            where, delta = self._parts[0]
            return where.astype(np.int64, copy=False), delta.astype(np.int64, copy=False)
        return self._summed()

    def _summed(self) -> tuple[I64, I64]:
        places, inverse = np.unique(np.concatenate([w for w, _ in self._parts], dtype=np.int64), return_inverse=True)
        totals = np.zeros(places.size, dtype=np.int64)
        np.add.at(totals, inverse, np.concatenate([d for _, d in self._parts], dtype=np.int64))
        return places[totals != 0], totals[totals != 0]

    def add_to(self, totals: I64) -> None:
        """Add everything to an array long enough."""
        # Of one type: NumPy is twenty times as fast then.
        for where, delta in self._parts:
            np.add.at(totals, where, delta.astype(np.int64, copy=False))

    def subtract_from(self, totals: I64) -> None:
        """Take everything off an array long enough."""
        for where, delta in self._parts:
            np.subtract.at(totals, where, delta.astype(np.int64, copy=False))


def _narrow(numbers: I64) -> I64 | I32:
    """The same in half the room, where they are small enough."""
    small = numbers.astype(np.int32)
    return small if np.array_equal(small, numbers) else numbers
