"""Incidents as alerts of Alertmanager: each is kept alive by being posted again and again, until it is over.

Alertmanager knows an alert by its labels, so those are frozen when it is posted first, whatever is learned later of
the incident's scope; what changes goes into annotations. Only when an incident becomes graver is its alert ended and
one with the new severity begun, for that has to take another route. An alert that is not posted any more ends by itself
after :data:`ALIVE_MS`: nothing stays where Daybook is gone.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, convert, to_builtins

from detectors.incidents.incident import Incident, Severity
from detectors.incidents.severity import SEVERITIES, graver
from detectors.notification.message import Alert, GivenUp, Message, News, asleep
from detectors.notification.pacing import again_after
from detectors.notification.text import Text, Words

EVERY_MS = 60_000
ALIVE_MS = 5 * EVERY_MS
REFUSED_MS = 15 * EVERY_MS
"""What was refused is tried again so long after: Alertmanager, or what is before it, may be configured anew."""
NAME = "DaybookIncident"


class _Kept(Struct):
    """An alert that Alertmanager knows of, or shall. Instants are epoch ms, 0 for never."""

    incident: Incident
    worklist: int
    labels: dict[str, str]
    severity: Severity
    starts_at: int
    next: int = 0
    """When it is to be posted next."""
    ends_at: int = 0
    why: str = ""
    """Why it ends, where the incident does not."""
    offered: Literal["", "alive", "ended"] = ""
    """As what it is on its way."""
    tried: bool = False
    heard: bool = False
    """Whether Alertmanager may know of it, and whether it does for certain."""
    tries: int = 0
    error: str = ""

    def end(self, now: int, why: str) -> None:
        if not self.ends_at:
            self.ends_at, self.next, self.why = now, now, why


class Alerts:
    """The alerts of one Alertmanager, whose name as a channel is ``channel``. ``now`` is the wall clock, epoch ms."""

    def __init__(self, channel: str, text: Text) -> None:
        self.channel, self._text = channel, text
        self._kept: dict[str, _Kept] = {}
        """By message id: the incident and the severity."""

    def knows(self, incident: str) -> bool:
        """Whether there is an alert of an incident that has not ended."""
        return any(not one.ends_at for one in self._of(incident))

    def has(self, incident: str) -> bool:
        """Whether there is an alert of it, or was until now."""
        return bool(self._of(incident))

    def follow(self, incident: Incident, worklist: int, now: int, held: bool) -> None:
        """Take an incident as it is now. ``held``: nothing is said of it, if nothing was until now."""
        mine = self._of(incident.id)
        for one in mine:
            one.incident, one.worklist = incident, worklist
        alive = [one for one in mine if not one.ends_at]
        if not incident.live or asleep(incident):
            for one in alive:
                one.end(now, self._why(incident))
        elif not alive and not held:
            self._begin(incident, worklist, now)
        elif alive and all(graver(incident.severity, one.severity) for one in alive):
            self._begin(incident, worklist, now)
            for one in alive:
                one.end(now, f"Now {incident.severity}: {incident.title}")

    def due(self, now: int) -> tuple[list[Message], list[GivenUp]]:
        """What is to be posted now: what is new or over, and what was not posted for a minute. And what came and went
        without Alertmanager's answering."""
        found, lost = [], []
        for key, one in list(self._kept.items()):
            if one.offered or now < one.next:
                continue
            # What it has not heard of for so long has ended for Alertmanager too.
            if one.ends_at and (not one.tried or now - one.ends_at > ALIVE_MS):
                if one.tried and not one.heard:
                    lost.append(GivenUp(key, self.channel, now, one.error))
                del self._kept[key]
                continue
            one.offered, one.tried = "ended" if one.ends_at else "alive", True
            found.append(self._message(key, one, now))
        return found, lost

    def told(self, key: str, now: int) -> None:
        """It has arrived."""
        if key not in self._kept:
            return
        one = self._kept[key]
        ended = one.offered == "ended"
        one.offered, one.tries, one.error, one.heard = "", 0, "", True
        if ended and one.ends_at:
            del self._kept[key]
        elif ended == bool(one.ends_at):  # else it has become another meanwhile, which is to be posted at once
            one.next = now + EVERY_MS

    def failed(self, key: str, now: int, error: str, permanent: bool) -> None:
        """It has not, as far as anybody knows."""
        if key not in self._kept:
            return
        one = self._kept[key]
        one.offered, one.tries, one.error = "", one.tries + 1, error
        one.next = now + (REFUSED_MS if permanent else again_after(key, one.tries, EVERY_MS))

    def pending(self) -> int:
        """How many Alertmanager has not heard of as they are."""
        return sum(1 for one in self._kept.values() if one.tries or one.ends_at or not one.heard)

    def errors(self) -> dict[str, str]:
        """The last error, by incident."""
        return {one.incident.id: one.error for one in self._kept.values() if one.tries}

    def state(self) -> Any:
        """Everything, as plain values."""
        return to_builtins(self._kept)

    def load(self, state: Any) -> None:
        """Become what :meth:`state` told of."""
        self._kept = convert(state, dict[str, _Kept])

    def resume(self) -> None:
        """Nobody knows any more whether what was on its way has arrived: all is posted again."""
        for one in self._kept.values():
            one.offered, one.next = "", 0

    def _of(self, incident: str) -> list[_Kept]:
        keys = (_key(incident, severity) for severity in SEVERITIES)
        return [self._kept[key] for key in keys if key in self._kept]

    def _begin(self, incident: Incident, worklist: int, now: int) -> None:
        key = _key(incident.id, incident.severity)
        again = any(change.what in ("reopened", "woken") for change in incident.history)
        if key in self._kept:
            return  # first it has to end
        self._kept[key] = _Kept(
            incident=incident,
            worklist=worklist,
            labels=labels_of(incident),
            severity=incident.severity,
            starts_at=now if again else min(incident.since, now),
            next=now,
        )

    def _why(self, incident: Incident) -> str:
        """Why an alert ends whose incident is neither over nor a false alarm."""
        if incident.state == "snoozed":
            return f"Snoozed until {self._text.time(incident.snoozed_until)}: {incident.title}"
        return f"Part of {incident.merged_into} now: {incident.title}" if incident.state == "merged" else ""

    def _message(self, key: str, one: _Kept, now: int) -> Message:
        incident = one.incident
        news: News = "opened"
        if one.ends_at and not one.why:
            news = "retracted" if incident.state == "retracted" else "resolved"
        words = self._text.words(incident, news, one.worklist)
        alert = Alert(
            labels=one.labels,
            annotations=_annotations(incident, words, one.why),
            starts_at=one.starts_at,
            ends_at=max(one.ends_at, one.starts_at) if one.ends_at else now + ALIVE_MS,
            link=words.link,
        )
        return Message(
            id=key,
            channel=self.channel,
            news="alert",
            at=now,
            incidents=(incident.id,),
            severity=one.severity,
            title=one.why or words.title,
            body=words.body,
            link=words.link,
            runbook=words.runbook,
            impact=words.impact,
            alert=alert,
        )


def _key(incident: str, severity: Severity) -> str:
    return f"{incident}/alert/{severity}"


def labels_of(incident: Incident) -> dict[str, str]:
    """What an alert of it is known by: what it is about, and the slice that explains it."""
    found = {
        **incident.scope,
        "alertname": NAME,
        "incident": incident.id,
        "kpi": incident.symptoms[0].kpi if incident.symptoms else "",
        "severity": incident.severity,
        "kind": incident.kind,
    }
    return {name: value for name, value in found.items() if value}


def _annotations(incident: Incident, words: Words, why: str) -> dict[str, str]:
    """What is told with it; that somebody looks after it is no label, or it would be another alert."""
    found = {
        "summary": why or words.title,
        "description": words.body,
        "impact": words.impact,
        "runbook_url": words.runbook,
        "link": words.link,
        "acknowledged": "true" if incident.state == "acknowledged" else "",
        "owner": incident.owner,
    }
    return {name: text for name, text in found.items() if text}
