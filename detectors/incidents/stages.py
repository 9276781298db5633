"""Where on the way of an order a KPI looks: the causal chain that trouble travels along.

An order is placed, its parcel is dispatched, the parcel is delivered, and customers write about any of it. What goes
wrong at one stage shows there first, and later on at those after it.
"""

from __future__ import annotations

from enum import IntEnum

from streams.kpis.definitions import Definitions, DurationKpi, KpiDefinition, LevelKpi


class Stage(IntEnum):
    """In the order of a life."""

    ORDER = 0
    DISPATCH = 1
    DELIVERY = 2
    TICKET = 3


_APART = frozenset({(Stage.ORDER, Stage.DELIVERY)})
"""What is placed now is brought days later: the only two of which one does not lead to the other within an incident."""


def stage_of(event: str) -> Stage:
    """Of an event type."""
    if event in ("order.packed", "delivery.dispatched"):
        return Stage.DISPATCH
    family = event.partition(".")[0]
    return {"order": Stage.ORDER, "delivery": Stage.DELIVERY}.get(family, Stage.TICKET)


def stages_of(kpi: KpiDefinition, definitions: Definitions) -> frozenset[Stage]:
    """The stages at which trouble moves a KPI.

    A count, a sum, a mean or a ratio has those of what it counts. How long something took, or how much of it is
    overdue, is decided after it has begun; how much is under way also by what comes in.
    """

    def of(moments: tuple[str, ...]) -> set[Stage]:
        return {stage_of(definitions.moments[name].event) for name in moments}

    if isinstance(kpi, DurationKpi):
        return _between(max(of(kpi.start)), max(of(kpi.end)), begins=False)
    if isinstance(kpi, LevelKpi):
        return _between(max(of(kpi.start)), max(of(kpi.until)), begins=kpi.overdue is None)
    return frozenset(of(kpi.of.moments))


def _between(first: Stage, last: Stage, begins: bool) -> frozenset[Stage]:
    passed = range(first if begins or first == last else first + 1, last + 1)
    return frozenset(Stage(number) for number in passed) or frozenset({last})


def related(one: frozenset[Stage], other: frozenset[Stage]) -> bool:
    """Whether trouble that moves the one may move the other."""
    return any((min(a, b), max(a, b)) not in _APART for a in one for b in other)
