"""Figures as the console writes them. Pure."""

from __future__ import annotations

from streams.kpis.units import human

_EXACT = ("money", "ratio", "seconds", "score")


def usual(expected: tuple[float, float, float] | None, unit: str, currency: str) -> str:
    """What is usual, like ``49 to 254``; empty where that is not known. Bounds of a count are no half orders."""
    if expected is None:
        return ""
    low, _, high = expected
    if unit not in _EXACT:
        low, high = float(round(low)), float(round(high))
    return f"{human(low, unit, currency)} to {human(high, unit, currency)}"
