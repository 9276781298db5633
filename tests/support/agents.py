"""What surrounds an agent, faked: a clock, a broker that may be down, a consumer that is a group of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from faust.types import TP

from streams.events.codec import encode
from streams.events.types import BusinessEvent
from streams.runtime.agents import Aggregate, Detect
from streams.runtime.chunks import Chunk
from streams.runtime.outbox import Record
from streams.runtime.transport import Position
from tests.support.shop import T0, event


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeConsumer:
    """A group of one. ``committed`` holds the commits; logs begin at 0 and end at ``ends``."""

    def __init__(self) -> None:
        self.reader: Aggregate | Detect
        self.committed: dict[TP, int] = {}
        self.commits: list[dict[TP, int]] = []
        self.ends: dict[TP, int] = {}
        self.epochs: dict[TP, int] = {}
        self.rewound: list[set[TP]] = []
        self.refuses = False
        self.cannot_seek = False
        self.paused: set[TP] = set()
        self.held: set[TP] = set()

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]:
        if self.cannot_seek:
            raise ConnectionError("no broker")
        positions = {}
        for tp in sorted(set(tps)):
            self.epochs[tp] = self.epochs.get(tp, 0) + 1
            positions[tp] = Position(self.reader.wanted(tp), self.epochs[tp])
        self.rewound.append(set(positions))
        for tp, position in positions.items():
            self.reader.placed(tp, position)
        return {tp: position.offset for tp, position in positions.items()}

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        self.paused |= set(tps)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        self.paused -= set(tps)

    def hold(self, tps: Iterable[TP]) -> None:
        self.held = set(tps)

    async def commit_published(self, offsets: Mapping[TP, int]) -> bool:
        if self.refuses:
            return False
        self.commits.append(dict(offsets))
        self.committed |= offsets
        return True

    def highwater(self, tp: TP) -> int | None:
        return self.ends.get(tp)


class Broker:
    """Takes records, or refuses them while ``down``."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.down = False

    async def send(self, record: Record) -> Awaitable[object]:
        async def acknowledge() -> None:
            await asyncio.sleep(0)
            if self.down:
                raise ConnectionError("no broker")
            self.records.append(record)

        return acknowledge()

    def to(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]


def chunk(
    tp: TP, start: int, events: Sequence[BusinessEvent | bytes | None], epoch: int = 1, end: int | None = None
) -> Chunk:
    """What a fetch brought."""
    values = [one if one is None or isinstance(one, bytes) else encode(one) for one in events]
    offsets = np.arange(start, start + len(values), dtype=np.int64)
    arrivals = np.full(len(values), -1, dtype=np.int64)
    last = start + len(values) if end is None else end
    return Chunk(tp, epoch, start, last, offsets, arrivals, values, [b"key"] * len(values))


def placed(number: int) -> BusinessEvent:
    """An order."""
    return event("order.placed", T0 + number, f"O-{number}")


async def until(condition: Callable[[], Any], steps: int = 3000) -> None:
    """Give the other tasks turns until it holds."""
    for _ in range(steps):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")
