"""Values stay exact though workers die at any moment, live on unnoticed, and read the topics in another order than
their successors."""

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
from streams.kpis import kernel as kernels
from streams.kpis.book import SeriesBook
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from streams.runtime.agents import Aggregate
from streams.runtime.agents.revival import revive_kernel
from streams.runtime.agents.source import STEP_WORK
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position
from tests.support.agents import until
from tests.support.lives import lives
from tests.support.memory_log import MemoryLog, Records
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
        self.state = Records()
        self.left = 1 << 60

    def take(self) -> None:
        if self.left <= 0:
            raise PowerCut
        self.left -= 1

    async def send(self, record: Record) -> Awaitable[object]:
        self.take()
        self.logs[record.topic].append(record.value or b"")

        async def acknowledge() -> None:
            await asyncio.sleep(0)

        return acknowledge()


class Worker:
    """A worker on that broker, also being its consumer. Some of its appends are written and not acknowledged."""

    def __init__(self, config: Config, plan: Plan, broker: Broker, rng: random.Random, unsure: float = 0.0) -> None:
        self.broker, self.rng, self.unsure = broker, rng, unsure
        self.offsets: dict[TP, int] = {}
        self.epochs: dict[TP, int] = {}
        self.paused: set[TP] = set()
        self.held: set[TP] = set()
        metrics = Metrics(CollectorRegistry(), [])
        log = MemoryLog(broker.state, plan.fingerprint, before=broker.take, after=self._acknowledge, frame_bytes=2_000)
        first = len(broker.state.values.get(0, ())) * 1_000_000
        self.agent = Aggregate(
            config,
            lambda partition, chain: revive_kernel(plan, partition, chain, first),
            log,
            lambda: self,
            broker.send,
            metrics,
        )
        self.agent._ledger._most_weight = rng.choice([1, 5, 100]) * STEP_WORK
        self.tps = [TP(topic, 0) for topic in NAMES.events]

    def _acknowledge(self) -> None:
        if self.rng.random() < self.unsure:
            raise ConnectionError("no answer")

    @property
    def ready(self) -> bool:
        partition = self.agent._partitions.get(0)
        return partition is not None and partition.trusted and partition.placed

    async def begin(self) -> None:
        self.agent.assigned({0})
        self.paused.clear()
        await self.rewind(self.tps)

    async def settled(self) -> None:
        """Wait until it knows its state and reads on."""
        await until(lambda: self.ready)

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        for tp in tps:
            self.offsets[tp] = self.agent.wanted(tp)
            self.epochs[tp] = self.epochs.get(tp, 0) + 1
            self.agent.placed(tp, Position(self.offsets[tp], self.epochs[tp]))
        return {}

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        return True

    def highwater(self, tp: TP) -> int | None:
        return len(self.broker.logs[tp.topic])

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        self.paused |= set(tps)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        self.paused -= set(tps)

    def hold(self, tps: Iterable[TP]) -> None:
        self.held = set(tps)

    async def fetch(self, tp: TP, most: int) -> None:
        """Take the next chunk of a topic, if there is one."""
        start, values = self.offsets[tp], self.broker.logs[tp.topic][self.offsets[tp] :][:most]
        if tp in self.paused | self.held or not values:
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
        elif self.rng.random() < 0.2:
            await asyncio.sleep(0)
        else:
            await self.fetch(self.rng.choice(self.tps), self.rng.choice([1, 5, 50, 300]))

    async def finish(self) -> None:
        """Read and publish everything."""
        await self.settled()
        while any(self.offsets[tp] < len(self.broker.logs[tp.topic]) for tp in self.tps):
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


@pytest.mark.parametrize("seed", range(30))
async def test_values_are_exact_whenever_workers_die_or_live_on_unnoticed(
    config: Config,
    plan: Plan,
    events: list[BusinessEvent],
    expected: dict[Key, tuple[float | None, tuple[int, ...]]],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Up to three at once own the partition: those that were replaced and do not know it yet. The power is cut at any
    record, of the state log as well; acknowledgements get lost."""
    # What has been told for good is let go soon, so that what has not been must be told apart from it.
    monkeypatch.setattr(kernels, "SPARE_CELLS", 200)
    rng, broker = random.Random(seed), Broker()
    fill(broker, events)
    workers: list[Worker] = []
    for _ in range(rng.randrange(1, 7)):
        workers = workers[-2:]
        newest = Worker(config, plan, broker, rng, rng.choice([0.0, 0.0, 0.05]))
        workers.append(newest)
        await newest.begin()
        await newest.settled()
        broker.left = rng.choice([3, 30, 100, 1 << 60])
        for _ in range(rng.randrange(90)):
            if broker.left <= 0:
                for worker in workers:
                    await worker.agent.close()
                workers = []
                break
            worker = rng.choice(workers)
            await worker.step()
            if rng.random() < 0.05:
                await worker.begin()  # a rebalance after which it keeps the partition
        broker.left = 1 << 60
    last = Worker(config, plan, broker, rng)
    await last.begin()
    await last.finish()
    for worker in (*workers, last):
        await worker.agent.close()
    found = {key: (value.value, value.parts) for key, value in told(config, broker.logs[NAMES.partials]).items()}
    # A slice that existed for a moment (its region was not read yet) is told of as what it is now: nothing.
    assert {key: value for key, value in found.items() if key in expected or any(value[1])} == expected
