"""How many there are now: orders open, parcels on their way, tickets waiting."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from detectors.models.counts import BAND
from detectors.models.expectation import Profile
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.normal import Normal, Usual
from detectors.models.reading import lift_of, value_of
from detectors.models.tails import normal_band, surprise

_ANSCOMBE = 0.375
_NEXT = 1.5


def _root(level: float) -> float:
    return 2.0 * sqrt(max(level, 0.0) + _ANSCOMBE)


def _level(root: float) -> float:
    return max(0.0, 0.25 * max(root, 0.0) ** 2 - _ANSCOMBE)


class Levels(Expecting):
    """A level, by its change since the last reading and by its place.

    A level jumps, or it creeps: each step is usual and the whole is not. So both are judged by what is usual at that
    hour of the week, Student's t on the scale of 2 √(level + 3/8), on which chance is alike for small and large levels
    (F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data", 1948). The place is
    compared with weeks, so that a level that keeps growing is not followed. p is that of the stranger of the two, as
    the smallest of two (Šidák).

    The expected band is that of the place. ``weight`` is not looked at. After a gap there is no change to judge.

    Parameters: ``grain`` (ms), ``timezone`` (IANA) and ``template`` (of the place) as in :class:`Expectation`. About
    7 kB a series.

    >>> model = Levels(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 30 + hour % 5, "weight": 30})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 90, "weight": 90}
    >>> model.score_one(x) > 5, model.score_one({**x, "value": 33}) < 1
    (True, True)
    """

    def __init__(self, grain: int, timezone: str = "UTC", template: Sequence[float] | Profile | None = None) -> None:
        self._place = Normal(
            grain,
            timezone,
            template,
            relative=True,
            spreads=(0.15, 0.10, 0.08),
            between=0.05,
            within=0.02,
            level_spread=0.3,
            level_memory=14.0,
            by_hour=True,
        )
        self._change = Normal(
            grain,
            timezone,
            None,
            relative=True,
            spreads=(1.0, 0.7, 0.5),
            between=1.0,
            within=0.1,
            level_spread=0.5,
            level_memory=14.0,
            by_hour=True,
        )
        self._before: tuple[float, float] | None = None

    def _step(self, x: Reading) -> float | None:
        """The level before, on the scale of roots; None after a gap."""
        if self._before is None or not 0.0 < x["time"] - self._before[0] <= _NEXT * x["span"]:
            return None
        return self._before[1]

    def usual(self, x: Reading) -> tuple[Usual | None, Usual | None]:
        """What is expected of its place, and of its change, on the scale of roots."""
        time, span, before = x["time"], x["span"], self._step(x)
        place = self._place.at(time, span, 1.0, self._finest())
        if place is not None:
            place = place._replace(middle=place.middle * sqrt(lift_of(x)))
        return place, None if before is None else self._change.at(time, span, 1.0, 1.0 / before)

    def _finest(self) -> float:
        """Half of what one more makes, at the usual level."""
        return 1.0 / max(sqrt(self._place.size), 2.0 * sqrt(_ANSCOMBE)) if self._place.readings else 0.5

    def profile(self) -> Profile:
        """The shape of the week of the place, on the scale of roots."""
        return self._place.profile()

    def _each(self, x: Reading, value: float) -> tuple[float, float]:
        y, before, (place, change) = _root(value), self._step(x), self.usual(x)
        return (
            1.0 if place is None else place.p(y),
            1.0 if change is None or before is None else change.p(y - before),
        )

    def score_one(self, x: Reading) -> float:
        value = value_of(x)
        if value is None:
            return 0.0
        p = min(self._each(x, value))
        return surprise(p * (2.0 - p))

    def parts(self, x: Reading) -> tuple[float, float, float]:
        """How far its change and its place are from what is usual, as normal scores, and the scale of the change; 0
        where little is known."""
        value = value_of(x)
        if value is None:
            return 0.0, 0.0, 0.0
        y, before, (place, change) = _root(value), self._step(x), self.usual(x)
        stands = 0.0 if place is None else place.score(y)
        if change is None or before is None:
            return 0.0, stands, 0.0
        return change.score(y - before), stands, change.scale

    def pass_over(self, x: Reading) -> None:
        """Remember where it stands, for the change to the next, and learn nothing."""
        value = value_of(x)
        if value is not None:
            self._before = (x["time"], _root(value))

    def learn_one(self, x: Reading) -> None:
        value = value_of(x)
        if value is None:
            return
        time, span, y, before = x["time"], x["span"], _root(value), self._step(x)
        if before is not None:
            self._change.learn(time, span, y - before, 1.0, 1.0 / before)
        self._place.learn(time, span, y / sqrt(lift_of(x)), 1.0, self._finest())
        self._before = (time, y)

    def expect(self, x: Reading) -> Expected | None:
        usual, _ = self.usual(x)
        if usual is None:
            return None
        low, high = normal_band(usual.middle, usual.scale, usual.freedom, BAND)
        return Expected(_level(low), _level(usual.middle), _level(high), usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        before = None if self._before is None else list(self._before)
        return {"place": self._place.state(), "change": self._change.state(), "before": before}

    def load(self, state: dict[str, Any]) -> None:
        self._place.load(state["place"])
        self._change.load(state["change"])
        before = state["before"]
        self._before = None if before is None else (float(before[0]), float(before[1]))
