"""A replay in step with the clock: an hour of history takes so much less than an hour, and what is told comes when its
time has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from streams.history.replay.engine import News
from streams.history.replay.telling import Happening, Teller

TICK_S = 0.25
"""Seconds of waiting after which it is said how far event time has come."""


class Clock(Protocol):
    """A clock that never goes back; tests move one by hand."""

    def now(self) -> float:
        """Seconds from some instant on."""

    def wait(self, seconds: float) -> None:
        """Let so many pass."""


class WallClock:
    """The real one."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class Pace:
    """Event time that runs at ``speed`` times the time of a clock. ``tick`` is told how far it has come (epoch ms)
    while something waits for it."""

    def __init__(self, speed: float, clock: Clock | None = None, tick: Callable[[int], None] = lambda at: None) -> None:
        self._speed, self._clock, self._tick = speed, clock or WallClock(), tick
        self._first: int | None = None
        self._begun = 0.0

    def wait(self, at: int) -> None:
        """Return when event time has come to ``at`` (epoch ms), at once where it has passed. It begins with the first
        that is waited for."""
        if self._first is None:
            self._first, self._begun = at, self._clock.now()
        due = self._begun + (at - self._first) / 1000 / self._speed
        while (left := due - self._clock.now()) > 0:
            self._tick(at - int(left * 1000 * self._speed))
            self._clock.wait(min(left, TICK_S))
        self._tick(at)


def paced(whole: Iterable[News], pace: Pace, tell: Callable[[Happening], None]) -> Iterator[News]:
    """The same news, each when event time has come to where the last of its values ends; ``tell`` hears of what
    happened when its own time has come."""
    teller = Teller()
    for news in whole:
        if news.values:
            pace.wait(min(value.end for value in news.values))
        for happening in teller.happenings(news):
            pace.wait(happening.at)
            tell(happening)
        if news.values:
            pace.wait(max(value.end for value in news.values))
        yield news
