"""From an event to the metric that counts it, at a given rate.

An order's region is its partition, and a partition's orders are sent in the order of their times: so the KPI of a
region, read at any time, says exactly which orders it includes. An event's time is when it is due to be sent, so a
sender that falls behind makes the figures worse, never better.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from streams.errors import DaybookError
from streams.runtime.bulk import BulkProducer
from streams.runtime.topics import TopicNames, create_topics
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.figures import percentile
from tests.benchmarks.laboratory import Laboratory, Worker
from tests.benchmarks.marketplace import PARTITIONS, Marketplace, Record
from tests.benchmarks.processes import usage

POLL = 0.05
"""Seconds between two looks at the metrics: what is measured is up to so much, and the look itself, too long."""
WARM_UP = 5.0
PACE = 1 / 30
"""Lives of some ten seconds: all kinds of events are among those sent."""
_HISTORY = 15.0
"""Seconds of events sent beforehand at once: the marketplace is well under way when the clock starts."""
_TICK = 0.01
_READY_WITHIN = 60.0
_SHOWN_WITHIN = 15.0


class Latency(NamedTuple):
    """Milliseconds from event to metric, of every order placed after the warm-up; ``behind`` is the p99 of how late
    the sender was, ``cpu`` the cores the worker kept busy."""

    rate: float
    millis: list[float]
    behind: float
    cpu: float

    def at(self, share: float) -> float:
        """A percentile."""
        return percentile(self.millis, share)


def measure(lab: Laboratory, rate: float, seconds: float) -> Latency:
    """Send at ``rate`` events a second for so long after the warm-up, and watch the metrics."""
    setup = lab.setup(f"latency-{rate:.0f}")
    create_topics(setup.config)
    topics = TopicNames(setup.config.namespace).events
    market = Marketplace(
        events=round(rate * (_HISTORY + WARM_UP + seconds)),
        start=0,
        rate=rate,
        pace=PACE,
        delay=0.0,
        repeated=0.0,
        straggling=0.0,
        by_partition=True,
    )
    with lab.worker(setup) as worker, BulkProducer(setup.config) as producer:
        _await_assignment(worker)
        history, live, begin = _made(lab, market)
        for record in history:
            producer.send(topics[record.family], record.value, record.key, partition=record.partition)
        producer.flush()
        if time.time() * 1000 > begin:
            raise BenchmarkError("the machine is too busy to make the events in time")
        watch = Watch(worker, [*history, *live], begin + WARM_UP * 1000)
        watch.start()
        lab.say(f"sending {rate:,.0f} events a second for {(live[-1].due - begin) / 1000:.0f} s")
        before, began = usage(worker.pid).seconds, time.monotonic()
        behind = _send(producer, topics, live)
        cpu = (usage(worker.pid).seconds - before) / (time.monotonic() - began)
        return Latency(rate, watch.result(), percentile(behind, 0.99), cpu)


def _await_assignment(worker: Worker) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while worker.total("daybook_assigned_partitions") < PARTITIONS:
        if time.monotonic() > deadline:
            raise BenchmarkError("the worker was not given its partitions in time")
        time.sleep(POLL)


def _made(lab: Laboratory, market: Marketplace) -> tuple[list[Record], list[Record], int]:
    """The records due before a moment soon to come, those due after it, and the moment (epoch ms)."""
    sample = Marketplace(events=20_000, start=0, rate=market.rate, pace=market.pace, by_partition=True)
    began = time.monotonic()
    count = sum(1 for _ in sample.records())
    each = (time.monotonic() - began) / count
    lab.say(f"making {market.events:,} events beforehand")
    # Half as long again, and as long again to send the history.
    ahead = 3.0 + each * (market.events * 1.5 + market.rate * _HISTORY)
    begin = int((time.time() + ahead) * 1000)
    start = begin - int(_HISTORY * 1000)
    records = list(Marketplace(**{**_fields(market), "start": start}).records())
    cut = bisect.bisect_left(records, begin, key=lambda record: record.due)
    return records[:cut], records[cut:], begin


def _fields(market: Marketplace) -> dict[str, object]:
    return {name: getattr(market, name) for name in market.__struct_fields__}


def _send(producer: BulkProducer, topics: Sequence[str], records: Sequence[Record]) -> list[float]:
    """Send each record when it is due; how late the first of each batch was acknowledged, in ms."""
    behind = []
    at = 0
    while at < len(records):
        now, first = time.time() * 1000, at
        while at < len(records) and records[at].due <= now:
            record = records[at]
            producer.send(topics[record.family], record.value, record.key, partition=record.partition)
            at += 1
        if at > first:
            producer.flush()
            behind.append(time.time() * 1000 - records[first].due)
        time.sleep(_TICK)
    return behind


class Watch:
    """Reads the KPI again and again, and notes of each order placed from ``since`` (epoch ms) on how long after its
    time it was included."""

    def __init__(self, worker: Worker, records: Sequence[Record], since: float) -> None:
        self._worker = worker
        self._since = since
        self._due: list[list[int]] = [[] for _ in range(PARTITIONS)]
        regions = {f"region-{partition:02d}": partition for partition in range(PARTITIONS)}
        for record in records:
            if record.first:
                self._due[_region(record.value, regions)].append(record.due)
        self._regions = regions
        self._seen = [0] * PARTITIONS
        self._millis: list[float] = []
        self._error: DaybookError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def result(self) -> list[float]:
        """Wait until all have been seen. Raises :class:`BenchmarkError` where some are not."""
        self._thread.join(_SHOWN_WITHIN)
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self._complete or not self._millis:
            missing = sum(len(due) - seen for due, seen in zip(self._due, self._seen, strict=True))
            raise BenchmarkError(f"{missing:,} orders were not in the metrics {_SHOWN_WITHIN:.0f} s after the last one")
        return self._millis

    @property
    def _complete(self) -> bool:
        return all(seen == len(due) for due, seen in zip(self._due, self._seen, strict=True))

    def _run(self) -> None:
        try:
            while not self._complete and not self._stop.wait(POLL):
                self._look()
        except DaybookError as error:
            self._error = error

    def _look(self) -> None:
        samples = self._worker.samples("daybook_orders_placed").get("daybook_orders_placed", {})
        now = time.time() * 1000
        for labels, value in samples.items():
            told = {name: text for name, text in labels if text}
            if told.keys() == {"window", "region"} and told["window"] == "24h":
                partition = self._regions[told["region"]]
                counted = int(value)
                if counted > len(self._due[partition]):
                    raise BenchmarkError(f"{told['region']} counts {counted:,} orders, more than were sent")
                fresh = self._due[partition][self._seen[partition] : counted]
                self._millis += [now - due for due in fresh if due >= self._since]
                self._seen[partition] = max(self._seen[partition], counted)


def _region(value: bytes, regions: dict[str, int]) -> int:
    mark = b'"region":"'
    start = value.index(mark) + len(mark)
    return regions[value[start : value.index(b'"', start)].decode()]
