"""The intake: which of a chunk's events are taken in. Times are read, the future is quarantined, the watermark moved,
late events and repeats are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from streams.events.codec import Rejection
from streams.events.types import BusinessEvent
from streams.kpis.columns import HEARTBEAT, read_times, type_codes
from streams.kpis.duplicates import Duplicates, digests
from streams.kpis.watermark import BEGINNING, FAMILIES, Watermarks

I64 = npt.NDArray[np.int64]


class Read(NamedTuple):
    """The events of a chunk that could be decoded, shapes (n,): their places in the chunk, type codes and times (epoch
    ms); ``bad`` names what is no time, by number."""

    places: I64
    kind: I64
    time: I64
    bad: dict[int, str]


class Taken(NamedTuple):
    """The events of a chunk that are taken in, in order: shapes (n,), ``digest`` (n, 2)."""

    events: list[BusinessEvent]
    kind: I64
    time: I64
    promise: I64
    digest: I64


class Counts(NamedTuple):
    """What became of the others. ``rejected`` are places in the chunk with the reason."""

    duplicates: int
    late: int
    heartbeats: int
    rejected: list[tuple[int, Rejection]]


class Intake:
    """The watermarks and remembered digests of one partition's topics."""

    def __init__(self, out_of_order_ms: int, allowed_lateness_ms: int, future_limit_ms: int) -> None:
        self.watermarks = Watermarks(out_of_order_ms)
        self.sealed_below = BEGINNING
        """No event before this is taken in, of whatever topic, in epoch ms."""
        self._lateness_ms = allowed_lateness_ms
        self._future_ms = future_limit_ms
        # By topic: each forgets by its own watermark, however far the others have come.
        self._duplicates = [Duplicates() for _ in FAMILIES]

    @property
    def oldest(self) -> int:
        """Nothing older is taken in of any topic, in epoch ms: of a silent one nothing before what has been sealed."""
        return min(self._horizon(family) for family in range(len(FAMILIES)))

    def _horizon(self, family: int) -> int:
        """Nothing older is taken in of this topic from now on, in epoch ms."""
        return max(self.watermarks.own[family] - self._lateness_ms, self.sealed_below)

    def take(self, family: int, events: Sequence[BusinessEvent | None], arrivals: I64) -> tuple[Taken, Counts]:
        """Choose from a chunk; ``events`` has None where a record could not be decoded."""
        present = cast("list[BusinessEvent]", [event for event in events if event is not None])
        places = np.arange(len(events))
        if len(present) < len(events):
            places = places[[event is not None for event in events]]
        kind = type_codes(present)
        time, promise, bad = read_times(present, kind)
        read = Read(places, kind, time, bad)
        chosen, digest, counts = self.choose(family, read, arrivals, lambda some: digests(_pick(present, some)))
        return Taken(_pick(present, chosen), kind[chosen], time[chosen], promise[chosen], digest), counts

    def choose(
        self, family: int, read: Read, arrivals: I64, digests_of: Callable[[I64], I64]
    ) -> tuple[I64, I64, Counts]:
        """Which of a chunk's events are taken in, their digests, and what became of the others.

        ``digests_of`` gives the digests of some of the events.
        """
        places, kind, time, bad = read
        arrival = arrivals[places]
        sound = (time <= arrival + self._future_ms) | (arrival < 0)
        sound[list(bad)] = True
        rejected = [(int(places[at]), _future(int(time[at] - arrival[at]))) for at in np.flatnonzero(~sound).tolist()]
        if bad:
            rejected += [(int(places[at]), _no_time(path)) for at, path in bad.items()]
            rejected.sort(key=lambda one: one[0])
            sound[list(bad)] = False
        heartbeat = kind == HEARTBEAT

        before = np.zeros_like(time)
        before[sound] = self.watermarks.observe(family, time[sound], heartbeat[sound])
        horizon = np.maximum(before - self._lateness_ms, self.sealed_below)
        candidate = sound & ~heartbeat
        late = candidate & (time < horizon)
        chosen = np.flatnonzero(candidate & ~late)
        digest = digests_of(chosen)
        repeated = self._duplicates[family].mark(digest, time[chosen], horizon[chosen])
        if repeated.any():
            chosen, digest = chosen[~repeated], digest[~repeated]
        heartbeats = int(np.count_nonzero(heartbeat & sound))
        counts = Counts(int(repeated.sum()), int(np.count_nonzero(late)), heartbeats, rejected)
        return chosen, digest, counts

    def remember(self, family: int, digest: I64, time: I64) -> None:
        """Take in what a journal says was taken in."""
        self._duplicates[family].remember(digest, time, self._horizon(family))

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays."""
        known = [duplicates.state(self._horizon(family)) for family, duplicates in enumerate(self._duplicates)]
        return {"watermarks": self.watermarks.state(), "sealed": self.sealed_below, "known": known}

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.watermarks.load(state["watermarks"])
        self.sealed_below = state["sealed"]
        for duplicates, known in zip(self._duplicates, state["known"], strict=True):
            duplicates.load(known)


def _pick(events: list[BusinessEvent], places: I64) -> list[BusinessEvent]:
    return events if places.size == len(events) else [events[place] for place in places.tolist()]


def _no_time(path: str) -> Rejection:
    return Rejection(reason=f"{path}: not an RFC 3339 date-time with an offset", code="bad_time")


def _future(ahead_ms: int) -> Rejection:
    return Rejection(reason=f"time: {ahead_ms / 1000:.0f} s ahead of its arrival", code="future_time")
