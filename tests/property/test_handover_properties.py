"""Values stay exact though workers die at any moment and their successors read the topics in another
order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterable, Mapping

import numpy as np
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams.config import Config, load_config
from streams.events.codec import encode
from streams.events.types import BusinessEvent
from streams.kpis.book import SeriesBook
from streams.kpis.kernel import Kernel
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from streams.runtime.agents import Aggregate
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.topics import TopicNames
from streams.runtime.transport import LAST_BATCH, Position
from tests.support.lives import lives
from tests.support.oracle import Key
from tests.support.pipeline import Pipeline
from tests.support.shop import DAY, T0, family_of, heartbeat

NAMES = TopicNames("daybook")
END = T0 + 2 * DAY


class PowerCut(Exception):
    """The worker is gone."""


class Broker:
    """The logs of one partition of every topic. It takes ``left`` more records, then the power is cut."""

    def __init__(self) -> None:
        self.logs: dict[str, list[bytes]] = {topic: [] for topic in (*NAMES.all, *NAMES.dead_letters)}
        self.left = 1 << 60

    async def send(self, record: Record) -> Awaitable[object]:
        if self.left <= 0:
            raise PowerCut
        self.left -= 1
        self.logs[record.topic].append(record.value or b"")

        async def acknowledge() -> None:
            await asyncio.sleep(0)

        return acknowledge()


class Worker:
    """A worker on that broker, also being its consumer."""

    def __init__(self, config: Config, plan: Plan, broker: Broker, rng: random.Random, edition: str = "one") -> None:
        self.broker, self.rng = broker, rng
        self.offsets: dict[TP, int] = {}
        self.epochs: dict[TP, int] = {}
        self.paused: set[TP] = set()
        metrics = Metrics(CollectorRegistry(), [])
        self.agent = Aggregate(config, lambda p: Kernel(plan, p), lambda: self, broker.send, metrics, edition)
        self.tps = [TP(topic, 0) for topic in (*NAMES.events, NAMES.state)]

    async def begin(self) -> None:
        self.agent.assigned({0})
        self.paused.clear()
        await self.rewind(self.tps)

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        for tp in tps:
            wanted, end = self.agent.wanted(tp), len(self.broker.logs[tp.topic])
            self.offsets[tp] = max(end - 1, 0) if wanted == LAST_BATCH else wanted or 0
            self.epochs[tp] = self.epochs.get(tp, 0) + 1
            self.agent.placed(tp, Position(self.offsets[tp], self.epochs[tp], 0, end))
        return {}

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        return True

    def highwater(self, tp: TP) -> int | None:
        return len(self.broker.logs[tp.topic])

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        self.paused |= set(tps)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        self.paused -= set(tps)

    async def fetch(self, tp: TP, most: int) -> None:
        """Take the next chunk of a topic, if there is one."""
        start, values = self.offsets[tp], self.broker.logs[tp.topic][self.offsets[tp] :][:most]
        if tp in self.paused or not values:
            return
        end = self.offsets[tp] = start + len(values)
        offsets = np.arange(start, end, dtype=np.int64)
        arrivals = np.full(len(values), -1, dtype=np.int64)
        keys: list[bytes | None] = [b"key"] * len(values)
        await self.agent.take(Chunk(tp, self.epochs[tp], start, end, offsets, arrivals, list(values), keys))

    async def step(self) -> None:
        """Anything a worker may do next."""
        if self.rng.random() < 0.2:
            await self.agent.flush()
        else:
            await self.fetch(self.rng.choice(self.tps), self.rng.choice([1, 5, 50, 300]))

    async def finish(self) -> None:
        """Read and publish everything."""
        while any(self.offsets[tp] < len(self.broker.logs[tp.topic]) for tp in self.tps if tp not in self.paused):
            for tp in self.tps:
                await self.fetch(tp, 1000)
        assert not self.paused
        await self.agent.flush()
        await self.agent.flush()


def told(config: Config, partials: Iterable[bytes]) -> dict[Key, KpiValue]:
    """The newest final value of each series and grain, from the partials topic."""
    book, newest = SeriesBook(config.definitions(), 1), {}
    for raw in partials:
        book.apply(Partial.decode(raw))
        for value in book.advance():
            newest[value.kpi, value.stat, tuple(value.slice.items()), value.start] = value
    return newest


def fill(broker: Broker, events: Iterable[BusinessEvent]) -> None:
    for one in events:
        broker.logs[NAMES.events[family_of(one)]].append(encode(one))
    for topic in NAMES.events:
        broker.logs[topic].append(encode(heartbeat(END)))


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(env={})


@pytest.fixture(scope="module")
def plan(config: Config) -> Plan:
    return Plan(config.definitions())


@pytest.fixture(scope="module")
def events() -> list[BusinessEvent]:
    return lives(120)


@pytest.fixture(scope="module")
def expected(config: Config, events: list[BusinessEvent]) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
    pipeline = Pipeline(config.definitions())
    pipeline.feed(events)
    pipeline.heartbeat(END)
    pipeline.drain()
    return pipeline.finals()


@pytest.mark.parametrize("seed", range(20))
async def test_values_are_exact_whenever_workers_die(
    config: Config,
    plan: Plan,
    events: list[BusinessEvent],
    expected: dict[Key, tuple[float | None, tuple[int, ...]]],
    seed: int,
) -> None:
    rng, broker = random.Random(seed), Broker()
    fill(broker, events)
    for _ in range(rng.randrange(1, 6)):
        worker = Worker(config, plan, broker, rng)
        await worker.begin()
        broker.left = rng.choice([3, 30, 100, 1 << 60])
        for _ in range(rng.randrange(60)):
            if broker.left <= 0:
                break
            await worker.step()
            if rng.random() < 0.05:
                await worker.begin()  # a rebalance after which it keeps the partition
    broker.left = 1 << 60
    last = Worker(config, plan, broker, rng)
    await last.begin()
    await last.finish()
    found = {key: (value.value, value.parts) for key, value in told(config, broker.logs[NAMES.partials]).items()}
    # A slice that existed for a moment (its region was not read yet) is told of as what it is now: nothing.
    assert {key: value for key, value in found.items() if key in expected or any(value[1])} == expected
