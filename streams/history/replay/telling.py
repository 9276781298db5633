"""What a replay tells people, one thing after the other: alerts, and what becomes of incidents."""

from __future__ import annotations

from typing import NamedTuple

from detectors.incidents.incident import Change, Incident
from detectors.lookback.matching import Alert
from streams.history.replay.engine import News


class Turn(NamedTuple):
    """A change of an incident, as it was after the last one that is known with it."""

    incident: Incident
    change: Change


class Happening(NamedTuple):
    """What people are told ``at`` an instant of event time (epoch ms)."""

    at: int
    about: Alert | Turn


class Teller:
    """Knows how much of the history of each incident has been told: to a history is only added."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def happenings(self, news: News) -> list[Happening]:
        """What is new, by time; of one time, alerts before what incidents make of them."""
        alerts = [Alert.of(value) for value in news.values if value.alert]
        found = [Happening(alert.end, alert) for alert in alerts]
        found += [Happening(change.at, Turn(one, change)) for one in news.incidents for change in self._new(one)]
        return sorted(found, key=lambda one: one.at)

    def _new(self, one: Incident) -> tuple[Change, ...]:
        told = self._told.get(one.id, 0)
        self._told[one.id] = len(one.history)
        return one.history[told:]
