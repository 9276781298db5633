"""Which alerts are one incident: by time, by slice, and by the way trouble travels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import convert, to_builtins
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Share, attribute, scope
from detectors.incidents.incident import MOST_SHARES, Change, Incident, Severity, Symptom, name_of
from detectors.incidents.recent import STRANGE, Recent
from detectors.incidents.stages import Stage, related, stages_of
from streams.kpis.definitions import Definitions, KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

JOINS = 4.5
"""From this surprise on a series belongs to an incident without having been alerted of."""
NEAR_MS = 6 * HOUR_MS
"""What begins so soon after the last that was off may belong to it."""
FAR_MS = 72 * HOUR_MS
"""So long after its cause was off the last time, what that leads to may: parcels are late, and customers write, days
after."""
RESOLVED_AFTER_MS = 6 * HOUR_MS
"""Nothing was off for so long: it is over. At least three grains."""
CRITICAL = 6.0
"""The surprise of what is critical: one in a million."""
_GRAINS = 3


class _Of(NamedTuple):
    """What is known of a KPI."""

    kpi: KpiDefinition
    stages: frozenset[Stage]
    recent: Recent

    def bad(self, value: KpiValue) -> bool:
        """Whether a value is off for the worse."""
        return self.kpi.better == "neither" or value.side == (-1 if self.kpi.better == "higher" else 1)


class Incidents:
    """The incidents of a business, from its judged values.

    Values come a KPI and a grain at a time. What alerts begins an incident or joins one: one that is near in time, the
    trouble of whose KPIs may travel to this one or from it, and which is not about another slice. What is strange and
    was not alerted of can only join. Instants in the history are event time: the same values give the same incidents.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._of = {kpi.name: _Of(kpi, stages_of(kpi, definitions), Recent(kpi.kind)) for kpi in definitions.kpis}
        self._incidents: dict[str, Incident] = {}
        self._now = 0

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return list(self._incidents.values())

    def step(self, values: Sequence[KpiValue]) -> list[Incident]:
        """Take in the final values of one KPI for one grain; the incidents that are others than before."""
        of = self._of.get(values[0].kpi) if values else None
        if of is None:  # of a KPI that is none any more
            return []
        before = dict(self._incidents)
        for value in values:
            of.recent.put(value)
        self._now = max(self._now, values[0].end)
        strange = [value for value in values if value.surprise >= STRANGE and value.value is not None and of.bad(value)]
        for value in sorted(strange, key=lambda one: (not one.alert, -one.surprise)):
            self._take(value, of)
        self._let_go()
        return [one for name, one in self._incidents.items() if before.get(name) is not one]

    def put(self, incident: Incident) -> None:
        """What people have made of one (see :mod:`detectors.incidents.lifecycle`)."""
        self._incidents[incident.id] = incident

    # -- what belongs where -------------------------------------------------------------------------------------

    def _take(self, value: KpiValue, of: _Of) -> None:
        symptom = Symptom.of(value, of.recent.since(value))
        known = self._with(symptom)
        if known is not None:
            if value.surprise >= JOINS or any(one.told and one.series == symptom.series for one in known.symptoms):
                self._see(known, symptom, of)
            return
        shares = self._shares(symptom, of)
        if value.alert or value.surprise >= JOINS:
            home = self._home(symptom, shares, of)
            if home is not None:
                self._see(home, symptom, of)
            elif value.alert:
                self._begin(symptom, shares, value.end - value.start, of)

    def _with(self, symptom: Symptom) -> Incident | None:
        """The live incident that has this series already."""
        for one in self._incidents.values():
            if one.live and any(known.series == symptom.series for known in one.symptoms):
                return one
        return None

    def _home(self, symptom: Symptom, shares: list[Share], of: _Of) -> Incident | None:
        """The incident it belongs to: of several the one that was off last."""
        about = {**scope([(1.0, shares)]), **symptom.slice}
        fitting = [one for one in self._incidents.values() if self._fits(one, symptom, about, of)]
        return max(fitting, key=lambda one: (one.live, one.last, one.id), default=None)

    def _fits(self, one: Incident, symptom: Symptom, about: dict[str, str], of: _Of) -> bool:
        if not one.live and (one.state != "resolved" or not symptom.told):
            return False
        if one.since > symptom.last:
            return False
        kpis = [self._of[known.kpi] for known in one.symptoms if known.kpi in self._of]
        if not any(related(of.stages, known.stages) for known in kpis):
            return False
        shared = one.scope.keys() & about.keys()
        if any(one.scope[dimension] != about[dimension] for dimension in shared):
            return False
        if symptom.since - one.last <= NEAR_MS:
            return True
        cause = min(min(known.stages) for known in kpis)
        seen = max(each.last for each in one.symptoms if min(self._of[each.kpi].stages) == cause)
        return symptom.since - seen <= FAR_MS and min(of.stages) >= cause

    def _begin(self, symptom: Symptom, shares: list[Share], span: int, of: _Of) -> None:
        incident = Incident(
            id=name_of(symptom),
            kind="business",
            state="open",
            severity=_severity([symptom]),
            title="",
            since=symptom.since,
            last=symptom.last,
            span=span,
            symptoms=(symptom,),
            scope=scope([(symptom.surprise, shares)]),
            shares={symptom.kpi: shares[:MOST_SHARES]},
            history=(Change(symptom.last + span, "opened", note=symptom.why),),
        )
        self._incidents[incident.id] = replace(incident, title=_title(incident))

    def _see(self, incident: Incident, symptom: Symptom, of: _Of) -> None:
        """A series of it is off, or one more."""
        at = symptom.last + incident.span
        if not incident.live:
            incident = lifecycle.reopen(incident, at, note=symptom.why)
        place = {known.series: number for number, known in enumerate(incident.symptoms)}.get(symptom.series)
        symptoms = list(incident.symptoms)
        if place is None:
            symptoms.append(symptom)
            incident = lifecycle.noted(incident, at, "joined", symptom.why or symptom.kpi)
        else:
            symptoms[place] = _stranger(symptoms[place], symptom)
        incident = replace(
            incident,
            since=min(incident.since, symptom.since),
            last=max(incident.last, symptom.last),
            symptoms=tuple(symptoms),
            severity=_severity(symptoms),
        )
        self._incidents[incident.id] = self._explained(incident, symptom, of, at)

    def _explained(self, incident: Incident, symptom: Symptom, of: _Of, at: int) -> Incident:
        """Whom it is about, as of now: by what was told of, for what only joined was strange among very many."""
        whole = replace(symptom, since=incident.since)
        shares = {**incident.shares, symptom.kpi: self._shares(whole, of)[:MOST_SHARES]}
        strongest: dict[str, float] = {}
        for one in incident.symptoms:
            if one.told:
                strongest[one.kpi] = max(strongest.get(one.kpi, 0.0), one.surprise)
        about = scope((surprise, shares.get(kpi, [])) for kpi, surprise in strongest.items())
        if about == incident.scope:
            return replace(incident, shares=shares)
        found = replace(incident, shares=shares, scope=about)
        return lifecycle.noted(replace(found, title=_title(found)), at, "explained", _about(about))

    def _shares(self, symptom: Symptom, of: _Of) -> list[Share]:
        return attribute(of.recent.amounts(symptom.stat, symptom.since, symptom.last), symptom.side)

    # -- what is over -------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        for name, one in list(self._incidents.items()):
            quiet = self._now - (one.last + one.span)
            if one.state == "snoozed":
                one = self._incidents[name] = lifecycle.wake(one, self._now)
            if one.live and quiet >= max(RESOLVED_AFTER_MS, _GRAINS * one.span):
                self._incidents[name] = lifecycle.resolve(one, self._now, note="as usual again")
            elif not one.live and quiet > FAR_MS:
                del self._incidents[name]

    def state(self) -> dict[str, Any]:
        """Everything, as plain values: what :meth:`load` makes the same of."""
        return {
            "recent": {name: of.recent.state() for name, of in self._of.items()},
            "incidents": [to_builtins(one) for one in self._incidents.values()],
            "now": self._now,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        for name, recent in state["recent"].items():
            if name in self._of:
                self._of[name].recent.load(recent)
        found = convert(state["incidents"], list[Incident])
        self._incidents = {one.id: one for one in found}
        self._now = state["now"]


def _stranger(known: Symptom, seen: Symptom) -> Symptom:
    """The stranger of two looks at a series, from the first to the last in which it was off."""
    kept = seen if seen.surprise > known.surprise else known
    return replace(
        kept, since=min(known.since, seen.since), last=max(known.last, seen.last), told=known.told or seen.told
    )


def _severity(symptoms: Iterable[Symptom]) -> Severity:
    return "critical" if max(one.surprise for one in symptoms) >= CRITICAL else "warning"


def _title(incident: Incident) -> str:
    first = incident.symptoms[0]
    side = "fewer than usual" if first.side < 0 else "more than usual"
    if first.unit in ("ratio", "seconds", "money"):
        side = "lower than usual" if first.side < 0 else "higher than usual"
    about = _about(incident.scope)
    return f"{first.kpi.replace('_', ' ').capitalize()} {side}" + (f": {about}" if incident.scope else "")


def _about(scope: dict[str, str]) -> str:
    return ", ".join(f"{dimension} {value}" for dimension, value in sorted(scope.items())) or "everywhere alike"
