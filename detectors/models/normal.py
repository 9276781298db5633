"""What means, durations and levels have in common: normal around what is usual, on some scale."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from detectors.models.clock import DAY, hour_of_week
from detectors.models.expectation import Expectation, Profile, Rate
from detectors.models.robust import Guard
from detectors.models.spread import Spread
from detectors.models.tails import normal_score, student, surprise

FEW = 3
_MEMORY = 60.0 * DAY
_FINEST = 1e-3
_ALIKE = 5.0
"""As so many readings that vary as all do, each hour begins."""
_KEPT = 1.0 - 1.0 / 60.0


class Usual(NamedTuple):
    """Student's t of a reading: its ``middle``, ``scale`` and ``freedom``, and the ``rate`` it comes from."""

    middle: float
    scale: float
    freedom: float
    rate: Rate

    def p(self, y: float) -> float:
        """How likely as far off or farther is."""
        return student(y - self.middle, self.scale, self.freedom)

    def score(self, y: float) -> float:
        """The normal score of as far off: below the middle it is negative."""
        off = y - self.middle
        return normal_score(surprise(self.p(y)), (off > 0.0) - (off < 0.0))


class Normal:
    """Readings y of n observations each: y ~ what is usual then + N(0, between + within / n).

    The variances are learned (:class:`Spread`), what is not yet known of the middle is added, and of the variance by
    Student's t. Far off counts as far as usual until it lasts.

    ``relative``: y has a unit, and spreads are in shares of its size, which is learned too; else y is a logarithm.
    Parameters ``grain``, ``timezone``, ``template``, ``spreads`` and ``level_memory`` as in :class:`Expectation`;
    ``between`` and ``within`` are the priors of both standard deviations. ``by_hour``: some hours vary more than
    others (parcels leave in one batch and arrive one by one).
    """

    def __init__(
        self,
        grain: int,
        timezone: str,
        template: Sequence[float] | Profile | None,
        *,
        relative: bool,
        spreads: tuple[float, float, float],
        between: float,
        within: float,
        level_spread: float = 0.5,
        level_memory: float = 3.0,
        by_hour: bool = False,
    ) -> None:
        self._expectation = Expectation(
            grain,
            timezone,
            multiply=False,
            template=template,
            spreads=spreads,
            level_spread=level_spread,
            level_memory=level_memory,
        )
        self._spread = Spread(between * between, within * within)
        self._guard = Guard()
        self._relative = relative
        self._zone = ZoneInfo(timezone)
        # Of each hour of working days, then of weekends: squared deviations in units of what was expected, and how many.
        self._by_hour = [[_ALIKE, _ALIKE] for _ in range(48)] if by_hour else None
        self._squares = self._seen = self._last = 0.0

    @property
    def size(self) -> float:
        """The square of what spreads are in shares of."""
        if not self._relative:
            return 1.0
        return max(self._squares / self._seen, 1e-24) if self._seen else 1.0

    @property
    def readings(self) -> int:
        return self._expectation.readings

    def at(self, time: float, span: float, n: float, finest: float = 0.0) -> Usual | None:
        """What is usual of n observations then; None where little is known. ``finest``: the least standard deviation
        that makes sense (values come in steps)."""
        size = self.size
        rate = self._expectation.at(time, span, 1.0, size)
        if rate is None or self._expectation.readings < FEW:
            return None
        variance = size * max(self._spread.of(n), _FINEST * _FINEST) + rate.variance
        if self._by_hour is not None:
            squares, number = self._hour(time, span)
            variance *= squares / number
        return Usual(rate.value, sqrt(variance + finest * finest), self._spread.freedom, rate)

    def learn(self, time: float, span: float, y: float, n: float, finest: float = 0.0) -> None:
        """Take a reading for usual."""
        usual = self.at(time, span, n, finest)
        size = self.size
        if usual is not None:
            off = y - usual.middle
            counted = self._guard.limit(off, usual.scale, span)
            if self._guard.adopted(off, counted, usual.scale):
                self._expectation.adopt()
            elif not self._guard.suspicious:
                self._spread.learn(time, max(0.0, counted * counted - usual.rate.variance) / size, n)
                if self._by_hour is not None:
                    hour = self._hour(time, span)
                    expected = usual.scale * usual.scale * hour[1] / hour[0]
                    hour[0] = hour[0] * _KEPT + counted * counted / expected
                    hour[1] = hour[1] * _KEPT + 1.0
            y = usual.middle + counted
        if self._relative:
            fade = exp(-max(0.0, time - self._last) / _MEMORY)
            self._squares, self._seen = self._squares * fade + y * y, self._seen * fade + 1.0
            self._last = time
        exposure = 1.0 / (size * max(self._spread.of(n), _FINEST * _FINEST) + finest * finest)
        self._expectation.learn(time, span, y * exposure, exposure, None if usual is None else usual.rate)

    def _hour(self, time: float, span: float) -> list[float]:
        assert self._by_hour is not None
        day, hour = divmod(hour_of_week(int(time + 0.5 * span), self._zone), 24)
        return self._by_hour[hour + 24 * (day >= 5)]

    def profile(self) -> Profile:
        """The shape of the week, additive around 0."""
        return self._expectation.profile(1.0, self.size)

    def state(self) -> dict[str, Any]:
        return {
            "expectation": self._expectation.state(),
            "spread": self._spread.state(),
            "guard": self._guard.state(),
            "size": [self._squares, self._seen, self._last],
            "by_hour": None if self._by_hour is None else [list(hour) for hour in self._by_hour],
        }

    def load(self, state: dict[str, Any]) -> None:
        self._expectation.load(state["expectation"])
        self._spread.load(state["spread"])
        self._guard.load(state["guard"])
        self._squares, self._seen, self._last = map(float, state["size"])
        told = state["by_hour"]
        self._by_hour = None if told is None else [[float(squares), float(number)] for squares, number in told]
