"""Watchers: Daybook's own, and others to compare with: of one model for each series that knows of no other, and one of
all KPIs together.

The others tell when a score is above a fixed threshold, chosen so that a shop of 300 orders a day without incidents is
told of about one thing per KPI in four weeks.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from river import anomaly

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.occasions import occasion_of
from detectors.calibration.contract import WEEK_MS
from detectors.evaluation.watcher import Context, MakeWatcher, Seen
from detectors.models.joint import Joint
from detectors.models.shift import Shift
from detectors.watch.desk import Desk
from detectors.watch.settings import Settings
from detectors.watch.watch import Watch
from streams.kpis.values import KpiValue

_NORMALLY = 1.4826
"""A standard deviation of normal values is so many times their median absolute deviation."""


class Scores(Protocol):
    """One series: how strange a value is, then learn it."""

    def __call__(self, value: KpiValue) -> float: ...


class EachAlone:
    """A model for each series; what has no value is not spoken of."""

    def __init__(self, make: Callable[[], Scores], threshold: float) -> None:
        self._make = make
        self._threshold = threshold
        self._of: dict[str, Scores] = {}

    def step(self, values: Sequence[KpiValue]) -> list[Seen]:
        """Judge, then learn."""
        seen = []
        for value in values:
            if value.value is None:
                continue
            name = value.series
            scores = self._of.get(name)
            if scores is None:
                scores = self._of[name] = self._make()
            score = scores(value)
            seen.append(Seen(name, value.start, score, score >= self._threshold))
        return seen


class Gaussian:
    """river's GaussianScorer of the last two weeks, as -log10 of its two-sided tail.

    The scorer saturates at exactly 1 beyond eight standard deviations. Rounding can make its rolling variance negative,
    and the standard deviation zero or complex: whatever it raises then is a score of 0.
    """

    def __init__(self, window: int = 336, grace: int = 48) -> None:
        self._model: Any = anomaly.GaussianScorer(window_size=window, grace_period=grace)  # type: ignore[no-untyped-call]

    def __call__(self, value: KpiValue) -> float:
        try:
            score = float(self._model.score_one(None, value.value))
        except (ArithmeticError, TypeError, ValueError):
            score = 0.0
        self._model.learn_one(None, value.value)
        return -math.log10(max(1.0 - score, 1e-17)) if math.isfinite(score) else 0.0


class Seasonal:
    """How far from the median of the same hour in the last weeks, in robust standard deviations of what that has been
    off by lately. Without two weeks of history: 0."""

    def __init__(self, weeks: int = 4, lately: int = 336) -> None:
        self._weeks = weeks
        self._values: dict[int, float] = {}
        self._off: deque[float] = deque(maxlen=lately)
        self._scale = math.inf
        self._learned = 0

    def __call__(self, value: KpiValue) -> float:
        return abs(self.off(value))

    def off(self, value: KpiValue) -> float:
        """The same with its sign."""
        assert value.value is not None
        before = [self._values.get(value.start - week * WEEK_MS) for week in range(1, self._weeks + 1)]
        known = sorted(one for one in before if one is not None)
        self._values[value.start] = value.value
        self._values.pop(value.start - (self._weeks + 1) * WEEK_MS, None)
        if not known:
            return 0.0
        off = value.value - (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
        score = off / self._scale
        self._off.append(off)
        self._learned += 1
        if self._learned >= 168 and self._learned % 24 == 0:
            held = np.abs(np.array(self._off))
            # Of a series that mostly stays as it is, what it is usually off by says nothing of its jumps.
            scale = max(_NORMALLY * float(np.median(held)), float(np.sqrt(np.mean(held**2))) / 2)
            self._scale = scale or math.inf
        return score


class Shifted:
    """river's ADWIN and PageHinkley on what a value is off by: the z of a change, on the reading that shows it; else 0.

    A change is told of once, however long it lasts.
    """

    def __init__(self) -> None:
        self._seasonal = Seasonal()
        self._shift = Shift()

    def __call__(self, value: KpiValue) -> float:
        before = self._shift.change
        off = self._seasonal.off(value)
        if off:
            self._shift.learn_one({"time": float(value.start), "value": off})
        change = self._shift.change
        return 0.0 if change is None or change is before else abs(change.size) * math.sqrt(change.readings)


class Together:
    """river's half-space trees and LODA on what all KPIs' totals are off by, together. Of a KPI with several statistics
    the one that is furthest off counts; what is told is the one without which it were least strange."""

    def __init__(self, context: Context, threshold: float) -> None:
        self._threshold = threshold
        self._joint = Joint([kpi.name for kpi in context.definitions.kpis])
        self._of: dict[str, Seasonal] = {}

    def step(self, values: Sequence[KpiValue]) -> list[Seen]:
        """Judge, then learn."""
        furthest: dict[str, tuple[float, KpiValue]] = {}
        for value in values:
            if value.value is None or value.slice:
                continue
            off = self._of.setdefault(value.series, Seasonal()).off(value)
            if value.kpi not in furthest or abs(off) > abs(furthest[value.kpi][0]):
                furthest[value.kpi] = off, value
        x = {name: off for name, (off, _) in furthest.items()}
        surprise = self._joint.score_one(x)
        told = surprise >= self._threshold
        because = next(iter(self._joint.because(x)), None) if told else None
        self._joint.learn_one(x)
        if not surprise:
            return []
        # Where nobody is told, the one furthest off will do.
        value = furthest[because or max(x, key=lambda name: abs(x[name]))][1]
        return [Seen(value.series, value.start, surprise, told)]


class Daybook:
    """Ours: the watch, and the desk that all alerts go over, as it comes or with ``settings`` of single KPIs.
    ``country`` is where its holidays are."""

    judged: Sequence[KpiValue] = ()
    """The values of the last step, with what was expected of them."""

    def __init__(self, context: Context, country: str = "DE", settings: Mapping[str, Settings] | None = None) -> None:
        definitions = context.definitions
        calendar = BusinessCalendar(definitions.timezone, country=country)
        calendar.put(occasion_of(entry) for entry in context.calendar)
        self._watch = Watch(definitions, context.pages, calendar, settings=settings)
        self._desk = Desk(context.pages, sum(WEEK_MS / kpi.grain.ms for kpi in definitions.kpis))

    def step(self, values: Sequence[KpiValue]) -> list[Seen]:
        """Judge, then learn."""
        judged = self.judged = self._watch.step(values)
        if not judged:
            return []
        told = {value.series for value in self._desk.step(values[0].start, [one for one in judged if one.alert])}
        return [Seen(one.series, one.start, one.surprise, one.series in told) for one in judged if one.surprise]


WATCHERS: dict[str, MakeWatcher] = {
    "daybook": Daybook,
    "river-gaussian": lambda context: EachAlone(Gaussian, 6.0),
    "river-joint": lambda context: Together(context, 1.3),
    "river-shift": lambda context: EachAlone(Shifted, 12.0),
    "seasonal": lambda context: EachAlone(Seasonal, 8.0),
}
"""By name."""
