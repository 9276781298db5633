"""The job all engines are given: count, sum and p95 of the order amount by region and minute.

It needs nothing but msgspec, so that each engine can live in an environment of its own. What an event costs outside of
an engine is the same for all: :meth:`Job.take` decodes it, faster than the engines' own JSON would, and says whether it
counts.

All are started in the same way, ``BOOTSTRAP TOPICS GROUP FOLDER EVENTS SECONDS [VARIANT]``: they read the topics
(separated by commas, that of the orders first) from the beginning until they have seen so many events or so much time
has passed since the first one, and finish what they have taken. What they found goes to ``FOLDER/kpis.json``, and their
last line is JSON (:class:`Told`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

PLACED = "order.placed"
RESULT = "kpis.json"
_TIME_IS_ASKED_EVERY = 256


class Order(NamedTuple):
    """What is read of an order: ``time`` in ISO format, ``amount`` in cents."""

    region: str
    time: str
    amount: int

    @property
    def minute(self) -> str:
        """Its time up to the minute."""
        return self.time[:16]


class Sums:
    """Of one region and minute."""

    __slots__ = ("amounts", "count", "sum")

    def __init__(self) -> None:
        self.count = self.sum = 0
        self.amounts: list[int] = []

    def add(self, amount: int) -> Sums:
        """One more; returns itself, as folds want it."""
        self.count += 1
        self.sum += amount
        self.amounts.append(amount)
        return self

    def merge(self, other: Sums) -> Sums:
        """With those of another; returns itself."""
        self.count += other.count
        self.sum += other.sum
        self.amounts += other.amounts
        return self

    def p95(self) -> int:
        """The nearest rank."""
        return p95(self.amounts)

    def row(self, region: str, minute: str) -> Row:
        """As it is told."""
        return Row(region, minute, self.count, self.sum, self.p95())


class Row(NamedTuple):
    """A region and minute (``2026-01-31T12:00``), and what was found of them."""

    region: str
    minute: str
    orders: int
    sum: int
    p95: int


class Told(msgspec.Struct):
    """An engine's last line. ``seconds`` from the first event on, ``cpu`` processor seconds meanwhile, ``memory`` in
    MiB at its peak; ``placed`` is how many orders it took, ``counted`` how many are in its KPIs."""

    events: int
    seconds: float
    cpu: float
    memory: float
    placed: int
    counted: int


class Arguments(NamedTuple):
    """Of the command line."""

    bootstrap: str
    topics: list[str]
    group: str
    folder: Path
    events: int
    seconds: float
    variant: str


def arguments(argv: Sequence[str] | None = None) -> Arguments:
    """From the command line (``argv``: without the program's name)."""
    bootstrap, topics, group, folder, events, seconds, *variant = sys.argv[1:] if argv is None else argv
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return Arguments(bootstrap, topics.split(","), group, path, int(events), float(seconds), "".join(variant))


def p95(amounts: Iterable[int]) -> int:
    """The nearest rank."""
    ranked = sorted(amounts)
    return ranked[max(0, -(-95 * len(ranked) // 100) - 1)]


class _Envelope(msgspec.Struct):
    type: str
    time: str
    data: msgspec.Raw


class _Data(msgspec.Struct):
    region: str
    amount: int


_envelope = msgspec.json.Decoder(_Envelope).decode
_data = msgspec.json.Decoder(_Data).decode


def order_of(raw: bytes) -> Order | None:
    """The order that an event places, ``None`` where it is another event."""
    event = _envelope(raw)
    if event.type != PLACED:
        return None
    data = _data(event.data)
    return Order(data.region, event.time, data.amount)


class Job:
    """How far an engine has come. ``enough`` is set once it has seen so many events or so much time has passed; from
    then on nothing is taken any more."""

    def __init__(self, events: int, seconds: float) -> None:
        self.events = self.placed = 0
        self.enough = False
        self._limit, self._seconds = events, seconds
        self._began = self._used = self._deadline = 0.0

    def take(self, raw: bytes) -> Order | None:
        """An event's order, if it places one and is still to be taken."""
        if self.enough:
            return None
        if not self.events:
            self._began, self._used = time.monotonic(), time.process_time()
            self._deadline = self._began + self._seconds
        self.events += 1
        if self.events >= self._limit or (
            not self.events % _TIME_IS_ASKED_EVERY and time.monotonic() >= self._deadline
        ):
            self.enough = True
        order = order_of(raw)
        if order is not None:
            self.placed += 1
        return order

    def tell(self, rows: Iterable[Row], folder: Path) -> None:
        """Say that it is done, with what was found; what it takes to find ``rows`` is part of the job."""
        found = sorted(rows)
        seconds, cpu = time.monotonic() - self._began, time.process_time() - self._used
        memory = _most_resident()
        (folder / RESULT).write_text(json.dumps(found))
        counted = sum(row.orders for row in found)
        told = Told(self.events, seconds, cpu, memory, self.placed, counted)
        print(msgspec.json.encode(told).decode(), flush=True)


def _most_resident() -> float:
    # Not getrusage: its maximum is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
