"""Watermarks: how far event time has come in the three event topics of one partition.

A topic's own watermark is its largest event time less the disorder allowed for, or what a source's heartbeat vouches
for, whichever is later. The partition's is the smallest of the three, idle topics left out. Neither ever falls.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

FAMILIES: Final[tuple[Literal["orders"], Literal["deliveries"], Literal["support"]]] = (
    "orders",
    "deliveries",
    "support",
)
BEGINNING = int(np.iinfo(np.int64).min) // 2
"""Before any event; half the range, so that a lateness can be taken off it."""


class Watermarks:
    """The watermarks of one partition's topics."""

    def __init__(self, out_of_order_ms: int) -> None:
        self.out_of_order_ms = out_of_order_ms
        self.own = [BEGINNING] * len(FAMILIES)
        self.newest = BEGINNING
        """The largest event time of all topics."""
        self.idle: frozenset[int] = frozenset()
        self._partition = BEGINNING

    def observe(self, family: int, time: I64, heartbeat: npt.NDArray[np.bool_]) -> I64:
        """Take in a topic's event times, in the topic's order; return its own watermark before each of them.

        A function of the topic's log alone: chunks and the other topics have no part in it.
        """
        before = np.empty(time.shape[0] + 1, dtype=np.int64)
        before[0] = self.own[family]
        before[1:] = np.where(heartbeat, time, time - self.out_of_order_ms)
        np.maximum.accumulate(before, out=before)
        self.own[family] = int(before[-1])
        if time.shape[0]:
            self.newest = max(self.newest, int(time.max()))
            self.idle -= {family}
        return before[:-1]

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [list(self.own), self.newest, sorted(self.idle), self._partition]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        own, self.newest, idle, self._partition = state
        self.own, self.idle = list(own), frozenset(idle)

    def partition(self) -> int | None:
        """The partition's watermark, None before every topic that is not idle has begun."""
        active = [own for family, own in enumerate(self.own) if family not in self.idle]
        if active:
            self._partition = max(self._partition, min(active))
        return None if self._partition == BEGINNING else self._partition


class MergedWatermark:
    """The watermark over all partitions: the smallest, idle ones left out; unknown until each has spoken."""

    def __init__(self, partitions: int) -> None:
        self._missing = set(range(partitions))
        self._known: dict[int, int] = {}
        self.value: int | None = None

    def observe(self, partition: int, watermark: int | None, idle: bool) -> None:
        """Take in one partition's watermark."""
        if watermark is not None or idle:
            self._missing.discard(partition)
        if watermark is not None and not idle:
            self._known[partition] = watermark
        elif idle:
            self._known.pop(partition, None)
        if not self._missing and self._known:
            lowest = min(self._known.values())
            self.value = lowest if self.value is None else max(self.value, lowest)

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [sorted(self._missing), dict(self._known), self.value]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        missing, known, self.value = state
        self._missing, self._known = set(missing), dict(known)
