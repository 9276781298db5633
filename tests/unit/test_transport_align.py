"""The transport without Kafka: what is held back is not fetched."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.runtime.transport import Consumer, ConsumerThread


class Fetcher:
    """Remembers what it was asked for."""

    _closed = False
    _subscriptions = SimpleNamespace(fetch_context=nullcontext)

    def __init__(self) -> None:
        self.asked: list[set[TP]] = []

    async def fetched_records(self, tps: set[TP], **_: Any) -> dict[TP, list[Any]]:
        self.asked.append(tps)
        return {tp: [] for tp in tps}


async def test_what_is_held_back_is_not_fetched_until_it_no_longer_is() -> None:
    orders, support = TP("orders", 0), TP("support", 0)
    consumer, thread, fetcher = object.__new__(Consumer), object.__new__(ConsumerThread), Fetcher()
    consumer.flow_active, thread.consumer = True, consumer
    stock = SimpleNamespace(_fetcher=fetcher, _closed=False)

    async def fetch() -> Any:
        return await thread._fetch_records(stock, active)

    active = {orders, support}
    consumer.hold([support])
    assert await fetch() == {orders: []}
    consumer.hold([orders, support])
    assert await fetch() == {}, "nothing, which aiokafka would take for everything"
    consumer.hold([])
    assert await fetch() == {orders: [], support: []}
    assert fetcher.asked == [{orders}, {orders, support}]
    assert active == {orders, support}
