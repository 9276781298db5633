"""Where an incident began: the stage that its alerts point to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from detectors.incidents.incident import Cause
from detectors.incidents.stages import Stage

CAUSES: dict[Stage, Cause] = {
    Stage.INTAKE: "intake",
    Stage.PAYMENT: "payment",
    Stage.DISPATCH: "dispatch",
    Stage.DELIVERY: "delivery",
    Stage.SUPPORT: "support",
}
"""What trouble that begins at a stage is called. Orders are cancelled and customers write for a reason: at the other
stages nothing begins."""
STRONG = 0.25
"""A stage may be where it began if it was off with so large a part of the evidence of the strongest."""


class Sign(NamedTuple):
    """That a KPI was off at a stage, with a surprise, from an instant on (epoch ms)."""

    kpi: str
    stage: Stage
    surprise: float
    since: int


def begins_at(signs: Iterable[Sign], near: int) -> Stage:
    """The stage at which trouble began: of those that were off strongly the earliest on an order's way that was off no
    later than a while (``near``, ms) after the first.

    The evidence of a stage is the surprise of its KPIs, added up: what follows from trouble can be as strong as the
    trouble itself, but a false alarm at an earlier stage is weak beside it. Cancellations and tickets are no beginning
    where there is another. Raises ``ValueError`` where there is no sign.
    """
    strongest: dict[Stage, dict[str, float]] = {}
    since: dict[Stage, int] = {}
    for sign in signs:
        of = strongest.setdefault(sign.stage, {})
        of[sign.kpi] = max(of.get(sign.kpi, 0.0), sign.surprise)
        since[sign.stage] = min(since.get(sign.stage, sign.since), sign.since)
    weights = {stage: sum(of.values()) for stage, of in strongest.items()}
    strong = [stage for stage, weight in weights.items() if weight >= STRONG * max(weights.values())]
    reasons = [stage for stage in strong if stage in CAUSES and stage is not Stage.SUPPORT] or strong
    first = min(since[stage] for stage in reasons)
    return min(stage for stage in reasons if since[stage] <= first + near)
