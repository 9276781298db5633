"""Whether a series has come to another level for good, since when, and by how much."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from river.drift import ADWIN, PageHinkley

from detectors.calibration.ranks import FEW
from detectors.models.model import Model, Reading
from detectors.models.residual import LARGEST, Size

_LEAST = 3
"""Readings on either side of a change."""
_FROM = 100
"""Readings from which on changes are looked for."""
_FINEST = 1e-9
_NORMALLY = 1.2533
"""A standard deviation of normal values is so many times their mean deviation."""


class Change(NamedTuple):
    """A new level: ``since`` (epoch ms) about when, ``size`` by how many standard deviations it is higher (negative:
    lower), ``readings`` how many there were of it when it was found."""

    since: float
    size: float
    readings: int


class Shift(Model):
    """Level shift and slow drift, by river's ADWIN and PageHinkley together: either finds a change.

    Made for normal scores, which are about N(0, 1) as long as all is usual, and fit for anything: values are taken in
    units of how much they usually are off, and what is further off than four of these counts as that. A change is
    dated by the split of the readings that is the most likely one (D. V. Hinkley, "Inference about the change-point in
    a sequence of random variables", 1970); what is after it is the new level, and what was before is forgotten.

    ``score_one`` is how many standard deviations a reading is off the level; ``change`` the last one that was found.

    Neither of river's two tells its state in a form that outlasts a version of it: ADWIN's is a dump of the memory of a
    compiled class. So they are never kept: both follow from the readings since they were last made anew, which happens
    with each change and every ``window`` readings, with as many to begin with. These are the state, at most
    2 · ``window`` of them, and are told to fresh ones after loading, which takes about a millisecond.

    Parameters: ``confidence`` is ADWIN's delta, looked at every fourth reading; ``drift`` and ``threshold`` are
    PageHinkley's, in standard deviations: with 0.25 and 15 a constant shift by one is found after about 20 readings,
    by a half after about 75. Independent normal readings are mistaken for a change about once in 7,000.

    >>> model = Shift()
    >>> for hour in range(200):
    ...     model.learn_one({"time": hour * 3_600_000.0, "value": hour % 3 - 1.0 + 2.0 * (hour > 150)})
    >>> model.change.since / 3_600_000, round(model.change.size, 1)
    (151.0, 2.2)
    """

    def __init__(
        self, window: int = 240, confidence: float = 0.002, drift: float = 0.25, threshold: float = 15.0
    ) -> None:
        self._window, self._confidence, self._drift, self._threshold = window, confidence, drift, threshold
        self._size = Size()
        self._times: list[float] = []
        self._values: list[float] = []
        self._total = 0.0
        self._scale = 0.0
        self.change: Change | None = None
        self._replay()

    def _anew(self) -> None:
        """Fresh ones, told of the readings kept, in standard deviations as they are now."""
        self._scale = self._unit()
        self._replay()

    def _replay(self) -> None:
        self._adwin: Any = ADWIN(delta=self._confidence, clock=4)  # type: ignore[no-untyped-call]
        self._hinkley: Any = PageHinkley(min_instances=FEW, delta=self._drift, threshold=self._threshold)
        # What they find in what was looked at before is no news.
        for value in self._values if self._scale else ():
            self._tell(value)

    def _tell(self, value: float) -> bool:
        self._adwin.update(value / self._scale)
        self._hinkley.update(value / self._scale)
        return bool(self._adwin.drift_detected or self._hinkley.drift_detected)

    def _level(self) -> float:
        return self._total / len(self._values) if self._values else 0.0

    def _unit(self) -> float:
        """A standard deviation."""
        return max(_NORMALLY * self._size.mean, _FINEST * max(1.0, abs(self._level())))

    def score_one(self, x: Reading) -> float:
        value = x["value"]
        if value != value or self._size.seen < FEW:
            return 0.0
        return abs(min(max(value, -LARGEST), LARGEST) - self._level()) / self._unit()

    def learn_one(self, x: Reading) -> None:
        value = float(x["value"])
        if value != value:
            return
        value = min(max(value, -LARGEST), LARGEST)
        if self._values:
            level = self._level()
            if value != level and not self._size.mean and self._size.seen >= FEW:
                # A constant until now: what it varies by is not known yet.
                self._size = Size()
            value = level + self._size.learn(value - level)
        self._keep(x["time"], value)
        if len(self._values) < _FROM and not self._scale:
            return
        if not self._scale:
            self._anew()
        elif self._tell(value):
            self._found()
        elif len(self._values) >= 2 * self._window:
            self._drop(len(self._values) - self._window)

    def _keep(self, time: float, value: float) -> None:
        self._times.append(float(time))
        self._values.append(value)
        self._total += value

    def _found(self) -> None:
        values = np.array(self._values)
        count = len(values)
        before = np.arange(_LEAST, count - _LEAST + 1)
        if not before.size:
            return
        sums = np.cumsum(values)[before - 1]
        off = (sums[-1] + values[before[-1] :].sum() - sums) / (count - before) - sums / before
        best = int(np.argmax(np.abs(off) * np.sqrt(before * (count - before))))
        first = int(before[best])
        self.change = Change(self._times[first], float(off[best]) / self._unit(), count - first)
        self._drop(first)

    def _drop(self, number: int) -> None:
        """Forget the first of the readings kept."""
        del self._times[:number], self._values[:number]
        self._total = float(sum(self._values))
        self._anew()

    def state(self) -> dict[str, Any]:
        return {
            "size": self._size.state(),
            "times": np.array(self._times, float),
            "values": np.array(self._values, float),
            "total": self._total,
            "scale": self._scale,
            "change": None if self.change is None else list(self.change),
        }

    def load(self, state: dict[str, Any]) -> None:
        self._size.load(state["size"])
        self._times = np.asarray(state["times"], float).tolist()
        self._values = np.asarray(state["values"], float).tolist()
        self._total, self._scale = float(state["total"]), float(state["scale"])
        told = state["change"]
        self.change = None if told is None else Change(float(told[0]), float(told[1]), int(told[2]))
        self._replay()
