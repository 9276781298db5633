"""Several models' p-values of one reading as one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def combined(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted harmonic mean of p-values in (0, 1], at most 1.

    One strange model among many is enough to make it small, and models that see the same thing do not make it smaller
    than the strangest of them is: it holds for dependent p-values (Wilson: The harmonic mean p-value for combining
    dependent tests, PNAS 2019). Where none is far from 1 it is slightly too small; what comes of it is calibrated
    again.
    """
    return min(1.0, sum(weights) / sum(weight / p for weight, p in zip(weights, p_values, strict=True)))


def surprise(p_value: float) -> float:
    """-log10 of a p-value: 3 is one in a thousand."""
    return max(0.0, -math.log10(p_value))
