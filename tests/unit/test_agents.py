"""The agents without Kafka: what they read on from, publish, commit and set aside, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams.config import Config, load_config
from streams.events.codec import encode
from streams.events.types import BusinessEvent
from streams.kpis.kernel import Outcome
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents import Aggregate, Detect
from streams.runtime.agents.marks import Mark, Offsets
from streams.runtime.agents.pieces import CELLS, pieces
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.topics import TopicNames
from streams.runtime.transport import LAST_BATCH, Position
from tests.support.shop import T0, event, heartbeat

NAMES = TopicNames("daybook")
ORDERS, DELIVERIES, SUPPORT = NAMES.events


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeKernel:
    """Remembers what it was asked; fails on events of the ids in ``poison``."""

    def __init__(self, number: int, poison: set[str]) -> None:
        self.number, self.poison = number, poison
        self.seen: list[tuple[int, int]] = []
        self.idle: set[int] = set()
        self.drains = 0
        self.ends = [0, 0, 0]
        self.watermark: int | None = None
        self.open_cases = 0
        self.folded = {"region": 3}

    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: Any, arrivals: Any) -> Outcome:
        if any(one is not None and one.id in self.poison for one in events):
            raise ZeroDivisionError("a fault of ours")
        self.seen += [(family, offset) for offset in offsets.tolist()]
        self.ends[family] = int(offsets[-1]) + 1
        beats = sum(one is not None and type(one).__name__ == "SourceHeartbeat" for one in events)
        return Outcome(len(events) - beats, 0, 0, beats, 0, [])

    def set_idle(self, families: set[int]) -> None:
        self.idle = families

    def drain(self) -> list[Partial]:
        self.drains += 1
        as_of = (self.ends[0], self.ends[1], self.ends[2])
        return [Partial("orders_placed", self.number, as_of, T0, self.watermark, False, [[]], bytes(40))]


class FakeConsumer:
    """A group of one. ``committed`` holds the commits; logs begin at 0 and end at ``ends``, the state log is
    empty unless said otherwise."""

    def __init__(self) -> None:
        self.reader: Aggregate | Detect
        self.committed: dict[TP, int] = {}
        self.commits: list[dict[TP, int]] = []
        self.ends: dict[TP, int] = {}
        self.epochs: dict[TP, int] = {}
        self.rewound: list[set[TP]] = []
        self.refuses = False
        self.paused: set[TP] = set()

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        tps = set(tps)
        self.rewound.append(tps)
        positions = {}
        for tp in sorted(tps):
            self.epochs[tp] = self.epochs.get(tp, 0) + 1
            end, wanted = self.ends.get(tp, 0), self.reader.wanted(tp)
            start = max(end - 1, 0) if wanted == LAST_BATCH else wanted or 0
            positions[tp] = Position(start, self.epochs[tp], self.committed.get(tp, 0), end)
        for tp, position in positions.items():
            self.reader.placed(tp, position)
        return {tp: position.offset for tp, position in positions.items()}

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        self.paused |= set(tps)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        self.paused -= set(tps)

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        if self.refuses:
            return False
        self.commits.append(dict(offsets))
        self.committed |= offsets
        return True

    def highwater(self, tp: TP) -> int | None:
        return self.ends.get(tp)


class Broker:
    """Takes records, or refuses them while ``down``."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.down = False

    async def send(self, record: Record) -> Awaitable[object]:
        async def acknowledge() -> None:
            await asyncio.sleep(0)
            if self.down:
                raise ConnectionError("no broker")
            self.records.append(record)

        return acknowledge()

    def to(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]


def chunk(
    tp: TP, start: int, events: Sequence[BusinessEvent | bytes | None], epoch: int = 1, end: int | None = None
) -> Chunk:
    values = [one if one is None or isinstance(one, bytes) else encode(one) for one in events]
    offsets = np.arange(start, start + len(values), dtype=np.int64)
    arrivals = np.full(len(values), -1, dtype=np.int64)
    last = start + len(values) if end is None else end
    return Chunk(tp, epoch, start, last, offsets, arrivals, values, [b"key"] * len(values))


def placed(number: int) -> BusinessEvent:
    return event("order.placed", T0 + number, f"O-{number}")


@pytest.fixture
def config() -> Config:
    return load_config(env={})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), [])


class Worker:
    """An ``aggregate`` agent, everything around it faked."""

    def __init__(self, config: Config, metrics: Metrics, consumer: FakeConsumer | None = None) -> None:
        self.clock, self.broker, self.consumer = Clock(), Broker(), consumer or FakeConsumer()
        self.kernels: list[FakeKernel] = []
        self.poison: set[str] = set()
        self.metrics = metrics
        self.agent = Aggregate(
            config, self._kernel, lambda: self.consumer, self.broker.send, metrics, "today", self.clock
        )
        self.consumer.reader = self.agent

    def _kernel(self, number: int) -> FakeKernel:
        self.kernels.append(FakeKernel(number, self.poison))
        return self.kernels[-1]

    async def assign(self, *numbers: int) -> None:
        self.agent.assigned(set(numbers))
        for number in numbers:
            self.consumer.ends[TP(NAMES.state, number)] = len(self.marks(number))
        await self.consumer.rewind([TP(topic, n) for topic in (*NAMES.events, NAMES.state) for n in numbers])
        for number in numbers:
            await self.read_last_mark(number)

    async def read_last_mark(self, number: int) -> None:
        """What the state log's last fetch brings."""
        tp, marks = TP(NAMES.state, number), self.marks(number)
        if marks:
            self.consumer.ends[tp] = len(marks)
            epoch = self.consumer.epochs[tp]
            await self.agent.take(chunk(tp, len(marks) - 1, [marks[-1].encode()], epoch))

    def marks(self, number: int = 0) -> list[Mark]:
        """What the state log holds of a partition."""
        return [Mark.decode(r.value) for r in self.broker.to(NAMES.state) if r.partition == number]

    def published_before(self, done: Offsets, reached: Offsets, edition: str = "today", owner: str = "other") -> None:
        """Another worker's last mark of partition 0."""
        mark = Mark(edition, owner, done, reached)
        self.broker.records.append(Record(NAMES.state, b"0", mark.encode(), partition=0))

    def partials(self) -> list[Offsets]:
        """What the published partials were made from."""
        return [Partial.decode(record.value or b"").as_of for record in self.broker.to(NAMES.partials)]

    def counted(self, name: str) -> float:
        family = getattr(self.metrics, name)
        return sum(s.value for s in family.collect()[0].samples if s.name.endswith("_total"))


@pytest.fixture
def worker(config: Config, metrics: Metrics) -> Worker:
    return Worker(config, metrics)


# -- aggregate ----------------------------------------------------------------------------------------------------


async def test_events_are_folded_in_order_and_their_partials_committed_after_the_acknowledgement(
    worker: Worker,
) -> None:
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(n) for n in range(3000)]))
    assert worker.kernels[0].seen == [(0, offset) for offset in range(3000)]
    assert worker.consumer.commits == []
    await worker.agent.flush()
    (record,) = worker.broker.to(NAMES.partials)
    assert record.key == b"orders_placed"
    assert worker.partials() == [(3000, 0, 0)]
    assert worker.consumer.committed[TP(ORDERS, 0)] == 3000
    assert worker.counted("events") == 3000


async def test_nothing_is_committed_while_results_cannot_be_published_and_nothing_is_lost(worker: Worker) -> None:
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    worker.broker.down = True
    await worker.agent.flush()
    await worker.agent.take(chunk(TP(ORDERS, 0), 1, [placed(1)]))
    await worker.agent.flush()
    assert worker.consumer.commits == []
    assert worker.counted("publish_failures") == 2
    worker.broker.down = False
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]
    assert worker.consumer.committed[TP(ORDERS, 0)] == 1
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0), (2, 0, 0)]
    assert worker.consumer.committed[TP(ORDERS, 0)] == 2


async def test_a_commit_that_is_refused_is_made_good_at_the_next_flush(worker: Worker) -> None:
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    worker.consumer.refuses = True
    await worker.agent.flush()
    worker.consumer.refuses = False
    await worker.agent.flush()
    assert worker.consumer.committed[TP(ORDERS, 0)] == 1


async def test_what_overlaps_is_folded_once_and_what_was_fetched_before_a_seek_not_at_all(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.agent.take(chunk(tp, 0, [placed(n) for n in range(5)]))
    await worker.agent.take(chunk(tp, 3, [placed(n) for n in range(3, 8)]))
    assert worker.kernels[0].seen == [(0, offset) for offset in range(8)]
    await worker.consumer.rewind([tp])
    await worker.agent.take(chunk(tp, 8, [placed(8)], epoch=1))
    assert len(worker.kernels[0].seen) == 8
    await worker.agent.take(chunk(tp, 8, [placed(8)], epoch=2))
    assert len(worker.kernels[0].seen) == 9


async def test_a_missing_chunk_is_read_again(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.agent.take(chunk(tp, 0, [placed(0)]))
    await worker.agent.take(chunk(tp, 5, [placed(5)]))
    assert worker.kernels[0].seen == [(0, 0)]
    assert worker.consumer.rewound[-1] == {tp}
    await worker.agent.take(chunk(tp, 1, [placed(n) for n in range(1, 6)], epoch=2))
    assert worker.kernels[0].seen == [(0, offset) for offset in range(6)]


async def test_offsets_without_records_are_passed_over(worker: Worker) -> None:
    tp = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.agent.take(chunk(tp, 0, [], end=3))
    await worker.agent.take(chunk(tp, 3, [placed(0)], end=6))
    await worker.agent.take(chunk(tp, 6, [placed(1)]))
    assert worker.kernels[0].seen == [(0, 3), (0, 6)]
    assert len(worker.consumer.rewound) == 1


async def test_kept_partitions_keep_their_kernel_and_lost_ones_do_not(worker: Worker) -> None:
    await worker.assign(0, 1)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.assign(0)
    assert worker.agent.wanted(TP(ORDERS, 0)) == 1
    assert worker.agent.wanted(TP(ORDERS, 1)) is None
    await worker.agent.take(chunk(TP(ORDERS, 1), 0, [placed(0)], epoch=1))
    assert worker.kernels[1].seen == []
    await worker.assign(0, 1)
    assert len(worker.kernels) == 3


def dispatched(number: int) -> BusinessEvent:
    return event("delivery.dispatched", T0 + number, f"O-{number}", delivery_id="D")


async def test_a_mark_goes_before_what_is_published_and_another_says_when_it_is_done(worker: Worker) -> None:
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.agent.flush()
    assert [record.topic for record in worker.broker.records] == [NAMES.state, NAMES.partials]
    await worker.agent.take(chunk(TP(DELIVERIES, 0), 0, [dispatched(0)]))
    await worker.agent.flush()
    await worker.agent.flush()
    await worker.agent.flush()
    spans = [(mark.done, mark.reached) for mark in worker.marks()]
    assert spans == [((0, 0, 0), (1, 0, 0)), ((1, 0, 0), (1, 1, 0)), ((1, 1, 0), (1, 1, 0))]


async def test_a_rebuilt_kernel_stops_where_was_published_and_tells_nothing_again(worker: Worker) -> None:
    orders, deliveries = TP(ORDERS, 0), TP(DELIVERIES, 0)
    worker.consumer.ends = {orders: 5, deliveries: 2, TP(SUPPORT, 0): 0}
    worker.published_before((4, 2, 0), (4, 2, 0))
    await worker.assign(0)
    await worker.agent.take(chunk(orders, 0, [placed(0), b"{", placed(2), placed(3), b"{"]))
    assert worker.kernels[0].seen == [(0, offset) for offset in range(4)]
    assert worker.consumer.paused == {orders}
    await worker.agent.flush()
    assert worker.partials() == []
    await worker.agent.take(chunk(deliveries, 0, [dispatched(0), dispatched(1)]))
    assert worker.consumer.paused == set()
    assert orders in worker.consumer.rewound[-1]
    await worker.agent.flush()
    assert worker.partials() == [(4, 2, 0)]
    assert worker.broker.to(NAMES.dlq(ORDERS)) == []
    await worker.agent.take(chunk(orders, 4, [b"{"], epoch=worker.consumer.epochs[orders]))
    await worker.agent.flush()
    assert worker.partials() == [(4, 2, 0), (5, 2, 0)]
    assert [dict(r.headers)["source_offset"] for r in worker.broker.to(NAMES.dlq(ORDERS))] == [b"4"]
    assert worker.consumer.committed == {orders: 5, deliveries: 2}
    assert (worker.counted("events"), worker.counted("rebuilt")) == (1, 6)


async def test_what_may_not_have_been_published_is_published_from_the_same_point(worker: Worker) -> None:
    orders, deliveries = TP(ORDERS, 0), TP(DELIVERIES, 0)
    worker.published_before((2, 1, 0), (4, 3, 0))
    await worker.assign(0)
    await worker.agent.take(chunk(orders, 0, [placed(n) for n in range(9)]))
    await worker.agent.take(chunk(deliveries, 0, [dispatched(n) for n in range(9)]))
    assert worker.kernels[0].ends == [2, 1, 0], "the kernel waits at the first point"
    await worker.agent.take(chunk(orders, 2, [placed(n) for n in range(2, 9)], epoch=worker.consumer.epochs[orders]))
    await worker.agent.flush()
    assert worker.partials() == []
    epoch = worker.consumer.epochs[deliveries]
    await worker.agent.take(chunk(deliveries, 1, [dispatched(n) for n in range(1, 9)], epoch=epoch))
    assert worker.kernels[0].ends == [4, 3, 0], "and at the second"
    marks = len(worker.marks())
    await worker.agent.flush()
    assert worker.partials() == [(4, 3, 0)]
    assert len(worker.marks()) == marks, "its mark is in the log already"
    await worker.agent.flush()
    assert (worker.marks()[-1].done, worker.marks()[-1].reached) == ((4, 3, 0), (4, 3, 0))


async def test_nothing_is_folded_before_the_last_mark_is_known(worker: Worker) -> None:
    worker.published_before((2, 0, 0), (2, 0, 0))
    worker.agent.assigned({0})
    worker.consumer.ends[TP(NAMES.state, 0)] = 1
    await worker.consumer.rewind([TP(topic, 0) for topic in (*NAMES.events, NAMES.state)])
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0), placed(1), placed(2)]))
    await worker.agent.flush()
    assert worker.kernels[0].seen == []
    assert worker.consumer.paused == {TP(ORDERS, 0)}
    await worker.read_last_mark(0)
    assert worker.consumer.paused == set()
    assert worker.consumer.rewound[-1] == {TP(ORDERS, 0)}


async def test_other_definitions_publish_everything_again(worker: Worker) -> None:
    orders = TP(ORDERS, 0)
    worker.published_before((3, 0, 0), (4, 0, 0), edition="yesterday")
    await worker.assign(0)
    await worker.agent.take(chunk(orders, 0, [placed(0)]))
    await worker.agent.flush()
    await worker.agent.take(chunk(orders, 1, [placed(n) for n in range(1, 9)]))
    await worker.agent.flush()
    await worker.agent.take(chunk(orders, 3, [placed(n) for n in range(3, 9)], epoch=worker.consumer.epochs[orders]))
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0), (3, 0, 0), (4, 0, 0)]


async def test_a_kept_kernel_is_rebuilt_when_another_worker_has_published(worker: Worker) -> None:
    orders = TP(ORDERS, 0)
    await worker.assign(0)
    await worker.agent.take(chunk(orders, 0, [placed(0)]))
    await worker.agent.flush()
    await worker.assign(0)
    assert len(worker.kernels) == 1
    assert worker.agent.wanted(orders) == 1
    worker.published_before((1, 0, 0), (2, 0, 0))
    await worker.assign(0)
    assert len(worker.kernels) == 2
    assert worker.agent.wanted(orders) == 0


async def test_nothing_is_published_between_giving_partitions_back_and_getting_them_again(worker: Worker) -> None:
    await worker.assign(0)
    worker.agent.revoked()
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.agent.flush()
    assert worker.broker.records == []
    await worker.assign(0)
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]


async def test_another_workers_mark_while_we_publish_makes_us_build_anew(worker: Worker) -> None:
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.agent.flush()
    await worker.read_last_mark(0)
    assert len(worker.kernels) == 1, "our own mark is no news"
    worker.published_before((0, 0, 0), (5, 0, 0), owner="a zombie")
    await worker.read_last_mark(0)
    assert len(worker.kernels) == 2


async def test_a_topic_made_again_under_an_old_mark_is_published_from_its_beginning(worker: Worker) -> None:
    worker.published_before((1000, 0, 0), (1000, 0, 0))
    worker.consumer.ends = {TP(topic, 0): 1 if topic == ORDERS else 0 for topic in NAMES.events}
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.agent.flush()
    assert worker.partials() == [(1, 0, 0)]
    assert worker.counted("events") == 1


async def test_what_cannot_be_decoded_becomes_a_dead_letter_and_the_rest_counts(worker: Worker) -> None:
    await worker.assign(0)
    wrong_topic = event("ticket.opened", T0, "T-1")
    records = [placed(0), b"{not json", None, b"", wrong_topic, placed(5)]
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, records))
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
    for _ in range(6):  # rebuilt at most twice
        await worker.agent.take(chunk(tp, 0, events, epoch=worker.consumer.epochs[tp]))
    await worker.agent.flush()
    assert worker.kernels[-1].seen == [(0, offset) for offset in range(400) if offset != 123]
    (letter,) = worker.broker.to(NAMES.dlq(ORDERS))
    headers = dict(letter.headers)
    assert (headers["source_offset"], headers["error_code"]) == (b"123", b"processing_failed")
    assert (headers["error"], headers["attempts"]) == (b"ZeroDivisionError: a fault of ours", b"2")
    assert letter.value == encode(events[123])
    assert len(worker.kernels) == 3
    assert worker.consumer.committed[tp] == 400


async def test_a_failing_kernel_does_not_disturb_the_other_partitions(worker: Worker) -> None:
    await worker.assign(0, 1)
    worker.poison.add(placed(0).id)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    await worker.agent.take(chunk(TP(ORDERS, 1), 0, [placed(1)]))
    await worker.agent.flush()
    assert worker.consumer.committed[TP(ORDERS, 1)] == 1


async def test_a_topic_is_idle_when_read_to_its_end_and_silent_for_long_enough(worker: Worker) -> None:
    worker.consumer.ends = {TP(ORDERS, 0): 1, TP(DELIVERIES, 0): 3, TP(SUPPORT, 0): 0}
    await worker.assign(0)
    await worker.agent.take(chunk(TP(ORDERS, 0), 0, [placed(0)]))
    worker.clock.now += 29
    await worker.agent.flush()
    assert worker.kernels[0].idle == set()
    worker.clock.now += 2
    await worker.agent.flush()
    assert worker.kernels[0].idle == {0, 2}, "deliveries are behind, not silent"
    await worker.agent.take(chunk(TP(SUPPORT, 0), 0, [heartbeat(T0)]))
    await worker.agent.flush()
    assert worker.kernels[0].idle == {0}


async def test_an_unknown_end_is_not_taken_for_silence(worker: Worker) -> None:
    await worker.assign(0)
    worker.clock.now += 3600
    await worker.agent.flush()
    assert worker.kernels[0].idle == set()


async def test_a_partition_that_was_not_placed_is_placed_after_a_while(worker: Worker) -> None:
    worker.agent.assigned({0})
    await worker.agent.flush()
    assert worker.consumer.rewound == []
    worker.clock.now += 60
    await worker.agent.flush()
    assert worker.consumer.rewound == [{TP(topic, 0) for topic in (*NAMES.events, NAMES.state)}]


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


# -- detect -------------------------------------------------------------------------------------------------------


def told(kpi: str, number: float, *, end: int = T0, status: str = "provisional", **more: Any) -> KpiValue:
    rolling = status == "provisional"
    return KpiValue(
        **{
            "kpi": kpi,
            "stat": "value",
            "slice": {},
            "span": "1h",
            "rolling": rolling,
            "start": end - 3_600_000,
            "end": end,
            "value": number,
            "weight": 1,
            "parts": (int(number),),
            "status": status,
            "revision": 0,
            "unit": "orders",
            "better": "higher",
        }
        | more
    )


class FakeBook:
    """Adds up the first cell's value; each partial makes one final value."""

    def __init__(self) -> None:
        self.applied: list[Partial] = []
        self._news: list[KpiValue] = []
        self.advanced = 0
        self.series = 1
        self.end = T0

    def apply(self, partial: Partial) -> None:
        if partial.kpi == "explodes":
            raise ZeroDivisionError("a fault of ours")
        self.applied.append(partial)
        self._news.append(told(partial.kpi, len(self.applied), status="final"))

    def advance(self) -> list[KpiValue]:
        self.advanced += 1
        news, self._news = self._news, []
        return news

    def current(self, kpis: list[str]) -> list[KpiValue]:
        return [told(kpi, sum(p.kpi == kpi for p in self.applied), end=self.end) for kpi in kpis]


class Series:
    """A ``detect`` agent, everything around it faked."""

    def __init__(self, config: Config, metrics: Metrics, consumer: FakeConsumer | None = None) -> None:
        self.clock, self.broker, self.consumer = Clock(), Broker(), consumer or FakeConsumer()
        self.books: list[FakeBook] = []
        self.agent = Detect(config, self._book, lambda: self.consumer, self.broker.send, metrics, self.clock)
        self.consumer.reader = self.agent

    def _book(self) -> FakeBook:
        self.books.append(FakeBook())
        return self.books[-1]

    async def assign(self, *numbers: int) -> None:
        self.agent.assigned(set(numbers))
        await self.consumer.rewind([TP(NAMES.partials, number) for number in numbers])

    def values(self, status: str | None = None) -> list[KpiValue]:
        found = [KpiValue.decode(record.value or b"") for record in self.broker.to(NAMES.kpis)]
        return [value for value in found if status in (None, value.status)]


@pytest.fixture
def series(config: Config, metrics: Metrics) -> Series:
    return Series(config, metrics)


def partials(start: int, *kpis: str, epoch: int = 1) -> Chunk:
    records = [Partial(kpi, 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode() for kpi in kpis]
    return chunk(TP(NAMES.partials, 0), start, records, epoch)


async def test_final_values_are_published_then_committed(series: Series) -> None:
    await series.assign(0)
    await series.agent.take(partials(0, "a", "b"))
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b"]
    assert series.broker.records[0].key == b"a@1h"
    assert series.consumer.committed == {TP(NAMES.partials, 0): 2}
    await series.agent.refresh()
    assert len(series.values("final")) == 2


async def test_final_values_are_kept_while_they_cannot_be_published(series: Series) -> None:
    await series.assign(0)
    series.broker.down = True
    await series.agent.take(partials(0, "a"))
    await series.agent.refresh()
    await series.agent.take(partials(1, "b"))
    await series.agent.refresh()
    assert series.consumer.commits == []
    series.broker.down = False
    await series.agent.refresh()
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b"]
    assert series.consumer.committed == {TP(NAMES.partials, 0): 2}


async def test_a_rebuilt_book_does_not_repeat_what_was_told(config: Config, metrics: Metrics) -> None:
    consumer = FakeConsumer()
    consumer.committed = {TP(NAMES.partials, 0): 2}
    series = Series(config, metrics, consumer)
    await series.assign(0)
    await series.agent.take(partials(0, "a"))
    await series.agent.refresh()
    assert series.broker.records == []
    await series.agent.take(partials(1, "b", "c"))
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["c"]


async def test_a_rebuilt_book_that_ends_where_it_was_tells_nothing_final(config: Config, metrics: Metrics) -> None:
    consumer = FakeConsumer()
    consumer.committed = {TP(NAMES.partials, 0): 2}
    series = Series(config, metrics, consumer)
    await series.assign(0)
    await series.agent.take(partials(0, "a", "b"))
    series.clock.now += 60
    await series.agent.refresh()
    assert series.values("final") == []
    assert [value.kpi for value in series.values("provisional")] == ["a", "b"]


async def test_provisional_values_are_told_every_two_seconds_where_they_changed(series: Series) -> None:
    await series.assign(0)
    await series.agent.take(partials(0, "a", "b"))
    await series.agent.refresh()
    assert series.values("provisional") == []
    series.clock.now += 2.5
    await series.agent.refresh()
    assert [(value.kpi, value.value) for value in series.values("provisional")] == [("a", 1), ("b", 1)]
    await series.agent.take(partials(2, "a"))
    series.books[0].end += 10_000
    await series.agent.refresh()
    series.clock.now += 2.5
    await series.agent.take(partials(3, "b"))
    await series.agent.refresh()
    assert [(value.kpi, value.value) for value in series.values("provisional")[2:]] == [("a", 2), ("b", 2)]


async def test_a_value_that_only_moved_on_is_told_again_after_a_minute(series: Series) -> None:
    await series.assign(0)
    book = series.books[0]
    book.current = lambda kpis: [told(kpi, 7, end=book.end) for kpi in kpis]  # type: ignore[method-assign]
    ends = []
    for offset, moved in enumerate((0, 10_000, 50_000, 60_000, 70_000)):
        book.end = T0 + moved
        await series.agent.take(partials(offset, "a"))
        series.clock.now += 2.5
        await series.agent.refresh()
        ends.append([value.end - T0 for value in series.values("provisional")])
    assert ends == [[0], [0], [0], [0, 60_000], [0, 60_000]]


async def test_partials_of_a_topic_made_again_under_an_old_group_are_told(config: Config, metrics: Metrics) -> None:
    consumer = FakeConsumer()
    consumer.committed, consumer.ends = {TP(NAMES.partials, 0): 1000}, {TP(NAMES.partials, 0): 1}
    series = Series(config, metrics, consumer)
    await series.assign(0)
    await series.agent.take(partials(0, "a"))
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a"]


async def test_a_partial_that_cannot_be_applied_becomes_a_dead_letter(series: Series) -> None:
    await series.assign(0)
    good = Partial("a", 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode()
    bad = Partial("explodes", 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode()
    await series.agent.take(chunk(TP(NAMES.partials, 0), 0, [b"nonsense", good, bad, None]))
    await series.agent.refresh()
    letters = series.broker.to(NAMES.dlq(NAMES.partials))
    assert [dict(letter.headers)["source_offset"] for letter in letters] == [b"0", b"2", b"3"]
    assert [value.kpi for value in series.values("final")] == ["a"]


async def test_a_book_that_is_given_away_is_neither_shown_nor_told(
    series: Series, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    forget: Callable[[Iterable[str]], None] = forgotten.extend
    monkeypatch.setattr(metrics.kpis, "forget", forget)
    await series.assign(0)
    await series.agent.take(partials(0, "a"))
    await series.agent.refresh()
    series.agent.assigned(set())
    series.clock.now += 60
    await series.agent.refresh()
    assert forgotten == ["a"]
    assert series.values("provisional") == []


async def test_a_missing_chunk_of_partials_is_read_again(series: Series) -> None:
    await series.assign(0)
    await series.agent.take(partials(5, "a"))
    assert series.books[0].applied == []
    assert series.consumer.rewound[-1] == {TP(NAMES.partials, 0)}
    await series.agent.take(partials(0, "a", epoch=1))
    assert series.books[0].applied == []
    await series.agent.take(partials(0, "a", epoch=2))
    assert len(series.books[0].applied) == 1
