"""What a business does about what is strange: incidents from judged values and broken feeds, what people and events say
of them, and what is to be told.

Pure: the same inputs in the same order give the same state, so that a worker may go on where another one stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import convert, to_builtins
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.faults import Faults
from detectors.incidents.feedback import Feedback
from detectors.incidents.grouping import Incidents
from detectors.incidents.incident import Assessment, Incident
from detectors.notification.holds import Window
from detectors.notification.message import Message
from detectors.notification.notices import Notices
from detectors.response.grains import Grains
from detectors.response.inputs import Inputs
from streams.errors import ContractError
from streams.events.times import format_time
from streams.events.types import CalendarData
from streams.kpis.definitions import Definitions


class Refused(NamedTuple):
    """Feedback that nothing could be made of, and why."""

    feedback: Feedback
    reason: str


class Outcome(NamedTuple):
    """Of a step: the incidents that are others than before, entries for the calendar, what was refused, and what is to
    be sent."""

    changed: list[Incident]
    calendar: list[CalendarData]
    refused: list[Refused]
    messages: list[Message]


class _News(NamedTuple):
    """What has become of a step so far."""

    changed: dict[str, Incident]
    calendar: dict[str, CalendarData]
    refused: list[Refused]

    def note(self, incidents: Iterable[Incident]) -> None:
        self.changed.update((one.id, one) for one in incidents)


class Response:
    """The incidents of a business, of kind ``business`` and ``pipeline``, and the ``notices`` about them."""

    def __init__(self, definitions: Definitions, notices: Notices) -> None:
        self._business = Incidents(definitions)
        self._faults = Faults(definitions)
        self._zone = ZoneInfo(definitions.timezone)
        self._grains = Grains(kpi.name for kpi in definitions.kpis)
        self.notices = notices
        self.maintenance: tuple[Window, ...] = ()
        """What is announced now."""

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return [*self._faults.incidents, *self._business.incidents]

    @property
    def waiting(self) -> int:
        """How many values wait for others of their hour."""
        return len(self._grains)

    def step(self, inputs: Inputs) -> Outcome:
        """Take in what has come. What is wrong with the feeds comes first: it explains what KPIs show."""
        news = _News({}, {}, [])
        for one in self.incidents:
            if one.state == "snoozed" and one.snoozed_until <= inputs.at:
                news.note([self._change(one.id, partial(lifecycle.wake, at=inputs.at))])
        if inputs.heard:
            self._hear(inputs, news)
        for value in inputs.values:
            self._grains.put(value)
        whole = self._grains.take(inputs.late)
        if whole:
            values, joined = self._faults.claim(whole)
            news.note(joined)
            news.note(self._business.step(values))
        for said in inputs.feedback:
            self._listen(said, news)
        for name, assessment in inputs.assessments.items():
            before = self._of(name)
            if before is not None and _is_news(assessment, before.assessment):
                news.note([self._change(name, partial(lifecycle.assess, assessment=assessment))])
        changed = list(news.changed.values())
        return Outcome(changed, list(news.calendar.values()), news.refused, self._messages(changed, inputs))

    def _hear(self, inputs: Inputs, news: _News) -> None:
        """Take in what is wrong with the sources. Incidents that had begun before that was known, and are nothing but
        that, are put down to it."""
        faults = self._faults.step(inputs.troubles, inputs.heard)
        news.note(faults)
        news.calendar.update((one.id, self._faults.calendar(one)) for one in faults)
        for one in self._business.incidents if faults else ():
            fault = self._faults.explains(one) if one.live else None
            if fault is not None:
                why = f"put down to {fault}"
                news.note([self._change(one.id, partial(lifecycle.retract, at=inputs.heard, note=why))])

    def _listen(self, said: Feedback, news: _News) -> None:
        """Take in what somebody says. Of incidents that nobody was told of there is nothing to change."""
        if said.what == "missed":
            return
        try:
            one = self._change(said.incident, lambda one: _become(one, said, self._zone))
        except ContractError as error:
            news.refused.append(Refused(said, str(error)))
            return
        news.note([one])
        if one.kind == "pipeline":
            news.calendar[one.id] = self._faults.calendar(one)
        if said.what == "expected":
            entry = _expected(said, one)
            news.calendar[entry.entry_id] = entry

    def _messages(self, changed: list[Incident], inputs: Inputs) -> list[Message]:
        """What is to be sent, of what has changed and of what was not said before."""
        if inputs.resumed:
            self.notices.resume()
        if inputs.maintenance is not None:
            self.maintenance = inputs.maintenance
        self.notices.news(changed, inputs.at)
        for sent in inputs.delivered:
            if sent.error:
                self.notices.failed(sent.message, sent.channel, inputs.at, sent.error, sent.final, sent.perhaps)
            else:
                self.notices.told(sent.message, sent.channel, inputs.at)
        return self.notices.due(inputs.at, self.maintenance)

    def restless(self) -> bool:
        """Whether there is anything that may be to be said as time passes."""
        return any(one.live for one in self.incidents) or self.notices.busy

    def _of(self, name: str) -> Incident | None:
        return next((one for one in self.incidents if one.id == name), None)

    def _change(self, name: str, how: Callable[[Incident], Incident]) -> Incident:
        fault = next((one for one in self._faults.incidents if one.id == name), None)
        if fault is None:
            return self._business.change(name, how)
        changed = how(fault)
        self._faults.change(changed)
        return changed

    def all(self) -> Outcome:
        """Everything that is known, as if it were news: for whoever does not know what was told last."""
        faults = self._faults.incidents
        return Outcome(self.incidents, [self._faults.calendar(one) for one in faults], [], [])

    def state(self) -> dict[str, Any]:
        """Everything, as plain values: what :meth:`load` makes the same of."""
        return {
            "business": self._business.state(),
            "faults": self._faults.state(),
            "grains": self._grains.state(),
            "notices": self.notices.state(),
            "maintenance": to_builtins(self.maintenance),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._business.load(state["business"])
        self._faults.load(state["faults"])
        self._grains.load(state["grains"])
        self.notices.load(state["notices"])
        self.maintenance = convert(state["maintenance"], tuple[Window, ...])


def _become(one: Incident, said: Feedback, zone: ZoneInfo) -> Incident:
    at, by, note = said.at, said.by, said.note
    match said.what:
        case "acknowledged":
            return lifecycle.acknowledge(one, at, by, note)
        case "snoozed":
            return lifecycle.snooze(one, at, by, said.until, note)
        case "reopened":
            return lifecycle.reopen(one, at, by, note)
        case "confirmed":
            return lifecycle.confirm(one, at, by, note)
        case "false_alarm":
            return lifecycle.retract(one, at, by, _joined("false alarm", note))
        case "expected":
            until = datetime.fromtimestamp(said.until / 1000, zone)
            return lifecycle.resolve(
                one, at, by, _joined(f"expected until {until:%a} {until.day} {until:%b %H:%M}", note)
            )
        case _:
            return lifecycle.resolve(one, at, by, note)


def _joined(what: str, note: str) -> str:
    return f"{what}: {note}" if note else what


def _is_news(told: Assessment, before: Assessment | None) -> bool:
    """Whether anything but the time is another."""
    return before is None or (told.at >= before.at and replace(told, at=before.at) != before)


def _expected(said: Feedback, one: Incident) -> CalendarData:
    """What the calendar is told: neither alert nor learn."""
    return CalendarData(
        entry_id=f"expected-{one.id}",
        kind="maintenance",
        start=format_time(one.since),
        end=format_time(said.until),
        title=_joined(f"Expected, says {said.by}", said.note),
        scope={name: [value] for name, value in one.scope.items()},
    )
