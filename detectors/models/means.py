"""What it was on average: the value of an order, the score of a ticket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.models.counts import BAND
from detectors.models.expectation import Profile
from detectors.models.model import Expected, Expecting, Reading
from detectors.models.normal import Normal, Usual
from detectors.models.reading import lift_of, value_of, weight_of
from detectors.models.tails import normal_band, surprise


class Means(Expecting):
    """A mean of ``weight`` observations: Student's t around what is usual at that hour of the week.

    Its variance is one between readings and one within, divided by ``weight``. Values may be of any size and sign;
    how large they are is learned, and where none was below zero the expected band is not either.

    Parameters: ``grain`` (ms), ``timezone`` (IANA) and ``template`` (additive, in the unit of the values) as in
    :class:`Expectation`. About 3.5 kB a series.

    >>> model = Means(grain=3_600_000)
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000, "span": 3_600_000, "value": 4 + hour % 3 * 0.1, "weight": 20})
    >>> x = {"time": 200 * 3_600_000, "span": 3_600_000, "value": 2.5, "weight": 20}
    >>> model.score_one(x) > 5, model.score_one({**x, "value": 4.2}) < 1
    (True, True)
    """

    def __init__(self, grain: int, timezone: str = "UTC", template: Sequence[float] | Profile | None = None) -> None:
        self._normal = Normal(
            grain,
            timezone,
            template,
            relative=True,
            spreads=(0.12, 0.08, 0.06),
            between=0.05,
            within=0.5,
            level_spread=0.15,
        )
        self._least = 0.0

    def usual(self, x: Reading) -> Usual | None:
        """What is expected of a reading; None where little is known yet."""
        usual = self._normal.at(x["time"], x["span"], max(weight_of(x, 1.0), 1.0))
        return usual and usual._replace(middle=usual.middle * lift_of(x))

    def profile(self) -> Profile:
        """The shape of the week, additive around 0: a template for the series' siblings."""
        return self._normal.profile()

    def score_one(self, x: Reading) -> float:
        value, usual = value_of(x), self.usual(x)
        if value is None or usual is None or weight_of(x, 1.0) <= 0.0:
            return 0.0
        return surprise(usual.p(value))

    def learn_one(self, x: Reading) -> None:
        value, weight = value_of(x), weight_of(x, 1.0)
        if value is None or weight <= 0.0:
            return
        self._least = min(self._least, value)
        self._normal.learn(x["time"], x["span"], value / lift_of(x), max(weight, 1.0))

    def expect(self, x: Reading) -> Expected | None:
        usual = self.usual(x)
        if usual is None:
            return None
        low, high = normal_band(usual.middle, usual.scale, usual.freedom, BAND)
        if self._least >= 0.0:
            low, high = max(0.0, low), max(0.0, high)
        return Expected(min(low, usual.middle), usual.middle, max(high, usual.middle), usual.rate.borrowed)

    def state(self) -> dict[str, Any]:
        return {**self._normal.state(), "least": self._least}

    def load(self, state: dict[str, Any]) -> None:
        self._normal.load(state)
        self._least = float(state["least"])
