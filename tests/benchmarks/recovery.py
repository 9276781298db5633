"""From SIGKILL to processing: how long a new worker takes with many orders open."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from streams.runtime.bulk import BulkProducer
from streams.runtime.topics import TopicNames
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.laboratory import Laboratory, Worker
from tests.benchmarks.marketplace import PARTITIONS, open_orders

_WITHIN = 90.0
FRESH = 100
"""Orders sent after the kill."""


class Recovered(NamedTuple):
    """Seconds since SIGKILL: until the new worker answers, has all partitions, has counted an event that was sent after
    the kill, and shows every order. ``state`` is the mean time to read one partition's state."""

    answers: float
    assigned: float
    processing: float
    exact: float
    state: float


def measure(lab: Laboratory, orders: int, number: int) -> Recovered:
    """Raises :class:`BenchmarkError` where the values are not exact afterwards, or events were read again."""
    setup = lab.setup(f"recovery-{number}")
    begin = int(time.time() * 1000) - orders * 30 - 60_000
    lab.say(f"recovery, run {number}: sending {orders:,} orders")
    lab.send(setup, open_orders(orders, begin, 30.0))
    with lab.worker(setup) as worker, BulkProducer(setup.config) as producer:
        _shows(worker, orders)
        # What has been shown was recorded before; how far the topics were read without news of them is not yet.
        _until(lambda: worker.total("daybook_consumer_lag") == 0, time.monotonic())
        time.sleep(3.0)
        worker.kill()
        killed = time.monotonic()
        topics, fresh = TopicNames(setup.config.namespace).events, 0
        for record in open_orders(FRESH, begin + orders * 30 + 10_000, 30.0, seed=99):
            producer.send(topics[record.family], record.value, record.key, partition=record.partition)
            fresh += record.partition is None
        producer.flush()
        with lab.worker(setup) as successor:
            answers = time.monotonic() - killed
            assigned = _until(lambda: successor.total("daybook_assigned_partitions") == PARTITIONS, killed)
            processing = _until(lambda: successor.total("daybook_events_total") > 0, killed)
            exact = _shows(successor, orders + FRESH) - killed
            if (read := successor.total("daybook_events_total")) != fresh:
                raise BenchmarkError(f"the new worker read {read:,.0f} events, {fresh:,} were new")
            found = successor.samples("daybook_recovery_seconds_sum", "daybook_recovery_seconds_count")
            total, times = (sum(values.values()) for _, values in sorted(found.items(), reverse=True))
            return Recovered(answers, assigned, processing, exact, total / max(1.0, times))


def _shows(worker: Worker, orders: int) -> float:
    """When both the window and the level were exact."""
    deadline = time.monotonic() + _WITHIN
    while (found := (worker.kpi("orders_placed", window="24h"), worker.kpi("orders_open", window="now"))) != (
        orders,
        orders,
    ):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"orders placed and open are {found}, sent were {orders:,}")
        time.sleep(0.2)
    return time.monotonic()


def _until(condition: Callable[[], bool], since: float) -> float:
    while not condition():
        if time.monotonic() - since > _WITHIN:
            raise BenchmarkError("the worker did not come so far in time")
        time.sleep(0.05)
    return time.monotonic() - since
