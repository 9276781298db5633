"""The worklist: the orders and tickets behind an incident, those that its cause has hit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log
from typing import NamedTuple

from detectors.casework.held import Held, held
from detectors.casework.ledger import Ledger
from detectors.casework.scope import Scope
from detectors.casework.standstill import BEFORE_MS, Flow, Standstill, standstill
from detectors.casework.steps import Clock, Step, Usual, all_steps
from detectors.casework.tally import Hit, by_kpi
from detectors.incidents.incident import Case, Cause, Incident, Symptom
from detectors.incidents.stages import Stage, stages_of
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import Definitions, DurationKpi, KpiDefinition, LevelKpi, MeasureKpi
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.units import duration

TAUGHT_BEFORE_MS = 4 * DAY_MS
"""What began so shortly before an incident may have been cut short by it, and does not say what is usual."""
TAUGHT_AFTER_MS = 5 * DAY_MS
STILL_DISPATCHED = 5.0
"""So many parcels are usually dispatched in a standstill: then it can be said that none were."""
_LEAKS = 0.15
"""What was collected before is still scanned."""
_STAGES: dict[Cause, Stage] = {
    "intake": Stage.INTAKE,
    "payment": Stage.PAYMENT,
    "dispatch": Stage.DISPATCH,
    "delivery": Stage.DELIVERY,
    "support": Stage.SUPPORT,
}
_STANDS: dict[Stage, tuple[frozenset[str], ...]] = {
    Stage.DISPATCH: (frozenset({"order.packed"}), frozenset({"delivery.dispatched"})),
    Stage.DELIVERY: (frozenset({"delivery.checkpoint", "delivery.delivered", "delivery.failed"}),),
}
"""What moves at a stage. Dispatch is no step of the carrier's: it goes on where the carrier stands still elsewhere."""


class Found(NamedTuple):
    """What was found of an incident: one hit of every order (or ticket) on its worklist, the earliest; the ``stage`` it
    began at, where that is known; what stood ``still``, where something did."""

    hits: list[Hit]
    stage: Stage | None
    still: Standstill | None


def affected(incident: Incident, ledger: Ledger, definitions: Definitions, at: int | None = None) -> list[Case]:
    """The worklist of an incident, those first that were hit first; empty where what is missing was never ordered.

    ``at`` (epoch ms) is as of when, the newest event's time unless given.
    """
    return cases(look_through(incident, ledger, definitions, ledger.newest if at is None else at).hits, ledger)


def look_through(incident: Incident, ledger: Ledger, definitions: Definitions, at: int) -> Found:
    """The same before it is put into words."""
    kpis = {kpi.name: kpi for kpi in definitions.kpis}
    symptoms = [(one, kpis[one.kpi]) for one in incident.symptoms if one.told and one.kpi in kpis]
    stage = stage_of_cause(incident, definitions)
    at_stage = [pair for pair in symptoms if stage in stages_of(pair[1], definitions)]
    found: list[Hit] = []
    still: Standstill | None = None
    waiting = [pair for pair in at_stage if _waits(*pair)]
    if waiting and stage is not None and stage > Stage.PAYMENT:
        found, still = _stood(incident, ledger, stage, [kpi for _, kpi in waiting], at)
    if not found:
        for symptom, kpi in at_stage:
            found += by_kpi(incident, symptom, kpi, ledger, at)
    return Found(_earliest(found), stage, still)


def stage_of_cause(incident: Incident, definitions: Definitions) -> Stage | None:
    """The stage at which it began: of the kind of trouble it is taken for, else of the first symptom that says it."""
    if incident.cause in _STAGES:
        return _STAGES[incident.cause]
    kpis = {kpi.name: kpi for kpi in definitions.kpis}
    told = [stages_of(kpis[one.kpi], definitions) for one in incident.symptoms if one.told and one.kpi in kpis]
    plain = [stages for stages in told if len(stages) == 1] or told
    return max(plain[0]) if plain else None


def _waits(symptom: Symptom, kpi: KpiDefinition) -> bool:
    """Whether a symptom says that something does not come, or takes long."""
    if isinstance(kpi, DurationKpi | LevelKpi):
        return symptom.side > 0
    if kpi.kind == "ratio":
        return kpi.better == "higher" and symptom.side < 0
    return kpi.kind == "count" and symptom.side < 0


# -- what stood still ---------------------------------------------------------------------------------------------


def _stood(
    incident: Incident, ledger: Ledger, stage: Stage, kpis: Sequence[KpiDefinition], at: int
) -> tuple[list[Hit], Standstill | None]:
    since, until = incident.since, max(incident.cause_until, incident.since + HOUR_MS)
    steps = all_steps(ledger, at)
    scope = Scope(ledger.dimensions, incident.scope, (step.values for step in steps))
    clock = Clock(ledger.definitions.timezone)
    begin = max(ledger.complete_since, min((step.start for step in steps), default=at))
    outside = (since - BEFORE_MS, until + TAUGHT_AFTER_MS)

    def teaches(step: Step) -> bool:
        return step.start < since - TAUGHT_BEFORE_MS or until + TAUGHT_AFTER_MS <= step.start < at - TAUGHT_BEFORE_MS

    names = list(dict.fromkeys([*(name for kpi in kpis for group in kpi.by for name in group), *incident.scope]))
    # Where something goes decides how long it takes, before who brings it.
    names.sort(key=lambda name: name != "region")
    ours = [step for step in steps if scope.holds(step.values)]
    moments, still, seen = _standing(
        ours, _STANDS.get(stage) or _waited_for(kpis, ledger), begin, outside, incident, clock, at
    )
    if not moments:
        return [], None
    if seen and stage == Stage.DELIVERY and _none_leave(ours, still, begin, at, outside, clock):
        moments = moments | {"delivery.dispatched"}
    usual = Usual(steps, ledger, names, teaches)
    types = _types(moments, ledger)
    waiting = [one for one in ours if one.then_moments & moments or usual.leads_to(one) in types]
    found = held(waiting, usual, still, at, sticks=stage == Stage.DELIVERY)
    return [_said(one, at) for one in found], still if seen else None


def _standing(
    steps: Sequence[Step],
    candidates: Iterable[frozenset[str]],
    begin: int,
    outside: tuple[int, int],
    incident: Incident,
    clock: Clock,
    at: int,
) -> tuple[frozenset[str], Standstill, bool]:
    """The moments that stood still, when, and whether that can be seen: where it cannot, it was as long as the
    incident's cause, at the first of the moments that there are at all. No moments where there are none."""
    since, until = incident.since, max(incident.cause_until, incident.since + HOUR_MS)
    first: tuple[frozenset[str], Standstill] = (frozenset(), Standstill(since, until, 1.0, 1))
    for moments in candidates:
        times = _times(steps, moments)
        if not times:
            continue
        flow = Flow(times, begin, at, outside, clock)
        still = standstill(times, flow, since, until, at)
        if still is not None:
            return moments, still, True
        if not first[0]:
            seen = max(1, sum(since <= time < until for time in times))
            first = moments, Standstill(since, min(until, at), max(float(seen), flow.expected(since, until)), seen)
    return *first, False


def _times(steps: Iterable[Step], moments: frozenset[str]) -> list[int]:
    return sorted({step.next for step in steps if step.next is not None and step.then_moments & moments})


def _flow(
    steps: Iterable[Step], moments: frozenset[str], begin: int, at: int, outside: tuple[int, int], clock: Clock
) -> Flow:
    return Flow(_times(steps, moments), begin, at, outside, clock)


def _none_leave(
    steps: Sequence[Step], still: Standstill, begin: int, at: int, outside: tuple[int, int], clock: Clock
) -> bool:
    """Whether the carrier did not collect either: whether as many parcels left as usual is less likely than that they
    stood still like the others, or, where not all did, half as much as those."""
    dispatched = frozenset({"delivery.dispatched"})
    expected = _flow(steps, dispatched, begin, at, outside, clock).expected(still.start, still.end)
    seen = sum(still.start < time < still.end for time in _times(steps, dispatched))
    moving = _LEAKS if still.complete else 0.5 * (1.0 + still.seen / still.expected)
    return expected >= STILL_DISPATCHED and moving < 1.0 and expected * (1.0 - moving) + seen * log(moving) > 0.0


def _waited_for(kpis: Sequence[KpiDefinition], ledger: Ledger) -> list[frozenset[str]]:
    """The moments that what waits at a stage waits for, by the KPIs that say so, the first to come first."""
    found: dict[frozenset[str], None] = {}
    for kpi in kpis:
        if isinstance(kpi, DurationKpi):
            found[frozenset(kpi.end)] = None
        elif isinstance(kpi, MeasureKpi):
            found[frozenset(kpi.of.moments)] = None
        else:
            found[frozenset(kpi.until)] = None
    return sorted(found, key=lambda moments: min(TYPE_NAMES.index(type_) for type_ in _types(moments, ledger)))


def _types(moments: frozenset[str], ledger: Ledger) -> frozenset[str]:
    return frozenset(ledger.definitions.moments[name].event for name in moments)


_SAID = {
    "order.placed": "placed",
    "order.paid": "paid",
    "order.packed": "packed",
    "delivery.dispatched": "dispatched",
    "delivery.failed": "not delivered at the first try",
    "ticket.opened": "opened",
    "ticket.replied": "written",
    "ticket.reopened": "opened again",
}


def _said(one: Held, at: int) -> Hit:
    step = one.step
    words = step.name.split(": ")[-1].split()
    last = f"seen {words[1].replace('_', ' ')}" if words[0] == "delivery.checkpoint" else _SAID.get(words[0], words[0])
    gap = (at if step.next is None else step.next) - step.start
    so_far = "nothing for" if step.next is not None else "nothing yet for"
    usual = f"; {duration(one.usual / 1000)} is usual" if one.usual < float("inf") else ""
    return Hit(step.life, step.entity, step.start, f"{last}, then {so_far} {duration(gap / 1000)}{usual}", step.places)


# -- the list -----------------------------------------------------------------------------------------------------


def _earliest(found: Iterable[Hit]) -> list[Hit]:
    first: dict[tuple[str, int], Hit] = {}
    for hit in sorted(found, key=lambda one: (one.since, one.life.subject, one.entity)):
        name = hit.life.entities[hit.entity - 1] if hit.entity else ""
        # Tickets are told apart, an order's parcels are one order.
        first.setdefault((hit.life.subject, hit.entity if name.startswith("ticket/") else 0), hit)
    return list(first.values())


def cases(found: Sequence[Hit], ledger: Ledger) -> list[Case]:
    """The lines of a worklist: orders with the tickets opened about them since, tickets with the order behind them."""
    lines: dict[str, list[Hit]] = {}
    for hit in found:
        lines.setdefault(hit.life.subject, []).append(hit)
    written = []
    for several in lines.values():
        hit = several[0]
        story = ledger.story(hit.life)
        own = [
            hit.life.entities[one.entity - 1].partition("/")[2]
            for one in several
            if one.entity and hit.life.entities[one.entity - 1].startswith("ticket/")
        ]
        about = own or [
            hit.life.entities[one.entity - 1].partition("/")[2]
            for one in story
            if one.sort.type == "ticket.opened" and one.time >= hit.since and one.entity
        ]
        is_order = f"ticket/{hit.life.subject}" not in hit.life.entities
        written.append(
            Case(
                order=hit.life.subject if is_order else "",
                tickets=tuple(dict.fromkeys(about)),
                customer=hit.life.customer,
                amount=hit.life.amount,
                why=hit.why,
                since=hit.since,
                places=tuple(dict.fromkeys(ledger.record(place) for one in several for place in one.places)),
            )
        )
    return written
