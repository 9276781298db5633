"""When to send what: a history at once, then events as their time comes."""

from __future__ import annotations

import time
from threading import Event
from typing import NamedTuple, Protocol

from streams.errors import ConfigError
from streams.ingest.simulator.localtime import HOUR

CATCH_UP = 10 * 60_000
"""How long an accelerated run takes to reach the present, ms of the wall clock, unless it is stopped
before."""


class Clock(Protocol):
    """The wall clock; tests move one by hand."""

    def now(self) -> int:
        """Epoch ms."""

    def wait(self, ms: int) -> bool:
        """Wait so long, or until the run is to stop; whether it is."""


class WallClock:
    """The real one."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def wait(self, ms: int) -> bool:
        return self._stop.wait(ms / 1000)


class Pace(NamedTuple):
    """How simulated time follows the wall clock.

    An event that is ahead of the wall clock would be turned away as one from the future. So an
    accelerated run begins in the past, gains on the present, and goes on with it: simulated time is
    ``live + (now - began) * speed``, but never beyond now.
    """

    start: int
    live: int
    caught_up: int
    began: int
    speed: float

    def due(self, arrival: int) -> int:
        """When the wall clock shows that an event with this arrival is to be sent; all epoch ms."""
        if arrival <= self.live:
            return self.began
        return max(arrival, self.began + int((arrival - self.live) / self.speed))

    def heartbeats(self, usual: int) -> list[tuple[int, int]]:
        """(time, interval): sparse in the history, about one a second while time runs fast."""
        phases = [(self.live, HOUR)]
        if self.speed > 1:
            phases.append((self.caught_up, max(usual, int(self.speed * 1000))))
        return phases


def pace(now: int, history: int, speed: float, duration: int | None) -> Pace:
    """Plan a run that begins at ``now``; ``history`` and ``duration`` in ms.

    With a ``speed`` above 1, ``duration`` (at most :data:`CATCH_UP`) is how long it takes to reach the
    present. Raises :class:`ConfigError` where a number makes no sense.
    """
    if speed <= 0:
        raise ConfigError(f"simulator: speed {speed:g} is not above 0")
    if history < 0:
        raise ConfigError("simulator: history cannot be negative")
    takes = CATCH_UP if duration is None else min(duration, CATCH_UP)
    live = now - int(max(0.0, speed - 1) * takes)
    return Pace(start=live - history, live=live, caught_up=now + takes, began=now, speed=speed)
