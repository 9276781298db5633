"""Which messages are due, to whom: from what a channel was told of an incident last, and how the incident is now.

Nothing is queued that could become wrong: a message that has not gone out is worked out anew from the incident as it
is, so what was opened and is over again, while nothing could be said, is not told. What was on its way stays what it
was until its fate is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, convert, to_builtins

from detectors.incidents.incident import Incident, Severity
from detectors.incidents.severity import SEVERITIES, graver
from detectors.notification.alerts import Alerts
from detectors.notification.holds import QUIET, Held, Holds, Window
from detectors.notification.ledger import Attempt, Cover, Item, Known, Ledger, after, digest_name, name_of
from detectors.notification.message import GivenUp, Message, asleep, lighter
from detectors.notification.pacing import GIVEN_UP_MS, Bucket, again_after
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from streams.kpis.grid import DAY_MS

_KEPT_MS = 7 * DAY_MS
"""What was told of an incident is remembered so long after its end: by then it cannot be reopened any more."""
_MOST_LOST = 100


class Settings(Struct, frozen=True, kw_only=True):
    """``channels`` are the names of those for messages, ``alertmanager`` that of the one for alerts, empty for none.
    Of the severities ``held_back`` nothing is told in quiet hours; each channel takes ``per_hour`` messages an hour.
    Nobody is told of what was off last longer ago than ``too_old`` (ms)."""

    channels: tuple[str, ...] = ()
    alertmanager: str = ""
    held_back: frozenset[Severity] = frozenset({"info", "warning"})
    per_hour: int = 12
    too_old: int = DAY_MS


class Notices:
    """What is to be sent, and what became of it. ``now`` is the wall clock (epoch ms) and need not go forward.

    :meth:`due` gives each message once; it counts as being on its way until :meth:`told` or :meth:`failed` says what
    became of it, or :meth:`resume` that nobody will.
    """

    def __init__(self, settings: Settings, text: Text, quiet: QuietHours) -> None:
        self._settings, self._text = settings, text
        self._holds = Holds(quiet, settings.held_back, settings.too_old)
        self._alerts = Alerts(settings.alertmanager, text)
        self._ledgers: dict[str, Ledger] = {}
        self._tries: dict[tuple[str, str], Attempt] = {}
        self._buckets = {name: Bucket(settings.per_hour, float(settings.per_hour)) for name in settings.channels}
        self.lost: list[GivenUp] = []
        """What was given up, the last of it."""
        self.passed_over = 0
        """Incidents that nobody was told of because they were long over when they were found."""

    # -- what comes in --------------------------------------------------------------------------------------------

    def news(self, changed: Sequence[Incident], now: int) -> None:
        """Incidents that are new, or others than before."""
        for incident in changed:
            worklist = 0 if incident.assessment is None else len(incident.assessment.cases)
            ledger = self._ledgers.get(incident.id)
            if ledger is None:
                self._ledgers[incident.id] = Ledger(lighter(incident), worklist, now, {})
            elif incident.revision >= ledger.incident.revision:
                ledger.incident, ledger.worklist = lighter(incident), worklist

    def told(self, message: str, channel: str, now: int) -> None:
        """It has arrived. One that is not on its way is passed over: it was told of already."""
        if channel == self._settings.alertmanager:
            self._alerts.told(message, now)
            return
        attempt = self._tries.pop((channel, message), None)
        if attempt is not None:
            self._settle(attempt, arrived=True)

    def failed(self, message: str, channel: str, now: int, error: str, permanent: bool, perhaps: bool = False) -> None:
        """It has not arrived, or only ``perhaps``, as where nobody answered in time. It is sent again, unless that is
        of no use (``permanent``) or was tried for a day."""
        if channel == self._settings.alertmanager:
            self._alerts.failed(message, now, error, permanent)
            return
        attempt = self._tries.get((channel, message))
        if attempt is None:
            return
        attempt.offered, attempt.error, attempt.tries = False, error, attempt.tries + 1
        attempt.perhaps = attempt.perhaps or perhaps
        attempt.next = now + again_after(f"{channel} {message}", attempt.tries)
        if permanent or now - attempt.at >= GIVEN_UP_MS:
            del self._tries[channel, message]
            self._settle(attempt, arrived=False)
            self._lose([GivenUp(message, channel, now, error)])

    def _settle(self, attempt: Attempt, arrived: bool) -> None:
        for cover in attempt.covers:
            ledger = self._ledgers.get(cover.incident)
            if ledger is None:
                continue
            before = ledger.known.get(attempt.channel)
            severity = cover.severity
            if before is not None and graver(before.severity, severity):
                severity = before.severity
            ledger.known[attempt.channel] = Known(after(cover.news, arrived, before), severity)

    def _lose(self, lost: list[GivenUp]) -> None:
        self.lost = [*self.lost, *lost][-_MOST_LOST:]

    # -- what goes out --------------------------------------------------------------------------------------------

    def due(self, now: int, maintenance: Sequence[Window] = ()) -> list[Message]:
        """What is to be sent now. ``maintenance`` that was announced holds back what lies within it."""
        found: list[Message] = []
        if self._settings.alertmanager:
            for name, ledger in self._ledgers.items():
                held = not self._alerts.knows(name) and self._holds.new(ledger, now, maintenance) is not None
                self._alerts.follow(ledger.incident, ledger.worklist, now, held)
            found, lost = self._alerts.due(now)
            self._lose(lost)
        for channel in self._settings.channels:
            found += self._again(channel, now, maintenance)
            found += self._first(channel, now, maintenance)
        self._forget(now)
        return found

    def held(self, now: int, maintenance: Sequence[Window] = ()) -> list[Held]:
        """What is not said now, why, and until when."""
        found: dict[tuple[str, str], Held] = {}
        for name, ledger in self._ledgers.items():
            for one in self._reasons(ledger, now, maintenance):
                found.setdefault((name, one.why), one)
        return list(found.values())

    def pending(self, channel: str) -> int:
        """How many messages are on their way, or were and will be again."""
        if channel == self._settings.alertmanager:
            return self._alerts.pending()
        return sum(1 for name, _ in self._tries if name == channel)

    def _again(self, channel: str, now: int, maintenance: Sequence[Window]) -> Iterator[Message]:
        """What has failed, and is as it was; else it is not sent any more. What has arrived perhaps is sent again all
        the same: whoever was told that something is wrong has to be told that it is over."""
        for attempt in [one for one in self._tries.values() if one.channel == channel]:
            if attempt.offered or now < attempt.next:
                continue
            if len(attempt.covers) == 1 and not attempt.perhaps:
                (cover,) = attempt.covers
                ledger = self._ledgers[cover.incident]
                item = ledger.item(channel)
                if item is None or item.news != cover.news:
                    del self._tries[channel, attempt.id]
                    continue
                if self._holds.known(ledger, now, maintenance) is not None:
                    continue
            attempt.offered = True
            yield self._message(attempt)

    def _first(self, channel: str, now: int, maintenance: Sequence[Window]) -> Iterator[Message]:
        """What there is to say that was not offered yet: as much as the channel takes, the rest in one message."""
        items = self._waiting(channel, now, maintenance)
        free = self._buckets[channel].free(now)
        if not items or not free:
            return
        singles = sorted((one for one in items if not one.summary), key=_urgency)
        rest = [one for one in items if one.summary]
        if len(singles) + bool(rest) > free:
            singles, rest = singles[: free - 1], singles[free - 1 :] + rest
        self._buckets[channel].take(len(singles) + bool(rest))
        for group in [*([one] for one in singles), *([rest] if rest else [])]:
            covers = tuple(Cover(one.ledger.incident.id, one.news, one.ledger.incident.severity) for one in group)
            names = [name_of(one.ledger.incident, one.news) for one in group]
            digest = len(group) > 1 or group[0].summary
            attempt = Attempt(
                id=digest_name(names) if digest else names[0],
                channel=channel,
                covers=covers,
                at=now,
                next=now,
                offered=True,
                summary=all(one.summary for one in group),
            )
            self._tries[channel, attempt.id] = attempt
            yield self._message(attempt)

    def _waiting(self, channel: str, now: int, maintenance: Sequence[Window]) -> list[Item]:
        busy = {cover.incident for one in self._tries.values() if one.channel == channel for cover in one.covers}
        found = []
        for name, ledger in self._ledgers.items():
            item = None if name in busy else ledger.item(channel)
            if item is None:
                continue
            held = self._holds.why(item, channel, now, maintenance)
            if held is None:
                found.append(item)
            elif held.why == QUIET and channel not in ledger.known:
                ledger.quiet = True
        return found

    # -- what is held back ----------------------------------------------------------------------------------------

    def _reasons(self, ledger: Ledger, now: int, maintenance: Sequence[Window]) -> Iterator[Held]:
        incident = ledger.incident
        if asleep(incident):
            yield Held(incident.id, "snoozed", incident.snoozed_until)
            return
        for channel in self._settings.channels:
            item = ledger.item(channel)
            if item is None:
                continue
            held = self._holds.why(item, channel, now, maintenance)
            tries = [
                one
                for one in self._tries.values()
                if one.channel == channel and any(cover.incident == incident.id for cover in one.covers)
            ]
            if held is not None:
                yield held
            elif not tries and not self._buckets[channel].free(now):
                yield Held(incident.id, f"rate limit of {channel}", self._buckets[channel].ready(now))
            for one in tries:
                if one.tries and not one.offered:
                    yield Held(incident.id, f"not delivered to {channel}: {one.error}", one.next)
        if self._settings.alertmanager and incident.live and not self._alerts.knows(incident.id):
            held = self._holds.new(ledger, now, maintenance)
            if held is not None:
                yield held
        error = self._alerts.errors().get(incident.id)
        if error:
            yield Held(incident.id, f"not delivered to {self._settings.alertmanager}: {error}", None)

    # -- bookkeeping ----------------------------------------------------------------------------------------------

    def _forget(self, now: int) -> None:
        busy = {cover.incident for one in self._tries.values() for cover in one.covers}
        for name, ledger in list(self._ledgers.items()):
            incident = ledger.incident
            if incident.live or name in busy:
                continue
            if any(ledger.item(channel) is not None for channel in self._settings.channels):
                continue
            old = now - incident.until > self._holds.too_old
            if incident.state == "merged" or not ledger.known or now - incident.until > _KEPT_MS:
                self.passed_over += old and not ledger.known and not self._alerts.has(name)
                del self._ledgers[name]

    def _message(self, attempt: Attempt) -> Message:
        incidents = [self._ledgers[cover.incident].incident for cover in attempt.covers]
        severity = max((one.severity for one in incidents), key=SEVERITIES.index)
        ids = tuple(one.id for one in incidents)
        if attempt.id.startswith("digest/"):
            lines = [self._text.line(one, cover.news) for one, cover in zip(incidents, attempt.covers, strict=True)]
            title, body = self._text.digest(lines, attempt.summary)
            return Message(attempt.id, attempt.channel, "digest", attempt.at, ids, severity, title, body)
        (cover,) = attempt.covers
        words = self._text.words(incidents[0], cover.news, self._ledgers[cover.incident].worklist)
        return Message(
            id=attempt.id,
            channel=attempt.channel,
            news=cover.news,
            at=attempt.at,
            incidents=ids,
            severity=severity,
            title=words.title,
            body=words.body,
            link=words.link,
            runbook=words.runbook,
            impact=words.impact,
        )

    def resume(self) -> None:
        """Whoever sends is another now, and does not know what has become of what was on its way: it is given again,
        under the same id."""
        for one in self._tries.values():
            if one.offered:
                one.offered, one.perhaps, one.next = False, True, 0
        self._alerts.resume()

    @property
    def busy(self) -> bool:
        """Whether there may be something to say later on, without anything new."""
        return (
            bool(self._tries)
            or self._alerts.pending() > 0
            or any(
                ledger.item(channel) is not None
                for ledger in self._ledgers.values()
                for channel in self._settings.channels
            )
        )

    def state(self) -> dict[str, Any]:
        """Everything, as plain values: what :meth:`load` makes the same of."""
        return {
            "ledgers": [to_builtins(one) for one in self._ledgers.values()],
            "tries": [to_builtins(one) for one in self._tries.values()],
            "buckets": {name: [one.tokens, one.at] for name, one in self._buckets.items()},
            "alerts": self._alerts.state(),
            "lost": to_builtins(self.lost),
            "passed_over": self.passed_over,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of. Channels that are none any more are left out."""
        self._ledgers = {one.incident.id: one for one in convert(state["ledgers"], list[Ledger])}
        tries = [one for one in convert(state["tries"], list[Attempt]) if one.channel in self._settings.channels]
        self._tries = {(one.channel, one.id): one for one in tries}
        for name, (tokens, at) in state["buckets"].items():
            if name in self._buckets:
                self._buckets[name].tokens = min(tokens, float(self._settings.per_hour))
                self._buckets[name].at = at
        self._alerts.load(state["alerts"])
        self.lost = convert(state["lost"], list[GivenUp])
        self.passed_over = state["passed_over"]


def _urgency(item: Item) -> tuple[int, int, str]:
    incident = item.ledger.incident
    return -SEVERITIES.index(incident.severity), incident.since, incident.id
