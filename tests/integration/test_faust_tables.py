"""Windowed tables of faust-streaming 0.15.3: shown on a real broker to be unfit for KPIs, and beside it that Daybook's
panes are not like that."""

from __future__ import annotations

import time
from typing import Any

import faust
import pytest
from faust.tables import base

from streams.kpis.pack import pack, unpack
from streams.runtime.broker import EmbeddedBroker
from tests.support.faust_apps import create, raw_topic, running, send, stock_app, until
from tests.support.running import pipeline
from tests.support.shop import HOUR, MINUTE, T0, event

WINDOW_S = 10.0


class Counting:
    """A stock app that counts records by key in a windowed table."""

    def __init__(self, broker: EmbeddedBroker, topic: str) -> None:
        self.broker, self.topic = broker, topic
        self.closed: list[tuple[str, int]] = []
        self.app: faust.App = stock_app(
            broker, f"{topic}-group", table_cleanup_interval=3600.0, consumer_auto_offset_reset="earliest"
        )
        self.table: Any = self.app.Table(
            "counts", default=int, partitions=2, on_window_close=lambda key, value: self.closed.append((key[0], value))
        ).tumbling(WINDOW_S, expires=WINDOW_S)
        self.counted = 0
        self.app.agent(raw_topic(self.app, topic), name="count")(self._count)

    async def _count(self, stream: Any) -> None:
        async for one in stream.events():
            self.table[f"partition {one.message.partition}"] += 1
            self.counted += 1

    async def feed(self, first: int, count: int) -> None:
        """Records to both partitions in turn, counted."""
        before = self.counted
        await send(self.broker, self.topic, first, count, partitions=2)
        await until(lambda: self.counted == before + count)
        await self.app.producer.flush()

    @property
    def kept(self) -> dict[str, int]:
        return {key: value for (key, _), value in self.table.table.data.items()}


@pytest.fixture
def counting(embedded_broker: EmbeddedBroker, namespace: str) -> Counting:
    create(embedded_broker, namespace, partitions=2)
    create(embedded_broker, f"{namespace}-group-counts-changelog", partitions=2)
    return Counting(embedded_broker, namespace)


class Clock:
    """What Faust's tables take for the time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(base, "time", made)
    return made


async def test_fausts_windows_expire_by_the_wall_clock_and_close_once_for_all_partitions(
    counting: Counting, clock: Clock
) -> None:
    async with running(counting.app):
        await counting.feed(0, 4)
        await counting.table.table._del_old_keys()
        assert counting.closed == []
        # No event comes, none says that time has passed; the machine's clock does.
        clock.ahead = 10 * WINDOW_S
        await counting.table.table._del_old_keys()
        assert counting.kept == {}
        windows_of = {key for key, _ in counting.closed}
        assert len(windows_of) == 1, "both partitions' windows are gone, and one of them was told of"


async def test_fausts_windows_never_expire_once_they_were_recovered(
    embedded_broker: EmbeddedBroker, counting: Counting, clock: Clock
) -> None:
    async with running(counting.app):
        # One to each partition: the embedded broker tells a log's end wrongly where a batch has more.
        await counting.feed(0, 2)
        before = counting.kept
    assert before == {"partition 0": 1, "partition 1": 1}
    again = Counting(embedded_broker, counting.topic)
    async with running(again.app):
        await until(lambda: again.kept == before, "its changelog read back")
        clock.ahead = 30 * 86_400.0
        await again.table.table._del_old_keys()
        assert again.kept == before
        assert again.closed == []


# -- beside it ----------------------------------------------------------------------------------------------------


ORDERS = [event("order.placed", T0 + number * MINUTE, f"O-{number}") for number in range(40)]


def test_our_grains_close_by_event_time_alone_and_once_with_all_partitions(clock: Clock) -> None:
    pipe = pipeline(2)
    assert {pipe.partition_of(one.subject) for one in ORDERS} == {0, 1}
    pipe.feed(ORDERS)
    pipe.drain()
    clock.ahead = 30 * 86_400.0
    pipe.drain()
    assert pipe.history == [], "nobody has said that the hour is over"
    pipe.heartbeat(T0 + 2 * HOUR)
    pipe.drain()
    told = [value for value in pipe.history if value.kpi == "orders_placed" and not value.slice and value.start == T0]
    assert [value.parts for value in told] == [(len(ORDERS),)]


def test_our_grains_close_and_expire_after_a_recovery_as_before_it() -> None:
    before, after = pipeline(2), pipeline(2)
    before.feed(ORDERS)
    before.drain()
    for kernel, lost in zip(after.kernels, before.kernels, strict=True):
        kernel.load(unpack(pack(lost.state())))
        kernel.tell_again()
    assert after.book.load(unpack(pack(before.book.state())))
    for pipe in (before, after):
        pipe.heartbeat(T0 + 2 * HOUR)
        pipe.drain()
    assert after.final("orders_placed", T0) == before.final("orders_placed", T0) is not None
    shown = len(after.book.current())
    for pipe in (before, after):
        pipe.heartbeat(T0 + 60 * 24 * HOUR)
        pipe.drain()
    assert after.book.current() == before.book.current()
    assert len(after.book.current()) < shown, "windows have moved on and are empty"
