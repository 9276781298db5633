"""How long it took: quantiles of durations, by how many they are of."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Any

from detectors.models.counts import BAND
from detectors.models.expectation import Profile
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.normal import Normal, Usual
from detectors.models.reading import lift_of, value_of, weight_of
from detectors.models.tails import normal_band, surprise


class Durations(Expecting):
    """A quantile of durations (p50, p90): Student's t on the log scale around what is usual at that hour of the week.

    Its variance is one between readings and one within, divided by ``weight``, the number of durations it is of: the
    p90 of three parcels says little. Twice as long is as strange as half as long.

    Parameters: ``grain`` (ms), ``timezone`` (IANA) and ``template`` (additive, of logarithms) as in
    :class:`Expectation`; ``floor`` is added before logarithms are taken, in the unit of the values (seconds): shorter
    differences do not matter. About 3.5 kB a series.

    >>> model = Durations(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 5000 + hour % 7 * 300, "weight": 20})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 20000, "weight": 20}
    >>> model.score_one(x) > 5, model.score_one({**x, "value": 6000}) < 1
    (True, True)
    """

    def __init__(
        self,
        grain: int,
        timezone: str = "UTC",
        template: Sequence[float] | Profile | None = None,
        floor: float = 1.0,
    ) -> None:
        self._floor = floor
        self._normal = Normal(
            grain, timezone, template, relative=False, spreads=(0.7, 0.5, 0.4), between=0.15, within=0.8
        )

    def usual(self, x: Reading) -> Usual | None:
        """What is expected of a reading, on the log scale; None where little is known yet."""
        usual = self._normal.at(x["time"], x["span"], max(weight_of(x, 1.0), 1.0))
        return usual and usual._replace(middle=usual.middle + log(lift_of(x)))

    def profile(self) -> Profile:
        """The shape of the week, additive to logarithms: a template for the series' siblings."""
        return self._normal.profile()

    def score_one(self, x: Reading) -> float:
        value, usual = value_of(x), self.usual(x)
        if value is None or usual is None or weight_of(x, 1.0) <= 0.0:
            return 0.0
        return surprise(usual.p(log(max(value, 0.0) + self._floor)))

    def learn_one(self, x: Reading) -> None:
        value, weight = value_of(x), weight_of(x, 1.0)
        if value is None or weight <= 0.0:
            return
        y = log(max(value, 0.0) + self._floor) - log(lift_of(x))
        self._normal.learn(x["time"], x["span"], y, max(weight, 1.0))

    def expect(self, x: Reading) -> Expected | None:
        usual = self.usual(x)
        if usual is None:
            return None
        low, high = normal_band(usual.middle, usual.scale, usual.freedom, BAND)
        low, middle, high = (max(0.0, exp(min(y, 700.0)) - self._floor) for y in (low, usual.middle, high))
        return Expected(low, middle, high, usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        return self._normal.state()

    def load(self, state: dict[str, Any]) -> None:
        self._normal.load(state)
