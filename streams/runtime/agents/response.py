"""The one partition of the topics that incidents are made from: what has come in, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from detectors.incidents.feedback import Feedback
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment, Incident
from detectors.notification.holds import Window
from detectors.notification.message import Message
from detectors.response.inputs import Delivered, Inputs
from detectors.response.response import Outcome, Response
from streams.events.codec import Rejection, encode
from streams.events.times import format_time
from streams.events.types import CalendarData, CalendarEntry
from streams.kpis.values import KpiValue
from streams.runtime.agents.owned import Owned, Publication
from streams.runtime.deadletters import dead_letter
from streams.runtime.outbox import Record
from streams.runtime.state.frames import Step
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

SOURCE = "/daybook/incidents"
"""The source of the calendar entries that incidents lead to."""
QUIET = 15.0
"""Seconds without a further value after which those that wait have waited for long enough: KPIs are told of by several
workers, and one may be reading its state."""
LONGEST = 120.0
"""Seconds after which those that wait have waited for long enough, though others still come: history that is read in
comes from several workers at their own pace."""
MOST_VALUES = 5_000
"""Values that are enough for a step."""
TICK = 5.0
"""Seconds after which a step is taken without anything new, where there may be something to say."""
MOST_PASSED = 20_000
"""Records passed over that are worth a step of their own: a recovery would read them again."""


class _Inbox:
    """What has come in since the step before."""

    def __init__(self) -> None:
        self.values: list[KpiValue] = []
        self.said: list[tuple[int, Feedback]] = []
        self.assessments: dict[str, Assessment] = {}
        self.troubles: tuple[FeedTrouble, ...] = ()
        self.heard = 0
        self.delivered: list[Delivered] = []

    def __bool__(self) -> bool:
        return bool(self.values or self.said or self.assessments or self.heard or self.delivered)


class ResponsePartition(Owned):
    """``response`` is None until it has been recovered. Its step holds all that came in: to recover is to take the same
    steps again."""

    def __init__(
        self,
        number: int,
        names: TopicNames,
        maintenance: Callable[[], tuple[Window, ...]],
        clock: Callable[[], float],
        wall: Callable[[], int],
    ) -> None:
        super().__init__(number, clock())
        self.messages: list[Message] = []
        """What is to be sent once all that is known has been recorded."""
        self.response: Response | None = None
        self._names, self._clock, self._wall = names, clock, wall
        self._topics = (names.kpis, names.feedback)
        self.next = dict.fromkeys(self._topics, 0)
        self.epochs: dict[str, int] = {}
        """Since which seek each topic is read."""
        self._inbox = _Inbox()
        self._sequence = 0
        self._told_to = (0, 0)
        self._maintenance = maintenance
        self._announced: tuple[Window, ...] | None = None
        self._resumed = False
        self._stepped = self._came = self._whole = clock()

    def begin(self, response: Response, offsets: tuple[int, ...], sequence: int) -> None:
        """Go on with a response that is as the state log says. What was told last may not have been: it is told again,
        as what it is now."""
        kpis, feedback = offsets
        self.response, self._sequence, self._told_to = response, sequence, (kpis, feedback)
        self.next = dict(zip(self._topics, self._told_to, strict=True))
        again = self._records(response.all())
        if again:
            step = Step(sequence, sequence, self._told_to, self._told_to, b"")
            self.publication = Publication(step, again, 0, recorded=True)

    @property
    def recovered(self) -> bool:
        return self.response is not None

    @property
    def placed(self) -> bool:
        return self.epochs.keys() == set(self._topics)

    def wanted(self, topic: str) -> int:
        return self.next[topic]

    def place(self, topic: str, position: Position) -> bool:
        wanted, self.epochs[topic] = self.next[topic], position.epoch
        self.next[topic] = max(position.offset, wanted)
        return position.offset <= wanted

    # -- what comes in ------------------------------------------------------------------------------------------

    def value(self, value: KpiValue) -> None:
        """A final or corrected value of a grain."""
        self._came = self._clock()
        self._inbox.values.append(value)

    def said(self, offset: int, feedback: Feedback) -> None:
        """What somebody says."""
        self._inbox.said.append((offset, feedback))

    def assessed(self, incident: str, assessment: Assessment) -> None:
        """What events say of an incident."""
        self._inbox.assessments[incident] = assessment

    def heard(self, troubles: Sequence[FeedTrouble], at: int) -> None:
        """What is wrong with the sources as of an instant of event time, epoch ms."""
        self._inbox.troubles, self._inbox.heard = tuple(troubles), at

    def delivered(self, result: Delivered) -> None:
        """What became of a message."""
        self._inbox.delivered.append(result)

    # -- what goes out ------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether enough has come in for a step."""
        return len(self._inbox.values) >= MOST_VALUES

    @property
    def settled(self) -> bool:
        """Whether all that is known has been recorded and published."""
        return self.recovered and not self.failed and self.publication is None

    @property
    def incidents(self) -> list[Incident]:
        """All that are live, or have been of late."""
        return [] if self.response is None else self.response.incidents

    def take_news(self) -> Publication | None:
        offsets = (self.next[self._names.kpis], self.next[self._names.feedback])
        if self.response is None:
            return None
        now, late = self._clock(), self._is_late()
        if not (self._inbox or late or self._due(offsets)):
            return None
        inbox, self._inbox = self._inbox, _Inbox()
        inputs = Inputs(
            at=self._wall(),
            values=tuple(inbox.values),
            feedback=tuple(one for _, one in inbox.said),
            assessments=inbox.assessments,
            troubles=inbox.troubles,
            heard=inbox.heard,
            delivered=tuple(inbox.delivered),
            maintenance=self._news_of_maintenance(),
            resumed=not self._resumed,
            late=late,
        )
        self._resumed, self._stepped = True, now
        self._sequence += 1
        weight = 1 + len(inputs.values)
        step = Step(self.recorded, self._sequence, self._told_to, offsets, b"", weight)
        self._told_to = offsets
        outcome = self.response.step(inputs)
        if not self.response.waiting or late:
            self._whole = now
        self.letters += self._letters(outcome, inbox.said)
        self.messages += outcome.messages
        self.publication = Publication(step, self._records(outcome), len(self.letters), payload=inputs.encode)
        return self.publication

    def _news_of_maintenance(self) -> tuple[Window, ...] | None:
        announced = self._maintenance()
        known, self._announced = self._announced, announced
        return None if announced == known else announced

    def _is_late(self) -> bool:
        """Whether values have waited for long enough for others of their hour."""
        assert self.response is not None
        if not (self.response.waiting or self._inbox.values):
            return False
        now = self._clock()
        return now - self._came >= QUIET or now - self._whole >= LONGEST

    def _due(self, offsets: tuple[int, int]) -> bool:
        """Whether a step is due though nothing has come: there may be something to say, or so much was passed over that
        a recovery would have to read again."""
        assert self.response is not None
        passed = sum(offsets) - sum(self._told_to)
        return passed >= MOST_PASSED or (self._clock() - self._stepped >= TICK and self.response.restless())

    def state(self) -> dict[str, Any]:
        assert self.response is not None
        return self.response.state()

    def _records(self, outcome: Outcome) -> list[Record]:
        incidents = [Record(self._names.incidents, one.id.encode(), one.encode()) for one in outcome.changed]
        return [*incidents, *(self._entry(data) for data in outcome.calendar)]

    def _entry(self, data: CalendarData) -> Record:
        event = CalendarEntry(
            id=f"{data.entry_id}-{data.end}",
            source=SOURCE,
            time=format_time(self._wall()),
            subject=data.entry_id,
            data=data,
        )
        return Record(self._names.calendar, data.entry_id.encode(), encode(event))

    def _letters(self, outcome: Outcome, said: Iterable[tuple[int, Feedback]]) -> list[Record]:
        offsets = {feedback.id: offset for offset, feedback in said}
        return [
            dead_letter(
                self._names.feedback,
                self.number,
                offsets[one.feedback.id],
                one.feedback.incident.encode(),
                one.feedback.encode(),
                Rejection(reason=one.reason, code="not_applicable"),
            )
            for one in outcome.refused
        ]
