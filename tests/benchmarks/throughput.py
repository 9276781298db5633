"""Events a second through one worker, and through other engines: the same topics, in turns."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from streams.runtime.topics import TopicNames
from tests.benchmarks.environments import python_of
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.figures import Reading, rate_between
from tests.benchmarks.laboratory import DEFAULTS, Laboratory, Sent, Setup, Worker
from tests.benchmarks.marketplace import Marketplace
from tests.benchmarks.peers import PEERS, Peer
from tests.benchmarks.peers.job import RESULT, Row, Told
from tests.benchmarks.processes import Usage, usage

POLL = 0.1
_DRAINED_WITHIN = 180.0
_SETTLED_WITHIN = 20.0
_ENDED_WITHIN = 60.0
_CHECKED = 20_000


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
    """Another engine; ``cpu``, ``micros`` and ``memory`` as in :class:`Run`. Heartbeats count as events."""

    rate: float
    seconds: float
    events: int
    cpu: float
    micros: float
    memory: float


class Throughput(NamedTuple):
    """All runs: of a worker with all default KPIs, of one with the peers' job, and of the peers that work (name →
    runs); why others do not; and what a worker's threads were in during one more (stage → share of that thread's
    samples)."""

    sent: Sent
    runs: list[Run]
    same: list[Run]
    peers: dict[str, list[PeerRun]]
    missing: dict[str, str]
    threads: list[dict[str, float]]


def same_job() -> dict[str, Any]:
    """The sections of a configuration with the peers' job: a count, a sum and a p95 by region and minute. The p95 is of
    how long payment takes: of an order's amount a KPI tells the sum and the mean, and a duration is more work."""
    every = yaml.safe_load(DEFAULTS.read_text())["kpis"]
    by_minute = {"by": ["region"], "grain": "1m"}
    kpis = {name: every[name] | by_minute for name in ("orders_placed", "revenue")}
    kpis["time_to_pay"] = {
        "kind": "duration",
        "entity": "order",
        "from": "order.placed",
        "to": "order.paid",
        "quantiles": [0.95],
        "better": "lower",
        **by_minute,
    }
    return {"dimensions": {"region": ["order.placed.region"]}, "kpis": kpis}


def measure(lab: Laboratory, market: Marketplace, runs: int, peer_seconds: float) -> Throughput:
    """Send the load once, then drain it ``runs`` times with each engine; a peer stops after ``peer_seconds``."""
    pythons, missing = ready_peers(lab, market)
    setup = lab.setup("bench")
    lab.say(f"sending {market.events:,} events")
    sent = lab.send(setup, market.records())
    lab.say(f"  sent in {sent.seconds:.0f} s, {sent.bytes / sent.records:.0f} bytes each")
    done: list[Run] = []
    same: list[Run] = []
    peers: dict[str, list[PeerRun]] = {peer.name: [] for peer in pythons}
    for number in range(1, runs + 1):
        run, setup = drain_with_worker(lab, setup, sent, anew=number > 1)
        lab.say(f"worker, all default KPIs, run {number} of {runs}: {run.rate:,.0f} events/s")
        done.append(run)
        run, setup = drain_with_worker(lab, setup, sent, anew=True, changes=same_job())
        lab.say(f"worker, the same job, run {number} of {runs}: {run.rate:,.0f} events/s")
        same.append(run)
        for peer, python in pythons.items():
            if peer.name in missing:
                continue
            try:
                found = drain_with_peer(lab, peer, python, setup, sent, peer_seconds)
            except BenchmarkError as error:
                lab.say(str(error))
                missing[peer.name] = str(error)
                del peers[peer.name]
                continue
            lab.say(f"{peer.name}, run {number} of {runs}: {found.rate:,.0f} events/s")
            peers[peer.name].append(found)
    lab.say("one more run, sampled")
    return Throughput(sent, done, same, peers, missing, sampled(lab, setup, sent))


def ready_peers(lab: Laboratory, market: Marketplace) -> tuple[dict[Peer, Path | None], dict[str, str]]:
    """The peers that can be installed and count a small load right to the last order, with the Python of each; of the
    others, why not."""
    pythons: dict[Peer, Path | None] = {}
    missing: dict[str, str] = {}
    setup = lab.setup("check")
    sent = lab.send(setup, msgspec.structs.replace(market, events=_CHECKED).records())
    for peer in PEERS:
        try:
            lab.say(f"{peer.name} {peer.version}: counts {_CHECKED:,} events to begin with")
            python = None if peer.requirements is None else python_of(peer.requirements)
            run = drain_with_peer(lab, peer, python, setup, sent, _DRAINED_WITHIN)
            if run.events < sent.records:
                raise BenchmarkError(f"{peer.name} read {run.events:,} of {sent.records:,} records")
            pythons[peer] = python
        except BenchmarkError as error:
            lab.say(f"  {error}")
            missing[peer.name] = str(error)
    return pythons, missing


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


def drain_with_peer(
    lab: Laboratory, peer: Peer, python: Path | None, setup: Setup, sent: Sent, seconds: float
) -> PeerRun:
    """A peer on the same topics, until it has read all or its time is up.

    Raises :class:`BenchmarkError` where it ends without a result, or with a wrong one.
    """
    group = f"{peer.module.replace('_', '-')}-{time.monotonic_ns()}"
    folder = lab.folder / group
    topics = ",".join(TopicNames(setup.config.namespace).events)
    argv = peer.argv(python, lab.kafka.bootstrap, topics, group, str(folder), str(sent.records), str(seconds))
    part = lab.program(peer.name, argv)
    part.start()
    try:
        deadline = time.monotonic() + seconds + _ENDED_WITHIN
        while (ended := part.ended()) is None:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{peer.name} did not end in time: {part.last_words()}")
            time.sleep(POLL)
        words = part.last_words()
    finally:
        part.stop()
    try:
        told = msgspec.json.decode(words, type=Told)
        rows = msgspec.json.decode((folder / RESULT).read_bytes(), type=list[Row])
    except (msgspec.MsgspecError, OSError):
        raise BenchmarkError(f"{peer.name} {ended} without a result: {words}") from None
    if fault := fault_of(told, rows, sent):
        raise BenchmarkError(f"{peer.name}: {fault}")
    return PeerRun(
        rate=told.events / told.seconds,
        seconds=told.seconds,
        events=told.events,
        cpu=told.cpu / told.seconds,
        micros=told.cpu / told.events * 1e6,
        memory=told.memory,
    )


def fault_of(told: Told, rows: list[Row], sent: Sent) -> str | None:
    """What is wrong with what a peer has found, if anything: no credit for work not done."""
    if not told.events:
        return "it read nothing"
    counted = sum(row.orders for row in rows)
    if counted != told.placed or counted != told.counted:
        return f"it took {told.placed:,} orders and counts {counted:,}"
    if told.events < sent.records:
        return None
    right = sum(row.orders for row in sent.rows)
    if counted != right:
        return f"it counts {counted:,} orders, sent were {right:,}"
    wrong = len(set(rows) ^ set(sent.rows))
    return f"{wrong:,} of its regions and minutes have another sum or p95 than what was sent" if wrong else None


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
