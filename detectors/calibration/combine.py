"""Several models' p-values of one reading as one, and several readings' as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

EXPONENT = -0.5
"""-1 is the harmonic mean, which the strangest model decides nearly alone; 0 the geometric one, to which all contribute
alike."""


def combined(p_values: Sequence[float]) -> float:
    """A power mean of p-values in (0, 1].

    One strange model among many is enough to make it small, several make it smaller, but models that see the same thing
    do not make it smaller than the strangest of them is, as multiplying would. Vovk and Wang (Combining p-values via
    averaging, Biometrika 2020) show which multiples of such means hold whatever the dependence; here a constant factor
    is left to the threshold.
    """
    mean = sum(p**EXPONENT for p in p_values) / len(p_values)
    return float(min(1.0, mean ** (1.0 / EXPONENT)))


def surprise(p_value: float) -> float:
    """-log10 of a p-value: 3 is one in a thousand."""
    return max(0.0, -math.log10(p_value))
