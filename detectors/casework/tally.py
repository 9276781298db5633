"""What a KPI that is off says of whom: those it counts where it counts too many, those it misses where it counts too
few, those that took or have waited too long, those that are open or overdue."""

from __future__ import annotations

from typing import NamedTuple

from detectors.casework.ledger import Ledger
from detectors.casework.lives import Life
from detectors.casework.scope import Scope
from detectors.casework.stories import counted, lasted, promise_of, stayed
from detectors.incidents.incident import Incident, Symptom
from streams.events.times import NO_TIME
from streams.kpis.definitions import DurationKpi, KpiDefinition, LevelKpi, MeasureKpi
from streams.kpis.grid import HOUR_MS
from streams.kpis.units import duration

OFTEN = 3.0
"""A reason given so many times as often as usual is a strange one."""
MOSTLY = 0.7
"""Strange reasons that explain so much of what is too many are what it is about."""


class Hit(NamedTuple):
    """Why a life is on the worklist. ``entity`` is 0 for the order."""

    life: Life
    entity: int
    since: int
    why: str
    places: tuple[int, ...]


def by_kpi(incident: Incident, symptom: Symptom, kpi: KpiDefinition, ledger: Ledger, at: int) -> list[Hit]:
    """Of one symptom: what its KPI counts, or does not count though it should, within the incident's scope and time;
    as far as is known ``at`` an instant (epoch ms)."""
    since = max(symptom.since, incident.since)
    until = min(symptom.until, max(incident.cause_until, since + HOUR_MS), at + 1)
    scope = Scope(ledger.dimensions, incident.scope, ())
    if isinstance(kpi, MeasureKpi):
        if kpi.kind not in ("ratio", "count") or (symptom.side > 0) == (kpi.better == "higher" and kpi.kind == "ratio"):
            return []
        if symptom.side > 0:
            return _those_counted(kpi, ledger, scope, since, until)
        return [hit for life in ledger for hit in _missed(life, kpi, ledger, scope, since, until)]
    if symptom.side < 0:
        return []
    if isinstance(kpi, DurationKpi):
        longest = symptom.expected[2] * 1000.0
        return [hit for life in ledger for hit in _long(life, kpi, ledger, scope, since, until, at, longest)]
    return [hit for life in ledger for hit in _inside(life, kpi, ledger, scope, since, until, at)]


def _those_counted(kpi: MeasureKpi, ledger: Ledger, scope: Scope, since: int, until: int) -> list[Hit]:
    """Of a count that is too high, those that are counted; of those that say why, such as have a reason that is not
    usual, where that explains most of what is too many."""
    span = max(1, until - since)
    inside: list[tuple[Hit, str]] = []
    before: dict[str, int] = {}
    earlier, first = 0, since
    for life in ledger:
        for one in counted(kpi.of, ledger.story(life)):
            if not scope.knows(one.values):
                continue
            if since <= one.time < until:
                what = kpi.of.moments[0].replace("_", " ").partition(".")[2] or kpi.of.moments[0]
                why = f"{what}: {one.note.replace('_', ' ')}" if one.note else what
                inside.append((Hit(life, one.entity, one.time, why, (one.place,)), one.note))
            elif one.time < since:
                before[one.note] = before.get(one.note, 0) + 1
                earlier, first = earlier + 1, min(first, one.time)
    known_for = max(span, since - max(first, ledger.complete_since))
    usual = {note: count * span / known_for for note, count in before.items()}
    notes = {note for _, note in inside}
    count_of = {note: sum(one == note for _, one in inside) for note in notes}
    strange = {note for note in notes if count_of[note] > OFTEN * usual.get(note, 0.0)}
    too_many = len(inside) - earlier * span / known_for
    explained = sum(count_of[note] - usual.get(note, 0.0) for note in strange)
    if strange and explained >= MOSTLY * too_many:
        inside = [(hit, note) for hit, note in inside if note in strange]
    return [hit for hit, _ in inside]


def _long(
    life: Life, kpi: DurationKpi, ledger: Ledger, scope: Scope, since: int, until: int, at: int, longest: float
) -> list[Hit]:
    found = []
    for one in lasted(kpi, ledger.story(life, at)):
        ended = at if one.end is None else one.end
        if scope.knows(one.values) and one.start < until and ended > since and ended - one.start > longest:
            why = f"{duration((ended - one.start) / 1000)}, where {duration(longest / 1000)} is the most that is usual"
            found.append(Hit(life, one.entity, one.start, why, one.places))
    return found


def _inside(life: Life, kpi: LevelKpi, ledger: Ledger, scope: Scope, since: int, until: int, at: int) -> list[Hit]:
    found = []
    for one in stayed(kpi, ledger.story(life, at)):
        begun = one.start if one.due is None else one.due
        if scope.knows(one.values) and begun < until and (one.end is None or one.end > since):
            found.append(Hit(life, one.entity, begun, "open" if one.due is None else "overdue", one.places))
    return found


def _missed(life: Life, kpi: MeasureKpi, ledger: Ledger, scope: Scope, since: int, until: int) -> list[Hit]:
    """What a ratio counts below and not above."""
    if kpi.per is None:
        return []
    story = ledger.story(life)
    above = {one.place for one in counted(kpi.of, story)}
    found = []
    for one in counted(kpi.per, story):
        if one.place not in above and since <= one.time < until and scope.knows(one.values):
            promise = promise_of(story, one.entity)
            late = promise is not None and promise != NO_TIME and one.time > promise
            why = f"{duration((one.time - promise) / 1000)} later than promised" if late and promise else "not kept"
            found.append(Hit(life, one.entity, one.time, why, (one.place,)))
    return found
