"""Where an incident began: the stage that its alerts point to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from detectors.incidents.incident import Cause
from detectors.incidents.stages import Stage, leads

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


class Sign(NamedTuple):
    """That a KPI was off at a stage, with a surprise, from an instant on (epoch ms)."""

    kpi: str
    stage: Stage
    surprise: float
    since: int


def begins_at(signs: Iterable[Sign], near: int) -> Stage:
    """The stage at which trouble began: of those that account for :data:`MOST` of the evidence the earliest on an
    order's way that was off no later than a while (``near``, ms) after the first; where none does, the one that
    accounts for most.

    The evidence of a stage is the surprise of its KPIs, added up. A stage accounts for its own and for that of those
    that trouble travels to from it, by way of others that were off, if they were off later than it, or no more than
    that while before. What follows from trouble can be as strong as the trouble itself; but a false alarm at an earlier
    stage is weak beside it. Raises ``ValueError`` where there is no sign.
    """
    strongest: dict[Stage, dict[str, float]] = {}
    since: dict[Stage, int] = {}
    for sign in signs:
        of = strongest.setdefault(sign.stage, {})
        of[sign.kpi] = max(of.get(sign.kpi, 0.0), sign.surprise)
        since[sign.stage] = min(since.get(sign.stage, sign.since), sign.since)
    weights = {stage: sum(of.values()) for stage, of in strongest.items()}
    strong = sorted(stage for stage, weight in weights.items() if weight >= STRONG * max(weights.values()))
    accounts = {stage: sum(weights[one] for one in _reached(stage, since, near)) for stage in strong}
    enough = [stage for stage in strong if accounts[stage] >= MOST * sum(weights.values())]
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
