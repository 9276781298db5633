"""The ledger: an agent's entries in the state log, when a snapshot is due, and what may then be trimmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from streams.kpis.pack import pack
from streams.runtime.state.chain import Chain
from streams.runtime.state.frames import Kind, Offsets, Step
from streams.runtime.state.log import Appends

SNAPSHOT_EVERY = 300.0
LITTLE = 0.02
"""Seconds after which a snapshot is due for as little as this share of the work that makes it due at once."""


class NotRecorded(Exception):
    """An entry may or may not be in the state log, or may not count; only the log can tell: the state must be read
    again."""


class _Kept:
    """What is known of a partition's log. ``newest`` is where its newest snapshot stands."""

    def __init__(self, newest: int | None, now: float) -> None:
        self.newest, self.snapshot_at, self.weight = newest, now, 0


class Ledger:
    """Of one agent. A snapshot is due when going through the steps since the last one would be ``most_weight``.

    ``appended`` is told of each entry: how many bytes, and how many seconds it took to be acknowledged.
    """

    def __init__(
        self,
        log: Appends,
        most_weight: int,
        clock: Callable[[], float] = time.monotonic,
        appended: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._log, self._most_weight, self._clock, self._appended = log, most_weight, clock, appended
        self._kept: dict[int, _Kept] = {}
        self._trimming: set[asyncio.Task[None]] = set()

    async def recover(self, partition: int) -> Chain:
        """What a partition's state is made of. Raises :class:`~streams.errors.BrokerError` where no broker answers."""
        chain = await self._log.recover(partition)
        kept = _Kept(None if chain.snapshot is None else chain.snapshot.first, self._clock())
        kept.weight = sum(entry.weight for entry in chain.deltas)
        self._kept[partition] = kept
        return chain

    async def unchanged(self, partitions: set[int]) -> set[int]:
        """Those of the partitions whose log holds nothing we do not know of."""
        return await self._log.unchanged(partitions)

    def worked(self, partition: int, weight: int) -> bool:
        """Note work that a recovery would do again; whether a snapshot is due."""
        kept = self._kept[partition]
        kept.weight += weight
        long_ago = self._clock() - kept.snapshot_at >= SNAPSHOT_EVERY
        return kept.weight >= self._most_weight * (LITTLE if long_ago else 1.0)

    async def close(self) -> None:
        """Give up trimming."""
        for task in self._trimming:
            task.cancel()
        await asyncio.gather(*self._trimming, return_exceptions=True)

    async def step(self, partition: int, step: Step) -> None:
        """Append a step and await that it counts. Raises :class:`NotRecorded`."""
        await self._append(partition, "delta", step)

    async def snapshot(self, partition: int, sequence: int, end: Offsets, state: Any) -> None:
        """Append a whole state, whose last step counts; what stands before the snapshot before this one goes.

        Raises :class:`NotRecorded`.
        """
        payload = await asyncio.to_thread(pack, state)
        first = await self._append(partition, "snapshot", Step(sequence, sequence, end, end, payload))
        kept = self._kept[partition]
        if kept.newest is not None:
            task = asyncio.ensure_future(self._log.trim(partition, kept.newest))
            self._trimming.add(task)
            task.add_done_callback(self._trimming.discard)
        kept.newest, kept.snapshot_at, kept.weight = first, self._clock(), 0

    async def _append(self, partition: int, kind: Kind, step: Step) -> int:
        begun = self._clock()
        try:
            first = await self._log.append(partition, kind, step)
        except Exception as error:
            raise NotRecorded(str(error) or type(error).__name__) from error
        self._appended(len(step.payload), self._clock() - begun)
        return first
