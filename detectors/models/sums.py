"""How much it was altogether: revenue, refunds."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt
from typing import Any, NamedTuple

from detectors.models.clock import DAY, HOUR
from detectors.models.counts import BAND, FEW
from detectors.models.dispersion import Dispersion
from detectors.models.expectation import Expectation, Profile, Rate
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.reading import lift_of, value_of, weight_of
from detectors.models.robust import Guard
from detectors.models.tails import gamma_or_zero, gamma_or_zero_band, no_event, surprise, two_sided

_MEMORY = 40.0 * DAY
_VARIATION = 1.0
_PRIOR = 5.0
_LEAST = 1e-50


class Usual(NamedTuple):
    """What is expected of a reading: ``mean``, ``variance`` and the probability of ``zero``; the ``rate`` an hour it
    comes from."""

    mean: float
    variance: float
    zero: float
    rate: Rate


class Sums(Expecting):
    """Sums of amounts: a compound of how many there are and how large each is, around what is usual at that hour.

    The variance is a mean + φ mean², a power of the mean between 1 and 2 as in Tweedie's models: a, the mean square of
    an amount divided by its mean, is learned from how sums vary for their ``weight`` (how many amounts are in them),
    φ from what they vary beyond (:class:`Dispersion`). A sum is 0 as often as there is nothing to add up, else gamma
    distributed. B. Jørgensen, "The Theory of Dispersion Models", 1997, ch. 4.

    Amounts are not negative; a sum below 0 counts as 0. Parameters: ``grain`` (ms), ``timezone`` (IANA) and
    ``template`` as in :class:`Expectation`; ``dispersion`` is the prior of φ. About 3.5 kB a series.

    >>> model = Sums(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 4e4 + hour % 7 * 2e3, "weight": 10})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 45_000, "weight": 10}
    >>> model.score_one(x) < 1, model.score_one({**x, "value": 400_000}) > 5
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
        # Fading: amounts added up, how many, squared deviations per amount, readings with any; and when.
        self._sum = self._number = self._squares = self._readings = self._last = 0.0

    def _single(self) -> tuple[float, float]:
        """The mean of one amount, and a: the variance that each unit of the sum's mean brings by chance."""
        if self._number <= 0.0 or self._sum <= 0.0:
            return 1.0, 1.0 + _VARIATION
        mean = max(self._sum / self._number, _LEAST)
        variance = (self._squares + _PRIOR * _VARIATION * mean * mean) / (self._readings + _PRIOR)
        return mean, mean + variance / mean

    @property
    def single(self) -> float:
        """What one amount is on average."""
        return self._single()[0]

    def usual(self, x: Reading) -> Usual | None:
        """What is expected of a reading's span; None where little is known yet."""
        hours, (single, unit) = x["span"] / HOUR, self._single()
        rate = self._expectation.at(x["time"], x["span"], unit, self._dispersion.value * hours)
        if rate is None or self._expectation.readings < FEW:
            return None
        mean = max(rate.value * hours * lift_of(x), 1e-9 * single)
        dispersion = min(self._dispersion.value + rate.variance, 1e3)
        zero = no_event(mean / single, dispersion)
        return Usual(mean, unit * mean + dispersion * mean * mean, zero, rate)

    def profile(self) -> Profile:
        """The shape of the week, mean 1: a template for the series' siblings."""
        return self._expectation.profile(self._single()[1], self._dispersion.value)

    def score_one(self, x: Reading) -> float:
        value, usual = value_of(x), self.usual(x)
        if value is None or usual is None:
            return 0.0
        if self._readings < FEW and value > 0.0:
            # How large amounts are is not known yet, only how rarely there is one.
            return surprise(two_sided(0.5 * (1.0 - usual.zero)))
        return surprise(gamma_or_zero(value, usual.mean, usual.variance, usual.zero))

    def learn_one(self, x: Reading) -> None:
        value = value_of(x)
        if value is None or x["span"] <= 0.0:
            return
        value, usual, time, span = max(value, 0.0), self.usual(x), x["time"], x["span"]
        known = self._readings >= FEW
        self._learn_single(time, value, weight_of(x, 1.0))
        if usual is not None and known:
            mean, off, unit = usual.mean, value - usual.mean, self._single()[1]
            sigma = sqrt(usual.variance)
            counted = self._guard.limit(off, sigma, span)
            if self._guard.adopted(off, counted, sigma):
                self._expectation.adopt()
            elif not self._guard.suspicious:
                events = mean / unit
                excess = (counted / unit) ** 2 - events - usual.rate.variance * events * events
                self._dispersion.learn(time, excess, events, events, usual.rate.variance, usual.rate.borrowed)
            value = self._expectation.tempered(time, value, mean + counted)
        rate = None if usual is None else usual.rate
        self._expectation.learn(time, span, value, span / HOUR, rate, lift_of(x))

    def _learn_single(self, time: float, value: float, weight: float) -> None:
        fade = exp(-max(0.0, time - self._last) / _MEMORY)
        self._last = time
        self._sum, self._number = self._sum * fade, self._number * fade
        self._squares, self._readings = self._squares * fade, self._readings * fade
        if value <= 0.0 and weight <= 0.0:
            return
        weight = max(weight, 1.0)
        if self._readings > 0.0 and self._sum > 0.0:
            mean, unit = self._single()
            most = 25.0 * mean * (unit - mean)
            square = (value - mean * weight) ** 2 / weight
            if square > most:
                value, square = min(value, mean * weight + 5.0 * sqrt(mean * (unit - mean) * weight)), most
            self._squares += square
        self._sum += value
        self._number += weight
        self._readings += 1.0

    def expect(self, x: Reading) -> Expected | None:
        usual = self.usual(x)
        if usual is None:
            return None
        low, high = gamma_or_zero_band(usual.mean, usual.variance, usual.zero, BAND)
        return Expected(min(low, usual.mean), usual.mean, max(high, usual.mean), usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        return {
            "expectation": self._expectation.state(),
            "dispersion": self._dispersion.state(),
            "guard": self._guard.state(),
            "single": [self._sum, self._number, self._squares, self._readings, self._last],
        }

    def load(self, state: dict[str, Any]) -> None:
        self._expectation.load(state["expectation"])
        self._dispersion.load(state["dispersion"])
        self._guard.load(state["guard"])
        self._sum, self._number, self._squares, self._readings, self._last = map(float, state["single"])
