"""Readings with the edges taken off, so that no model meets what cannot be computed with."""

from __future__ import annotations

from math import isfinite

from detectors.models.model import Reading

LARGEST = 1e15
"""Values beyond count as this."""


def value_of(x: Reading) -> float | None:
    """The value, None where nothing was observed."""
    value = float(x["value"])
    return min(max(value, -LARGEST), LARGEST) if value == value else None


def weight_of(x: Reading, otherwise: float) -> float:
    """How many observations are behind it, ``otherwise`` if it does not say."""
    weight = float(x.get("weight", otherwise))
    return min(max(weight, 0.0), LARGEST) if isfinite(weight) else otherwise


def lift_of(x: Reading) -> float:
    """What the calendar multiplies the usual by (``lift``, 1 where it says nothing)."""
    lift = float(x.get("lift", 1.0))
    return min(max(lift, 1e-6), 1e6) if lift == lift else 1.0
