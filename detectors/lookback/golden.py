"""Golden incidents: what detection is to make of a piece of history, and whether it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from detectors.incidents.incident import Incident
from detectors.lookback.matching import Alert
from detectors.lookback.missed import agrees
from streams.kpis.units import span


class About(Struct, frozen=True):
    """What an incident was: when (epoch ms, ``until`` excluded), which KPIs were told of, whom it was about."""

    since: int
    until: int
    kpis: tuple[str, ...]
    scope: dict[str, str] = {}

    @staticmethod
    def of(incident: Incident) -> About:
        """Of an incident as it was at last."""
        kpis = tuple(dict.fromkeys(one.kpi for one in incident.symptoms if one.told))
        return About(incident.since, incident.until, kpis, incident.scope)

    def during(self, alert: Alert) -> bool:
        """Whether an alert is on a grain of that time."""
        return alert.start < self.until and alert.end > self.since

    def told(self, alert: Alert) -> bool:
        """Whether an alert tells of it."""
        return self.during(alert) and alert.kpi in self.kpis and agrees(dict(alert.slice), self.scope)


class Expected(Struct, frozen=True):
    """What is to be found: an alert at most ``within`` ms after the incident's ``since``, the ``cause``, and at most
    ``others`` alerts in all the rest of the history that is kept."""

    within: int
    cause: str
    others: int


class Outcome(NamedTuple):
    """What a run made of it: the first ``alert`` that tells of it, the ``cause`` of the incident that has it (None
    where there is none), and the ``others``: alerts at other times."""

    alert: Alert | None
    cause: str | None
    others: list[Alert]


def outcome(about: About, alerts: Iterable[Alert], incidents: Iterable[Incident]) -> Outcome:
    """Of the alerts and incidents of a run."""
    told = sorted(alerts)
    first = next((alert for alert in told if about.told(alert)), None)
    causes = [one.cause for one in incidents if first is not None and _has(one, first)]
    return Outcome(first, causes[0] if causes else None, [alert for alert in told if not about.during(alert)])


def _has(incident: Incident, alert: Alert) -> bool:
    return incident.state != "merged" and any(
        one.told and one.kpi == alert.kpi and one.since < alert.end and one.until >= alert.end
        for one in incident.symptoms
    )


def failures(about: About, expected: Expected, found: Outcome) -> Sequence[str]:
    """What is worse than expected, in words; nothing where all is as good or better."""
    said = []
    if found.alert is None:
        said.append(f"lost: no alert of {', '.join(about.kpis)} in its time")
    else:
        took = found.alert.end - about.since
        if took > expected.within:
            said.append(f"later: told {span(took)} after it began, expected within {span(expected.within)}")
        if found.cause != expected.cause:
            said.append(f"cause: {found.cause or 'none'}, expected {expected.cause or 'none'}")
    if len(found.others) > expected.others:
        said.append(f"false alarms: {len(found.others)} other alerts, expected {expected.others} at most")
    return said
