"""The ``aggregate`` agent without Kafka: what it reads on from, records, publishes, commits and sets aside, in which
order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams.config import Config, load_config
from streams.events.codec import ChunkDecoder, encode
from streams.events.types import BusinessEvent
from streams.kpis.journal import Delta, Offsets
from streams.kpis.kernel import Outcome
from streams.kpis.partials import Partial
from streams.kpis.watermark import FAMILIES
from streams.runtime.agents import Aggregate, aggregate, owner
from streams.runtime.agents.ledger import SNAPSHOT_EVERY
from streams.runtime.agents.pieces import CELLS, pieces
from streams.runtime.agents.source import MOVES_WITHIN, STEP_WORK, SourcePartition
from streams.runtime.metrics import Metrics
from streams.runtime.state.chain import Chain
from streams.runtime.state.frames import Step
from streams.runtime.topics import TopicNames
from tests.support.agents import Broker, Clock, FakeConsumer, chunk, placed, until
from tests.support.memory_log import MemoryLog, Records
from tests.support.shop import HOUR, MINUTE, T0, event, heartbeat

NAMES = TopicNames("daybook")
ORDERS, DELIVERIES, SUPPORT = NAMES.events


class FakeKernel:
    """Remembers what it was asked; fails on events of the ids in ``poison``."""

    def __init__(self, number: int, poison: set[str], chain: Chain) -> None:
        self.number, self.poison = number, poison
        self.seen: list[tuple[int, int]] = []
        self.idle: set[int] = set()
        self.ends = list(chain.end)
        self.sequence = chain.sequence or 0
        self.stirred = chain.sequence is not None
        self.noted = self.pending = 0
        self.reached = (T0, T0, T0)
        self.watermark: int | None = None
        self.open_cases = 0
        self.folded = {"region": 3}
        self._begin = self.offsets

    @property
    def offsets(self) -> Offsets:
        return (self.ends[0], self.ends[1], self.ends[2])

    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: Any, arrivals: Any) -> Outcome:
        if any(one is not None and one.id in self.poison for one in events):
            raise ZeroDivisionError("a fault of ours")
        self.seen += [(family, offset) for one, offset in zip(events, offsets.tolist(), strict=True) if one is not None]
        self.ends[family] = int(offsets[-1]) + 1
        self.noted += len(events)
        self.stirred = True
        beats = sum(one is not None and type(one).__name__ == "SourceHeartbeat" for one in events)
        return Outcome(len(events) - beats, 0, 0, beats, 0, [])

    def process_raw(
        self, decoder: ChunkDecoder, values: Sequence[bytes | None], offsets: Any, arrivals: Any
    ) -> Outcome:
        events, rejected = decoder.decode_chunk(values)
        return self.process(FAMILIES.index(decoder.family), events, offsets, arrivals)._replace(rejected=rejected)

    def set_idle(self, families: set[int]) -> None:
        self.idle = families

    def drain(self) -> list[Partial]:
        self.sequence += 1
        self.stirred = False
        return [Partial("orders_placed", self.number, self.offsets, T0, self.watermark, False, [[]], bytes(40))]

    def journal(self) -> Delta:
        begin, self._begin, self.noted = self._begin, self.offsets, 0
        return Delta(begin, self._begin, [])

    def state(self) -> dict[str, Any]:
        return {"offsets": list(self.offsets)}


class Worker:
    """An ``aggregate`` agent, everything around it faked."""

    def __init__(self, config: Config, metrics: Metrics, records: Records | None = None) -> None:
        self.clock, self.broker, self.consumer = Clock(), Broker(), FakeConsumer()
        self.kernels: list[FakeKernel] = []
        self.poison: set[str] = set()
        self.metrics = metrics
        self.log = MemoryLog(records or Records())
        self.agent = Aggregate(
            config, self._kernel, self.log, lambda: self.consumer, self.broker.send, metrics, self.clock
        )
        self.consumer.reader = self.agent

    def _kernel(self, number: int, chain: Chain) -> FakeKernel:
        self.kernels.append(FakeKernel(number, self.poison, chain))
        return self.kernels[-1]

    async def assign(self, *numbers: int) -> None:
        """A rebalance, and what follows of it until all is read on."""
        self.agent.assigned(set(numbers))
        await self.consumer.rewind([TP(topic, number) for topic in NAMES.events for number in numbers])
        await self.settled(*numbers)

    async def settled(self, *numbers: int) -> None:
        partitions = self.agent._partitions
        await until(lambda: all(partitions[n].trusted and partitions[n].placed for n in numbers))

    async def take(self, topic: str, start: int, events: Sequence[BusinessEvent | bytes | None], p: int = 0) -> None:
        """A chunk fetched since the last seek."""
        tp = TP(topic, p)
        await self.agent.take(chunk(tp, start, events, epoch=self.consumer.epochs[tp]))

    async def offer(self, topic: str, start: int, events: Sequence[BusinessEvent | bytes | None], p: int = 0) -> None:
        """The same, without waiting until it is folded."""
        tp = TP(topic, p)
        await self.agent.offer(chunk(tp, start, events, epoch=self.consumer.epochs[tp]))

    def steps(self, number: int = 0) -> list[tuple[Offsets, Offsets]]:
        """What the state log says of a partition."""
        return [(entry.begin, entry.end) for entry in self.log.records.entries(number) if entry.kind == "delta"]  # type: ignore[misc]

    def partials(self) -> list[Offsets]:
        """What the published partials were made from."""
        return [Partial.decode(record.value or b"").as_of for record in self.broker.to(NAMES.partials)]

    def counted(self, name: str) -> float:
        family = getattr(self.metrics, name)
        return sum(s.value for s in family.collect()[0].samples if s.name.endswith("_total"))


@pytest.fixture
def config() -> Config:
    return load_config(env={})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), [])


@pytest.fixture
async def worker(config: Config, metrics: Metrics) -> AsyncIterator[Worker]:
    made = Worker(config, metrics)
    yield made
    await made.agent.close()


def another(config: Config, worker: Worker) -> Worker:
    """Another worker on the same state log."""
    return Worker(config, Metrics(CollectorRegistry(), []), worker.log.records)


async def test_events_are_folded_in_order_recorded_published_and_committed(worker: Worker) -> None:
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(n) for n in range(3000)])
    assert worker.kernels[0].seen == [(0, offset) for offset in range(3000)]
    assert worker.steps() == []
    await worker.agent.flush()
    (record,) = worker.broker.to(NAMES.partials)
    assert record.key == b"orders_placed"
    assert worker.partials() == [(3000, 0, 0)]
    assert worker.steps() == [((0, 0, 0), (3000, 0, 0))]
    assert worker.consumer.committed == {TP(ORDERS, 0): 3000, TP(DELIVERIES, 0): 0, TP(SUPPORT, 0): 0}
    assert worker.counted("events") == 3000
    await worker.agent.flush()
    assert len(worker.steps()) == 1, "nothing has happened, so nothing is recorded"


async def test_what_is_recorded_and_cannot_be_published_is_published_later(worker: Worker) -> None:
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0)])
    worker.broker.down = True
    await worker.agent.flush()
    await worker.take(ORDERS, 1, [placed(1)])
    await worker.agent.flush()
    assert worker.consumer.commits == []
    assert worker.counted("publish_failures") == 2
    assert worker.steps() == [((0, 0, 0), (1, 0, 0))]
    worker.broker.down = False
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]
    assert worker.consumer.committed[TP(ORDERS, 0)] == 1
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0), (2, 0, 0)]
    assert worker.steps() == [((0, 0, 0), (1, 0, 0)), ((1, 0, 0), (2, 0, 0))]
    assert len(worker.kernels) == 1


async def test_what_cannot_be_recorded_is_not_published_and_the_state_is_read_again(worker: Worker) -> None:
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.agent.flush()
    await worker.take(ORDERS, 1, [placed(1)])
    worker.log.down = True
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]
    await worker.agent.take(chunk(TP(ORDERS, 0), 2, [placed(2)]))
    assert TP(ORDERS, 0) in worker.consumer.paused, "until the state has been read, no events"
    worker.log.down = False
    await until(lambda: len(worker.kernels) == 2)
    await worker.settled(0)
    assert worker.consumer.paused == set()
    assert worker.agent.wanted(TP(ORDERS, 0)) == 1
    await worker.take(ORDERS, 1, [placed(1), placed(2)])
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0), (3, 0, 0)]
    assert worker.steps() == [((0, 0, 0), (1, 0, 0)), ((1, 0, 0), (3, 0, 0))]


async def test_a_successor_goes_on_where_its_predecessor_had_recorded(config: Config, worker: Worker) -> None:
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0), b"{"])
    worker.broker.down = True
    await worker.agent.flush()
    assert worker.steps() == [], "a dead letter goes before the record of having read past it"
    worker.broker.down = False
    await worker.agent.flush()
    await worker.take(ORDERS, 2, [placed(2)])
    successor = another(config, worker)
    await successor.assign(0)
    assert successor.agent.wanted(TP(ORDERS, 0)) == 2
    await successor.agent.flush()
    assert successor.partials() == [(2, 0, 0)], "what was drained last may not have been published"
    assert successor.counted("events") == 0
    # The other does not know yet, and is too late.
    await worker.agent.flush()
    assert worker.partials() == [(2, 0, 0)]
    await until(lambda: len(worker.kernels) == 2)
    await successor.agent.close()


async def test_a_kept_kernel_is_read_again_only_where_another_worker_has_recorded(
    config: Config, worker: Worker
) -> None:
    await worker.assign(0, 1)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.agent.flush()
    await worker.assign(0, 1)
    assert len(worker.kernels) == 2
    assert worker.agent.wanted(TP(ORDERS, 0)) == 1
    other = another(config, worker)
    await other.assign(0)
    await other.take(ORDERS, 1, [placed(1)])
    await other.agent.flush()
    await worker.assign(0, 1)
    await until(lambda: len(worker.kernels) == 3)
    await worker.settled(0, 1)
    assert worker.agent.wanted(TP(ORDERS, 0)) == 2
    assert [kernel.number for kernel in worker.kernels] in ([0, 1, 0], [1, 0, 0])
    await other.agent.close()


async def test_nothing_is_recorded_between_giving_partitions_back_and_getting_them_again(worker: Worker) -> None:
    await worker.assign(0)
    worker.agent.revoked()
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.agent.flush()
    assert worker.broker.records == []
    assert worker.steps() == []
    await worker.assign(0)
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]


async def test_a_snapshot_is_written_when_there_is_much_to_fold_again_and_the_log_is_trimmed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.agent._ledger._most_weight = 2 * (STEP_WORK + 4)
    await worker.assign(0)
    for start in range(0, 24, 4):
        await worker.take(ORDERS, start, [placed(n) for n in range(start, start + 4)])
        await worker.agent.flush()
    await until(lambda: len(worker.log.trimmed) == 2)
    kinds = [(entry.kind, entry.end[0]) for entry in worker.log.records.entries()]
    assert kinds == [("snapshot", 16), ("delta", 20), ("delta", 24), ("snapshot", 24)]
    assert worker.log.trimmed == [(0, 2), (0, 5)], "up to the snapshot before the last"
    worker.agent._ledger._most_weight = 50 * STEP_WORK
    worker.clock.now += SNAPSHOT_EVERY
    await worker.take(ORDERS, 24, [placed(24)])
    await worker.agent.flush()
    assert worker.log.records.entries()[-1].kind == "snapshot", "after some time, little makes one due as well"
    worker.agent._ledger._most_weight = 100 * STEP_WORK
    worker.clock.now += SNAPSHOT_EVERY
    await worker.take(ORDERS, 25, [placed(25)])
    await worker.agent.flush()
    assert worker.log.records.entries()[-1].kind == "delta", "but not next to nothing"


async def test_reading_waits_while_too_much_waits_to_be_recorded(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "MOST_NOTED", 5)
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(n) for n in range(6)])
    assert worker.steps() == [((0, 0, 0), (6, 0, 0))]


async def test_reading_waits_while_too_many_cells_wait_to_be_told_of(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "MOST_PENDING", 5)
    await worker.assign(0)
    kernel = worker.kernels[0]
    kernel.pending = 6
    monkeypatch.setattr(worker.agent, "_publish_one", _draining(worker.agent._publish_one, kernel))
    await worker.take(ORDERS, 0, [placed(0)])
    assert kernel.pending == 0
    assert worker.partials() == [(1, 0, 0)]


def _draining(
    publish: Callable[[SourcePartition], Awaitable[None]], kernel: FakeKernel
) -> Callable[[SourcePartition], Awaitable[None]]:
    async def both(partition: SourcePartition) -> None:
        await publish(partition)
        kernel.pending = 0

    return both


async def test_one_state_at_a_time_is_copied_for_a_snapshot(config: Config, worker: Worker) -> None:
    await worker.assign(0, 1, 2)
    many = aggregate.MOST_REPLAYED
    for number in range(3):
        worker.kernels[number].stirred, worker.kernels[number].noted = True, many

    def snapshots() -> list[int]:
        return [sum(entry.kind == "snapshot" for entry in worker.log.records.entries(number)) for number in range(3)]

    seen = []
    for _ in range(3):
        await worker.agent.flush()
        seen.append(sum(snapshots()))
        for kernel in worker.kernels:
            kernel.stirred = True
    assert seen == [1, 2, 3]
    assert snapshots() == [1, 1, 1]


async def test_a_snapshot_that_could_not_be_written_does_not_keep_others_from_theirs(worker: Worker) -> None:
    await worker.assign(0, 1)
    for kernel in worker.kernels:
        kernel.stirred, kernel.noted = True, aggregate.MOST_REPLAYED
    worker.broker.down = True
    await worker.agent.flush()
    worker.log.down = True
    worker.broker.down = False
    await worker.agent.flush()
    worker.log.down = False
    await until(lambda: len(worker.kernels) == 3)
    await worker.settled(0, 1)
    for _ in range(2):
        for kernel in worker.kernels:
            kernel.stirred = True
        await worker.agent.flush()
    kinds = [{entry.kind for entry in worker.log.records.entries(number)} for number in (0, 1)]
    assert kinds == [{"delta", "snapshot"}] * 2


async def test_a_topic_far_ahead_in_event_time_is_held_until_the_others_have_come_as_far(worker: Worker) -> None:
    await worker.assign(0, 1)
    orders, deliveries, support = (TP(topic, 0) for topic in NAMES.events)
    worker.consumer.ends = {orders: 100, deliveries: 100, support: 100}
    kernel = worker.kernels[0]
    kernel.reached = (T0, T0, T0 + 15 * MINUTE)
    await worker.take(SUPPORT, 0, [placed(0)])
    assert worker.consumer.held == set(), "no more than what may still be corrected"
    kernel.reached = (T0, T0 + 5, T0 + 15 * MINUTE + 1)
    await worker.take(SUPPORT, 1, [placed(1)])
    assert worker.consumer.held == {support}
    kernel.reached = (T0 + 1, T0 + 5, T0 + 15 * MINUTE + 1)
    await worker.take(ORDERS, 0, [placed(0)])
    assert worker.consumer.held == set()
    assert worker.counted("events") == 3


async def test_a_topic_is_not_held_back_by_one_that_has_nothing_more_or_gives_nothing(worker: Worker) -> None:
    await worker.assign(0)
    orders, deliveries, support = (TP(topic, 0) for topic in NAMES.events)
    kernel = worker.kernels[0]
    kernel.reached = (T0, T0 + HOUR, T0 + HOUR)
    worker.consumer.ends = {orders: 0, deliveries: 100, support: 100}
    await worker.take(SUPPORT, 0, [placed(0)])
    assert worker.consumer.held == set(), "orders are read to their end"
    worker.consumer.ends[orders] = 1
    await worker.agent.flush()
    assert worker.consumer.held == {deliveries, support}
    worker.clock.now += MOVES_WITHIN
    await worker.agent.flush()
    assert worker.consumer.held == set(), "nothing comes of the orders"


async def test_what_is_held_of_a_partition_that_goes_away_is_held_no_more(worker: Worker) -> None:
    await worker.assign(0)
    worker.kernels[0].reached = (T0, T0 + HOUR, T0 + HOUR)
    worker.consumer.ends = {TP(topic, 0): 100 for topic in NAMES.events}
    await worker.take(SUPPORT, 0, [placed(0)])
    assert len(worker.consumer.held) == 2
    await worker.assign(1)
    assert worker.consumer.held == set()


async def test_partitions_are_folded_side_by_side_and_each_in_order(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.assign(0, 1)
    first, second = sorted(worker.kernels, key=lambda kernel: kernel.number)
    began, may_go_on = threading.Event(), threading.Event()
    process = first.process

    def slowly(*what: Any) -> Outcome:
        began.set()
        assert may_go_on.wait(10)
        return process(*what)

    monkeypatch.setattr(first, "process", slowly)
    await worker.offer(ORDERS, 0, [placed(0)])
    await asyncio.to_thread(began.wait, 10)
    await worker.offer(ORDERS, 0, [placed(0)], p=1)
    await until(lambda: second.seen)
    flushing = asyncio.ensure_future(worker.agent.flush())
    await worker.offer(DELIVERIES, 0, [event("delivery.dispatched", T0, "O-0")])
    await asyncio.sleep(0.02)
    assert first.seen == []
    assert first.sequence == 0, "nothing is drained while the kernel folds"
    may_go_on.set()
    await flushing
    await until(lambda: len(first.seen) == 2)
    assert first.seen == [(0, 0), (1, 0)]
    assert worker.steps(0)[0] == ((0, 0, 0), (1, 0, 0))


async def test_a_partition_that_is_behind_leaves_room_for_the_others(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.assign(0, 1)
    first, second = sorted(worker.kernels, key=lambda kernel: kernel.number)
    may_go_on = threading.Event()
    process = first.process

    def slowly(*what: Any) -> Outcome:
        assert may_go_on.wait(10)
        return process(*what)

    monkeypatch.setattr(first, "process", slowly)
    for number in range(aggregate.MOST_IN_TURN):
        await worker.offer(ORDERS, number, [placed(number)])
    one_more = asyncio.ensure_future(worker.offer(ORDERS, 4, [placed(4)]))
    await worker.offer(ORDERS, 0, [placed(0)], p=1)
    await until(lambda: second.seen == [(0, 0)])
    assert first.seen == []
    assert not one_more.done(), "there is an end to what waits"
    may_go_on.set()
    await one_more
    await until(lambda: len(first.seen) == 5)
    assert first.seen == [(0, number) for number in range(5)]


async def test_what_is_offered_to_an_agent_that_has_ended_is_dropped(worker: Worker) -> None:
    await worker.assign(0)
    await worker.agent.close()
    for number in range(2 * aggregate.MOST_OFFERED):
        await worker.offer(ORDERS, number, [placed(number)])
    assert worker.kernels[0].seen == []


async def test_reading_waits_for_slow_acknowledgements_and_goes_on_with_them(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregate, "MOST_NOTED", 20)
    await worker.assign(0)
    gate = asyncio.Event()
    append = worker.log.append

    async def slow(*given: Any) -> int:
        await gate.wait()
        return await append(*given)

    monkeypatch.setattr(worker.log, "append", slow)

    async def read() -> None:
        for start in range(0, 200, 10):
            await worker.take(ORDERS, start, [placed(n) for n in range(start, start + 10)])

    reading = asyncio.ensure_future(read())
    await until(lambda: worker.agent._partitions[0].publishing.locked())
    await asyncio.sleep(0.2)
    assert not reading.done()
    assert len(worker.kernels[0].seen) == 30, "one chunk over the limit, no more"
    gate.set()
    await reading
    assert len(worker.kernels[0].seen) == 200


async def test_a_commit_that_is_refused_is_made_good_at_the_next_flush(worker: Worker) -> None:
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0)])
    worker.consumer.refuses = True
    await worker.agent.flush()
    worker.consumer.refuses = False
    await worker.agent.flush()
    assert worker.consumer.committed[TP(ORDERS, 0)] == 1


async def test_what_overlaps_is_folded_once_and_what_was_fetched_before_a_seek_not_at_all(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(n) for n in range(5)])
    await worker.take(ORDERS, 3, [placed(n) for n in range(3, 8)])
    assert worker.kernels[0].seen == [(0, offset) for offset in range(8)]
    before = worker.consumer.epochs[tp]
    await worker.consumer.rewind([tp])
    await worker.agent.take(chunk(tp, 8, [placed(8)], epoch=before))
    assert len(worker.kernels[0].seen) == 8
    await worker.take(ORDERS, 8, [placed(8)])
    assert len(worker.kernels[0].seen) == 9


async def test_a_missing_chunk_is_read_again(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.take(ORDERS, 5, [placed(5)])
    assert worker.kernels[0].seen == [(0, 0)]
    assert worker.consumer.rewound[-1] == {tp}
    await worker.take(ORDERS, 1, [placed(n) for n in range(1, 6)])
    assert worker.kernels[0].seen == [(0, offset) for offset in range(6)]


async def test_offsets_without_records_are_passed_over(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    rewinds, epoch = len(worker.consumer.rewound), worker.consumer.epochs[tp]
    await worker.agent.take(chunk(tp, 0, [], epoch, end=3))
    await worker.agent.take(chunk(tp, 3, [placed(0)], epoch, end=6))
    await worker.agent.take(chunk(tp, 6, [placed(1)], epoch))
    assert worker.kernels[0].seen == [(0, 3), (0, 6)]
    assert len(worker.consumer.rewound) == rewinds


async def test_kept_partitions_keep_their_kernel_and_lost_ones_do_not(worker: Worker) -> None:
    await worker.assign(0, 1)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.assign(0)
    assert worker.agent.wanted(TP(ORDERS, 0)) == 1
    assert worker.agent.wanted(TP(ORDERS, 1)) == 0
    lost = next(kernel for kernel in worker.kernels if kernel.number == 1)
    await worker.take(ORDERS, 0, [placed(0)], p=1)
    assert lost.seen == []
    await worker.assign(0, 1)
    assert len(worker.kernels) == 3


async def test_a_topic_made_again_is_read_from_its_beginning(worker: Worker) -> None:
    await worker.log.recover(0)
    await worker.log.append(0, "delta", Step(6, 7, (0, 0, 0), (1000, 0, 0), b""))
    await worker.assign(0)
    assert worker.agent.wanted(TP(ORDERS, 0)) == 1000
    worker.consumer.ends = {TP(topic, 0): 1 if topic == ORDERS else 0 for topic in NAMES.events}
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]
    assert worker.steps()[-1] == ((1000, 0, 0), (1, 0, 0))
    assert worker.counted("events") == 1


async def test_what_cannot_be_decoded_becomes_a_dead_letter_and_the_rest_counts(worker: Worker) -> None:
    await worker.assign(0)
    wrong_topic = event("ticket.opened", T0, "T-1")
    records = [placed(0), b"{not json", None, b"", wrong_topic, placed(5)]
    await worker.take(ORDERS, 0, records)
    await worker.agent.flush()
    letters = worker.broker.to(NAMES.dlq(ORDERS))
    codes = [dict(letter.headers)["error_code"] for letter in letters]
    assert codes == [b"malformed_json", b"empty", b"empty", b"wrong_topic"]
    assert [letter.value for letter in letters] == [b"{not json", None, b"", encode(wrong_topic)]
    assert worker.counted("dead_letters") == 4
    assert worker.consumer.committed[TP(ORDERS, 0)] == 6


async def test_an_event_the_kernel_fails_on_is_found_set_aside_and_left_out(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    events = [placed(n) for n in range(400)]
    worker.poison.add(events[123].id)
    await worker.assign(0)
    for _ in range(6):  # read again at most twice
        await worker.agent.take(chunk(tp, 0, events, epoch=worker.consumer.epochs[tp]))
        await worker.settled(0)
    await worker.agent.flush()
    assert worker.kernels[-1].seen == [(0, offset) for offset in range(400) if offset != 123]
    (letter,) = worker.broker.to(NAMES.dlq(ORDERS))
    headers = dict(letter.headers)
    assert (headers["source_offset"], headers["error_code"]) == (b"123", b"processing_failed")
    assert (headers["error"], headers["attempts"]) == (b"ZeroDivisionError: a fault of ours", b"2")
    assert letter.value == encode(events[123])
    assert len(worker.kernels) == 3
    assert worker.consumer.committed[tp] == 400


async def test_a_kernel_that_failed_is_not_drained(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush may come between the failure and the kernel's end."""
    flushes: list[int] = []
    await worker.assign(0)
    partition = worker.agent._partitions[0]
    condemn = partition.condemn

    def after_a_flush(*given: Any) -> None:
        flushes.append(1)
        flushing.append(asyncio.ensure_future(worker.agent.flush()))
        condemn(*given)

    flushing: list[asyncio.Task[None]] = []
    monkeypatch.setattr(partition, "condemn", after_a_flush)
    worker.poison.add(placed(1).id)
    await partition.publishing.acquire()
    taking = asyncio.ensure_future(worker.take(ORDERS, 0, [placed(0), placed(1)]))
    await until(lambda: flushing)
    partition.publishing.release()
    await flushing[0]
    await taking
    assert worker.partials() == []
    assert worker.steps() == []


@pytest.mark.parametrize("what", ["drain", "journal", "state", "set_idle"])
async def test_a_fault_of_ours_costs_only_its_partition_a_recovery(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(owner, "AFTER_A_FAILURE", 0.0)
    worker.agent._ledger._most_weight = 1
    await worker.assign(0, 1)
    monkeypatch.setattr(next(kernel for kernel in worker.kernels if kernel.number == 0), what, fails)
    for number in (0, 1):
        await worker.take(ORDERS, 0, [placed(number)], p=number)
    await worker.agent.flush()
    assert worker.steps(0) == []
    assert worker.steps(1) == [((0, 0, 0), (1, 0, 0))]
    await until(lambda: len(worker.kernels) == 3)
    await worker.settled(0)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.agent.flush()
    assert worker.steps(0) == [((0, 0, 0), (1, 0, 0))]


async def test_a_dead_letter_that_is_not_yet_acknowledged_goes_once_though_its_record_is_read_again(
    worker: Worker,
) -> None:
    await worker.assign(0)
    worker.poison.add(placed(1).id)
    records = [b"{", placed(0), placed(1)]
    await worker.take(ORDERS, 0, records)
    for _ in range(2):  # found, then left out
        await worker.settled(0)
        await worker.take(ORDERS, 0, records)
    await worker.settled(0)
    worker.log.down = True
    await worker.agent.flush()
    worker.log.down = False
    await until(lambda: worker.agent._partitions[0].recovered)
    await worker.settled(0)
    assert [dict(one.headers)["source_offset"] for one in worker.broker.to(NAMES.dlq(ORDERS))] == [b"2", b"0"]
    worker.broker.records.clear()
    await worker.take(ORDERS, 0, records)
    await worker.agent.flush()
    # A letter goes before the record of having read past it, so it may go twice; what was condemned goes once.
    assert [dict(one.headers)["source_offset"] for one in worker.broker.to(NAMES.dlq(ORDERS))] == [b"0"]
    assert worker.steps() == [((0, 0, 0), (3, 0, 0))]


async def test_what_was_published_of_a_partition_that_went_away_is_not_committed(worker: Worker) -> None:
    await worker.assign(0, 1)
    worker.consumer.refuses = True
    for number in (0, 1):
        await worker.take(ORDERS, 0, [placed(number)], p=number)
    await worker.agent.flush()
    await worker.assign(1)
    worker.consumer.refuses = False
    await worker.take(ORDERS, 1, [placed(2)], p=1)
    await worker.agent.flush()
    assert {tp.partition for tp in worker.consumer.committed} == {1}


async def test_a_chunk_that_could_not_be_taken_is_read_again(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    await worker.assign(0)
    partition = worker.agent._partitions[0]
    with monkeypatch.context() as broken:
        broken.setattr(partition, "slices", lambda *_: 1 / 0)
        await worker.take(ORDERS, 0, [placed(0)])
    assert worker.consumer.rewound[-1] == {TP(ORDERS, 0)}
    await worker.take(ORDERS, 0, [placed(0)])
    assert worker.kernels[0].seen == [(0, 0)]


async def test_a_failing_kernel_does_not_disturb_the_other_partitions(worker: Worker) -> None:
    await worker.assign(0, 1)
    worker.poison.add(placed(0).id)
    await worker.take(ORDERS, 0, [placed(0)])
    await worker.take(ORDERS, 0, [placed(1)], p=1)
    await worker.agent.flush()
    assert worker.consumer.committed[TP(ORDERS, 1)] == 1


async def test_a_topic_is_idle_when_read_to_its_end_and_silent_for_long_enough(worker: Worker) -> None:
    worker.consumer.ends = {TP(ORDERS, 0): 1, TP(DELIVERIES, 0): 3, TP(SUPPORT, 0): 0}
    await worker.assign(0)
    await worker.take(ORDERS, 0, [placed(0)])
    worker.clock.now += 29
    await worker.agent.flush()
    assert worker.kernels[0].idle == set()
    worker.clock.now += 2
    await worker.agent.flush()
    assert worker.kernels[0].idle == {0, 2}, "deliveries are behind, not silent"
    await worker.take(SUPPORT, 0, [heartbeat(T0)])
    await worker.agent.flush()
    assert worker.kernels[0].idle == {0}


async def test_an_unknown_end_is_not_taken_for_silence(worker: Worker) -> None:
    await worker.assign(0)
    worker.clock.now += 3600
    await worker.agent.flush()
    assert worker.kernels[0].idle == set()


async def test_a_partition_that_was_not_placed_is_placed_after_a_while(worker: Worker) -> None:
    worker.consumer.cannot_seek = True
    worker.agent.assigned({0})
    await until(lambda: worker.kernels)
    await until(lambda: worker.agent._partitions[0].kernel is not None)
    worker.consumer.cannot_seek = False
    await worker.agent.flush()
    assert worker.consumer.rewound == []
    worker.clock.now += 60
    await worker.agent.flush()
    assert worker.consumer.rewound == [{TP(topic, 0) for topic in NAMES.events}]


async def test_a_partial_without_news_is_not_repeated(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Partial("orders_placed", 0, (0, 0, 0), None, T0, False, [], b"")
    partials = [
        empty,
        msgspec.structs.replace(empty, watermark=T0 + 9_999),
        msgspec.structs.replace(empty, watermark=T0 + 10_000),
        msgspec.structs.replace(empty, watermark=T0 + 10_000, idle=True),
    ]
    await worker.assign(0)
    sent = []
    for partial in partials:
        monkeypatch.setattr(worker.kernels[0], "drain", lambda partial=partial: [partial])
        worker.kernels[0].stirred = True
        await worker.agent.flush()
        sent.append(len(worker.broker.records))
    assert sent == [1, 1, 2, 3]


def test_a_large_partial_is_cut_and_only_the_last_piece_has_the_watermark() -> None:
    cells = np.arange(CELLS * 2 * 5 + 5, dtype="<i8").tobytes()
    whole = Partial("k", 0, (1, 2, 3), T0, T0, True, [[]], cells)
    cut = list(pieces(whole))
    assert b"".join(piece.cells for piece in cut) == cells
    assert [(piece.watermark, piece.idle) for piece in cut] == [(None, False), (None, False), (T0, True)]
    assert {piece.as_of for piece in cut} == {(1, 2, 3)}
    exact = msgspec.structs.replace(whole, cells=cells[: CELLS * 40])
    assert list(pieces(exact)) == [exact]
    assert list(pieces(msgspec.structs.replace(whole, cells=b""))) == [msgspec.structs.replace(whole, cells=b"")]
