"""The state log on real brokers: what is appended is read back, who comes second knows, what is trimmed may go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kafka import TopicPartition

from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.runtime.kafka import ApacheKafka
from streams.runtime.offsets import offset_ranges
from streams.runtime.state.frames import Offsets, Step
from streams.runtime.state.log import LostRace, StateLog
from streams.runtime.topics import TopicNames, create_topics, describe_topics
from tests.integration.conftest import config_on, free_port

BEGINNING: Offsets = (0, 0, 0)
LARGE = bytes(range(256)) * 10_000
"""2.5 MB: three frames."""


def step(sequence: int, begin: int, end: int, payload: bytes = b"x") -> Step:
    """A snapshot where it stays where it is."""
    return Step(sequence - (begin != end), sequence, (begin, 0, 0), (end, 0, 0), payload, weight=end - begin)


@asynccontextmanager
async def owner(config: Config, plan: str = "plan") -> AsyncIterator[StateLog]:
    log = StateLog(config, TopicNames(config.namespace).state, plan, BEGINNING)
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture(autouse=True)
def topics(request: pytest.FixtureRequest) -> None:
    if "config" in request.fixturenames:
        create_topics(request.getfixturevalue("config"))


async def test_what_is_appended_is_read_back_whole(config: Config) -> None:
    async with owner(config) as log, owner(config) as successor, owner(config, "another plan") as other:
        assert (await log.recover(1)).sequence is None
        await log.append(1, "delta", step(1, 0, 5, LARGE))
        await log.append(1, "snapshot", step(1, 5, 5, LARGE))
        await log.append(1, "delta", step(2, 5, 9))
        chain = await successor.recover(1)
        assert (chain.sequence, chain.end) == (2, (9, 0, 0))
        assert chain.snapshot is not None
        assert chain.snapshot.payload == LARGE
        assert [(entry.payload, entry.weight) for entry in chain.deltas] == [(b"x", 4)]
        assert (await other.recover(1)).sequence is None
        assert (await successor.recover(0)).sequence is None


async def test_who_comes_second_knows_and_reads_what_the_first_has_written(config: Config) -> None:
    async with owner(config) as one, owner(config) as two:
        for log in (one, two):
            await log.recover(0)
        await one.append(0, "delta", step(1, 0, 5))
        assert await one.unchanged({0, 3}) == {0}
        assert await two.unchanged({0}) == set()
        with pytest.raises(LostRace, match="expected from"):
            await two.append(0, "delta", step(1, 0, 7))
        with pytest.raises(LostRace, match="not read since"):
            await two.append(0, "delta", step(1, 0, 7))
        with pytest.raises(LostRace):
            await one.append(0, "delta", step(2, 5, 6))
        chain = await two.recover(0)
        # What the late one wrote is there, and does not count; the first one's second step does.
        assert (chain.sequence, chain.end, len(chain.deltas)) == (2, (6, 0, 0), 2)
        await two.append(0, "delta", step(3, 6, 8))
        assert (await one.recover(0)).end == (8, 0, 0)


async def test_an_append_that_was_under_way_while_the_log_was_read_counts_for_nothing(config: Config) -> None:
    async with owner(config) as log:
        await log.recover(0)
        await log.append(0, "delta", step(1, 0, 5))
        appended, read = await asyncio.gather(
            log.append(0, "delta", step(2, 5, 6)), log.recover(0), return_exceptions=True
        )
        assert isinstance(appended, LostRace)
        assert not isinstance(read, BaseException)
        # Whether it was there already when the log was read, only reading it again tells.
        chain = await log.recover(0)
        assert (chain.sequence, chain.end) == (2, (6, 0, 0))
        await log.append(0, "delta", step(3, 6, 7))


async def test_what_stands_before_a_snapshot_can_go(apache_broker: ApacheKafka, namespace: str) -> None:
    config = config_on(apache_broker, namespace)
    await asyncio.to_thread(create_topics, config)
    async with owner(config) as log, owner(config) as successor:
        await log.recover(2)
        for number in range(1, 6):
            await log.append(2, "delta", step(number, number - 1, number))
        first = await log.append(2, "snapshot", step(5, 5, 5, b"whole"))
        await log.append(2, "delta", step(6, 5, 6))
        await log.trim(2, first)
        tp = TopicPartition(TopicNames(namespace).state, 2)
        assert await asyncio.to_thread(offset_ranges, config, [tp]) == {tp: (5, 7)}
        chain = await successor.recover(2)
        assert (chain.sequence, chain.end, len(chain.deltas)) == (6, (6, 0, 0), 1)
        assert chain.snapshot is not None
        assert (chain.snapshot.payload, chain.snapshot.first) == (b"whole", first)
    kept = {topic.name: topic for topic in await asyncio.to_thread(describe_topics, config)}
    for name in (TopicNames(namespace).state, TopicNames(namespace).series_state):
        assert (kept[name].cleanup, kept[name].retention_ms) == ("delete", None), "nothing goes by age"


async def test_a_broker_that_cannot_trim_is_left_alone(config: Config) -> None:
    async with owner(config) as log:
        await log.recover(0)
        await log.append(0, "delta", step(1, 0, 1))
        await log.trim(0, 0)
        await log.append(0, "delta", step(2, 1, 2))


async def test_no_broker_is_an_error_and_no_endless_wait(namespace: str) -> None:
    config = load_config(env={"DAYBOOK_BOOTSTRAP": f"127.0.0.1:{free_port()}", "DAYBOOK_NAMESPACE": namespace})
    async with owner(config) as log:
        with pytest.raises(BrokerError, match="no Kafka broker answers there"):
            await asyncio.wait_for(log.recover(0), 30)
