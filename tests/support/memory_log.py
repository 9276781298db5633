"""A state log in memory: what :class:`~streams.runtime.state.log.StateLog` does, without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from streams.runtime.state.chain import Chain, follow
from streams.runtime.state.frames import Entry, Kind, Offsets, Step, cut, join
from streams.runtime.state.log import LostRace

_WRITERS = count(1)


class Records:
    """The topic: by partition, its records and how many have been trimmed off its head."""

    def __init__(self) -> None:
        self.values: dict[int, list[bytes]] = {}
        self.begins: dict[int, int] = {}

    def entries(self, partition: int = 0) -> list[Entry]:
        """The whole entries that can be read."""
        values, begin = self.values.get(partition, []), self.begins.get(partition, 0)
        return list(join((offset, value) for offset, value in enumerate(values) if offset >= begin))


class MemoryLog:
    """One worker's view. ``before`` and ``after`` are called around each record written, and may raise."""

    def __init__(
        self,
        records: Records,
        plan: str = "plan",
        beginning: Offsets = (0, 0, 0),
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
        frame_bytes: int = 900_000,
    ) -> None:
        self.records, self._plan, self._beginning = records, plan, beginning
        self._before, self._after, self._frame_bytes = before, after, frame_bytes
        self._writer, self._entries = f"writer {next(_WRITERS)}", 0
        self._next: dict[int, int] = {}
        self._readings: dict[int, int] = {}
        self.down = False
        self.trimmed: list[tuple[int, int]] = []

    def _values(self, partition: int) -> list[bytes]:
        if self.down:
            raise ConnectionError("no broker")
        return self.records.values.setdefault(partition, [])

    async def recover(self, partition: int) -> Chain:
        self._readings[partition] = self._readings.get(partition, 0) + 1
        await asyncio.sleep(0)
        self._next[partition] = len(self._values(partition))
        return follow(self.records.entries(partition), self._plan, self._beginning)

    async def unchanged(self, partitions: set[int]) -> set[int]:
        await asyncio.sleep(0)
        return {number for number in partitions if self._next.get(number) == len(self._values(number))}

    async def append(self, partition: int, kind: Kind, step: Step) -> int:
        expected, reading = self._next.pop(partition, None), self._readings.get(partition)
        values = self._values(partition)
        if expected is None:
            raise LostRace("not read since an append failed")
        self._entries += 1
        landed = []
        for frame in cut(Entry(self._writer, kind, self._plan, *step), self._entries, self._frame_bytes):
            self._before()
            landed.append(len(values))
            values.append(frame)
            self._after()
            await asyncio.sleep(0)
        if landed != list(range(expected, expected + len(landed))):
            raise LostRace(f"written at {landed}, expected from {expected}")
        if self._readings[partition] != reading:
            raise LostRace("read again while an append was under way")
        self._next[partition] = landed[-1] + 1
        return expected

    async def trim(self, partition: int, before: int) -> None:
        self.trimmed.append((partition, before))
        self.records.begins[partition] = max(before, self.records.begins.get(partition, 0))
