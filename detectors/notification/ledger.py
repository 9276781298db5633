"""Who knows what of an incident, and what is on its way to them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple

from msgspec import Struct

from detectors.incidents.incident import Incident, Severity
from detectors.incidents.severity import graver
from detectors.notification.message import News, asleep

Knows = Literal["live", "over", "retracted", "missed"]


class Known(Struct):
    """What a channel was told of an incident last; ``missed`` where it was to be told and could not be."""

    state: Knows
    severity: Severity


class Ledger(Struct):
    """An incident, and who knows what of it. ``seen`` is when it was first heard of here (epoch ms), ``quiet`` whether
    quiet hours have kept it from being told."""

    incident: Incident
    worklist: int
    seen: int
    known: dict[str, Known]
    quiet: bool = False

    def item(self, channel: str) -> Item | None:
        """What a channel does not know of it yet."""
        incident, known = self.incident, self.known.get(channel)
        news: News | None = None
        if incident.state == "merged" or asleep(incident):
            return None
        if known is None and incident.state == "resolved" and self.quiet:
            return Item(self, "resolved", True)
        if incident.live:
            if known is None:
                news = "opened"
            elif known.state in ("over", "retracted"):
                news = "reopened"
            elif graver(incident.severity, known.severity):
                news = "worsened"
        elif known is not None and known.state == "live":
            news = "retracted" if incident.state == "retracted" else "resolved"
        elif known is not None and known.state == "over" and incident.state == "retracted":
            news = "retracted"
        return None if news is None else Item(self, news, False)


class Item(NamedTuple):
    """Something there is to say; ``summary``: that it came and went in quiet hours."""

    ledger: Ledger
    news: News
    summary: bool


class Cover(Struct, frozen=True):
    """What a message says of one incident."""

    incident: str
    news: News
    severity: Severity


class Attempt(Struct):
    """A message that was offered: first ``at`` an instant, again at ``next`` (epoch ms), where it is not on its way.
    ``perhaps``: it may have arrived though nobody said so. ``summary``: it is about what came and went in quiet
    hours."""

    id: str
    channel: str
    covers: tuple[Cover, ...]
    at: int
    next: int
    tries: int = 0
    offered: bool = False
    perhaps: bool = False
    error: str = ""
    summary: bool = False


def name_of(incident: Incident, news: News) -> str:
    """The id of what is said of it: the same however often that is worked out."""
    if news == "worsened":
        return f"{incident.id}/worsened/{incident.severity}"
    return f"{incident.id}/{news}/{max(1, sum(change.what == news for change in incident.history))}"


def digest_name(names: Sequence[str]) -> str:
    """The id of what is said in one message."""
    return f"digest/{blake2b(' '.join(sorted(names)).encode(), digest_size=8).hexdigest()}"


def after(news: News, arrived: bool, before: Known | None) -> Knows:
    """What a channel knows after a message, or after one that could not be delivered."""
    if news == "resolved":
        return "over"
    if news == "retracted":
        return "retracted"
    if arrived or (news == "worsened" and before is not None and before.state == "live"):
        return "live"
    return "missed"
