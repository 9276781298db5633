"""The load: a marketplace that delivers within minutes, as records of the three event topics.

Orders, their deliveries and their tickets are linked as in life: some payments fail, some orders are cancelled,
some parcels come late, some customers ask. What a source sends arrives a little out of order, and some of it twice.
The same marketplace gives the same records, byte for byte, however they are read.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from streams.runtime.partitions import partition_of

I64 = npt.NDArray[np.int64]

PARTITIONS = 4
EVENTS_PER_ORDER = 7.45
"""On average, over whole lives."""
HEARTBEAT_MS = 5_000
_VOUCHED_MS = 6_000
"""A heartbeat is about so long before it is sent; nothing but stragglers takes longer."""
_LONG_LIFE = 450
"""Seconds in which most of what happens to an order has happened."""
_BLOCK = 50_000

ORDERS, DELIVERIES, SUPPORT = 0, 1, 2


class Record(NamedTuple):
    """One record. ``due`` is when it is sent, in epoch ms; ``partition`` is given for heartbeats only."""

    due: int
    family: int
    key: bytes
    value: bytes
    partition: int | None = None
    first: bool = False
    """Whether an order begins with it, said for the first time."""


class Marketplace(msgspec.Struct, frozen=True, kw_only=True):
    """What to make: ``events`` events (heartbeats come on top) at ``rate`` a second on average, the first at
    ``start`` (epoch ms).

    ``pace`` 1 takes about five minutes from an order to the door. ``delay`` is the mean time in ms that an event is
    under way; ``repeated`` and ``straggling`` are shares of the events. With ``by_partition`` an order's region is
    its partition's number among ``partitions``, so what is counted of a region is counted of a partition.
    """

    events: int
    start: int
    rate: float = 2_000.0
    seed: int = 1
    pace: float = 1.0
    regions: int = 12
    channels: int = 4
    delay: float = 300.0
    repeated: float = 0.001
    straggling: float = 0.001
    partitions: int = PARTITIONS
    by_partition: bool = False
    whole: bool = False
    """Not cut off after ``events``: those of all orders placed by then come too, to the end of each."""

    @property
    def lasts(self) -> int:
        """How long orders are placed, in ms, about."""
        return round(_orders(self) / (self.rate / EVENTS_PER_ORDER) * 1000)

    def ending(self, at: int) -> Marketplace:
        """The same events, shifted in time so that the last one is sent at ``at`` (epoch ms)."""
        due, *_ = _Lives(self).events(self)
        return msgspec.structs.replace(self, start=self.start + at - int(due[-1]))

    def records(self) -> Iterator[Record]:
        """The records in the order they are sent, heartbeats among them and at the end."""
        lives = _Lives(self)
        due, time, kind, order = lives.events(self)
        beat = self.start + HEARTBEAT_MS
        for at in range(0, len(due), _BLOCK):
            part = slice(at, at + _BLOCK)
            stamps = np.datetime_as_string(time[part].astype("datetime64[ms]"), unit="ms").astype("S").tolist()
            rows = zip(due[part].tolist(), stamps, kind[part].tolist(), order[part].tolist(), strict=True)
            for when, stamp, what, who in rows:
                while when >= beat:
                    yield from self._heartbeats(beat)
                    beat += HEARTBEAT_MS
                key = lives.name(who)
                first = what == PLACED and who not in lives.begun
                if first:
                    lives.begun.add(who)
                yield Record(when, FAMILY[what], key, lives.event(what, who, key, stamp), None, first)
        yield from self._heartbeats(int(due[-1]) + _VOUCHED_MS, int(due[-1]))

    def _heartbeats(self, about: int, due: int | None = None) -> Iterator[Record]:
        time = about - _VOUCHED_MS
        stamp = str(np.datetime64(time, "ms")).encode()
        for family in (ORDERS, DELIVERIES, SUPPORT):
            for partition in range(self.partitions):
                value = _HEARTBEAT % (family, partition, time, stamp)
                yield Record(about if due is None else due, family, b"heartbeat", value, partition)


_KINDS = (
    *("placed", "payment_failed", "paid", "packed", "cancelled", "refunded"),
    *("dispatched", "picked_up", "nearby", "failed", "delivered"),
    *("opened", "bot", "answer", "resolved", "reopened", "resolved_again", "rated"),
)
_AT = {name: number for number, name in enumerate(_KINDS)}
FAMILY = tuple(
    ORDERS if n < _AT["dispatched"] else DELIVERIES if n < _AT["opened"] else SUPPORT for n in range(len(_KINDS))
)
PLACED = _AT["placed"]

_HEARTBEAT = (
    b'{"specversion":"1.0","id":"heartbeat-%d-%d-%d","source":"/marketplace","type":"source.heartbeat",'
    b'"time":"%sZ","subject":"heartbeat","data":{}}'
)


def recording(events: int, ending: int, **more: Any) -> Marketplace:
    """So many events that end at ``ending`` (epoch ms), millions an hour; lives are short enough for most of them to
    end within it."""
    rate = min(3_000.0, max(1_000.0, events / 1000))
    market = Marketplace(events=events, start=0, rate=rate, pace=min(1.0, events / rate / 1000), **more)
    return market.ending(ending)


def continuous(market: Marketplace, portion: int = 200_000) -> Iterator[Record]:
    """Records like those of ``market``, however many, of which only some portions are held at any time. Every order
    comes to its end."""
    waiting: list[tuple[int, int, Record, Iterator[Record]]] = []
    start, left, number = market.start, market.events, 0

    def push(number: int, records: Iterator[Record]) -> None:
        if (record := next(records, None)) is not None:
            heapq.heappush(waiting, (record.due, number, record, records))

    while left > 0 or waiting:
        while left > 0 and (not waiting or waiting[0][0] >= start):
            part = msgspec.structs.replace(
                market, events=min(portion, left), start=start, seed=market.seed + number, whole=True
            )
            push(number, part.records())
            start, left, number = start + part.lasts, left - part.events, number + 1
        _, which, record, records = heapq.heappop(waiting)
        yield record
        push(which, records)


def open_orders(count: int, start: int, step: float, seed: int = 2) -> Iterator[Record]:
    """Orders placed, paid and dispatched, one every ``step`` ms from ``start`` (epoch ms) on, none of which ends."""
    market = Marketplace(events=round(count * EVENTS_PER_ORDER), start=start, seed=seed, whole=True)
    lives = _Lives(market)
    for order, beats in _beating(market, min(count, lives.count), step):
        key, time = lives.name(order), start + round(order * step)
        for after, name in enumerate(("placed", "paid", "dispatched")):
            kind, stamp = _AT[name], _stamp(time + after)
            yield Record(time + after, FAMILY[kind], key, lives.event(kind, order, key, stamp), None, kind == PLACED)
        yield from beats


def one_order(events: int, start: int, step: float, seed: int = 3) -> Iterator[Record]:
    """So many events of one order, all under one key: one is its beginning, the others are failed payments."""
    market = Marketplace(events=100, start=start, seed=seed, whole=True)
    lives = _Lives(market)
    key, failed = lives.name(0), _AT["payment_failed"]
    for number, beats in _beating(market, events, step):
        time = start + round(number * step)
        kind = failed if number else PLACED
        value = _TEMPLATES[kind] % (b"E%d" % number, kind, _stamp(time), key, *_DATA[kind](lives, 0, key))
        yield Record(time, ORDERS, key, value, None, kind == PLACED)
        yield from beats


def many_regions(orders: int, start: int, step: float, seed: int = 4) -> Iterator[Record]:
    """Orders each of which comes from a region of its own and is cancelled at once."""
    market = Marketplace(events=1_000, start=start, seed=seed, whole=True)
    lives = _Lives(market)
    base, cancelled = lives.count, _AT["cancelled"]
    for number, beats in _beating(market, orders, step):
        like, key, time = number % base, lives.name(number), start + round(number * step)
        data = [*lives._placed(like, key)]
        data[3] = b"region of %d" % number
        yield Record(time, ORDERS, key, _TEMPLATES[PLACED] % (key, PLACED, _stamp(time), key, *data), None, True)
        value = _TEMPLATES[cancelled] % (key, cancelled, _stamp(time + 1), key, *lives._money(like, key))
        yield Record(time + 1, ORDERS, key, value)
        yield from beats


def _beating(market: Marketplace, count: int, step: float) -> Iterator[tuple[int, list[Record]]]:
    """Numbers, each with the heartbeats that follow it."""
    beat = market.start + HEARTBEAT_MS
    for number in range(count):
        now = market.start + round(number * step)
        beats: list[Record] = []
        if now >= beat:
            beats = list(market._heartbeats(now))
            beat = now + HEARTBEAT_MS
        if number == count - 1:
            beats += market._heartbeats(now + _VOUCHED_MS + 1, now)
        yield number, beats


def _stamp(time: int) -> bytes:
    return str(np.datetime64(time, "ms")).encode()


def _template(source: str, kind: str, data: str) -> bytes:
    """An event of which ``% (id, time, subject, …data)`` is left."""
    return (
        f'{{"specversion":"1.0","id":"%b.%02d","source":"{source}","type":"{kind}","time":"%bZ","subject":"%b",'
        f'"data":{{{data}}}}}'
    ).encode()


_TEMPLATES = (
    _template(
        "/marketplace/checkout",
        "order.placed",
        '"order_id":"%b","customer":"%032x","channel":"%b","region":"%b","currency":"EUR","amount":%d,'
        '"items":[{"sku":"SKU-%05d","category":"groceries","quantity":%d,"unit_price":%d}],"promised_at":"%bZ"',
    ),
    _template(
        "/marketplace/payments",
        "order.payment_failed",
        '"order_id":"%b","method":"%b","amount":%d,"reason":"declined"',
    ),
    _template("/marketplace/payments", "order.paid", '"order_id":"%b","method":"%b","amount":%d'),
    _template("/marketplace/warehouses", "order.packed", '"order_id":"%b","warehouse":"%b"'),
    _template("/marketplace/checkout", "order.cancelled", '"order_id":"%b","reason":"changed_mind","amount":%d'),
    _template("/marketplace/payments", "order.refunded", '"order_id":"%b","reason":"cancelled","amount":%d'),
    _template(
        "/marketplace/couriers",
        "delivery.dispatched",
        '"delivery_id":"D%b","order_id":"%b","carrier":"%b","region":"%b","promised_at":"%bZ"',
    ),
    _template(
        "/marketplace/couriers",
        "delivery.checkpoint",
        '"delivery_id":"D%b","status":"picked_up","lat":%.5f,"lon":%.5f',
    ),
    _template(
        "/marketplace/couriers",
        "delivery.checkpoint",
        '"delivery_id":"D%b","status":"nearby","lat":%.5f,"lon":%.5f',
    ),
    _template("/marketplace/couriers", "delivery.failed", '"delivery_id":"D%b","reason":"nobody_home"'),
    _template("/marketplace/couriers", "delivery.delivered", '"delivery_id":"D%b","proof":"photo"'),
    _template(
        "/marketplace/helpdesk",
        "ticket.opened",
        '"ticket_id":"T%b","order_id":"%b","customer":"%032x","channel":"chat","topic":"%b","priority":"normal","queue":"%b"',
    ),
    _template("/marketplace/helpdesk", "ticket.replied", '"ticket_id":"T%b","by":"bot"'),
    _template("/marketplace/helpdesk", "ticket.replied", '"ticket_id":"T%b","by":"agent"'),
    _template("/marketplace/helpdesk", "ticket.resolved", '"ticket_id":"T%b"'),
    _template("/marketplace/helpdesk", "ticket.reopened", '"ticket_id":"T%b"'),
    _template("/marketplace/helpdesk", "ticket.resolved", '"ticket_id":"T%b"'),
    _template("/marketplace/helpdesk", "ticket.rated", '"ticket_id":"T%b","score":%d'),
)


def _names(stem: str, count: int) -> list[bytes]:
    return [f"{stem}-{number:02d}".encode() for number in range(count)]


_METHODS, _WAREHOUSES, _CARRIERS = _names("method", 5), _names("warehouse", 6), _names("carrier", 8)
_TOPICS, _QUEUES = _names("topic", 10), _names("queue", 5)


def _orders(market: Marketplace) -> int:
    if market.whole:
        return max(1, round(market.events / EVENTS_PER_ORDER))
    # Some too many: a marketplace that has just opened has placed orders mostly, and the end is cut off.
    orders = market.rate / EVENTS_PER_ORDER
    return round(orders * (market.events / market.rate * 1.1 + _LONG_LIFE * market.pace)) + 50


class _Lives:
    """The orders of a marketplace: what each one is, and when what happens to it."""

    def __init__(self, market: Marketplace) -> None:
        self.begun: set[int] = set()
        self._random = random = np.random.default_rng(market.seed)
        orders = market.rate / EVENTS_PER_ORDER
        self.count = count = _orders(market)
        self.placed = market.start + np.cumsum(random.exponential(1000 / orders, count)).astype(np.int64)
        self._base = int(random.integers(1 << 40, 1 << 44))
        self._promise = np.datetime_as_string(
            (self.placed + round(420_000 * market.pace)).astype("datetime64[ms]"), unit="ms"
        ).astype("S")
        if market.by_partition:
            region = [partition_of(self.name(order), market.partitions) for order in range(count)]
            names = _names("region", market.partitions)
        else:
            region = random.integers(0, market.regions, count).tolist()
            names = _names("region", market.regions)
        self._region = [names[number] for number in region]
        channels = _names("channel", market.channels)
        self._channel = [channels[number] for number in random.integers(0, market.channels, count).tolist()]
        self._price: list[int] = random.integers(300, 5_000, count).tolist()
        self._any: list[int] = random.integers(0, 1 << 30, count).tolist()

    def name(self, order: int) -> bytes:
        """The order's id: its record key."""
        # A multiplier prime to 2^44: ids in no order, each once.
        return b"O%011X" % ((self._base + order * 0x9E3779B9B1) & 0xFFFFFFFFFFF)

    def events(self, market: Marketplace) -> tuple[I64, I64, I64, I64]:
        """When sent, event time, kind and order of each event, in the order they are sent."""
        random, pace, placed = self._random, market.pace, self.placed
        everyone = np.arange(self.count)
        rows: list[tuple[str, I64, I64]] = []

        def some(of: I64, share: float) -> I64:
            return of[random.random(of.size) < share]

        def after(time: I64, mean: float) -> I64:
            """Some time later: at least a third of the mean, in seconds."""
            return time + ((mean / 3 + random.exponential(mean * 2 / 3, time.size)) * 1000 * pace).astype(np.int64)

        rows.append(("placed", everyone, placed))
        failed = some(everyone, 0.04)
        paid_at = after(placed, 12.0)
        rows.append(("payment_failed", failed, paid_at[failed]))
        paid_at[failed] = after(paid_at[failed], 30.0)
        rows.append(("paid", everyone, paid_at))
        cancelled = some(everyone, 0.03)
        going = np.setdiff1d(everyone, cancelled)
        rows.append(("cancelled", cancelled, at := after(paid_at[cancelled], 30.0)))
        rows.append(("refunded", cancelled, after(at, 60.0)))
        packed_at = after(paid_at, 90.0)
        rows.append(("packed", going, packed_at[going]))
        left_at = after(packed_at, 30.0)
        rows.append(("dispatched", going, left_at[going]))
        rows.append(("picked_up", going, after(left_at[going], 10.0)))
        near_at = after(left_at, 120.0)
        rows.append(("nearby", going, near_at[going]))
        there_at = after(near_at, 40.0)
        missed = some(going, 0.03)
        rows.append(("failed", missed, there_at[missed]))
        there_at[missed] = after(there_at[missed], 90.0)
        rows.append(("delivered", going, there_at[going]))
        asking = some(everyone, 0.12)
        opened_at = after(near_at[asking], 60.0)
        rows.append(("opened", asking, opened_at))
        rows.append(("bot", asking, after(opened_at, 3.0)))
        answered_at = after(opened_at, 45.0)
        rows.append(("answer", asking, answered_at))
        solved_at = after(answered_at, 60.0)
        rows.append(("resolved", asking, solved_at))
        chosen = random.random(asking.size)
        again, rated = chosen < 0.05, chosen > 0.6
        rows.append(("reopened", asking[again], at := after(solved_at[again], 60.0)))
        rows.append(("resolved_again", asking[again], after(at, 60.0)))
        rows.append(("rated", asking[rated], after(solved_at[rated], 30.0)))

        kind = np.concatenate([np.full(who.size, _AT[name]) for name, who, _ in rows])
        order = np.concatenate([who for _, who, _ in rows])
        time = np.concatenate([when for _, _, when in rows])
        due = time + np.minimum(random.exponential(market.delay, time.size), _VOUCHED_MS - 1).astype(np.int64)
        late = np.flatnonzero(random.random(time.size) < market.straggling)
        due[late] += random.integers(10_000, 300_000, late.size)
        twice = np.flatnonzero(random.random(time.size) < market.repeated)
        due = np.concatenate([due, due[twice] + 1_000])
        time, kind, order = (np.concatenate([column, column[twice]]) for column in (time, kind, order))
        sent = np.argsort(due, kind="stable")[: None if market.whole else market.events]
        return due[sent], time[sent], kind[sent], order[sent]

    def event(self, kind: int, order: int, key: bytes, stamp: bytes) -> bytes:
        """The event's JSON."""
        return _TEMPLATES[kind] % (key, kind, stamp, key, *_DATA[kind](self, order, key))

    def _placed(self, order: int, key: bytes) -> tuple[object, ...]:
        any_, price = self._any[order], self._price[order]
        quantity = 1 + any_ % 3
        return (
            *(key, any_ * 0x1F3D5B79, self._channel[order], self._region[order], quantity * price),
            *(any_ % 5_000, quantity, price, self._promise[order]),
        )

    def _payment(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, _METHODS[self._any[order] % 5], self._amount(order)

    def _packed(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, _WAREHOUSES[self._any[order] % 6]

    def _money(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, self._amount(order)

    def _dispatched(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, key, _CARRIERS[self._any[order] >> 4 & 7], self._region[order], self._promise[order]

    def _place(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, 52.3 + self._any[order] % 50_000 / 1e5, 13.1 + self._any[order] % 60_000 / 1e5

    def _only_key(self, order: int, key: bytes) -> tuple[object, ...]:
        return (key,)

    def _opened(self, order: int, key: bytes) -> tuple[object, ...]:
        any_ = self._any[order]
        return key, key, any_ * 0x1F3D5B79, _TOPICS[any_ % 10], _QUEUES[any_ % 5]

    def _rated(self, order: int, key: bytes) -> tuple[object, ...]:
        return key, 1 + self._any[order] % 5

    def _amount(self, order: int) -> int:
        return (1 + self._any[order] % 3) * self._price[order]


_DATA = (
    *(_Lives._placed, _Lives._payment, _Lives._payment, _Lives._packed, _Lives._money, _Lives._money),
    *(_Lives._dispatched, _Lives._place, _Lives._place, _Lives._only_key, _Lives._only_key),
    *(_Lives._opened, _Lives._only_key, _Lives._only_key, _Lives._only_key),
    *(_Lives._only_key, _Lives._only_key, _Lives._rated),
)
