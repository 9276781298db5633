"""Where an incident began: the stage that its alerts point to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from detectors.incidents.incident import Cause
from detectors.incidents.stages import Stage, leads
from streams.kpis.grid import HOUR_MS

CAUSES: dict[Stage, Cause] = {
    Stage.INTAKE: "intake",
    Stage.PAYMENT: "payment",
    Stage.DISPATCH: "dispatch",
    Stage.DELIVERY: "delivery",
    Stage.SUPPORT: "support",
}
"""What trouble that begins at a stage is called. Orders are cancelled and customers write for a reason: where it began
at another stage, that is not known."""
STRONG = 0.25
"""A stage may be where it began if it was off with so large a part of the evidence of the strongest."""
MOST = 0.4
"""And if it accounts for so much of all evidence."""

SHOWS_MS = 24 * HOUR_MS
"""What lags may show so long after trouble began at any of its stages."""


class Sign(NamedTuple):
    """That a KPI was off, with a surprise, from an instant on (epoch ms). What moves it is at one of some stages; it
    shows at the last of them."""

    kpi: str
    stages: frozenset[Stage]
    surprise: float
    since: int

    @property
    def stage(self) -> Stage:
        """Where it shows."""
        return max(self.stages)


def begins_at(signs: Iterable[Sign], near: int) -> Stage:
    """The stage at which trouble began: of those that account for :data:`MOST` of the evidence the earliest on an
    order's way that was off no later than a while (``near``, ms) after the first; where none does, the one that
    accounts for most.

    The evidence of a stage is the surprise of its KPIs, added up. A stage accounts for its own and for that of those
    that trouble travels to from it, by way of others that were off, if they were off later than it, or no more than
    that while before. What follows from trouble can be as strong as the trouble itself; but a false alarm at an earlier
    stage is weak beside it. Raises ``ValueError`` where there is no sign.
    """
    strongest: dict[str, Sign] = {}
    since: dict[Stage, int] = {}
    for sign in signs:
        strongest[sign.kpi] = max(sign, strongest.get(sign.kpi, sign), key=lambda one: one.surprise)
        since[sign.stage] = min(since.get(sign.stage, sign.since), sign.since)
    weights = dict.fromkeys(since, 0.0)
    for sign in strongest.values():
        weights[sign.stage] += sign.surprise
    all_ = sum(weights.values())
    strong = sorted(stage for stage, weight in weights.items() if weight >= STRONG * max(weights.values()))
    accounts: dict[Stage, float] = {}
    for stage in strong:
        reached = _reached(stage, since, near)
        accounts[stage] = sum(
            sign.surprise
            for sign in strongest.values()
            if sign.stage in reached or (stage in sign.stages and -near <= sign.since - since[stage] <= SHOWS_MS)
        )
    enough = [stage for stage in strong if accounts[stage] >= MOST * all_]
    if not enough:
        return max(strong, key=lambda stage: (accounts[stage], -stage))
    first = min(since[stage] for stage in enough)
    return min(stage for stage in enough if since[stage] <= first + near)


def _reached(stage: Stage, since: Mapping[Stage, int], near: int) -> set[Stage]:
    """It and the stages that trouble travels to from it, by those that were off since an instant."""
    found = {stage}
    for other in sorted(since):
        if any(leads(before, other) and since[before] <= since[other] + near for before in found):
            found.add(other)
    return found
