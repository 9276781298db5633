"""The ``incidents`` agent without Kafka: what it takes in, records, tells and sets aside, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from detectors.incidents.feedback import Feedback
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment, Incident
from detectors.notification.message import Message
from detectors.response.inputs import Delivered
from detectors.response.response import Response
from streams.config import load_config
from streams.events.codec import decode_calendar
from streams.runtime.agents.incidents import Answered, Respond, revive_response
from streams.runtime.agents.response import LONGEST, MOST_PASSED, MOST_VALUES, QUIET, TICK
from streams.runtime.metrics import Metrics
from streams.runtime.state.chain import Chain
from streams.runtime.topics import TopicNames
from tests.support.agents import Broker, Clock, FakeConsumer, chunk, until
from tests.support.judging import final
from tests.support.memory_log import MemoryLog, Records
from tests.unit.test_response import at, response, silent, strange

NAMES = TopicNames("daybook")
KPIS, FEEDBACK = TP(NAMES.kpis, 0), TP(NAMES.feedback, 0)


class Outside:
    """Sees what there is once it has been published."""

    def __init__(self) -> None:
        self.seen: list[list[str] | None] = []
        self.messages: list[Message] = []

    def tend(self, response: Response | None, messages: Sequence[Message]) -> None:
        self.messages += messages
        self.seen.append(None if response is None else [f"{one.id} {one.state}" for one in response.incidents])


class Team:
    """An ``incidents`` agent, everything around it faked."""

    def __init__(self, records: Records | None = None, broker: Broker | None = None) -> None:
        self.clock, self.broker, self.consumer = Clock(), broker or Broker(), FakeConsumer()
        self.wall = at(12)
        self.outside = Outside()
        self.registry = CollectorRegistry()
        self.log = MemoryLog(records or Records(), beginning=(0, 0))
        self.agent = Respond(
            load_config(env={}).namespace,
            self._revive,
            self.log,
            lambda: self.consumer,
            self.broker.send,
            Metrics(self.registry, []),
            [self.outside],
            clock=self.clock,
            wall=lambda: self.wall,
        )
        self.consumer.reader = self.agent  # type: ignore[assignment]

    def _revive(self, number: int, chain: Chain) -> Answered:
        return revive_response(response(), chain, 1)

    async def assign(self) -> None:
        """A rebalance, and what follows of it until all is read on."""
        self.agent.assigned({0})
        await self.consumer.rewind([KPIS, FEEDBACK])
        held = self.agent._partitions
        await until(lambda: held[0].trusted and held[0].placed)

    async def read(self, tp: TP, start: int, values: Sequence[bytes]) -> None:
        """A chunk fetched since the last seek."""
        await self.agent.take(chunk(tp, start, values, epoch=self.consumer.epochs[tp]))

    async def pass_time(self, seconds: float = QUIET) -> None:
        """So much later."""
        self.clock.now += seconds
        await self.agent.refresh()

    @property
    def told(self) -> list[Incident]:
        """All that was published of incidents."""
        return [Incident.decode(record.value or b"") for record in self.broker.to(NAMES.incidents)]

    @property
    def metric(self) -> float | None:
        """How many open warnings there are."""
        labels = {"kind": "business", "severity": "warning", "state": "open"}
        return self.registry.get_sample_value("daybook_incidents", labels)


@pytest.fixture
async def team() -> Team:
    made = Team()
    await made.assign()
    return made


ALERT = strange("orders_placed", 10).encode()
PROVISIONAL = final("orders_placed", 11, 5.0, status="provisional").encode()


async def test_what_is_final_becomes_an_incident_once_its_grain_is_whole(team: Team) -> None:
    await team.read(KPIS, 0, [PROVISIONAL, ALERT])
    await team.pass_time(QUIET / 2)
    assert team.told == []
    await team.read(KPIS, 2, [strange("revenue", 10).encode()])
    await team.pass_time(QUIET / 2)
    assert team.told == []  # another has come meanwhile
    assert [entry.end for entry in team.log.records.entries()] == [(2, 0), (3, 0)]  # it is recorded at once
    await team.pass_time()
    (one,) = team.told
    assert {symptom.kpi for symptom in one.symptoms} == {"orders_placed", "revenue"}
    assert team.metric == 1
    assert team.outside.seen[-1] == [f"{one.id} open"]
    assert team.consumer.committed == {KPIS: 3, FEEDBACK: 0}


async def test_a_grain_is_not_waited_for_for_ever_nor_more_taken_in_than_is_good(team: Team) -> None:
    await team.read(KPIS, 0, [ALERT])
    for second in range(1, int(LONGEST)):
        await team.read(KPIS, second, [strange("revenue", 10).encode()])
        await team.pass_time(1.0)
        assert team.told == []
    await team.pass_time(1.0)
    assert len(team.told) == 1
    usual = [final("orders_placed", 100 + hour, 100.0).encode() for hour in range(MOST_VALUES)]
    await team.read(KPIS, int(LONGEST), usual)
    ends = [entry.end[0] for entry in team.log.records.entries()]
    assert ends[-1] == int(LONGEST) + MOST_VALUES  # without a refresh in between


async def test_nothing_is_told_or_shown_before_it_is_recorded(team: Team) -> None:
    await team.read(KPIS, 0, [ALERT])
    team.log.down = True
    before = len(team.outside.seen)
    await team.pass_time()
    assert team.told == []
    assert [one for one in team.outside.seen[before:] if one] == []
    team.log.down = False
    team.clock.now += 10
    await until(lambda: team.agent._partitions[0].recovered, 5000)
    await until(lambda: team.agent._partitions[0].placed, 5000)
    await team.read(KPIS, 0, [ALERT])
    await team.pass_time()
    await team.pass_time()
    assert [one.state for one in team.told] == ["open"]


async def test_a_successor_goes_on_where_the_other_stopped_and_tells_again_what_may_not_have_been_told() -> None:
    records = Records()
    first = Team(records)
    await first.assign()
    await first.read(KPIS, 0, [ALERT])
    first.broker.down = True
    await first.pass_time()
    assert first.told == []
    second = Team(records)
    await second.assign()
    assert second.agent.wanted(KPIS) == 1
    await second.pass_time()
    assert [(one.id, one.state) for one in second.told] == [("orders_placed-20240101T1100", "open")]
    await second.read(KPIS, 1, [strange("orders_placed", 11).encode()])
    await second.pass_time()
    assert len({one.id for one in second.told}) == 1
    # Who was replaced records nothing more, and shows nothing more.
    await first.read(KPIS, 1, [strange("tickets_answered", 11).encode()])
    first.broker.down = False
    shown = len(first.outside.seen)
    await first.pass_time()
    assert [one.symptoms[0].kpi for one in first.told if one.symptoms[0].kpi == "tickets_answered"] == []
    assert [one for one in first.outside.seen[shown:] if one and "tickets" in one[0]] == []


async def test_what_people_say_is_taken_in_at_once_or_set_aside_with_a_reason(team: Team) -> None:
    await team.read(KPIS, 0, [ALERT])
    await team.pass_time()
    (one,) = team.told
    said = Feedback(id="1", at=at(12), by="Ada", what="acknowledged", incident=one.id)
    await team.read(FEEDBACK, 0, [said.encode(), Feedback("2", at(12), "Ada", "resolved", "nothing").encode(), b"?"])
    await team.pass_time(0.0)
    assert (team.told[-1].state, team.told[-1].owner) == ("acknowledged", "Ada")
    letters = team.broker.to(f"{NAMES.feedback}.dlq")
    reasons = {dict(letter.headers)["source_offset"]: dict(letter.headers)["error"].decode() for letter in letters}
    assert reasons[b"1"] == "there is no incident nothing, or it was over long ago"
    assert reasons[b"2"].startswith("no feedback: ")


async def test_a_value_that_cannot_be_read_is_set_aside_and_those_around_it_count(team: Team) -> None:
    await team.read(KPIS, 0, [b'{"kpi": 1}', ALERT])
    await team.pass_time()
    assert len(team.told) == 1
    (letter,) = team.broker.to(f"{NAMES.kpis}.dlq")
    assert letter.value == b'{"kpi": 1}'


async def test_what_was_heard_of_sources_leads_to_an_entry_of_the_calendar(team: Team) -> None:
    trouble: FeedTrouble = silent(10, 10.2)
    team.agent.heard([trouble], trouble.until)
    await team.pass_time(0.0)
    (one,) = team.told
    assert one.kind == "pipeline"
    (record,) = team.broker.to(NAMES.calendar)
    entry = decode_calendar(record.value or b"")
    assert entry.data.entry_id == one.id
    assert entry.data.scope == {"carrier": ["postbird"]}


async def test_what_events_say_goes_into_the_incident_and_the_message_and_that_is_sent_once_recorded(
    team: Team,
) -> None:
    await team.read(KPIS, 0, [ALERT])
    await team.pass_time()
    team.agent.assessed(team.told[0].id, Assessment(at(11), 4, 1, 3, 9_900, "", ()))
    team.log.down = True
    await team.pass_time(0.0)
    assert team.outside.messages == []
    team.log.down = False
    await until(lambda: team.agent._partitions[0].recovered, 5000)
    await team.pass_time(0.0)
    assert team.told[-1].assessment is None  # it was lost with the state; events are looked through again
    team.agent.assessed(team.told[0].id, Assessment(at(11), 4, 1, 3, 9_900, "", ()))
    await team.pass_time(0.0)
    assert team.told[-1].assessment is not None
    (message,) = team.outside.messages
    assert "4 orders" in message.impact


async def test_a_message_is_offered_again_by_a_successor_unless_its_arrival_is_recorded() -> None:
    records = Records()
    first = Team(records)
    await first.assign()
    await first.read(KPIS, 0, [ALERT])
    await first.pass_time()
    first.wall += 60_000
    await first.pass_time(TICK)
    (message,) = first.outside.messages
    second = Team(records)
    await second.assign()
    second.wall = first.wall + 60_000
    for _ in range(3):
        await second.pass_time(TICK)
    assert [one.id for one in second.outside.messages] == [message.id]
    second.agent.delivered(Delivered(message.id, message.channel))
    await second.pass_time(TICK)
    third = Team(records)
    await third.assign()
    third.wall = second.wall + 60_000
    for _ in range(3):
        await third.pass_time(TICK)
    assert third.outside.messages == []


async def test_what_is_passed_over_is_recorded_now_and_then(team: Team) -> None:
    await team.read(KPIS, 0, [PROVISIONAL] * (MOST_PASSED - 1))
    await team.pass_time()
    assert team.log.records.entries() == []
    await team.read(KPIS, MOST_PASSED - 1, [PROVISIONAL])
    await team.pass_time()
    (entry,) = team.log.records.entries()
    assert entry.end == (MOST_PASSED, 0)
