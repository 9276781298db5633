"""What an incident is taken to be: where it began, whom it is about, in a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, log
from typing import Any, NamedTuple

from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Amount, Slice, Vote, attribute, evidence, scope, slice_of
from detectors.incidents.cause import CAUSES, Sign, begins_at
from detectors.incidents.incident import MOST_SHARES, Incident, Symptom
from detectors.incidents.recent import STRANGE, Recent
from detectors.incidents.stages import Stage, lags, stages_of
from detectors.watch.worse import worse_side
from streams.kpis.definitions import Definitions, KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

NEAR_MS = 6 * HOUR_MS
"""What is off so soon after something else may be off for the same reason, whichever came first."""
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

    def told(self, incident: Incident) -> list[Symptom]:
        """What was told of, of KPIs that there still are."""
        return [one for one in incident.symptoms if one.told and one.kpi in self._known]

    def origin(self, incident: Incident) -> Stage | None:
        """The stage at which it began; None where there is none of its KPIs any more."""
        signs = [Sign(one.kpi, self._known[one.kpi].stage, one.surprise, one.since) for one in self.told(incident)]
        return begins_at(signs, NEAR_MS) if signs else None

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
        origin = self.origin(incident)
        direct = [one for one in self.told(incident) if self._known[one.kpi].stage is origin]
        names = sorted({statistic_of(one) for one in direct})
        about = scope([votes[name] for name in names if name in votes])
        found = replace(
            incident,
            shares=shares,
            scope=about,
            cause=CAUSES.get(origin, "") if origin is not None else "",
            cause_until=self._cause_until(direct),
            title=_title(strongest(direct), about),
        )
        if about == incident.scope or not incident.shares:
            return found
        return lifecycle.noted(found, at, "explained", _about(about))

    def _cause_until(self, direct: Sequence[Symptom]) -> int:
        """Where what it began with was off the last time. What lags says no more of that than that it was."""
        flows = [one.until for one in direct if not self._known[one.kpi].lags]
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


def _about(about: dict[str, str]) -> str:
    return ", ".join(f"{dimension} {value}" for dimension, value in sorted(about.items())) or "everywhere alike"
