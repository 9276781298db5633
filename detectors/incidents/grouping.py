"""Which alerts are one incident: by time, by slice, and by the way trouble travels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import isfinite
from typing import Any, NamedTuple

from msgspec import convert, to_builtins
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Share, Slice, attribute, scope, slice_of
from detectors.incidents.incident import MOST_SHARES, Change, Incident, Symptom, name_of, severity_of
from detectors.incidents.recent import STRANGE, Recent
from detectors.incidents.stages import Stage, related, stages_of
from streams.errors import ContractError
from streams.kpis.definitions import Definitions, KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

JOINS = 4.5
"""From this surprise on a series belongs to an incident without having been alerted of."""
MOST_JOINED = 6
"""Series of a KPI that are listed without having been alerted of."""
NEAR_MS = 6 * HOUR_MS
"""What is off so soon before or after an incident may belong to it."""
FAR_MS = 72 * HOUR_MS
"""So long after its cause was off the last time, what that leads to may: parcels are late, and customers write, days
after."""
RESOLVED_AFTER_MS = 6 * HOUR_MS
"""Nothing was off for so long, and what it began with was as usual for three grains: it is over."""
_CALM = 3


class _Of(NamedTuple):
    """What is known of a KPI."""

    kpi: KpiDefinition
    stages: frozenset[Stage]
    recent: Recent

    def off(self, value: KpiValue) -> bool:
        """Whether a value is one to look at: alerted of, or strange for the worse."""
        if value.value is None or value.expected is None or not isfinite(value.value):
            return False
        worse = self.kpi.better == "neither" or value.side == (-1 if self.kpi.better == "higher" else 1)
        return value.alert or (value.surprise >= STRANGE and worse)


class Incidents:
    """The incidents of a business, from its judged values.

    What alerts begins an incident or joins one: one that is near in time, the trouble of whose KPIs may travel to this
    one or from it, and which is not about another slice. What is strange and was not alerted of can only join. Instants
    in the history are event time: the same values in the same order give the same incidents.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._of = {kpi.name: _Of(kpi, stages_of(kpi, definitions), Recent(kpi.kind)) for kpi in definitions.kpis}
        self._incidents: dict[str, Incident] = {}

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return list(self._incidents.values())

    def step(self, values: Sequence[KpiValue]) -> list[Incident]:
        """Take in final values, and corrected ones; the incidents that are others than before, each a revision later.
        Values of a grain and KPI come together."""
        before = dict(self._incidents)
        for (end, kpi), each in groupby(sorted(values, key=_when), key=_when):
            of = self._of.get(kpi)
            if of is not None:  # else it is of a KPI that is none any more
                self._grain(list(each), end, of)
        changed = []
        for name, one in list(self._incidents.items()):
            known = before.get(name)
            if one is not known:
                if known is not None and one.revision == known.revision:
                    one = self._incidents[name] = replace(one, revision=one.revision + 1)
                changed.append(one)
        return changed

    def change(self, name: str, how: Callable[[Incident], Incident]) -> Incident:
        """What people make of one (see :mod:`detectors.incidents.lifecycle`). Raises :class:`ContractError` where there
        is none of that id."""
        if name not in self._incidents:
            raise ContractError(f"there is no incident {name}, or it was over long ago")
        found = self._incidents[name] = how(self._incidents[name])
        return found

    # -- what belongs where -------------------------------------------------------------------------------------

    def _grain(self, values: list[KpiValue], end: int, of: _Of) -> None:
        of.recent.put(values)
        homes = {
            known.series: one.id
            for one in self._incidents.values()
            if one.live
            for known in one.symptoms
            if known.kpi == of.kpi.name
        }
        touched: dict[tuple[str, str], Symptom] = {}
        off = [Symptom.of(value, of.recent.since(value)) for value in values if of.off(value)]
        for symptom in sorted(off, key=lambda one: (not one.told, -one.surprise)):
            home = homes.get(symptom.series) or self._home(symptom, of)
            if home is not None and self._see(self._incidents[home], symptom):
                touched.setdefault((home, symptom.stat), symptom)
        for (home, _), symptom in touched.items():
            self._incidents[home] = self._explained(self._incidents[home], symptom, of, end)
        judged = {(value.kpi, value.stat, slice_of(value.slice)) for value in values if value.surprise > 0.0}
        self._calm(judged, end)
        self._let_go(end)

    def _home(self, symptom: Symptom, of: _Of) -> str | None:
        """The incident that a series belongs to which none has: of several the one that was off last. A new one, where
        it was alerted of."""
        if not symptom.told and symptom.surprise < JOINS:
            return None
        shares = self._shares(symptom, of)
        about = {**scope([(1.0, shares)]), **symptom.slice}
        fitting = [one for one in self._incidents.values() if self._fits(one, symptom, about, of)]
        if fitting:
            return max(fitting, key=lambda one: (one.live, one.until, one.id)).id
        return self._begin(symptom, shares) if symptom.told else None

    def _fits(self, one: Incident, symptom: Symptom, about: dict[str, str], of: _Of) -> bool:
        if not one.live and (one.state != "resolved" or not symptom.told):
            return False
        stages = [self._of[known.kpi].stages for known in one.symptoms if known.kpi in self._of]
        if not any(related(of.stages, theirs) for theirs in stages):
            return False
        if any(about.get(dimension, value) != value for dimension, value in one.scope.items()):
            return False
        if max(symptom.since - one.cause_until, one.since - symptom.until) <= NEAR_MS:
            return True
        leads_to = min(of.stages) >= min(min(theirs) for theirs in stages)
        return leads_to and one.since <= symptom.since <= one.cause_until + FAR_MS

    def _begin(self, symptom: Symptom, shares: list[Share]) -> str:
        name, number = name_of(symptom), 1
        while name in self._incidents:
            number += 1
            name = f"{name_of(symptom)}-{number}"
        incident = Incident(
            id=name,
            kind="business",
            state="open",
            severity=severity_of([symptom]),
            title="",
            since=symptom.since,
            until=symptom.until,
            cause_until=symptom.until,
            symptoms=(symptom,),
            scope=scope([(symptom.surprise, shares)]),
            shares={_statistic(symptom): shares[:MOST_SHARES]},
            history=(Change(symptom.until, "opened", note=symptom.why),),
        )
        self._incidents[name] = replace(incident, title=_title(incident))
        return name

    def _see(self, incident: Incident, symptom: Symptom) -> bool:
        """A series of it is off, or one more; whether that is of any interest."""
        symptoms = {one.series: one for one in incident.symptoms}
        mine = symptoms.get(symptom.series)
        if mine is None and not symptom.told:
            joined = sum(not one.told for one in incident.symptoms if one.kpi == symptom.kpi)
            if joined >= MOST_JOINED:
                return False
        if mine is not None and not (mine.told or symptom.told) and symptom.surprise < JOINS:
            return False
        if not incident.live:
            incident = lifecycle.reopen(incident, symptom.until, note=symptom.why)
        if mine is None and (symptom.told or all(one.kpi != symptom.kpi for one in incident.symptoms)):
            incident = lifecycle.noted(incident, symptom.until, "joined", f"{symptom.kpi}: {symptom.why}")
        symptoms[symptom.series] = symptom if mine is None else mine.with_(symptom)
        severity, cause_until = severity_of(symptoms.values()), incident.cause_until
        if symptom.since <= cause_until + NEAR_MS:
            cause_until = max(cause_until, symptom.until)
        if (incident.severity, severity) == ("warning", "critical"):
            incident = lifecycle.noted(incident, symptom.until, "worsened", symptom.why)
        self._incidents[incident.id] = replace(
            incident,
            since=min(incident.since, symptom.since),
            until=max(incident.until, symptom.until),
            cause_until=cause_until,
            symptoms=tuple(symptoms.values()),
            severity=severity,
            calm=0,
        )
        return True

    def _explained(self, incident: Incident, symptom: Symptom, of: _Of, at: int) -> Incident:
        """Whom it is about, as of now: by what was told of, for what only joined was strange among very many."""
        whole = replace(symptom, since=incident.since)
        shares = {**incident.shares, _statistic(symptom): self._shares(whole, of)[:MOST_SHARES]}
        strongest: dict[str, float] = {}
        for one in incident.symptoms:
            if one.told:
                strongest[_statistic(one)] = max(strongest.get(_statistic(one), 0.0), one.surprise)
        about = scope((surprise, shares.get(statistic, [])) for statistic, surprise in strongest.items())
        if about == incident.scope:
            return replace(incident, shares=shares)
        found = replace(incident, shares=shares, scope=about)
        return lifecycle.noted(replace(found, title=_title(found)), at, "explained", _about(about))

    def _shares(self, symptom: Symptom, of: _Of) -> list[Share]:
        amounts = of.recent.amounts(symptom.stat, symptom.since, symptom.until)
        return attribute(amounts, symptom.side, of.kpi.kind)

    # -- what is over -------------------------------------------------------------------------------------------

    def _calm(self, judged: set[tuple[str, str, Slice]], end: int) -> None:
        """Note where what an incident began with was judged, and nothing of it was off."""
        for name, one in self._incidents.items():
            if one.live and end > one.until and one.symptoms[0].series in judged:
                self._incidents[name] = replace(one, calm=one.calm + 1)

    def _let_go(self, now: int) -> None:
        for name, one in list(self._incidents.items()):
            quiet = now - one.until
            if one.state == "snoozed":
                one = self._incidents[name] = lifecycle.wake(one, now)
            # A series may end, and is then never as usual again.
            if one.live and quiet >= RESOLVED_AFTER_MS and (one.calm >= _CALM or quiet > FAR_MS):
                self._incidents[name] = lifecycle.resolve(one, now, note="as usual again")
            elif not one.live and quiet > 2 * FAR_MS:
                del self._incidents[name]

    def state(self) -> dict[str, Any]:
        """Everything, as plain values: what :meth:`load` makes the same of."""
        return {
            "recent": {name: of.recent.state() for name, of in self._of.items()},
            "incidents": [to_builtins(one) for one in self._incidents.values()],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        for name, recent in state["recent"].items():
            if name in self._of:
                self._of[name].recent.load(recent)
        self._incidents = {one.id: one for one in convert(state["incidents"], list[Incident])}


def _when(value: KpiValue) -> tuple[int, str]:
    return value.end, value.kpi


def _statistic(symptom: Symptom) -> str:
    return symptom.kpi if symptom.stat == "value" else f"{symptom.kpi}.{symptom.stat}"


def _title(incident: Incident) -> str:
    first = incident.symptoms[0]
    side = "fewer than usual" if first.side < 0 else "more than usual"
    if first.unit in ("ratio", "seconds", "money", "score"):
        side = "lower than usual" if first.side < 0 else "higher than usual"
    about = f": {_about(incident.scope)}" if incident.scope else ""
    return f"{first.kpi.replace('_', ' ').capitalize()} {side}{about}"


def _about(about: dict[str, str]) -> str:
    return ", ".join(f"{dimension} {value}" for dimension, value in sorted(about.items())) or "everywhere alike"
