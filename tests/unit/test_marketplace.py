"""The loads of the reliability benchmarks: as many as said, in order, ended where they should be."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec

from tests.benchmarks.marketplace import (
    HEARTBEAT_MS,
    Marketplace,
    Record,
    continuous,
    many_regions,
    one_order,
    open_orders,
)

START = 1_700_000_000_000


def kinds(records: list[Record]) -> Counter[str]:
    return Counter(msgspec.json.decode(record.value)["type"] for record in records if record.partition is None)


def test_a_continuous_load_has_about_as_many_events_as_asked_in_order_and_every_order_ends() -> None:
    market = Marketplace(events=6_000, start=START, rate=50.0)
    records = list(continuous(market, portion=1_000))
    events = sum(record.partition is None for record in records)
    assert 5_500 < events < 6_500
    assert all(before.due <= after.due for before, after in pairwise(records))
    placed = {record.key for record in records if record.first}
    ended = {
        record.key for record in records if b'"delivery.delivered"' in record.value or b'cancelled"' in record.value
    }
    assert placed == ended
    assert len(placed) == sum(record.first for record in records)


def test_open_orders_are_on_their_way_and_stay_there() -> None:
    records = list(open_orders(1_000, START, 20.0))
    assert kinds(records) == {"order.placed": 1_000, "order.paid": 1_000, "delivery.dispatched": 1_000}
    assert sum(record.first for record in records) == len({r.key for r in records if r.partition is None}) == 1_000
    assert sum(record.partition is not None for record in records) >= 12 * (20_000 // HEARTBEAT_MS)


def test_one_order_has_all_events_under_one_key_and_each_once() -> None:
    records = [record for record in one_order(500, START, 100.0) if record.partition is None]
    assert kinds(records) == {"order.placed": 1, "order.payment_failed": 499}
    assert len({record.key for record in records}) == 1
    assert len({msgspec.json.decode(record.value)["id"] for record in records}) == 500


def test_every_order_has_a_region_of_its_own_and_is_cancelled() -> None:
    records = [record for record in many_regions(2_000, START, 60.0) if record.partition is None]
    assert kinds(records) == {"order.placed": 2_000, "order.cancelled": 2_000}
    regions = {msgspec.json.decode(record.value)["data"]["region"] for record in records if record.first}
    assert len(regions) == len({record.key for record in records}) == 2_000
