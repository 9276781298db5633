"""Chance without state: every draw is a pure function of (who, what for).

An order's fate is fixed by its key, not by when it is looked up or by what happens to others. So the
same shop with and without an incident has the same orders, and what differs is the incident's doing
(common random numbers).

Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from math import exp, log
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_UNIT = 2.0**-53


def mix(key: int, purpose: int) -> int:
    """64 well-mixed bits from a 64-bit key and a small number that says what they are for."""
    x = (key + purpose * _GOLDEN) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def uniform(key: int, purpose: int) -> float:
    """A number in [0, 1)."""
    x = (key + purpose * _GOLDEN) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((x ^ (x >> 31)) >> 11) * _UNIT


def uniforms(keys: U64, purposes: int) -> npt.NDArray[np.float64]:
    """The table of ``uniform(key, purpose)`` for all ``keys`` (rows) and the purposes 0 up to
    ``purposes``."""
    x = keys[:, None] + np.arange(purposes, dtype=np.uint64)[None, :] * np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    table: npt.NDArray[np.float64] = ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * _UNIT
    return table


def mixes(key: int, count: int) -> U64:
    """``mix(key, purpose)`` for the purposes 0 up to ``count``."""
    x = np.uint64(key) + np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def poisson(u: float, mean: float) -> int:
    """The Poisson quantile at ``u``, by adding up probabilities: for means up to a few hundred."""
    count, probability = 0, exp(-mean)
    below = probability
    while u >= below and probability > 0.0:
        count += 1
        probability *= mean / count
        below += probability
    return count


_CELLS = 1024


@cache
def _normal_quantiles() -> list[float]:
    normal, edge = NormalDist(), 0.5 / _CELLS
    return [normal.inv_cdf(min(max(cell / _CELLS, edge), 1.0 - edge)) for cell in range(_CELLS + 1)]


class Quantiles:
    """A distribution as a table of its quantiles: called with a number in [0, 1), it gives a value.

    The tails beyond 1/2048 are cut off, so every value is bounded.
    """

    __slots__ = ("values",)

    def __init__(self, values: Sequence[float]) -> None:
        self.values = list(values)

    @classmethod
    def lognormal(cls, median: float, sigma: float) -> Quantiles:
        """Log-normal with the given median; ``sigma`` is the standard deviation of the logarithm."""
        return cls([median * exp(sigma * z) for z in _normal_quantiles()])

    @classmethod
    def exponential(cls, mean: float, ceiling: float) -> Quantiles:
        """Exponential, nothing above ``ceiling``."""
        edge = 0.5 / _CELLS
        return cls([min(-mean * log(max(1.0 - cell / _CELLS, edge)), ceiling) for cell in range(_CELLS + 1)])

    def __call__(self, u: float) -> float:
        at = u * 1024.0
        cell = int(at)
        low = self.values[cell]
        return low + (self.values[cell + 1] - low) * (at - cell)


class Shares:
    """A choice among names with given weights: called with a number in [0, 1), it gives a name."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.names = list(weights)
        total = sum(weights.values())
        self._borders = [edge / total for edge in accumulate(weights.values())]
        # Rounding must not leave a gap below 1.
        self._borders[-1] = 1.0

    def __call__(self, u: float) -> str:
        return self.names[bisect_right(self._borders, u)]
