"""One count for every one of another: payments failed, parcels on time, tickets per order."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from detectors.models.counts import BAND, FEW
from detectors.models.dispersion import Dispersion
from detectors.models.expectation import Expectation, Profile, Rate
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.reading import lift_of, value_of, weight_of
from detectors.models.robust import Guard
from detectors.models.tails import beta_band, beta_binomial, gamma_band, negative_binomial, surprise

_SPREADS = (0.4, 0.3, 0.25)
"""Hours differ from their parents by as much of what single observations do: 6, 11 and 16 pseudo-observations. On a
Monday morning few tickets have been answered within hours."""
_LEAST = 1e-6


class Usual(NamedTuple):
    """The ``ratio`` expected; ``alike``: how much those of one reading vary together, with what is not known of the
    ratio in it; the ``rate`` it comes from."""

    ratio: float
    alike: float
    rate: Rate


class Ratios(Expecting):
    """Ratios of counts: beta-binomial, by how many observations are behind them. 1 in 2 is no alarm.

    ``value`` is the ratio, ``weight`` the denominator; a reading without observations says nothing. The variance of a
    share p of n is n p (1 - p) (1 + (n - 1) ρ); ρ is learned (:class:`Dispersion`), and what is not yet known of p is
    part of it.

    ``share`` says whether the numerator is part of the denominator (payments that failed of all payments). Where it is
    not (tickets for every order placed) the numerator is a negative binomial count with n as its exposure, and ratios
    may be above 1. None: a share until a ratio above 1 was seen.

    Parameters: ``grain`` (ms), ``timezone`` (IANA) and ``template`` (additive) as in :class:`Expectation`;
    ``correlation`` is the prior of ρ, of φ where it is no share. About 3.5 kB a series.

    >>> model = Ratios(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 0.05, "weight": 40})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 0.5, "weight": 2}
    >>> model.score_one(x) < 1.5, model.score_one({**x, "weight": 40}) > 6
    (True, True)
    """

    def __init__(
        self,
        grain: int,
        timezone: str = "UTC",
        template: Sequence[float] | Profile | None = None,
        share: bool | None = None,
        correlation: float = 0.01,
    ) -> None:
        self._expectation = Expectation(
            grain, timezone, multiply=False, spreads=_SPREADS, level_spread=0.2, template=template
        )
        self._dispersion = Dispersion(correlation)
        self._guard = Guard()
        self._asked = share
        self._above = share is False

    def _deviation(self, ratio: float) -> float:
        """The variance of a single observation."""
        return ratio if self._above else ratio * (1.0 - ratio)

    def _inside(self, ratio: float) -> float:
        return max(ratio, _LEAST) if self._above else min(max(ratio, _LEAST), 1.0 - _LEAST)

    def _middle(self) -> float:
        """The variance of a single observation at the ratio of the whole week."""
        return self._deviation(self._inside(self._expectation.whole(0.5)))

    def usual(self, x: Reading) -> Usual | None:
        """What is expected of a reading's span; None where little is known yet."""
        if self._expectation.readings < FEW:
            return None
        single = self._middle()
        rate = self._expectation.at(x["time"], x["span"], single, single)
        if rate is None:
            return None
        # The estimate rests on so many observations; half of one more went either way: nothing is impossible.
        evidence = single / max(rate.variance, 1e-12 * single)
        even = 0.5 if self._above else 0.5 / (evidence + 1.0)
        ratio = rate.value + even / evidence if self._above else rate.value * evidence / (evidence + 1.0) + even
        ratio = self._inside(ratio * lift_of(x))
        if self._above:
            return Usual(ratio, min(self._dispersion.value + rate.variance / (ratio * ratio), 1e3), rate)
        return Usual(ratio, min(self._dispersion.value + rate.variance / self._deviation(ratio), 0.9), rate)

    def profile(self) -> Profile:
        """The shape of the week, additive around 0: a template for the series' siblings."""
        return self._expectation.profile(self._middle(), self._middle())

    def score_one(self, x: Reading) -> float:
        value, usual = value_of(x), self.usual(x)
        if value is None or usual is None:
            return 0.0
        weight = weight_of(x, 1.0)
        if weight <= 0.0:
            return 0.0
        part = max(value, 0.0) * weight
        if self._above or part > weight:
            return surprise(negative_binomial(part, usual.ratio * weight, usual.alike))
        return surprise(beta_binomial(part, weight, usual.ratio, usual.alike))

    def learn_one(self, x: Reading) -> None:
        value, weight = value_of(x), weight_of(x, 1.0)
        if value is None or weight <= 0.0:
            return
        value, time = max(value, 0.0), x["time"]
        if value > 1.0 and self._asked is None:
            self._above = True
        if not self._above:
            value = min(value, 1.0)
        usual = self.usual(x)
        # Observations of one reading that are alike tell less than as many single ones.
        alike = self._dispersion.value * (self._middle() if self._above else 1.0)
        exposure = weight / (1.0 + max(0.0, weight - 1.0) * alike)
        if usual is not None:
            single, ratio = self._deviation(usual.ratio), usual.ratio
            mean = ratio * weight if self._above else weight - 1.0
            sigma = sqrt(single / weight * (1.0 + max(mean, 0.0) * usual.alike))
            off = value - ratio
            counted = self._guard.limit(off, sigma, x["span"])
            if self._guard.adopted(off, counted, sigma):
                self._expectation.adopt()
            elif not self._guard.suspicious:
                unknown = usual.alike - self._dispersion.value
                excess = counted * counted * weight / single - 1.0 - unknown * mean
                self._dispersion.learn(time, excess * mean, mean, single * weight, unknown)
            value = ratio + counted
        rate = None if usual is None else usual.rate
        value /= lift_of(x)
        self._expectation.learn(time, x["span"], value * exposure, exposure, rate)

    def expect(self, x: Reading) -> Expected | None:
        usual, weight = self.usual(x), weight_of(x, 1.0)
        if usual is None:
            return None
        weight = max(weight, 1.0)
        if self._above:
            variance = usual.ratio / weight + usual.alike * usual.ratio * usual.ratio
            low, high = gamma_band(usual.ratio, variance, BAND)
            low, high = max(0.0, low - 0.5 / weight), high + 0.5 / weight
        else:
            low, high = beta_band(weight, usual.ratio, usual.alike, BAND)
        return Expected(min(low, usual.ratio), usual.ratio, max(high, usual.ratio), usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        return {
            "expectation": self._expectation.state(),
            "dispersion": self._dispersion.state(),
            "guard": self._guard.state(),
            "above": self._above,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._expectation.load(state["expectation"])
        self._dispersion.load(state["dispersion"])
        self._guard.load(state["guard"])
        self._above = bool(state["above"])
