"""Standstills: when something that usually moves did not, to the event; or moved less, to the hour.

Events of a slice usually flow at a rate that the hour of the day and the kind of day decide. Between two of them in a
row, *λ* events were to be expected; that there was none has the probability exp(-*λ*). The most improbable such silence
around the time of an incident is the standstill, if it is improbable enough. Where only a part stands still, it is the
span of hours whose events are the most improbable of all spans under the usual rate, by the likelihood ratio of a scan
statistic (M. Kulldorff, "A spatial scan statistic", 1997).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import NamedTuple

import numpy as np

from detectors.casework.steps import Clock
from streams.kpis.grid import HOUR_MS

BEFORE_MS = 36 * HOUR_MS
"""A standstill may begin so long before anything is seen of it: at night, or on a Sunday."""
AFTER_MS = 12 * HOUR_MS
IMPROBABLE = 4.6
"""The least λ of a standstill: 1 in 100. That something is wrong is known, the question is when."""
SLOWED = 4.6
"""The least log likelihood ratio of hours with too few events."""
_COMPLETE = 0.7
"""A silence with so much of the likelihood ratio of the best span of hours is the better answer: it is exact."""
_LEAST = 0.02


class Standstill(NamedTuple):
    """From the last event before it to the first one after, which is left out (epoch ms). ``expected`` events were
    usual in it, ``seen`` came; ``complete`` is whether nothing moved."""

    start: int
    end: int
    expected: float
    seen: int

    @property
    def complete(self) -> bool:
        return self.seen == 0


class Flow:
    """The usual rate of events, by hour of the day and kind of day, learned of those between two instants outside the
    time of an incident."""

    def __init__(self, times: Sequence[int], since: int, until: int, leave_out: tuple[int, int], clock: Clock) -> None:
        self._clock = clock
        seen: Counter[tuple[int, int]] = Counter()
        hours: Counter[tuple[int, int]] = Counter()
        for hour in range(-(-since // HOUR_MS), until // HOUR_MS):
            if not leave_out[0] <= hour * HOUR_MS < leave_out[1]:
                hours[self._cell(hour * HOUR_MS)] += 1
        for time in times:
            hour = time // HOUR_MS
            if -(-since // HOUR_MS) <= hour < until // HOUR_MS and not leave_out[0] <= hour * HOUR_MS < leave_out[1]:
                seen[self._cell(hour * HOUR_MS)] += 1
        self._rate = {cell: seen[cell] / hours[cell] for cell in hours}

    def _cell(self, ms: int) -> tuple[int, int]:
        hour, day = self._clock.at(ms)
        return int(hour), day

    def expected(self, start: int, end: int) -> float:
        """How many events are usual from one instant to another."""
        total, at = 0.0, start
        while at < end:
            hour_end = (at // HOUR_MS + 1) * HOUR_MS
            until = min(end, hour_end)
            total += self._rate.get(self._cell(at // HOUR_MS * HOUR_MS), 0.0) * (until - at) / HOUR_MS
            at = until
        return total


def standstill(times: Sequence[int], flow: Flow, since: int, until: int, at: int) -> Standstill | None:
    """The standstill around an incident that began at ``since`` and, as far as is known, went on to ``until``; None
    where everything moved as usual. ``times`` ascend, and are known up to ``at``."""
    first, last = since - BEFORE_MS, min(until + AFTER_MS, at)
    if last <= first:
        return None
    inside = [time for time in times if first <= time < last]
    borders = [first, *inside, last]
    silences = [
        Standstill(start, end, flow.expected(start, end), 0)
        for start, end in pairwise(borders)
        if end - start >= HOUR_MS and end > since - HOUR_MS and start < until
    ]
    longest = max(silences, key=lambda one: one.expected, default=None)
    slowed, ratio = _slowed(inside, flow, first, last, since, until)
    if longest is not None and longest.expected >= IMPROBABLE and _is_complete(longest, slowed, ratio):
        if longest.end == last:
            # It has not ended, or somewhere beyond: the next event says so.
            after = next((time for time in times if time >= last), at)
            longest = longest._replace(end=after, expected=flow.expected(longest.start, after))
        if longest.start == first:
            before = max((time for time in times if time < first), default=first)
            longest = longest._replace(start=before)
        return longest
    return slowed


def _is_complete(silence: Standstill, slowed: Standstill | None, ratio: float) -> bool:
    """Whether it is a silence with a slow beginning and end, rather than the longest pause of what only slowed down."""
    if slowed is None or silence.expected >= _COMPLETE * ratio:
        return True
    moving = slowed.seen / max(1e-9, slowed.expected - silence.expected)
    return silence.expected * moving >= 2.0 * IMPROBABLE


def _slowed(
    inside: Sequence[int], flow: Flow, first: int, last: int, since: int, until: int
) -> tuple[Standstill | None, float]:
    begin = first // HOUR_MS
    count = max(1, -(-last // HOUR_MS) - begin)
    seen = np.bincount([time // HOUR_MS - begin for time in inside], minlength=count)[:count].astype(np.float64)
    expected = np.array([flow.expected((begin + at) * HOUR_MS, (begin + at + 1) * HOUR_MS) for at in range(count)])
    sums_seen, sums_expected = (np.concatenate([[0.0], np.cumsum(each)]) for each in (seen, expected))
    best, found = SLOWED - _LEAST, None
    for start in range(count):
        if (begin + start) * HOUR_MS >= until:
            break
        for end in range(start + 1, count + 1):
            if (begin + end) * HOUR_MS <= since:
                continue
            was, usual = sums_seen[end] - sums_seen[start], sums_expected[end] - sums_expected[start]
            if was < usual and usual > 0.0:
                ratio = usual - was + (was * log(was / usual) if was > 0 else 0.0)
                # Hours in which nothing is usual say nothing: the shorter span is meant.
                if ratio > best + _LEAST:
                    best = ratio
                    found = Standstill((begin + start) * HOUR_MS, (begin + end) * HOUR_MS, float(usual), int(was))
    return found, best
