"""Events a second through one worker, and through stock Faust: the same topics, in turns."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.figures import Reading, rate_between
from tests.benchmarks.laboratory import Laboratory, Sent, Setup, Worker
from tests.benchmarks.marketplace import Marketplace
from tests.benchmarks.processes import Usage, usage

POLL = 0.1
_DRAINED_WITHIN = 180.0
_SETTLED_WITHIN = 20.0


class Run(NamedTuple):
    """One backlog drained. ``cpu`` and ``broker_cpu`` are cores kept busy on average, ``busiest`` the busiest
    thread's share of one; ``micros`` processor time in µs an event; memory in MiB, at its peak."""

    rate: float
    seconds: float
    cpu: float
    busiest: float
    broker_cpu: float
    micros: float
    memory: float
    series: int


class PeerRun(NamedTuple):
    """Stock Faust; ``cpu``, ``micros`` and ``memory`` as in :class:`Run`."""

    rate: float
    seconds: float
    events: int
    cpu: float
    micros: float
    memory: float


class Throughput(NamedTuple):
    """All runs, and what a worker's threads were in during one more (stage → share of that thread's samples)."""

    sent: Sent
    runs: list[Run]
    peers: list[PeerRun]
    threads: list[dict[str, float]]


def measure(lab: Laboratory, market: Marketplace, runs: int, peer_events: int, peer_seconds: float) -> Throughput:
    """Send the load once, then drain it ``runs`` times with each engine."""
    setup = lab.setup("bench")
    lab.say(f"sending {market.events:,} events")
    sent = lab.send(setup, market.records())
    lab.say(f"  sent in {sent.seconds:.0f} s, {sent.bytes / sent.records:.0f} bytes each")
    done: list[Run] = []
    peers: list[PeerRun] = []
    for number in range(1, runs + 1):
        run, setup = drain_with_worker(lab, setup, sent, anew=number > 1)
        lab.say(f"worker, run {number} of {runs}: {run.rate:,.0f} events/s")
        done.append(run)
        peer = drain_with_peer(lab, setup, peer_events, peer_seconds, number)
        lab.say(f"stock Faust, run {number} of {runs}: {peer.rate:,.0f} events/s")
        peers.append(peer)
    lab.say("one more run, sampled")
    return Throughput(sent, done, peers, sampled(lab, setup, sent))


def drain_with_worker(
    lab: Laboratory, setup: Setup, sent: Sent, *, anew: bool = False, changes: Mapping[str, Any] | None = None
) -> tuple[Run, Setup]:
    """A worker that has never seen the load, until it has read all of it and says so. ``anew``: others have seen
    it, what they wrote is deleted first."""
    if anew:
        lab.forget(setup)
        setup = lab.setup(setup.config.namespace, changes)
    with lab.worker(setup) as worker:
        readings, first, last = _drain(worker, lab.kafka.pid or 0, sent.events)
        check_orders(worker, sent.orders)
        series = int(worker.total("daybook_series"))
    try:
        rate = rate_between(readings, sent.events)
    except ValueError as error:
        raise BenchmarkError(f"no rate: {error}; use more --events") from None
    (mine, broker), (mine_after, broker_after) = first, last
    used = mine_after.seconds - mine.seconds
    busiest = max(seconds - mine.threads.get(thread, 0.0) for thread, seconds in mine_after.threads.items())
    return (
        Run(
            rate=rate.per_second,
            seconds=rate.seconds,
            cpu=used / rate.seconds,
            busiest=busiest / rate.seconds,
            broker_cpu=(broker_after.seconds - broker.seconds) / rate.seconds,
            micros=used / rate.events * 1e6,
            memory=mine_after.most_resident,
            series=series,
        ),
        setup,
    )


def _drain(worker: Worker, broker: int, total: int) -> tuple[list[Reading], tuple[Usage, Usage], tuple[Usage, Usage]]:
    """Watch a worker until it has counted everything; what it and the broker had used at the first and at the last
    reading that showed events."""
    readings: list[Reading] = []
    first = None
    deadline = time.monotonic() + _DRAINED_WITHIN
    while True:
        reading = Reading(time.monotonic(), worker.total("daybook_events_total"))
        readings.append(reading)
        if reading.count > 0 and first is None:
            first = usage(worker.pid), usage(broker)
        if reading.count >= total:
            assert first is not None
            return readings, first, (usage(worker.pid), usage(broker))
        if reading.at > deadline:
            raise BenchmarkError(f"only {reading.count:,.0f} of {total:,} events were read in {_DRAINED_WITHIN:.0f} s")
        time.sleep(POLL)


def check_orders(worker: Worker, orders: int) -> None:
    """Wait until the KPI shows every order placed. Raises :class:`BenchmarkError` where it does not."""
    deadline = time.monotonic() + _SETTLED_WITHIN
    while (counted := worker.orders_placed()) != orders:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the worker counts {counted:,.0f} orders placed, sent were {orders:,}")
        time.sleep(POLL)


def drain_with_peer(lab: Laboratory, setup: Setup, events: int, seconds: float, number: int) -> PeerRun:
    """Stock Faust on the same topics, until so many events or seconds."""
    folder = lab.folder / f"stock-faust-{number}"
    argv = [
        lab.kafka.bootstrap,
        setup.config.namespace,
        f"stock-faust-{number}",
        str(folder),
        str(events),
        str(seconds),
    ]
    part = lab.program("stock Faust", [sys.executable, "-m", "tests.benchmarks.peers.stock_faust", *argv])
    part.start()
    try:
        deadline = time.monotonic() + seconds + 60.0
        while (ended := part.ended()) is None:
            if time.monotonic() > deadline:
                raise BenchmarkError("stock Faust did not end in time")
            time.sleep(POLL)
        words = part.last_words()
    finally:
        part.stop()
    try:
        told = json.loads(words)
        took = told["seconds"]
        return PeerRun(
            rate=told["events"] / took,
            seconds=took,
            events=told["events"],
            cpu=told["cpu"] / took,
            micros=told["cpu"] / told["events"] * 1e6,
            memory=told["memory"],
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        raise BenchmarkError(f"stock Faust {ended} without a result: {words}") from None


def sampled(lab: Laboratory, setup: Setup, sent: Sent) -> list[dict[str, float]]:
    """One more run of a worker, its threads sampled: of each busy thread the share of its samples by stage."""
    lab.forget(setup)
    setup = lab.setup(setup.config.namespace)
    file = lab.folder / "samples.json"
    with lab.worker(setup, ("tests.benchmarks.sampler", str(file))) as worker:
        _drain(worker, lab.kafka.pid or 0, sent.events)
        worker.stop()
    try:
        counts = json.loads(file.read_text())
    except (OSError, ValueError):
        raise BenchmarkError("the sampled worker left no samples") from None
    return shares(counts.values())


def shares(threads: Sequence[Mapping[str, int]] | Any) -> list[dict[str, float]]:
    """Samples as shares, largest first; threads that did next to nothing but wait are left out."""
    from tests.benchmarks.sampler import WAITING

    found = []
    for thread in threads:
        counts = Counter(thread)
        whole = counts.total()
        if whole and counts[WAITING] / whole < 0.95:
            found.append({stage: count / whole for stage, count in counts.most_common()})
    return sorted(found, key=lambda one: one.get(WAITING, 0.0))
