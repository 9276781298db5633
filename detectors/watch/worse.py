"""Which way is for the worse: the one place that says so."""

from __future__ import annotations


def worse_side(better: str, side: int) -> int:
    """The side (-1 below what is expected, 1 above) that is bad news for a KPI of which ``higher`` or ``lower`` is
    ``better``. Where ``neither`` is, it is whichever ``side`` the value is on."""
    return {"higher": -1, "lower": 1}.get(better, side)
