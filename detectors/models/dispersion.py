"""How much more counts vary than chance alone would have it, learned as they come."""

from __future__ import annotations

from math import exp

from detectors.models.clock import DAY

_OWN = 0.5
"""A reading tells of φ where less than this share of what was expected is borrowed: what is wrong with a profile that
is still being learned is no dispersion."""
_LEAST, _MOST = 1e-4, 25.0


class Dispersion:
    """φ of a variance mean + φ mean² (negative binomial), by weighted moments.

    ``prior`` counts as much as two readings of large means. Each reading weighs as much as it would tell of φ if the
    prior were right: the variance of its square is about 2 (mean + φ mean²)² + mean. ``memory`` is in days. After
    N. E. Breslow, "Extra-Poisson variation in log-linear models", 1984, with a prior and forgetting.
    """

    __slots__ = ("_memory", "_prior", "_seen", "_told", "_weight", "value")

    def __init__(self, prior: float = 0.05, memory: float = 40.0) -> None:
        self._prior = prior
        self._memory = memory * DAY
        self._told = self._weight = self._seen = 0.0
        self.value = prior

    def learn(
        self, time: float, excess: float, mean: float, events: float, unknown: float, borrowed: float = 0.0
    ) -> None:
        """Take in by how much a squared deviation was beyond what chance gives, in units of the mean.

        ``excess`` is expected to be φ mean²; ``events`` is how many were expected (fewer tell less), ``unknown`` the
        relative variance of the mean's estimate (a mean that is hardly known tells nothing of φ), ``borrowed`` the
        share of it that is not the series' own.
        """
        if mean <= 1e-9 or events <= 1e-9 or borrowed >= _OWN:
            return
        if self._seen:
            fade = exp(-max(0.0, time - self._seen) / self._memory)
            self._told *= fade
            self._weight *= fade
        self._seen = time
        weight = 1.0 / ((1.0 + (self._prior + unknown) * mean) ** 2 * (1.0 + 0.5 / events))
        self._told += weight * excess
        self._weight += weight * mean * mean
        prior = 2.0 / (self._prior * self._prior)
        self.value = min(max((self._told + self._prior * prior) / (self._weight + prior), _LEAST), _MOST)

    def state(self) -> list[float]:
        return [self._told, self._weight, self._seen, self.value]

    def load(self, state: list[float]) -> None:
        self._told, self._weight, self._seen, self.value = map(float, state)
