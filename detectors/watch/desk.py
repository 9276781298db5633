"""The desk that alerts of all KPIs come to: how often people are disturbed, whatever happens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from detectors.calibration.contract import WEEK_MS
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.kpis.values import KpiValue

QUIET_MS = 6 * HOUR_MS
LONGEST_MS = DAY_MS
GAIN = 0.2
"""How much a page raises what the next needs, in decades of probability."""
HIGHEST = 1.5


class Desk:
    """Holds the business to its contract: ``per_week`` pages.

    Alerts that follow each other within six hours, or a grain that is longer, for a day at most, are one page: whoever
    has been told looks at the rest too. Each page raises the surprise that the next one needs, and that is paid back as
    time passes, so that in the long run there are no more pages than were agreed upon (after Robbins and Monro, 1951,
    as in :mod:`detectors.calibration.contract`, which is held to by each KPI alone). ``judged`` is how many KPIs are
    judged a week, taken together. Time is event time and only goes forward.
    """

    def __init__(self, per_week: float, judged: float) -> None:
        self.per_week = per_week
        self.pages = 0
        """Pages so far."""
        self._least = max(math.log10(judged / per_week), 1.0)
        self._raised = 0.0
        self._now: int | None = None
        self._began: int | None = None
        self._first = self._last = -(1 << 62)

    @property
    def threshold(self) -> float:
        """The surprise that the next page needs."""
        return self._least + self._raised

    @property
    def realised(self) -> float | None:
        """Pages a week so far; None before a day has passed."""
        weeks = 0.0 if self._now is None or self._began is None else (self._now - self._began) / WEEK_MS
        return self.pages / weeks if weeks >= 1.0 / 7.0 else None

    def step(self, time: int, alerts: Sequence[KpiValue]) -> list[KpiValue]:
        """Those of the alerts of one moment (epoch ms) that people are told of, the most surprising first."""
        if self._now is None:
            self._now = self._began = time
        passed = max(time - self._now, 0) / WEEK_MS
        self._now = max(self._now, time)
        self._raised = max(0.0, self._raised - GAIN * self.per_week * passed)
        told = []
        for value in sorted(alerts, key=lambda value: (-value.surprise, value.series)):
            quiet = max(QUIET_MS, value.end - value.start)
            goes_on = time - self._last <= quiet and time - self._first < LONGEST_MS
            if not goes_on and value.surprise < self.threshold:
                continue
            if not goes_on:
                self._first = time
                self.pages += 1
                self._raised = min(self._raised + GAIN, HIGHEST)
            self._last = time
            told.append(value)
        return told

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "pages": self.pages,
            "raised": self._raised,
            "now": self._now,
            "began": self._began,
            "first": self._first,
            "last": self._last,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.pages, self._raised = state["pages"], state["raised"]
        self._now, self._began = state["now"], state["began"]
        self._first, self._last = state["first"], state["last"]
