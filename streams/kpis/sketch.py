"""Log-bucket histograms of durations with a stated relative error, exact in everything but the bucket's width.

A value x ≥ 1 ms falls into bucket ``ceil(log_γ(x))`` with γ = (1 + α) / (1 − α); the bucket's representative
``2γ^i / (γ + 1)`` is within α of every value in it. Merging is addition, removal is subtraction, so the result does
not depend on order. Bucket borders are integers computed exactly (γ = 101/99 for α = 1 %), so that every machine and
every numeric library agrees on every value.

Source: Masson, Rim, Lee: DDSketch, VLDB 2019.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR = 0.01
BUCKETS = 1400
"""Bucket 0 holds values ≤ 0; bucket i ≥ 1 holds γ^(i−2) < x ≤ γ^(i−1). The last reaches beyond 40 years in ms."""


def _borders() -> npt.NDArray[np.int64]:
    numerator, denominator = 1, 1
    borders = []
    for _ in range(BUCKETS - 1):
        borders.append(numerator // denominator)
        numerator, denominator = numerator * 101, denominator * 99
    return np.array(borders, dtype=np.int64)


BORDERS: npt.NDArray[np.int64] = _borders()
"""``BORDERS[i]`` is ``floor(γ^i)``: the largest integer in bucket ``i + 1``."""


def bucket_of(value: int) -> int:
    """The bucket of a duration in milliseconds; what is beyond the last border counts as the last bucket."""
    if value <= 0:
        return 0
    return min(int(np.searchsorted(BORDERS, value)) + 1, BUCKETS - 1)


def representative(bucket: int) -> float:
    """A value in milliseconds within :data:`RELATIVE_ERROR` of every value in the bucket."""
    if bucket == 0:
        return 0.0
    gamma = 101 / 99
    return float(2.0 * gamma ** (bucket - 1) / (gamma + 1.0))


def nearest_rank(q: float, count: int) -> int:
    """Which of ``count`` values in order is the q-quantile: the first that at least a share q do not exceed.

    Exact for q as it is written: 0.07 of 100 values are 7, though 0.07 * 100 is a little more.
    """
    share = Fraction(q).limit_denominator(1_000_000)
    return max(1, -(-share.numerator * count // share.denominator))


def quantile_of(upto: npt.NDArray[np.int64], q: float, lowest: int = 0) -> float | None:
    """The q-quantile (nearest rank) of a histogram, in milliseconds, or None when it is empty.

    ``upto`` has, for bucket ``lowest`` and each one after it, how many values lie there or before.
    """
    count = int(upto[-1])
    if count <= 0:
        return None
    return representative(lowest + int(np.searchsorted(upto, nearest_rank(q, count))))
