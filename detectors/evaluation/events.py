"""Alerts against labelled events: what was found, how late, and how often nothing was the matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

WEEK_MS = 7 * 86_400_000


class Outcome(NamedTuple):
    """Of one or more series. ``delays`` are those of the found events, in rows; ``weeks`` is the time that was watched.
    Several alerts within one event are one."""

    events: int
    found: int
    false: int
    delays: tuple[int, ...]
    weeks: float

    @property
    def precision(self) -> float:
        """The share of alerts that were right; 1 where there was none."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """The share of events that were found; 1 where there was none."""
        return self.found / self.events if self.events else 1.0

    @property
    def false_a_week(self) -> float:
        """False alerts per week watched."""
        return self.false / self.weeks if self.weeks else 0.0

    @property
    def delay(self) -> float | None:
        """The median delay in rows; None where nothing was found."""
        ordered = sorted(self.delays)
        half = len(ordered) // 2
        if not ordered:
            return None
        return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def judge(times: Sequence[int], alerts: Sequence[bool], events: Sequence[tuple[int, int]], ignored: int = 0) -> Outcome:
    """``times`` (epoch ms) and ``alerts`` by row; ``events`` are first and last rows, both included, in order. The
    first ``ignored`` rows do not count."""
    counted = [(first, last) for first, last in events if last >= ignored]
    delays: dict[int, int] = {}
    false = 0
    for row in range(ignored, len(alerts)):
        if not alerts[row]:
            continue
        within = next((number for number, (first, last) in enumerate(counted) if first <= row <= last), None)
        if within is None:
            false += 1
        else:
            delays.setdefault(within, row - max(counted[within][0], ignored))
    weeks = (times[-1] - times[ignored]) / WEEK_MS if len(times) > ignored + 1 else 0.0
    return Outcome(len(counted), len(delays), false, tuple(delays.values()), weeks)


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
