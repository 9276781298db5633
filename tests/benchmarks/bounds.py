"""What a worker's memory comes to in situations that invite it to grow, and whether it has counted all the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import yaml

from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.laboratory import DEFAULTS, Laboratory, Sent, Worker
from tests.benchmarks.marketplace import Marketplace, Record, continuous, many_regions, one_order
from tests.benchmarks.memory import Sampler, flatness
from tests.benchmarks.processes import usage
from tests.benchmarks.waiting import read

DAY_MS = 86_400_000
FAILED_PAYMENTS = {"kind": "count", "of": "order.payment_failed", "better": "lower"}
"""A KPI more, to count the events of one order by."""
SPAN_MS = 72 * 3_600_000
"""Of event time in the last situation: lives end and are forgotten, as they are everywhere but in a rush."""
LIVES = {"keep_ended": "6h", "keep_open": "400d"}
AWAKE, ASLEEP = 0.1, 0.4
"""Seconds that a slow worker runs, and is stopped, in turns."""


class Bound(NamedTuple):
    """MiB before anything was read, at most, at the end, and per million events over the second half; how many values
    went into ``other``."""

    situation: str
    events: int
    before: float
    peak: float
    end: float
    slope: float
    folded: float


class Situation(NamedTuple):
    """``load`` gives records from a begin in epoch ms on; ``exact`` is whether a worker shows what was sent."""

    namespace: str
    name: str
    load: Callable[[int], Iterator[Record]]
    exact: Callable[[Worker, Sent], bool]
    slowly: bool = False


def situations(size: int) -> list[Situation]:
    """``size`` is about how many events each has."""
    step = DAY_MS / 2 / size

    def market(end: int) -> Iterator[Record]:
        return continuous(Marketplace(events=size, start=end - SPAN_MS, rate=size / SPAN_MS * 1000))

    def payments(worker: Worker, sent: Sent) -> bool:
        return worker.kpi("failed_payments", window="24h") == sent.events - 1 and worker.orders_placed() == 1

    def regions(worker: Worker, sent: Sent) -> bool:
        found = worker.samples("daybook_orders_placed").get("daybook_orders_placed", {})
        by_region = sum(value for labels, value in found.items() if _of_a_region(labels))
        return by_region == worker.orders_placed() == sent.orders

    return [
        Situation("one-key", "one key has all events", lambda start: one_order(size, start, step), payments),
        Situation(
            "regions",
            "each order from a region of its own",
            lambda start: many_regions(size // 2, start, 2 * step),
            regions,
        ),
        Situation(
            "slow",
            f"the worker sleeps {ASLEEP / (ASLEEP + AWAKE):.0%} of the time",
            market,
            lambda worker, sent: worker.total("daybook_events_total") == sent.events,
            slowly=True,
        ),
    ]


def _of_a_region(labels: frozenset[tuple[str, str]] | tuple[tuple[str, str], ...]) -> bool:
    named = {name: text for name, text in labels if text}
    return named.keys() == {"region", "window"} and named["window"] == "24h"


def measure(lab: Laboratory, situation: Situation) -> Bound:
    """Raises :class:`BenchmarkError` where the worker does not show exactly what was sent."""
    lab.say(situation.name)
    kpis = yaml.safe_load(DEFAULTS.read_text())["kpis"] | {"failed_payments": FAILED_PAYMENTS}
    setup = lab.setup(situation.namespace, {"kpis": kpis, "lifecycle": LIVES})
    with lab.worker(setup) as worker:
        before = usage(worker.pid).resident
        with Sampler(worker, 0.25) as sampler, _Sleeper(worker, situation.slowly):
            sent = lab.send(setup, situation.load(int(time.time() * 1000) - DAY_MS * 3 // 4))
            read(worker, sent.events)
        deadline = time.monotonic() + 90.0
        while not situation.exact(worker, sent):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{situation.name}: {sent.orders:,} orders were sent, not all are counted")
            time.sleep(0.5)
        end = usage(worker.pid).resident
        folded = worker.total("daybook_folded_values")
    peak = max(one.resident for one in sampler.samples)
    return Bound(situation.name, sent.events, before, peak, end, flatness(sampler.samples).slope, folded)


class _Sleeper:
    """Use as a context manager: stops a worker most of the time."""

    def __init__(self, worker: Worker, wanted: bool) -> None:
        self._pid, self._wanted, self._stop = worker.pid, wanted, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sleeper", daemon=True)

    def __enter__(self) -> None:
        if self._wanted:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._wanted:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(AWAKE):
            os.kill(self._pid, signal.SIGSTOP)
            try:
                self._stop.wait(ASLEEP)
            finally:
                os.kill(self._pid, signal.SIGCONT)
