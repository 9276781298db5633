"""Duplicate removal by (source, id) within a horizon: a hash set of 128-bit digests in flat arrays.

A digest is remembered with its event's time; it is forgotten once that is further behind the watermark than any
event still accepted. Two different events with one digest are as likely as a 128-bit collision (XXH3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from streams.events.types import BusinessEvent
from streams.kpis.compiled import njit

I64 = npt.NDArray[np.int64]

ABSENT = int(np.iinfo(np.int64).min)
_LATEST = int(np.iinfo(np.int64).max)


class _Table(NamedTuple):
    high: I64
    low: I64
    time: I64
    used: I64


def digests(events: Sequence[BusinessEvent]) -> I64:
    """The 128-bit digests of the events' (source, id), as an ``(n, 2)`` int64 array: the source seeds the id's."""
    digest = xxhash.xxh3_128_digest
    seeds = _SEEDS
    joined = b"".join([digest(event.id.encode(), seeds[event.source]) for event in events])
    return np.frombuffer(joined, dtype="<i8").reshape(-1, 2)


class _Seeds(dict[str, int]):
    """A seed per source, made when it is first asked for. Bounded: many sources are no more than a slower path."""

    def __missing__(self, source: str) -> int:
        if len(self) >= 4096:
            self.clear()
        seed = self[source] = int(xxhash.xxh3_64_intdigest(source.encode()))
        return seed


_SEEDS = _Seeds()


@njit
def _new(capacity):  # type: ignore[no-untyped-def]
    return _Table(
        np.empty(capacity, dtype=np.int64),
        np.empty(capacity, dtype=np.int64),
        np.full(capacity, ABSENT, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )


@njit
def _seen(table, high, low, time, horizon):  # type: ignore[no-untyped-def]
    """Whether the digest is in the table, no older than ``horizon``; put it there with ``time`` if not."""
    mask = np.int64(table.high.shape[0] - 1)
    place = low & mask
    while table.time[place] != ABSENT:
        if table.high[place] == high and table.low[place] == low:
            if table.time[place] >= horizon:
                return True
            table.time[place] = time
            return False
        place = (place + 1) & mask
    table.high[place] = high
    table.low[place] = low
    table.time[place] = time
    table.used[0] += 1
    return False


@njit
def _rebuilt(table, wanted, horizon):  # type: ignore[no-untyped-def]
    kept = wanted
    for place in range(table.time.shape[0]):
        if table.time[place] != ABSENT and table.time[place] >= horizon:
            kept += 1
    capacity = 1024
    while kept * 2 > capacity:
        capacity *= 2
    fresh = _new(capacity)
    for place in range(table.time.shape[0]):
        if table.time[place] != ABSENT and table.time[place] >= horizon:
            _seen(fresh, table.high[place], table.low[place], table.time[place], horizon)
    return fresh


@njit
def _mark(table, digest, time, horizon, repeated):  # type: ignore[no-untyped-def]
    for at in range(digest.shape[0]):
        repeated[at] = _seen(table, digest[at, 0], digest[at, 1], time[at], horizon[at])


class Duplicates:
    """The digests seen within the horizon."""

    def __init__(self) -> None:
        self._table = _new(1024)

    def __len__(self) -> int:
        return int(self._table.used[0])

    def mark(self, digest: I64, time: I64, horizon: I64) -> npt.NDArray[np.bool_]:
        """Which events, in order, were seen before; the others are remembered.

        ``digest`` (n, 2), ``time`` (n) the events' times, ``horizon`` (n) what each may not be older than: a digest
        remembered with an earlier time does not count.
        """
        wanted = digest.shape[0]
        repeated = np.zeros(wanted, dtype=np.bool_)
        if wanted:
            self._make_room(wanted, int(horizon[0]))
            _mark(self._table, digest, time, horizon, repeated)
        return repeated

    def remember(self, digest: I64, time: I64, horizon: int) -> None:
        """Take in events that are known to be no repeats; what is older than ``horizon`` may be forgotten."""
        self._make_room(digest.shape[0], horizon)
        ignored = np.zeros(digest.shape[0], dtype=np.bool_)
        _mark(self._table, digest, time, np.full(digest.shape[0], _LATEST), ignored)

    def state(self, horizon: int) -> I64:
        """What is not older than ``horizon``, as rows (high, low, time)."""
        table = self._table
        kept = (table.time != ABSENT) & (table.time >= horizon)
        return np.stack([table.high[kept], table.low[kept], table.time[kept]], axis=1)

    def load(self, state: I64) -> None:
        """Become what :meth:`state` told of."""
        self._table = _new(1024)
        self.remember(np.ascontiguousarray(state[:, :2]), np.ascontiguousarray(state[:, 2]), ABSENT)

    def _make_room(self, wanted: int, horizon: int) -> None:
        if (len(self) + wanted) * 4 > self._table.high.shape[0] * 3:
            self._table = _rebuilt(self._table, np.int64(wanted), np.int64(horizon))
