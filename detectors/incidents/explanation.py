"""What an incident is taken to be: where it began, whom it is about, in a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, log
from typing import Any, NamedTuple

from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Amount, Slice, Vote, attribute, evidence, scope, slice_of
from detectors.incidents.cause import CAUSES, Sign, begins_at
from detectors.incidents.falls import Fall, fall
from detectors.incidents.incident import MOST_SHARES, Incident, Symptom
from detectors.incidents.recent import STRANGE, Recent
from detectors.incidents.stages import Stage, lags, leads, stages_of
from detectors.watch.worse import worse_side
from streams.kpis.definitions import Definitions, KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

NEAR_MS = 6 * HOUR_MS
"""What is off so soon after something else may be off for the same reason, whichever came first."""
BACK_MS = 36 * HOUR_MS
"""So long before anything was told of a flow may have fallen."""
FELL = 2.5
CLEAR = 6.0
_NATS = log(10.0)


class Known(NamedTuple):
    """What is known of a KPI: its definition, where trouble moves it, whether it lags, and how its series were of
    late."""

    kpi: KpiDefinition
    stages: frozenset[Stage]
    lags: bool
    recent: Recent

    @property
    def stage(self) -> Stage:
        """Where it shows."""
        return max(self.stages)

    @property
    def flows(self) -> bool:
        """Whether it counts what goes on at a stage where trouble may begin, the more the better."""
        better = self.kpi.better == "higher"
        return better and not self.lags and self.kpi.kind in ("count", "sum") and self.stage in CAUSES

    def off(self, value: KpiValue) -> bool:
        """Whether a value is one to look at: alerted of, or strange for the worse."""
        if value.value is None or value.expected is None or not isfinite(value.value):
            return False
        worse = value.side == worse_side(self.kpi.better, value.side)
        return value.alert or (value.surprise >= STRANGE and worse)


def known_of(definitions: Definitions) -> dict[str, Known]:
    """By name, of all KPIs, with no values yet."""
    return {kpi.name: Known(kpi, stages_of(kpi, definitions), lags(kpi), Recent(kpi.kind)) for kpi in definitions.kpis}


class Explanations:
    """Of the incidents there are. It remembers what each statistic had to say when it was off the last time, for its
    values are not remembered as long as an incident may last."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        self._votes: dict[str, dict[str, Vote]] = {}
        """By incident and statistic."""
        self._falls: dict[str, dict[str, Fall]] = {}
        """By incident and KPI, where a flow fell."""
        self._now = 0
        self._looked: dict[tuple[int, int], dict[str, Fall]] = {}

    def told(self, incident: Incident) -> list[Symptom]:
        """What was told of, of KPIs that there still are."""
        return [one for one in incident.symptoms if one.told and one.kpi in self._known]

    def origin(self, incident: Incident) -> Stage | None:
        """The stage at which it began; None where there is none of its KPIs any more."""
        signs = [Sign(one.kpi, self._known[one.kpi].stages, one.surprise, one.since) for one in self.told(incident)]
        if not signs:
            return None
        signs += [
            Sign(name, self._known[name].stages, one.evidence / _NATS, one.since)
            for name, one in self._falls.get(incident.id, {}).items()
            if name in self._known
        ]
        return begins_at(signs, NEAR_MS)

    def _look_back(self, incident: Incident) -> None:
        """Look for flows that fell, as far back as what was told of may come from."""
        told = self.told(incident)
        since, until = min(one.since for one in told) - BACK_MS, max(one.until for one in told)
        self._falls[incident.id] = self.fallen(since, until)

    def fallen(self, since: int, until: int) -> dict[str, Fall]:
        """By KPI, the flows that fell between two instants."""
        now = max(of.recent.end for of in self._known.values())
        if now != self._now:
            self._now, self._looked = now, {}
        if (since, until) not in self._looked:
            self._looked[since, until] = {
                name: one
                for name, of in self._known.items()
                if of.flows
                and (one := fall(of.recent.grains("value", since, until), HOUR_MS, of.kpi.kind)) is not None
                and one.evidence >= FELL
            }
        return self._looked[since, until]

    def elsewhere(self, incident: Incident, symptom: Symptom, vote: Vote) -> bool:
        """Whether a series that is off follows from something that an incident is not about."""
        of = self._known[symptom.kpi]
        if of.stage > Stage.DELIVERY:
            return False
        falls = {
            name: one
            for name, one in self.fallen(symptom.since - BACK_MS, symptom.until).items()
            if self._known[name].stage in of.stages or leads(self._known[name].stage, of.stage)
        }
        if of.kpi.kind == "ratio" and not of.lags:
            best = max(vote.evidence, key=lambda one: (vote.evidence[one], one), default=())
            if best and vote.of(best) >= CLEAR:
                falls = {symptom.kpi: Fall(best, symptom.since, symptom.until, vote.of(best))}
        ours = self._falls.get(incident.id, {})
        for name, one in falls.items():
            mine = ours.get(name)
            if mine is not None and mine.slice == one.slice and mine.since < one.until and one.since < mine.until:
                return False
            if all(incident.scope.get(dimension) == value for dimension, value in one.slice):
                return False
            if any(
                not self._known[told.kpi].lags
                and self._known[told.kpi].stage is self._known[name].stage
                and told.since < one.until + NEAR_MS
                and one.since < told.until + NEAR_MS
                for told in self.told(incident)
            ):
                return False
        return bool(falls)

    def explain(self, incident: Incident, statistics: Iterable[str], at: int) -> Incident:
        """Where it began and whom it is about, as of an instant. What has just been seen of some statistics is looked
        at anew.

        Only what was told of has a say, for what joined was strange among very many; and only where the trouble began:
        what it leads to is about other things, as the topics customers write about.
        """
        told: dict[str, list[Symptom]] = {}
        for one in self.told(incident):
            told.setdefault(statistic_of(one), []).append(one)
        if not told:
            return incident
        shares, votes = dict(incident.shares), self._votes.setdefault(incident.id, {})
        for statistic in statistics:
            if statistic not in told:
                votes.pop(statistic, None)
            elif amounts := self._amounts(told[statistic]):  # else it is longer ago than what is remembered
                side, kind = strongest(told[statistic]).side, self._known[told[statistic][0].kpi].kpi.kind
                shares[statistic] = attribute(amounts, side, kind)[:MOST_SHARES]
                votes[statistic] = self.vote(told[statistic])
        self._look_back(incident)
        origin = self.origin(incident)
        fell = {
            name: one for name, one in self._falls[incident.id].items() if self._known[name].stage is origin
        }
        direct = [one for one in self.told(incident) if self._known[one.kpi].stage is origin]
        flows = [one for one in direct if not self._known[one.kpi].lags]
        names = sorted({statistic_of(one) for one in flows or direct})
        heard = {name: votes[name] for name in names if name in votes}
        heard |= {name: Vote(one.evidence, {one.slice: one.evidence}) for name, one in fell.items()}
        about = scope(list(heard.values()))
        found = replace(
            incident,
            shares=shares,
            scope=about,
            cause=CAUSES.get(origin, "") if origin is not None else "",
            cause_until=self._cause_until(direct, fell),
            title=_title(strongest(direct), about) if direct else _fell(fell, about),
        )
        if about == incident.scope or not incident.shares:
            return found
        return lifecycle.noted(found, at, "explained", _about(about))

    def _cause_until(self, direct: Sequence[Symptom], fell: Mapping[str, Fall]) -> int:
        """Where what it began with was off the last time. What lags says no more of that than that it was."""
        flows = [one.until for one in direct if not self._known[one.kpi].lags]
        flows += [one.until for one in fell.values()]
        return max(flows) if flows else min(one.since for one in direct)

    def vote(self, symptoms: Sequence[Symptom]) -> Vote:
        """What one statistic says, off in some of its series."""
        lead, of = strongest(symptoms), self._known[symptoms[0].kpi]
        return Vote(_NATS * lead.surprise, evidence(self._amounts(symptoms), lead.side, of.kpi.kind))

    def vote_of(self, incident: Incident, symptom: Symptom) -> Vote:
        """What the statistic of one of its symptoms has had to say."""
        return self._votes.get(incident.id, {}).get(statistic_of(symptom), Vote(0.0, {}))

    def _amounts(self, symptoms: Sequence[Symptom]) -> dict[Slice, Amount]:
        """Of one statistic, while it was off."""
        since, until = min(one.since for one in symptoms), max(one.until for one in symptoms)
        slices, side = [slice_of(one.slice) for one in symptoms], strongest(symptoms).side
        return self._known[symptoms[0].kpi].recent.amounts(symptoms[0].stat, slices, side, since, until)

    def merged(self, gone: str, kept: str) -> list[str]:
        """Two incidents have become one: what was said of either counts. The statistics of the one that is gone."""
        votes = self._votes.pop(gone, {})
        self._votes[kept] = {**votes, **self._votes.get(kept, {})}
        return list(votes)

    def forget(self, name: str) -> None:
        """An incident that is no more."""
        self._votes.pop(name, None)

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [
            [name, statistic, vote.most, [[[list(pair) for pair in one], gain] for one, gain in vote.evidence.items()]]
            for name, votes in self._votes.items()
            for statistic, vote in votes.items()
        ]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self._votes = {}
        for name, statistic, most, told in state:
            found = {tuple((dimension, of) for dimension, of in one): gain for one, gain in told}
            self._votes.setdefault(name, {})[statistic] = Vote(most, found)


def statistic_of(symptom: Symptom) -> str:
    """``time_to_ship.p90``, and ``orders_placed`` where there is only one."""
    return symptom.kpi if symptom.stat == "value" else f"{symptom.kpi}.{symptom.stat}"


def strongest(symptoms: Iterable[Symptom]) -> Symptom:
    """Of several."""
    return max(symptoms, key=lambda one: (one.surprise, one.series))


def _title(first: Symptom, about: dict[str, str]) -> str:
    side = "fewer than usual" if first.side < 0 else "more than usual"
    if first.unit in ("ratio", "seconds", "money", "score"):
        side = "lower than usual" if first.side < 0 else "higher than usual"
    return f"{first.kpi.replace('_', ' ').capitalize()} {side}" + (f": {_about(about)}" if about else "")


def _fell(falls: Mapping[str, Fall], about: dict[str, str]) -> str:
    name, _ = max(falls.items(), key=lambda one: (one[1].evidence, one[0]))
    return f"{name.replace('_', ' ').capitalize()} fewer than usual" + (f": {_about(about)}" if about else "")


def _about(about: dict[str, str]) -> str:
    return ", ".join(f"{dimension} {value}" for dimension, value in sorted(about.items())) or "everywhere alike"
