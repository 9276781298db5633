"""What can be scored on a business as a whole: anything that is told all KPIs, grain by grain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streams.events.types import CalendarData
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue


class Seen(NamedTuple):
    """What was said of one value. ``series`` is :attr:`KpiValue.series`, ``time`` where its grain begins (epoch ms),
    ``surprise`` -log10 of a p-value or any score that ranks, ``alert`` whether a person would have been told."""

    series: str
    time: int
    surprise: float
    alert: bool


class Watcher(Protocol):
    """A detector of all series."""

    def step(self, values: Sequence[KpiValue]) -> list[Seen]:
        """Judge the final values of the grains that ended together, then learn them. A value need not be spoken of."""


class Context(NamedTuple):
    """What a watcher knows beforehand. Of the ``calendar`` only what has begun may be looked at: all of it was
    announced by then. ``pages`` is the contract: how often a week people agreed to be told of something, at the
    most."""

    definitions: Definitions
    calendar: Sequence[CalendarData]
    pages: float


MakeWatcher = Callable[[Context], Watcher]
"""Makes a fresh one for each business: one setting for all of them."""
