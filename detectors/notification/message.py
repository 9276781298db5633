"""What is to be sent: a message for people, or an alert for Alertmanager."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from detectors.incidents.incident import Incident, Severity

News = Literal["opened", "worsened", "reopened", "resolved", "retracted"]
"""What people are told of an incident. Nobody needs to hear that it was acknowledged: somebody just did that."""


class Alert(Struct, frozen=True, omit_defaults=True):
    """An alert as Alertmanager's API v2 takes it. ``starts_at`` and ``ends_at`` are epoch ms; it is over when the
    latter has passed. ``link`` is where it comes from."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: int
    ends_at: int
    link: str = ""


class Message(Struct, frozen=True, omit_defaults=True):
    """One thing to be sent to one channel.

    The same ``id`` on the same ``channel`` is the same message, whenever it is sent again. ``news`` is ``digest`` for
    several incidents in one, ``test`` where nothing is wrong, and ``alert`` where ``alert`` is what there is to send.
    ``at`` is when it was first due (epoch ms), ``body`` a few lines of text.
    """

    id: str
    channel: str
    news: Literal[News, "digest", "alert", "test"]
    at: int
    incidents: tuple[str, ...]
    severity: Severity
    title: str
    body: str
    link: str = ""
    runbook: str = ""
    impact: str = ""
    alert: Alert | None = None


class GivenUp(Struct, frozen=True):
    """A message that was given up ``at`` an instant (epoch ms), and the last error."""

    id: str
    channel: str
    at: int
    error: str


def asleep(incident: Incident) -> bool:
    """Whether it is snoozed, and has not become critical since."""
    if incident.state != "snoozed":
        return False
    since = max((at for at, one in enumerate(incident.history) if one.what == "snoozed"), default=-1)
    worse = any(one.what == "worsened" for one in incident.history[since + 1 :])
    return not (worse and incident.severity == "critical")


def lighter(incident: Incident) -> Incident:
    """Without its worklist, which is long, and only counted here."""
    found = incident.assessment
    return incident if found is None else replace(incident, assessment=replace(found, cases=()))
