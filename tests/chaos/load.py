"""What is sent: a marketplace's events, some twice, some out of order, and among them what must not count."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from streams.config import Config
from streams.errors import BrokerError
from streams.events.codec import HEADERS
from streams.events.times import format_time
from streams.runtime.bulk import BulkProducer
from streams.runtime.topics import TopicNames
from tests.benchmarks.marketplace import Marketplace
from tests.chaos.plan import Plan

BEGIN = 1_767_225_600_000
"""2026-01-01T00:00:00Z: when the marketplace opens, in event time."""
MARK = "chaos"
"""The header of an injected record: what it is."""
MALFORMED, LATE = b"malformed", b"late"
MALFORMED_EACH, LATE_EACH = 300, 250
"""One in so many records is followed by one of these."""
HUGE_EACH = 12
"""Of the malformed ones."""
_LATE_FROM = 25 * 60_000
_LATE_TO = 60 * 60_000
_TICK = 0.05
_CATCH_UP = 2.0
_GIVE_UP_AFTER = 240.0


class Outgoing(NamedTuple):
    """A record to be sent at ``due`` (epoch ms of event time); ``mark`` says what it is where it was injected."""

    due: int
    family: int
    key: bytes
    value: bytes | None
    partition: int | None
    order: bool
    mark: bytes | None


def marketplace(plan: Plan, seed: int) -> Marketplace:
    """The events: with ``plan.speed`` 7 at 500 a second, an hour of event time is 257,000 of them."""
    return Marketplace(
        events=round(plan.rate * plan.seconds),
        start=BEGIN,
        rate=plan.rate / plan.speed,
        seed=seed,
        pace=plan.pace,
        delay=800.0,
        repeated=0.02,
        straggling=0.02,
    )


def outgoing(plan: Plan, seed: int) -> Iterator[Outgoing]:
    """All records in the order they are sent: the marketplace's, and injected ones once it is under way."""
    rng = random.Random(f"load/{seed}")
    number = 0
    for at, record in enumerate(marketplace(plan, seed).records()):
        yield Outgoing(*record[:5], record.first, None)
        if at < 500:
            continue
        if rng.randrange(MALFORMED_EACH) == 0:
            number += 1
            key, value = f"bad-{number}".encode(), malformed(rng, number)
            yield Outgoing(record.due, rng.randrange(3), key, value, None, False, MALFORMED)
        if rng.randrange(LATE_EACH) == 0:
            number += 1
            time_ = record.due - rng.randrange(_LATE_FROM, _LATE_TO)
            yield Outgoing(record.due, 0, f"late-{number}".encode(), _order(number, time_, "late"), None, False, LATE)


def malformed(rng: random.Random, number: int) -> bytes | None:
    """A record that must end as a dead letter, of whichever event topic: one of all that can be wrong with one."""
    ahead = int(time.time() * 1000) + 3_600_000
    if rng.randrange(HUGE_EACH) == 0:
        return b'{"x":"' + b"x" * 1_100_000 + b'"}'
    good = _order(number, BEGIN, "bad")
    choices: list[bytes | None] = [
        b"{not json",
        b"",
        None,
        b"[1, 2]",
        b"\xff\xfe{}",
        good[:-20],
        good.replace(b'"id"', b'"di"'),
        good.replace(b"order.placed", b"order.lost"),
        good.replace(b'"amount":100', b'"amount":"much"'),
        good.replace(b"T00:00:00", b"T00:61:00"),
        _order(number, ahead, "bad"),
        b'{"specversion":"1.0","id":"c","source":"/x","type":"calendar.entry","time":"2026-01-01T00:00:00Z",'
        b'"subject":"c","data":{}}',
    ]
    return rng.choice(choices)


def _order(number: int, time_: int, stem: str) -> bytes:
    order = f"{stem}-{number}"
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{order}/placed",
            "source": "/chaos",
            "type": "order.placed",
            "time": format_time(time_),
            "subject": order,
            "data": {"order_id": order, "currency": "EUR", "amount": 100, "region": "region-00"},
        }
    )


class Sender(threading.Thread):
    """Sends records as their time comes, and again what was not acknowledged. Event time does not stop for a broker
    that is away: afterwards the sender catches up at twice the speed, so that what was missed comes late.

    ``attempted`` and ``acknowledged`` are orders placed, each counted once: before it is sent, and when the broker has
    it. A record may be in the topic without having been acknowledged, and twice when it was sent again.
    """

    def __init__(self, config: Config, records: Iterable[Outgoing], speed: float) -> None:
        super().__init__(name="sender", daemon=True)
        self.attempted = self.acknowledged = 0
        self.records = self.injected = self.sent_again = 0
        self.last = BEGIN
        """When the last record was due, in event time."""
        self.error: BaseException | None = None
        self._config, self._outgoing, self._speed = config, records, speed
        self._topics = TopicNames(config.namespace).events
        self._stop_asked = threading.Event()
        self._began = 0.0
        self._clock = 0.0

    @property
    def behind(self) -> float:
        """Seconds by which it is behind its schedule."""
        return time.monotonic() - self._began - self._clock / 1000 / self._speed if self._began else 0.0

    def stop(self) -> None:
        """Send no more, and wait for what is under way."""
        self._stop_asked.set()
        self.join(30.0)

    def run(self) -> None:
        try:
            with BulkProducer(self._config) as producer:
                self._send_all(producer)
        except BaseException as error:  # told by the thread that waits for this one
            self.error = error

    def _send_all(self, producer: BulkProducer) -> None:
        pending: list[Outgoing] = []
        self._began = time.monotonic()
        for record in self._outgoing:
            while record.due - BEGIN > self._clock:
                if pending:
                    self._deliver(producer, pending)
                    pending = []
                if self._stop_asked.wait(_TICK):
                    return
                target = (time.monotonic() - self._began) * 1000 * self._speed
                self._clock = min(target, self._clock + _CATCH_UP * _TICK * 1000 * self._speed)
            pending.append(record)
        self._deliver(producer, pending)

    def _deliver(self, producer: BulkProducer, batch: Sequence[Outgoing]) -> None:
        orders = sum(record.order for record in batch)
        self.attempted += orders
        deadline = time.monotonic() + _GIVE_UP_AFTER
        while True:
            try:
                self._send(producer, batch)
                break
            except BrokerError:
                if time.monotonic() > deadline or self._stop_asked.wait(0.5):
                    raise
                self.sent_again += len(batch)
        self.acknowledged += orders
        self.last = batch[-1].due if batch else self.last
        self.records += len(batch)
        self.injected += sum(record.mark is not None for record in batch)

    def _send(self, producer: BulkProducer, batch: Sequence[Outgoing]) -> None:
        for record in batch:
            headers = HEADERS if record.mark is None else [*HEADERS, (MARK, record.mark)]
            producer.send(self._topics[record.family], record.value, record.key, headers, record.partition)
        producer.flush()
