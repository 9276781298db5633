"""What an incident is taken to be: where it began, whom it is about, in a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any

from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.attribution import Amount, Slice, attribute, evidence, slice_of
from detectors.incidents.cause import CAUSES, Sign, begins_at
from detectors.incidents.falls import Fall
from detectors.incidents.incident import MOST_SHARES, Incident, Symptom
from detectors.incidents.known import Known
from detectors.incidents.lookback import NEAR_MS, Lookback
from detectors.incidents.stages import Stage
from detectors.incidents.votes import Vote, scope

_NATS = log(10.0)


class Explanations:
    """Of the incidents there are. It remembers what each statistic had to say when it was off the last time, for its
    values are not remembered as long as an incident may last."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        self._votes: dict[str, dict[str, Vote]] = {}
        """By incident and statistic."""
        self._lookback = Lookback(known)

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
            for name, one in self._lookback.of(incident.id).items()
        ]
        return begins_at(signs, NEAR_MS)

    def elsewhere(self, incident: Incident, symptom: Symptom, vote: Vote) -> bool:
        """Whether a series that is off, and what it says of whom that is about, follows from what an incident is not
        about."""
        return self._lookback.elsewhere(incident, self.told(incident), symptom, vote)

    def look_again(self, name: str) -> None:
        """Late events say otherwise of what an incident (its id) may have begun with."""
        self._lookback.look_again(name)

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
        self._lookback.look(incident, self.told(incident))
        origin = self.origin(incident)
        falls = self._lookback.of(incident.id)
        fell = {name: one for name, one in falls.items() if self._known[name].stage is origin}
        direct = [one for one in self.told(incident) if self._known[one.kpi].stage is origin]
        flows = [one for one in direct if self._known[one.kpi].flows]
        names = sorted({statistic_of(one) for one in flows or direct} | {*self._beside(votes, flows)})
        heard = {name: votes[name] for name in names if name in votes}
        heard |= {name: Vote(one.evidence, one.others) for name, one in fell.items()}
        about = scope(list(heard.values()))
        found = replace(
            incident,
            shares=shares,
            scope=about,
            cause=CAUSES.get(origin, "") if origin is not None else "",
            cause_until=max(incident.since, self._cause_until(direct, fell)),
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

    def _beside(self, votes: dict[str, Vote], told: Sequence[Symptom]) -> list[str]:
        """The other flows of the stage of those that were ``told`` of, and what they say, in the hours in which those
        were off: they add up the same orders or parcels, and fewer of them are a clearer sign than less money."""
        if not told:
            return []
        since, until = min(one.since for one in told), max(one.until for one in told)
        lead, known = strongest(told), {one.kpi for one in told}
        stage = self._known[lead.kpi].stage
        names = [name for name, of in self._known.items() if of.flows and of.stage is stage and name not in known]
        for name in names:
            of = self._known[name]
            grains = of.recent.grains("value", since, until)
            amounts = {one: Amount(*map(sum, zip(*each.values(), strict=True))) for one, each in grains.items() if each}
            if amounts:
                votes[name] = Vote(_NATS * lead.surprise, evidence(amounts, lead.side, of.kpi.kind))
        return names

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
        self._lookback.merged(gone, kept)
        votes = self._votes.pop(gone, {})
        self._votes[kept] = {**votes, **self._votes.get(kept, {})}
        return list(votes)

    def forget(self, name: str) -> None:
        """An incident that is no more."""
        self._votes.pop(name, None)
        self._lookback.forget(name)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        votes = [
            [name, statistic, vote.most, [[[list(pair) for pair in one], gain] for one, gain in vote.evidence.items()]]
            for name, of in self._votes.items()
            for statistic, vote in of.items()
        ]
        return {"votes": votes, "falls": self._lookback.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._votes = {}
        for name, statistic, most, told in state["votes"]:
            found = {tuple((dimension, of) for dimension, of in one): gain for one, gain in told}
            self._votes.setdefault(name, {})[statistic] = Vote(most, found)
        self._lookback.load(state["falls"])


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
