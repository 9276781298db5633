"""The alert contract: how often the team agreed to be disturbed, and the threshold that follows from it.

Surprise is -log10 of a p-value, so with ``n`` readings judged a week and ``r`` alerts wanted, the threshold is
``log10(n / r)`` if p-values are honest and readings independent. They are not quite; the rest is learned: each alert
raises the threshold, each hour without one lowers it, so that in the long run both balance at the rate agreed upon
(a stochastic approximation after Robbins and Monro, 1951, as in the adaptive conformal inference of Gibbs and Candes,
2021). It stays within bounds around the honest one: a quiet month does not make a triviality news, and an outage does
not make the next one inaudible.
"""

from __future__ import annotations

import math
from typing import Any

WEEK_MS = 7 * 86_400_000
GAIN = 0.2
"""How much an alert raises the threshold, in decades of probability."""
BELOW, ABOVE = 0.7, 1.5
"""How far the threshold may go from the honest one, in decades."""
LEAST_READINGS = 50.0
"""Readings a week that are assumed, unless said otherwise, until a day has been seen."""
FORGET_WEEKS = 4.0
"""Time constant of what is known of the number of readings."""


class Contract:
    """``per_week`` alerts are agreed upon; ``readings`` a week are assumed until more are seen. Time is event time in
    epoch ms and only goes forward."""

    def __init__(self, per_week: float, readings: float = LEAST_READINGS) -> None:
        self.per_week = per_week
        self._least = readings
        self.opened = 0
        """Alerts so far."""
        self._offset = 0.0
        self._readings = 0.0
        self._weeks = 0.0
        self._began: int | None = None
        self._now = 0

    @property
    def threshold(self) -> float:
        """The surprise from which on somebody is told."""
        weekly = max(self._readings / max(self._weeks, 1.0 / 7.0), self._least)
        return max(math.log10(weekly / self.per_week), 1.0) + self._offset

    @property
    def realised(self) -> float | None:
        """Alerts a week so far; None before a day has passed."""
        weeks = 0.0 if self._began is None else (self._now - self._began) / WEEK_MS
        return self.opened / weeks if weeks >= 1.0 / 7.0 else None

    def advance(self, time: int, readings: int) -> None:
        """Event time has come to ``time``; so many readings were judged since the last call."""
        if self._began is None:
            self._began = self._now = time
        passed = max(time - self._now, 0) / WEEK_MS
        self._now = max(self._now, time)
        kept = math.exp(-passed / FORGET_WEEKS)
        self._readings = self._readings * kept + readings
        self._weeks = self._weeks * kept + passed
        self._move(-GAIN * self.per_week * passed)

    def alerted(self) -> None:
        """Somebody was told of something."""
        self.opened += 1
        self._move(GAIN)

    def ease(self) -> None:
        """An alert was right, or there ought to have been one: what one costs is given back."""
        self._move(-GAIN)

    def harden(self) -> None:
        """An alert was false: it costs once more."""
        self._move(GAIN)

    def _move(self, by: float) -> None:
        self._offset = min(max(self._offset + by, -BELOW), ABOVE)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "opened": self.opened,
            "offset": self._offset,
            "readings": self._readings,
            "weeks": self._weeks,
            "began": self._began,
            "now": self._now,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.opened, self._offset = state["opened"], state["offset"]
        self._readings, self._weeks = state["readings"], state["weeks"]
        self._began, self._now = state["began"], state["now"]
