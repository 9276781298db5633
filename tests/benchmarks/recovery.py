"""From SIGKILL to processing: how long a new worker takes with many orders open."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.laboratory import Laboratory, Worker
from tests.benchmarks.marketplace import open_orders

_WITHIN = 90.0
FRESH = 100
"""Orders sent after the kill."""


class Recovered(NamedTuple):
    """Seconds since SIGKILL: until the new worker answers, is given partitions, counts an event sent since, and shows
    every order. ``state`` is the mean time to read one partition's state."""

    answers: float
    assigned: float
    counts: float
    exact: float
    state: float


def measure(lab: Laboratory, orders: int, number: int) -> Recovered:
    """Raises :class:`BenchmarkError` where the values are not exact afterwards."""
    setup = lab.setup(f"recovery-{number}")
    begin = int(time.time() * 1000) - orders * 30 - 60_000
    lab.send(setup, open_orders(orders, begin, 30.0))
    with lab.worker(setup) as worker:
        _shows(worker, orders, _WITHIN)
        time.sleep(3.0)  # what has been shown is then recorded as well
        worker.kill()
        killed = time.monotonic()
        successor = lab.worker(setup)
        with successor:
            answers = time.monotonic() - killed
            lab.send(setup, open_orders(FRESH, begin + orders * 30 + 10_000, 30.0, seed=99))
            assigned = _until(lambda: successor.total("daybook_assigned_partitions") > 0, killed)
            counts = _until(lambda: successor.total("daybook_events_total") > 0, killed)
            exact = _shows(successor, orders + FRESH, _WITHIN) - killed
            found = successor.samples("daybook_recovery_seconds_sum", "daybook_recovery_seconds_count")
            total, times = (sum(values.values()) for _, values in sorted(found.items(), reverse=True))
            return Recovered(answers, assigned, counts, exact, total / max(1.0, times))


def _shows(worker: Worker, orders: int, within: float) -> float:
    """When both the window and the level were exact."""
    deadline = time.monotonic() + within
    while (found := (worker.kpi("orders_placed", window="24h"), worker.kpi("orders_open"))) != (orders, orders):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"orders placed and open are {found}, sent were {orders:,}")
        time.sleep(0.05)
    return time.monotonic()


def _until(condition: object, since: float) -> float:
    assert callable(condition)
    while not condition():
        if time.monotonic() - since > _WITHIN:
            raise BenchmarkError("the new worker did not go on in time")
        time.sleep(0.05)
    return time.monotonic() - since
