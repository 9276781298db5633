"""What incidents may come from that nobody was told of: the flows of which one slice fell before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detectors.incidents.attribution import Slice
from detectors.incidents.falls import Fall, fall
from detectors.incidents.incident import Incident, Symptom
from detectors.incidents.known import Known
from detectors.incidents.stages import Stage, leads
from detectors.incidents.votes import Vote
from streams.kpis.grid import HOUR_MS

BACK_MS = 36 * HOUR_MS
"""So long before anything was told of, a flow may have fallen: parcels that stay are late a day later."""
ON_MS = 24 * HOUR_MS
"""And so long after; what falls later is not what it began with."""
NEAR_MS = 6 * HOUR_MS
"""What is off so soon after something else may be off for the same reason, whichever came first."""
FELL = 2.5
"""The least evidence of a fall, nats beyond what it cost to find it: one in twelve of those without a cause."""
CLEAR = 5.0
"""The least evidence with which what does not lag names the slice that it alone is off by, nats."""


class Lookback:
    """Of the incidents there are. It remembers what was found, for values are not remembered as long as an incident
    may last."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        self._falls: dict[str, dict[str, Fall]] = {}
        """By incident and KPI."""
        self._spans: dict[str, tuple[int, int]] = {}
        """By incident, the time that was looked through."""
        self._seen: dict[tuple[int, int], dict[str, Fall]] = {}
        """What was found at the newest grain, by time looked through."""
        self._now = 0

    def of(self, incident: str) -> dict[str, Fall]:
        """By KPI, the flows that fell where an incident (its id) may have begun."""
        return {name: one for name, one in self._falls.get(incident, {}).items() if name in self._known}

    def look(self, incident: Incident, told: Sequence[Symptom]) -> None:
        """Look where an incident may have begun, as far back as what was ``told`` of may come from."""
        since = min(one.since for one in told)
        span = since - BACK_MS, min(incident.until, since + ON_MS)
        # There is nothing new in what has been looked through, and after some days it is not remembered.
        if self._spans.get(incident.id) != span:
            self._spans[incident.id] = span
            falls = self._fallen(*span)
            self._falls[incident.id] = {
                name: one for name, one in falls.items() if self._leads_to(name, told) and _agree(told, one.slice)
            }

    def look_again(self, name: str) -> None:
        """What an incident (its id) may have begun with is not as it seemed."""
        self._spans.pop(name, None)
        self._seen.clear()

    def elsewhere(self, incident: Incident, told: Sequence[Symptom], symptom: Symptom, vote: Vote) -> bool:
        """Whether a series that is off, and what it says of whom that is about, follows from the fall of a flow that an
        incident, of which something was ``told``, is not about."""
        of = self._known[symptom.kpi]
        if of.stage > Stage.DELIVERY:
            return False  # Customers write about anything.
        falls = {
            name: one
            for name, one in self._fallen(symptom.since - BACK_MS, symptom.until).items()
            if self._known[name].stage in of.stages or leads(self._known[name].stage, of.stage)
        }
        if not of.lags and vote.evidence:
            best = max(vote.evidence, key=lambda one: (vote.evidence[one], one))
            if vote.of(best) >= CLEAR:
                falls = {symptom.kpi: Fall(best, symptom.since, symptom.until, vote.of(best), {})}
        return bool(falls) and not any(self._is_of(incident, told, name, one) for name, one in falls.items())

    def _is_of(self, incident: Incident, told: Sequence[Symptom], kpi: str, fall_: Fall) -> bool:
        """Whether an incident is about the fall of a KPI: it is known to have begun with it, names its slice, or the
        same flow was told of at about that time."""
        ours = self._falls.get(incident.id, {}).get(kpi)
        if ours is not None and ours.slice == fall_.slice and ours.since < fall_.until and fall_.since < ours.until:
            return True
        if all(incident.scope.get(dimension) == value for dimension, value in fall_.slice):
            return True
        return any(
            self._known[one.kpi].stage is self._known[kpi].stage
            and not self._known[one.kpi].lags
            and one.since < fall_.until + NEAR_MS
            and fall_.since < one.until + NEAR_MS
            for one in told
        )

    def _leads_to(self, kpi: str, told: Iterable[Symptom]) -> bool:
        """Whether the fall of a KPI may be what was told of: that began at its stage or has come from there, if it is
        one of those where trouble may begin; customers cancel and write for many reasons."""
        stage, of = self._known[kpi].stage, [self._known[one.kpi] for one in told]
        near = [one for one in of if one.stage <= Stage.DELIVERY]
        return any(stage in one.stages or leads(stage, one.stage) for one in near or of)

    def _fallen(self, since: int, until: int) -> dict[str, Fall]:
        """By KPI, the flows that fell between two instants, one slice alone."""
        now = max(of.recent.end for of in self._known.values())
        if now != self._now:
            self._now, self._seen = now, {}
        if (since, until) not in self._seen:
            found = {}
            for name, of in self._known.items():
                if of.flows:
                    one = fall(of.recent.grains("value", since, until), HOUR_MS, of.kpi.kind)
                    if one is not None and one.evidence >= FELL:
                        found[name] = one
            self._seen[since, until] = found
        return self._seen[since, until]

    def merged(self, gone: str, kept: str) -> None:
        """Two incidents have become one: of each KPI the clearer fall counts, until more is known."""
        self._spans.pop(gone, None)
        ours = self._falls.setdefault(kept, {})
        for name, one in self._falls.pop(gone, {}).items():
            if name not in ours or one.evidence > ours[name].evidence:
                ours[name] = one

    def forget(self, name: str) -> None:
        """An incident that is no more."""
        self._falls.pop(name, None)
        self._spans.pop(name, None)

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [
            [
                name,
                list(self._spans.get(name, (0, 0))),
                [
                    [kpi, _pairs(one.slice), *one[1:4], [[_pairs(of), gain] for of, gain in one.others.items()]]
                    for kpi, one in falls.items()
                ],
            ]
            for name, falls in self._falls.items()
        ]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self._falls, self._spans = {}, {}
        for name, span, falls in state:
            self._spans[name] = (span[0], span[1])
            self._falls[name] = {
                kpi: Fall(_slice(pairs), since, until, gain, {_slice(of): nats for of, nats in others})
                for kpi, pairs, since, until, gain, others in falls
            }


def _agree(told: Iterable[Symptom], fallen: Slice) -> bool:
    """Whether what was told of may be about a slice that fell: not where it is all about others of that dimension."""
    for dimension, value in fallen:
        named = {one.slice[dimension] for one in told if dimension in one.slice}
        if named and value not in named:
            return False
    return True


def _pairs(slice_: Slice) -> list[list[str]]:
    return [list(pair) for pair in slice_]


def _slice(pairs: Sequence[Sequence[str]]) -> Slice:
    return tuple((dimension, value) for dimension, value in pairs)
