"""Alerts against labelled events: what was found, how late, and how often nothing was the matter.

An event is found by any alert within it. False alarms are counted by the episode
(:mod:`detectors.evaluation.episodes`): one is false whose first alert lies outside of every event. What begins in an
event and goes on behind it is no false alarm; what never stops is one again each day. With rows farther apart than an
hour, as many rows count as there were hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from detectors.calibration.contract import WEEK_MS
from detectors.evaluation.episodes import LONGEST, QUIET, begins
from streams.kpis.grid import HOUR_MS


class Outcome(NamedTuple):
    """Of one or more series. ``false`` are episodes; ``delays`` are those of the found events, in rows; ``weeks`` is
    the time that was watched."""

    events: int
    found: int
    false: int
    delays: tuple[int, ...]
    weeks: float

    @property
    def precision(self) -> float:
        """Events found, as a share of them and the false episodes; 1 where there was neither."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """The share of events that were found; 1 where there was none."""
        return self.found / self.events if self.events else 1.0

    @property
    def false_a_week(self) -> float:
        """False episodes per week watched."""
        return self.false / self.weeks if self.weeks else 0.0

    @property
    def delay(self) -> float | None:
        """The median delay in rows; None where nothing was found."""
        return float(median(self.delays)) if self.delays else None


def judge(times: Sequence[int], alerts: Sequence[bool], events: Sequence[tuple[int, int]], ignored: int = 0) -> Outcome:
    """``times`` (epoch ms, ascending) and ``alerts`` by row; ``events`` are first and last rows, both included, in
    order. The first ``ignored`` rows do not count."""
    counted = [(first, last) for first, last in events if last >= ignored]
    delays: dict[int, int] = {}
    told = [row for row in range(ignored, len(alerts)) if alerts[row]]
    right = set[int]()
    for row in told:
        within = next((number for number, (first, last) in enumerate(counted) if first <= row <= last), None)
        if within is not None:
            right.add(times[row])
            delays.setdefault(within, row - max(counted[within][0], ignored))
    longer = max(1.0, _step(times) / HOUR_MS)
    episodes = begins((times[row] for row in told), round(QUIET * longer), round(LONGEST * longer))
    false = sum(begin not in right for begin in episodes)
    weeks = (times[-1] - times[ignored]) / WEEK_MS if len(times) > ignored + 1 else 0.0
    return Outcome(len(counted), len(delays), false, tuple(delays.values()), weeks)


def _step(times: Sequence[int]) -> float:
    """What usually lies between two rows, ms."""
    return median(after - before for before, after in pairwise(times)) if len(times) > 1 else 0.0


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Several series as one."""
    found = list(outcomes)
    return Outcome(
        sum(one.events for one in found),
        sum(one.found for one in found),
        sum(one.false for one in found),
        tuple(delay for one in found for delay in one.delays),
        sum(one.weeks for one in found),
    )
