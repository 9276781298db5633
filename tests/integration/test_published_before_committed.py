"""A worker on a real broker: what it has taken in is recorded, then published, then committed, and each step waits for
the broker's acknowledgement of the one before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP
from kafka import KafkaConsumer, TopicPartition

from streams.config import Config, load_config
from streams.events.codec import encode
from streams.kpis.partials import Partial
from streams.runtime.app import create_app
from streams.runtime.broker import EmbeddedBroker
from streams.runtime.bulk import BulkProducer
from streams.runtime.producer import send_heartbeats
from streams.runtime.state.frames import Kind, Step, join
from streams.runtime.topics import TopicNames, create_topics
from tests.integration.conftest import free_port
from tests.support.agents import placed
from tests.support.faust_apps import committed, running, until
from tests.support.shop import T0, family_of

ORDERS = 30


@pytest.fixture
def config(embedded_broker: EmbeddedBroker, namespace: str, tmp_path: Path) -> Config:
    made = load_config(
        env={
            "DAYBOOK_BOOTSTRAP": embedded_broker.bootstrap,
            "DAYBOOK_NAMESPACE": namespace,
            "DAYBOOK_DATA_DIR": str(tmp_path),
            "DAYBOOK_PARTITIONS": "1",
            "DAYBOOK_METRICS_PORT": str(free_port()),
        }
    )
    create_topics(made)
    return made


class Watched:
    """A worker whose three ways out are watched, and can be held up: its state log, its producer, its commits.

    ``seen`` is what the broker was asked for and what it has acknowledged, in the order of time; each with the number
    of records of the orders topic that is told of.
    """

    def __init__(self, config: Config) -> None:
        self.names = TopicNames(config.namespace)
        self.app = cast(Any, create_app(config))
        self.app.conf.broker_session_timeout, self.app.conf.broker_heartbeat_interval = 1.0, 0.3
        self.seen: list[tuple[str, int]] = []
        self.recorded, self.acknowledged = asyncio.Event(), asyncio.Event()
        self._append, self._send = self.app.state_logs[0].append, self.app.producer.send
        self._commit, self._look = self.app.consumer.commit_published, self.app.detect.refresh
        self._looks = 0
        self.app.state_logs[0].append, self.app.producer.send = self.append, self.send
        self.app.consumer.commit_published, self.app.detect.refresh = self.commit, self.look

    async def append(self, partition: int, kind: Kind, step: Step) -> int:
        at: int = await self._append(partition, kind, step)
        self.seen.append(("appended", step.end[0]))
        await self.recorded.wait()
        self.seen.append(("recorded", step.end[0]))
        return at

    async def send(self, topic: str, key: bytes | None, value: bytes | None, *more: Any) -> Awaitable[object]:
        sent: Awaitable[object] = await self._send(topic, key, value, *more)
        if topic != self.names.partials:
            return sent
        events = Partial.decode(value or b"").as_of[0]
        self.seen.append(("sent", events))

        async def acknowledge() -> object:
            answer = await sent
            await self.acknowledged.wait()
            self.seen.append(("published", events))
            return answer

        return asyncio.ensure_future(acknowledge())

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.seen += [("committing", offset) for tp, offset in offsets.items() if tp.topic == self.names.orders]
        done: bool = await self._commit(offsets)
        return done

    async def look(self) -> None:
        self._looks += 1
        await self._look()

    async def others_had_turns(self) -> None:
        """Until a worker that does not wait would have gone on: its timers have fired."""
        before = self._looks
        await until(lambda: self._looks >= before + 3)

    def steps(self) -> list[str]:
        """What has happened, each kind where it happened first."""
        return list(dict.fromkeys(kind for kind, _ in self.seen))


@pytest.fixture
async def watched(config: Config) -> Watched:
    return Watched(config)


def feed(config: Config, first: int, count: int) -> None:
    """Orders, and the promise that none before the last follows."""
    names = TopicNames(config.namespace)
    with BulkProducer(config) as producer:
        for number in range(first, first + count):
            one = placed(number)
            producer.send(names.events[family_of(one)], encode(one), one.subject.encode())
        send_heartbeats(producer, names, 1, T0 + first + count, "test")


def log_of(config: Config, topic: str) -> list[Any]:
    """All records of the topic's only partition."""
    reader = KafkaConsumer(bootstrap_servers=config.kafka.bootstrap, group_id=None)
    try:
        tp = TopicPartition(topic, 0)
        reader.assign([tp])
        reader.seek_to_beginning(tp)
        found: list[Any] = []
        for _ in range(2):  # a second look finds nothing more
            found += reader.poll(timeout_ms=300, max_records=100_000).get(tp, [])
        return found
    finally:
        reader.close()


def recorded(records: Iterable[Any]) -> dict[int, int]:
    """The states in a log of small steps: how many orders each has taken in, and when its record was sent."""
    found: dict[int, int] = {}
    for record in records:
        for entry in join([(record.offset, record.value)]):
            if entry.kind == "delta":
                found.setdefault(entry.end[0], record.timestamp)
    return found


async def test_each_step_waits_for_the_acknowledgement_of_the_one_before_it(
    embedded_broker: EmbeddedBroker, config: Config, watched: Watched
) -> None:
    orders = TP(watched.names.orders, 0)

    async def told_of() -> int | None:
        return (await committed(embedded_broker, watched.app.conf.id)).get(orders)

    await asyncio.to_thread(feed, config, 0, ORDERS)
    async with running(watched.app):
        # Written to the state log, but that is not known yet: nothing is told.
        await until(lambda: watched.seen)
        await watched.others_had_turns()
        assert watched.steps() == ["appended"]
        assert await asyncio.to_thread(log_of, config, watched.names.partials) == []
        assert await told_of() is None
        # Recorded, and told: but that it was told is not known yet, and nothing is committed.
        watched.recorded.set()
        await until(lambda: "sent" in watched.steps())
        await watched.others_had_turns()
        assert watched.steps() == ["appended", "recorded", "sent"]
        assert await told_of() is None
        watched.acknowledged.set()
        first = watched.seen[0][1]
        await until(lambda: ("committing", first) in watched.seen)
        assert watched.steps() == ["appended", "recorded", "sent", "published", "committing"]
    last = await told_of()
    assert last is not None
    assert last >= first


async def test_what_is_in_the_topics_was_recorded_before_it_was_published_and_that_before_it_was_committed(
    embedded_broker: EmbeddedBroker, config: Config, watched: Watched
) -> None:
    watched.recorded.set()
    watched.acknowledged.set()
    async with running(watched.app):
        for turn in range(1, 4):
            await asyncio.to_thread(feed, config, (turn - 1) * ORDERS, ORDERS)
            last = ("committing", turn * (ORDERS + 1))  # with the heartbeats
            await until(lambda last=last: last in watched.seen)  # type: ignore[misc]
    # As the worker saw it.
    for place, (kind, events) in enumerate(watched.seen):
        before = watched.seen[:place]
        if kind == "sent":
            assert ("recorded", events) in before
        elif kind == "committing":
            sent = [other for other, number in before if other == "sent" and number <= events]
            done = [other for other, number in before if other == "published" and number <= events]
            assert ("recorded", events) in before
            assert len(sent) == len(done), "something of what is committed is not acknowledged"
    # As the broker has it.
    states = recorded(await asyncio.to_thread(log_of, config, watched.names.state))
    partials = await asyncio.to_thread(log_of, config, watched.names.partials)
    assert partials
    told = [(Partial.decode(record.value).as_of[0], record.timestamp) for record in partials]
    for events, sent_at in told:
        assert events in states, "told of a state that is not in the log"
        assert states[events] <= sent_at
    found = await committed(embedded_broker, watched.app.conf.id)
    assert found[TP(watched.names.orders, 0)] == 3 * (ORDERS + 1) == max(events for events, _ in told)
