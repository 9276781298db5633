"""What can be evaluated: anything that reads a series row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Judged(NamedTuple):
    """What was said of one row, before the next was seen.

    ``surprise`` is -log10 of a p-value, or any score that ranks; ``low`` and ``high`` bound what was expected (NaN
    where nothing was). ``alert`` is whether a person would have been told of this row.
    """

    low: float
    high: float
    surprise: float
    alert: bool


class Candidate(Protocol):
    """A detector of one series. ``time`` is epoch ms, ``value`` NaN where a row has none."""

    def step(self, time: int, value: float) -> Judged:
        """Judge a row, then learn it."""


Make = Callable[[], Candidate]
"""Makes a fresh one for each series: one setting for all of them."""
