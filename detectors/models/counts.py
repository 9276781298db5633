"""How many there were: orders placed, tickets opened."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from detectors.models.clock import HOUR
from detectors.models.dispersion import Dispersion
from detectors.models.expectation import Expectation, Profile, Rate
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.reading import lift_of, value_of
from detectors.models.robust import Guard
from detectors.models.tails import gamma_band, negative_binomial, surprise

FEW = 3
"""As many readings are learned before anything is said."""
BAND = 0.99


class Usual(NamedTuple):
    """What is expected of a reading: ``mean`` events, their ``dispersion`` with what is not known of the mean in it,
    and the ``rate`` an hour it comes from."""

    mean: float
    dispersion: float
    rate: Rate


class Counts(Expecting):
    """Counts of events in time: negative binomial around what is usual at that hour of the week.

    For counts of any size, from none most of the time to thousands a minute. The variance is mean + φ mean², φ is
    learned (:class:`Dispersion`), and what is not yet known of the mean widens it, so that a young series is not
    overconfident. Surprise is that of a two-sided mid-p.

    A count far off is learned only as far as it is usual, until it lasts half a day and is adopted as a new level.

    Parameters: ``grain`` (ms), ``timezone`` (IANA) and ``template`` as in :class:`Expectation`; ``dispersion`` is the
    prior of φ. A reading may have ``lift``, what the calendar multiplies the usual by.

    About 3.5 kB a series with hourly or smaller grains.

    >>> model = Counts(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 9 + hour % 3, "weight": 10})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 10, "weight": 10}
    >>> model.score_one(x) < 0.3, model.score_one({**x, "value": 40}) > 5
    (True, True)
    """

    def __init__(
        self,
        grain: int,
        timezone: str = "UTC",
        template: Sequence[float] | Profile | None = None,
        dispersion: float = 0.05,
    ) -> None:
        self._expectation = Expectation(grain, timezone, template=template)
        self._dispersion = Dispersion(dispersion)
        self._guard = Guard()

    def usual(self, x: Reading) -> Usual | None:
        """What is expected of a reading's span; None where little is known yet."""
        hours = x["span"] / HOUR
        rate = self._expectation.at(x["time"], x["span"], 1.0, self._dispersion.value * hours)
        if rate is None or self._expectation.readings < FEW:
            return None
        mean = max(rate.value * hours * lift_of(x), 1e-9)
        return Usual(mean, min(self._dispersion.value + rate.variance, 1e3), rate)

    def profile(self) -> Profile:
        """The shape of the week, mean 1: a template for the series' siblings."""
        return self._expectation.profile(1.0, self._dispersion.value)

    def score_one(self, x: Reading) -> float:
        value, usual = value_of(x), self.usual(x)
        if value is None or usual is None:
            return 0.0
        return surprise(negative_binomial(max(value, 0.0), usual.mean, usual.dispersion))

    def learn_one(self, x: Reading) -> None:
        value = value_of(x)
        if value is None or x["span"] <= 0.0:
            return
        value, usual, time, span = max(value, 0.0), self.usual(x), x["time"], x["span"]
        if usual is not None:
            mean, off = usual.mean, value - usual.mean
            sigma = sqrt(mean + usual.dispersion * mean * mean)
            counted = self._guard.limit(off, sigma, span)
            if self._guard.adopted(off, counted, sigma):
                self._expectation.adopt()
            elif not self._guard.suspicious:
                excess = counted * counted - mean - usual.rate.variance * mean * mean
                self._dispersion.learn(time, excess, mean, mean, usual.rate.variance, usual.rate.borrowed)
            value = self._expectation.tempered(time, value, mean + counted)
        rate = None if usual is None else usual.rate
        self._expectation.learn(time, span, value, span / HOUR, rate, lift_of(x))

    def expect(self, x: Reading) -> Expected | None:
        usual = self.usual(x)
        if usual is None:
            return None
        mean = usual.mean
        low, high = gamma_band(mean, mean + usual.dispersion * mean * mean, BAND)
        return Expected(max(0.0, min(low, mean) - 0.5), mean, max(high, mean) + 0.5, usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        return {
            "expectation": self._expectation.state(),
            "dispersion": self._dispersion.state(),
            "guard": self._guard.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self._expectation.load(state["expectation"])
        self._dispersion.load(state["dispersion"])
        self._guard.load(state["guard"])
