"""Which alerts are one incident: by time, by slice, and by the way trouble travels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from msgspec import convert, to_builtins
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Slice, slice_of
from detectors.incidents.explanation import Explanations, statistic_of
from detectors.incidents.incident import Change, Incident, Severity, Symptom, name_of
from detectors.incidents.known import known_of
from detectors.incidents.lookback import NEAR_MS
from detectors.incidents.severity import SEVERITIES, weigh
from detectors.incidents.stages import Stage, leads
from detectors.incidents.votes import Vote, contradicts
from streams.errors import ContractError
from streams.kpis.definitions import Definitions
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

JOINS = 4.5
"""From this surprise on a series belongs to an incident without having been alerted of."""
MOST_JOINED = 6
"""Series of a KPI that are listed without having been alerted of."""
AGAIN_MS = 24 * HOUR_MS
"""What is off again where it began so soon after belongs to it: at night there may be nothing to be seen."""
FAR_MS = 72 * HOUR_MS
"""So long after its cause was off the last time, what that leads to may: parcels are late, and customers write, days
after."""
RESOLVED_AFTER_MS = 6 * HOUR_MS
"""Nothing was off for so long, and what it began with was as usual for three grains: it is over."""
_CALM = 3


class Incidents:
    """The incidents of a business, from its judged values.

    What alerts begins an incident or joins one: one that is not about another slice, and the trouble of whose KPIs may
    travel to this one or from it in the time between, or which is off at the very same time. What is strange and was
    not alerted of can only join. Whom an incident is about, and what is taken for its cause, is decided anew with all
    that is known of it whenever more is; and two that turn out to be one become one. Instants in the history are event
    time: the same values, grain by grain, give the same incidents, whatever their order within a grain.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._known = known_of(definitions)
        self._explanations = Explanations(self._known)
        self._incidents: dict[str, Incident] = {}
        self._over: set[str] = set()
        """Those that were over before a step: what ends in it is told of before it is forgotten."""

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return list(self._incidents.values())

    def step(self, values: Sequence[KpiValue]) -> list[Incident]:
        """Take in final values, and corrected ones; the incidents that are others than before, each a revision later.
        Values of a KPI and grain come together, and best those of all KPIs: what is known at once is judged at once."""
        before = dict(self._incidents)
        self._over = {name for name, one in before.items() if not one.live}
        # Those of a KPI that is none any more are passed over.
        ours = sorted((value for value in values if value.kpi in self._known), key=_when)
        for end, each in groupby(ours, key=lambda value: value.end):
            self._grain(list(each), end)
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

    def _grain(self, values: list[KpiValue], end: int) -> None:
        """Take in what ends together, in the order of :func:`_when`."""
        new = [self._known[value.kpi].recent.is_new(value) for value in values]
        for name, each in groupby(values, key=lambda value: value.kpi):
            for value in self._known[name].recent.put(list(each)):
                self._take_back(value, end)
        off = [
            Symptom.of(value, self._known[value.kpi].recent.since(value))
            for value, is_new in zip(values, new, strict=True)
            if is_new and self._known[value.kpi].off(value)
        ]
        touched: dict[str, dict[str, None]] = {}
        for symptom in sorted(off, key=lambda one: (not one.told, -one.surprise, one.series)):
            home = self._continues(symptom) or self._home(symptom)
            if home is not None and self._see(home, symptom):
                touched.setdefault(home, {})[statistic_of(symptom)] = None
        for home, statistics in touched.items():
            self._incidents[home] = self._explanations.explain(self._incidents[home], statistics, end)
        for home in touched:
            self._merge(home, end)
        judged = {(value.kpi, value.stat, slice_of(value.slice)) for value in values if value.surprise > 0.0}
        self._calm(judged, end)
        self._let_go(end)

    def _continues(self, symptom: Symptom) -> str | None:
        """The incident of which a series has been off, where it has been so up to now."""
        found = [
            one
            for one in self._incidents.values()
            if one.live
            and any(known.series == symptom.series and symptom.since <= known.until for known in one.symptoms)
        ]
        return max(found, key=lambda one: (one.until, one.id)).id if found else None

    def _home(self, symptom: Symptom) -> str | None:
        """The incident that a series belongs to which has not been off up to now: of several the one it says most for,
        of these the one that was off last. A new one, where it was alerted of."""
        if not symptom.told and symptom.surprise < JOINS:
            return None
        vote = self._explanations.vote([symptom])
        fitting = [one for one in self._incidents.values() if self._fits(one, symptom, vote)]
        if fitting:
            return max(fitting, key=lambda one: (one.live, vote.of(slice_of(one.scope)), one.until, one.id)).id
        return self._begin(symptom) if symptom.told else None

    def _fits(self, one: Incident, symptom: Symptom, vote: Vote, beside: Iterable[Symptom] = ()) -> bool:
        return self._may(one, symptom, vote, beside) and not self._explanations.elsewhere(one, symptom, vote)

    def _may(self, one: Incident, symptom: Symptom, vote: Vote, beside: Iterable[Symptom] = ()) -> bool:
        """Whether a series that is off, and what it says of whom that is about, may be of an incident; ``beside`` are
        others that would be of it, too."""
        if not one.live and (one.state != "resolved" or not symptom.told):
            return False
        origin, of = self._explanations.origin(one), self._known[symptom.kpi]
        if origin is None or one.since - symptom.until > NEAR_MS:
            return False
        elsewhere = any(one.scope.get(dimension, value) != value for dimension, value in symptom.slice.items())
        if elsewhere or contradicts(vote, one.scope):
            return False
        seen = {self._known[known.kpi].stage for known in (*self._explanations.told(one), *beside)}
        after = symptom.since - one.cause_until
        if any(leads(before, stage) for before in seen if before >= origin for stage in of.stages):
            return after <= FAR_MS
        if origin in of.stages:
            return after <= (FAR_MS if of.lags else AGAIN_MS)
        if leads(of.stage, origin):
            return after <= (FAR_MS if of.lags else NEAR_MS)
        # Trouble does not travel between them, but that both are off at once by chance is less likely than a reason
        # that nobody has thought of.
        alike = bool(one.scope) and vote.of(slice_of(one.scope)) > 0.0
        return after < 0 and (alike or of.lags or of.stage > Stage.DELIVERY)

    def _begin(self, symptom: Symptom) -> str:
        name, number = name_of(symptom), 1
        while name in self._incidents:
            number += 1
            name = f"{name_of(symptom)}-{number}"
        self._incidents[name] = Incident(
            id=name,
            kind="business",
            state="open",
            severity=self._weigh([symptom]),
            title="",
            since=symptom.since,
            until=symptom.until,
            cause_until=symptom.until,
            symptoms=(symptom,),
            scope={},
            shares={},
            history=(Change(symptom.until, "opened", note=symptom.why),),
        )
        return name

    def _see(self, name: str, symptom: Symptom) -> bool:
        """A series of an incident is off, or one more; whether that is of any interest."""
        incident = self._incidents[name]
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
            self._over.discard(name)
        if mine is None and (symptom.told or all(one.kpi != symptom.kpi for one in incident.symptoms)):
            incident = lifecycle.noted(incident, symptom.until, "joined", f"{symptom.kpi}: {symptom.why}")
        symptoms[symptom.series] = symptom if mine is None else mine.with_(symptom)
        severity = max(incident.severity, self._weigh(symptoms.values()), key=SEVERITIES.index)
        if severity != incident.severity:
            incident = lifecycle.noted(incident, symptom.until, "worsened", symptom.why)
        self._incidents[name] = replace(
            incident,
            since=min(incident.since, symptom.since),
            until=max(incident.until, symptom.until),
            symptoms=tuple(symptoms.values()),
            severity=severity,
            calm=0,
        )
        return True

    def _weigh(self, symptoms: Iterable[Symptom]) -> Severity:
        """How bad what was told of is. A KPI that is none any more counts as one of orders."""
        return weigh(
            (one, self._known[one.kpi].stage if one.kpi in self._known else Stage.INTAKE)
            for one in symptoms
            if one.told
        )

    # -- what turns out to be otherwise ---------------------------------------------------------------------------

    def _merge(self, name: str, at: int) -> None:
        """Make an incident one with those that it turns out to belong to, or they to it: what was told of the one would
        have joined the other, had all of that been known. The one that began first goes on."""
        for other in sorted(self._incidents):
            one, two = self._incidents[name], self._incidents[other]
            if other == name or not (one.live and two.live) or not (self._within(one, two) or self._within(two, one)):
                continue
            kept, gone = sorted((one, two), key=lambda incident: (incident.since, incident.id))
            self._incidents[gone.id], kept = lifecycle.merge(gone, kept, at)
            statistics = self._explanations.merged(gone.id, kept.id)
            self._incidents[kept.id] = self._explanations.explain(kept, statistics, at)
            name = kept.id

    def _within(self, one: Incident, other: Incident) -> bool:
        """Whether all that was told of an incident fits another."""
        told = self._explanations.told(one)
        return bool(told) and all(self._fits(other, of, self._explanations.vote_of(one, of), told) for of in told)

    def _take_back(self, value: KpiValue, at: int) -> None:
        """What an alert rested on is not so: events that came late say otherwise. An incident of which nothing else was
        told of never was one."""
        series = value.kpi, value.stat, slice_of(value.slice)
        for name, one in self._incidents.items():
            mine = [known for known in one.symptoms if known.told and known.series == series]
            if one.state in ("retracted", "merged") or not mine or not mine[0].since <= value.start < mine[0].until:
                continue
            if self._known[value.kpi].recent.told(value.stat, series[2], mine[0].since, mine[0].until):
                continue
            at = max(at, one.history[-1].at)
            note = f"{value.kpi}: {mine[0].value:.4g} was told of; with what came late it is {value.value:.4g}"
            one = replace(one, symptoms=tuple(replace(of, told=of.told and of is not mine[0]) for of in one.symptoms))
            if not any(of.told for of in one.symptoms):
                self._incidents[name] = lifecycle.retract(one, at, note=note)
                continue
            one = lifecycle.noted(replace(one, severity=self._weigh(one.symptoms)), at, "explained", note)
            self._explanations.look_again(name)
            self._incidents[name] = self._explanations.explain(one, [statistic_of(mine[0])], at)

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
            elif not one.live and quiet > 2 * FAR_MS and name in self._over:
                del self._incidents[name]
                self._explanations.forget(name)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values: what :meth:`load` makes the same of."""
        return {
            "recent": {name: of.recent.state() for name, of in self._known.items()},
            "incidents": [to_builtins(one) for one in self._incidents.values()],
            "explanations": self._explanations.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        for name, recent in state["recent"].items():
            if name in self._known:
                self._known[name].recent.load(recent)
        self._incidents = {one.id: one for one in convert(state["incidents"], list[Incident])}
        self._explanations.load(state["explanations"])


def _when(value: KpiValue) -> tuple[int, str, str, Slice, int, int]:
    return value.end, value.kpi, value.stat, slice_of(value.slice), value.start, value.revision
