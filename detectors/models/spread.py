"""How much means and quantiles of n observations vary: between readings, and within them."""

from __future__ import annotations

from math import exp

from detectors.models.clock import DAY

_PRIOR = 3.0
_MOST = 100.0


class Spread:
    """A variance ``between`` + ``within`` / n, by a weighted regression of squared deviations on 1 / n.

    The priors (in units of the squared deviations) count as three readings each. ``memory`` is in days. The one-way
    random-effects model: S. R. Searle et al., "Variance Components", 1992, ch. 3.
    """

    __slots__ = ("_between", "_memory", "_sums", "_within", "between", "readings", "within")

    def __init__(self, between: float, within: float, memory: float = 40.0) -> None:
        self._between, self._within = between, within
        self._memory = memory * DAY
        self._sums = [0.0] * 6  # weight, weight / n, weight / n², weight square, weight square / n, and when
        self.between, self.within = between, within
        self.readings = 0.0

    @property
    def freedom(self) -> float:
        """Degrees of freedom of what is known of the spread."""
        return min(2.0 * _PRIOR + self.readings, _MOST)

    def of(self, n: float) -> float:
        """The variance of a reading of n observations."""
        return self.between + self.within / n

    def learn(self, time: float, square: float, n: float) -> None:
        """Take in the squared deviation of a reading of n observations."""
        sums, part = self._sums, 1.0 / n
        if self.readings:
            fade = exp(-max(0.0, time - sums[5]) / self._memory)
            for at in range(5):
                sums[at] *= fade
            self.readings *= fade
        weight = 1.0 / (self._between + self._within * part) ** 2
        sums[0] += weight
        sums[1] += weight * part
        sums[2] += weight * part * part
        sums[3] += weight * square
        sums[4] += weight * square * part
        sums[5] = time
        self.readings += 1.0
        self._solve()

    def _solve(self) -> None:
        ones, parts, squares, told, told_parts, _ = self._sums
        # The priors as readings: three of infinitely many observations, three of one.
        many, one = _PRIOR / self._between**2, _PRIOR / (self._between + self._within) ** 2
        ones, parts, squares = ones + many + one, parts + one, squares + one
        told += many * self._between + one * (self._between + self._within)
        told_parts += one * (self._between + self._within)
        determinant = ones * squares - parts * parts
        if determinant > 1e-9 * ones * squares:
            within = (ones * told_parts - parts * told) / determinant
            between = (squares * told - parts * told_parts) / determinant
        else:
            within, between = told_parts / squares, -1.0
        if between < 0.0:
            between, within = 0.0, told_parts / squares
        elif within < 0.0:
            between, within = told / ones, 0.0
        self.between, self.within = max(between, 1e-6 * self._between), max(within, 1e-6 * self._within)

    def state(self) -> list[float]:
        return [*self._sums, self.between, self.within, self.readings]

    def load(self, state: list[float]) -> None:
        *self._sums, self.between, self.within, self.readings = map(float, state)
