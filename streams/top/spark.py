"""Sparklines: a row of block characters, one per value."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"


def spark(points: Sequence[float | None]) -> str:
    """One character per point, a dot where nothing was observed.

    The scale begins at zero, or at the lowest value where that is more than half of the highest: a small
    change in a large number would be invisible otherwise, and noise around a small one would look like a
    storm.
    """
    known = [point for point in points if point is not None]
    if not known:
        return _GAP * len(points)
    low, high = min(known), max(known)
    if low == high:
        flat = _BLOCKS[0] if high == 0 else _BLOCKS[3]
        return "".join(_GAP if point is None else flat for point in points)
    base = low if low > high / 2 or low < 0 else 0.0
    step = (high - base) / len(_BLOCKS)
    top = len(_BLOCKS) - 1
    return "".join(_GAP if point is None else _BLOCKS[min(top, int((point - base) / step))] for point in points)
