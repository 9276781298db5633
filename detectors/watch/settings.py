"""What a team can set about being told of a KPI. All else is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from streams.kpis.grid import HOUR_MS

SPANS = (1, 2, 3, 6, 12, 24)
"""Over how many of the last readings evidence is added up."""


class Settings(Struct, frozen=True, kw_only=True):
    """Of one KPI.

    ``per_week`` is how often a week one is told of it (None: an equal share of what others leave); ``least_cases`` on
    how many orders, parcels or tickets an alert rests at least; ``least_change`` by which share of what was expected
    the value that alerts is off at least. After an alert nothing is told of the KPI for ``cool_down`` (ms). ``longest``
    is over how many readings evidence adds up at the most, and from the surprise ``protect`` on a reading is not
    learned from.
    """

    per_week: float | None = None
    least_cases: float = 3.0
    least_change: float = 0.0
    cool_down: int = 6 * HOUR_MS
    longest: int = SPANS[-1]
    protect: float = 3.0


DEFAULT = Settings()


def shares(kpis: Sequence[str], per_week: float, settings: Mapping[str, Settings]) -> dict[str, float]:
    """How often a week one is told of each KPI, ``per_week`` in all.

    Raises ``ValueError`` where those that have their own leave nothing to the others.
    """
    own = {name: said for name in kpis if (said := settings.get(name, DEFAULT).per_week) is not None}
    others = len(kpis) - len(own)
    left = per_week - sum(own.values())
    if others and left <= 0.0:
        raise ValueError(f"nothing of {per_week:g} a week is left for {others} others")
    return {name: own.get(name, left / max(1, others)) for name in kpis}
