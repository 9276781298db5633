"""Where on the way of an order a KPI looks: the causal chain that trouble travels along.

An order is placed and paid, its parcel is dispatched and delivered, some are cancelled or sent back, customers write
about any of it and are answered. What goes wrong at one stage shows there first, and later on at those after it.
"""

from __future__ import annotations

from enum import IntEnum

from streams.kpis.definitions import Definitions, DurationKpi, KpiDefinition, LevelKpi


class Stage(IntEnum):
    """In the order of a life."""

    INTAKE = 0
    PAYMENT = 1
    DISPATCH = 2
    DELIVERY = 3
    AFTERMATH = 4
    CONTACT = 5
    SUPPORT = 6


_OF = {
    "order.placed": Stage.INTAKE,
    "order.paid": Stage.PAYMENT,
    "order.payment_failed": Stage.PAYMENT,
    "order.packed": Stage.DISPATCH,
    "delivery.dispatched": Stage.DISPATCH,
    "delivery.returned": Stage.AFTERMATH,
    "ticket.opened": Stage.CONTACT,
}
_APART = frozenset(
    {
        (Stage.INTAKE, Stage.PAYMENT),
        (Stage.INTAKE, Stage.DELIVERY),
        (Stage.PAYMENT, Stage.DISPATCH),
        (Stage.PAYMENT, Stage.DELIVERY),
        *((stage, Stage.SUPPORT) for stage in Stage if stage is not Stage.CONTACT),
    }
)
"""Fewer orders do not make payments fail, what is not paid is not packed late, and what is placed now is brought days
later. Customers wait for an answer where others write more than usual, or for a reason of its own."""


def stage_of(event: str) -> Stage:
    """Of an event type."""
    family = event.partition(".")[0]
    others = {"order": Stage.AFTERMATH, "delivery": Stage.DELIVERY}
    return _OF[event] if event in _OF else others.get(family, Stage.SUPPORT)


def stages_of(kpi: KpiDefinition, definitions: Definitions) -> frozenset[Stage]:
    """The stages at which trouble moves a KPI. It shows at the last of them.

    A count, a sum, a mean or a ratio has those of what it counts. How long something took, or how much of it is
    overdue, is decided after it has begun; how much is under way also by what comes in. What is under way may end in
    several ways: the one that comes first in the chain is the usual one.
    """

    def of(moments: tuple[str, ...]) -> set[Stage]:
        return {stage_of(definitions.moments[name].event) for name in moments}

    if isinstance(kpi, DurationKpi):
        return _between(max(of(kpi.start)), max(of(kpi.end)), begins=False)
    if isinstance(kpi, LevelKpi):
        return _between(max(of(kpi.start)), min(of(kpi.until)), begins=kpi.overdue is None)
    return frozenset(of(kpi.of.moments))


def _between(first: Stage, last: Stage, begins: bool) -> frozenset[Stage]:
    passed = range(first if begins or first == last else first + 1, last + 1)
    return frozenset(Stage(number) for number in passed) or frozenset({last})


def lags(kpi: KpiDefinition) -> bool:
    """Whether it speaks of what began long before: of how long that took, of a promise given then, of what still stands
    open. A count of what happens now does not."""
    if isinstance(kpi, DurationKpi | LevelKpi):
        return True
    return kpi.of.promise is not None or kpi.of.since is not None


def leads(one: Stage, other: Stage) -> bool:
    """Whether trouble at the one leads to trouble at the other."""
    return one < other and (one, other) not in _APART
