"""The ``detect`` agent without Kafka: what it reads on from, records, tells and sets aside, in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streams.config import Config, load_config
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue
from streams.runtime.agents import Detect, owner
from streams.runtime.agents.revival import Revived
from streams.runtime.agents.series import REACHED_WITHIN
from streams.runtime.chunks import Chunk
from streams.runtime.metrics import Metrics
from streams.runtime.state.chain import Chain
from streams.runtime.topics import TopicNames
from tests.support.agents import Broker, Clock, FakeConsumer, chunk, until
from tests.support.memory_log import MemoryLog, Records
from tests.support.shop import T0

NAMES = TopicNames("daybook")
TOPIC = TP(NAMES.partials, 0)


@pytest.fixture
def config() -> Config:
    return load_config(env={})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), [])


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

    def state(self) -> dict[str, Any]:
        return {"applied": [partial.kpi for partial in self.applied]}


class Series:
    """A ``detect`` agent, everything around it faked."""

    def __init__(self, config: Config, metrics: Metrics, records: Records | None = None) -> None:
        self.clock, self.broker, self.consumer = Clock(), Broker(), FakeConsumer()
        self.consumer.ends = {TOPIC: 0}
        self.books: list[FakeBook] = []
        self.log = MemoryLog(records or Records(), beginning=(0,))
        self.agent = Detect(
            config, self._revive, self.log, lambda: self.consumer, self.broker.send, metrics, self.clock
        )
        self.consumer.reader = self.agent

    def _revive(self, number: int, chain: Chain) -> Revived:
        self.books.append(FakeBook())
        offset = chain.snapshot.end[0] if chain.snapshot else 0
        return Revived(self.books[-1], offset, [entry.end[0] for entry in chain.deltas], chain.sequence or 0)  # type: ignore[arg-type]

    async def assign(self, *numbers: int) -> None:
        """A rebalance, and what follows of it until all is read on."""
        self.agent.assigned(set(numbers))
        await self.consumer.rewind([TP(NAMES.partials, number) for number in numbers])
        held = self.agent._partitions
        await until(lambda: all(held[n].trusted and held[n].epoch is not None for n in numbers))

    async def read(self, start: int, *kpis: str) -> None:
        """A chunk fetched since the last seek."""
        self.consumer.ends[TOPIC] = max(self.consumer.ends[TOPIC], start + len(kpis))
        await self.agent.take(partials(start, *kpis, epoch=self.consumer.epochs[TOPIC]))

    def steps(self) -> list[tuple[int, int]]:
        """What the state log says."""
        return [(entry.begin[0], entry.end[0]) for entry in self.log.records.entries() if entry.kind == "delta"]

    def values(self, status: str | None = None) -> list[KpiValue]:
        found = [KpiValue.decode(record.value or b"") for record in self.broker.to(NAMES.kpis)]
        return [value for value in found if status in (None, value.status)]


@pytest.fixture
async def series(config: Config, metrics: Metrics) -> AsyncIterator[Series]:
    made = Series(config, metrics)
    yield made
    await made.agent.close()


@pytest.fixture
async def successor(config: Config, series: Series) -> AsyncIterator[Series]:
    """Another worker on the same state log."""
    made = Series(config, Metrics(CollectorRegistry(), []), series.log.records)
    yield made
    await made.agent.close()


def partials(start: int, *kpis: str, epoch: int = 1) -> Chunk:
    records = [Partial(kpi, 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode() for kpi in kpis]
    return chunk(TP(NAMES.partials, 0), start, records, epoch)


async def test_final_values_are_published_then_committed(series: Series) -> None:
    await series.assign(0)
    await series.read(0, "a", "b")
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b"]
    assert series.broker.records[0].key == b"a@1h"
    assert series.consumer.committed == {TP(NAMES.partials, 0): 2}
    await series.agent.refresh()
    assert len(series.values("final")) == 2


async def test_final_values_are_kept_while_they_cannot_be_published(series: Series) -> None:
    await series.assign(0)
    series.broker.down = True
    await series.read(0, "a")
    await series.agent.refresh()
    await series.read(1, "b")
    await series.agent.refresh()
    assert series.consumer.commits == []
    series.broker.down = False
    await series.agent.refresh()
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b"]
    assert series.consumer.committed == {TP(NAMES.partials, 0): 2}


async def test_where_news_is_taken_is_recorded_before_it_is_told(series: Series) -> None:
    await series.assign(0)
    await series.read(0, "a", "b")
    series.broker.down = True
    await series.agent.refresh()
    assert series.steps() == [(0, 2)]
    series.broker.down = False
    await series.read(2, "c")
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b"]
    await series.agent.refresh()
    await series.agent.refresh()
    assert series.steps() == [(0, 2), (2, 3)]


async def test_what_cannot_be_recorded_is_not_told_and_the_state_is_read_again(series: Series) -> None:
    await series.assign(0)
    series.log.down = True
    await series.read(0, "a")
    await series.agent.refresh()
    assert series.values("final") == []
    series.log.down = False
    await until(lambda: len(series.books) == 2)
    await until(lambda: series.agent._partitions[0].epoch is not None)
    await series.read(0, "a")
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a"]


async def test_a_successor_takes_its_news_where_it_was_taken_and_tells_the_last_again(
    series: Series, successor: Series
) -> None:
    await series.assign(0)
    for offset, kpi in enumerate("abc"):
        await series.read(offset, kpi)
        if kpi != "b":
            await series.agent.refresh()
    assert series.steps() == [(0, 1), (1, 3)]
    successor.consumer.ends = {TOPIC: 3}
    await successor.assign(0)
    await successor.read(0, "a", "b")
    await successor.agent.refresh()
    assert successor.values() == []
    await successor.read(2, "c", "d")
    await successor.agent.refresh()
    assert [value.kpi for value in successor.values("final")] == ["b", "c"]
    await successor.agent.refresh()
    assert [value.kpi for value in successor.values("final")] == ["b", "c", "d"]
    assert successor.books[0].advanced == 3
    assert series.steps() == [(0, 1), (1, 3), (3, 4)]
    # The other one is too late: it says nothing and reads the state again.
    await series.read(3, "d")
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["a", "b", "c"]
    await until(lambda: len(series.books) == 2)


async def test_a_successor_begins_with_the_newest_snapshot(series: Series, successor: Series) -> None:
    series.agent._ledger._most_weight = 30
    await series.assign(0)
    for offset, kpi in enumerate("abcdef"):
        await series.read(offset, kpi)
        await series.agent.refresh()
    kinds = [(entry.kind, entry.end[0]) for entry in series.log.records.entries() if entry.kind == "snapshot"]
    assert kinds[-1] == ("snapshot", 6)
    await successor.assign(0)
    assert successor.agent.wanted(TOPIC) == 6
    await successor.agent.refresh()
    assert successor.values() == []


async def test_values_are_shown_when_they_are_as_new_as_those_shown_before(
    series: Series, successor: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    await series.assign(0)
    await series.read(0, "a")
    await series.agent.refresh()
    shown: list[str] = []
    monkeypatch.setattr(successor.agent._metrics.kpis, "tell", shown.extend)
    successor.consumer.ends = {TOPIC: 3}
    await successor.assign(0)
    await successor.read(0, "a", "b")
    await successor.agent.refresh()
    assert shown == []
    await successor.read(2, "c")
    await successor.agent.refresh()
    assert shown == ["a", "b", "c"]


async def test_provisional_values_are_told_every_two_seconds_where_they_changed(series: Series) -> None:
    await series.assign(0)
    await series.read(0, "a", "b")
    await series.agent.refresh()
    assert series.values("provisional") == []
    series.clock.now += 2.5
    await series.agent.refresh()
    assert [(value.kpi, value.value) for value in series.values("provisional")] == [("a", 1), ("b", 1)]
    await series.read(2, "a")
    series.books[0].end += 10_000
    await series.agent.refresh()
    series.clock.now += 2.5
    await series.read(3, "b")
    await series.agent.refresh()
    assert [(value.kpi, value.value) for value in series.values("provisional")[2:]] == [("a", 2), ("b", 2)]


async def test_a_value_that_only_moved_on_is_told_again_after_a_minute(series: Series) -> None:
    await series.assign(0)
    book = series.books[0]
    book.current = lambda kpis: [told(kpi, 7, end=book.end) for kpi in kpis]  # type: ignore[method-assign]
    ends = []
    for offset, moved in enumerate((0, 10_000, 50_000, 60_000, 70_000)):
        book.end = T0 + moved
        await series.read(offset, "a")
        series.clock.now += 2.5
        await series.agent.refresh()
        ends.append([value.end - T0 for value in series.values("provisional")])
    assert ends == [[0], [0], [0], [0, 60_000], [0, 60_000]]


async def test_a_topic_made_again_is_read_from_its_beginning(series: Series, successor: Series) -> None:
    await series.assign(0)
    await series.read(0, "a", "b", "c")
    await series.agent.refresh()
    await successor.assign(0)
    successor.consumer.ends = {TOPIC: 1}
    await successor.read(0, "d")
    await successor.agent.refresh()
    assert successor.values("final") == [], "the new leader of a partition may be a moment behind"
    successor.clock.now += REACHED_WITHIN + 1
    await successor.agent.refresh()
    await successor.agent.refresh()
    assert [value.kpi for value in successor.values("final")] == ["d"]
    assert series.steps() == [(0, 3), (3, 1)]
    # The one that had read them all sees its next chunk begin before what it has read.
    await series.consumer.rewind([TOPIC])
    series.consumer.ends = {TOPIC: 1}
    await series.agent.take(partials(0, "d", epoch=series.consumer.epochs[TOPIC]))
    assert [partial.kpi for partial in series.books[0].applied] == ["a", "b", "c", "d"]


async def test_a_partial_that_cannot_be_applied_becomes_a_dead_letter(series: Series) -> None:
    await series.assign(0)
    good = Partial("a", 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode()
    bad = Partial("explodes", 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode()
    await series.agent.take(chunk(TOPIC, 0, [b"nonsense", good, bad, None], epoch=series.consumer.epochs[TOPIC]))
    await series.agent.refresh()
    letters = series.broker.to(NAMES.dlq(NAMES.partials))
    assert [dict(letter.headers)["source_offset"] for letter in letters] == [b"0", b"2", b"3"]
    assert [value.kpi for value in series.values("final")] == ["a"]


@pytest.mark.parametrize("what", ["advance", "current", "state"])
async def test_a_book_that_fails_is_read_again_and_the_others_go_on(
    series: Series, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(owner, "AFTER_A_FAILURE", 0.0)
    series.agent._ledger._most_weight = 1
    other = TP(NAMES.partials, 1)
    series.consumer.ends[other] = 1
    await series.assign(0, 1)
    broken = series.agent._partitions[0].book
    monkeypatch.setattr(broken, what, fails)
    await series.read(0, "a")
    record = Partial("b", 0, (1, 1, 1), T0, T0, False, [[]], bytes(40)).encode()
    await series.agent.take(chunk(other, 0, [record], series.consumer.epochs[other]))
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["b"]
    await until(lambda: len(series.books) == 3)
    await until(lambda: series.agent._partitions[0].placed)
    await series.read(0, "a")
    await series.agent.refresh()
    assert [value.kpi for value in series.values("final")] == ["b", "a"]


async def test_a_book_that_is_given_away_is_neither_shown_nor_told(
    series: Series, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    forget: Callable[[Iterable[str]], None] = forgotten.extend
    monkeypatch.setattr(metrics.kpis, "forget", forget)
    await series.assign(0)
    await series.read(0, "a")
    await series.agent.refresh()
    series.agent.assigned(set())
    series.clock.now += 60
    await series.agent.refresh()
    assert forgotten == ["a"]
    assert series.values("provisional") == []


async def test_a_missing_chunk_of_partials_is_read_again(series: Series) -> None:
    await series.assign(0)
    epoch = series.consumer.epochs[TOPIC]
    await series.read(5, "a")
    assert series.books[0].applied == []
    assert series.consumer.rewound[-1] == {TOPIC}
    await series.agent.take(partials(0, "a", epoch=epoch))
    assert series.books[0].applied == []
    await series.read(0, "a")
    assert len(series.books[0].applied) == 1


async def test_what_detection_and_recording_cost_is_measured(
    series: Series, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await series.assign(0)
    (book,) = series.books
    advance = book.advance

    def slowly() -> list[KpiValue]:
        series.clock.now += 0.25
        return advance()

    def acknowledged() -> None:
        series.clock.now += 2.0

    monkeypatch.setattr(book, "advance", slowly)
    monkeypatch.setattr(series.log, "_after", acknowledged)
    await series.read(0, "a")
    await series.agent.refresh()
    await series.agent.refresh()  # there is nothing new
    sample = metrics.registry.get_sample_value
    assert sample("daybook_detector_seconds_count") == 1
    assert sample("daybook_detector_seconds_sum") == 0.25
    assert sample("daybook_state_log_append_seconds_count", {"agent": "detect"}) == 1
    assert sample("daybook_state_log_append_seconds_sum", {"agent": "detect"}) == 2.0


async def test_what_is_recorded_is_counted_in_bytes(
    series: Series, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series.agent._ledger, "_most_weight", 1)  # a snapshot with each step
    await series.assign(0)
    await series.read(0, "a")
    await series.agent.refresh()
    (snapshot,) = [entry for entry in series.log.records.entries() if entry.kind == "snapshot"]
    assert len(snapshot.payload) > 0
    counted = metrics.registry.get_sample_value("daybook_state_log_bytes_total", {"agent": "detect"})
    assert counted == sum(len(entry.payload) for entry in series.log.records.entries())
