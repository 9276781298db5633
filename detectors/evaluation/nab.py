"""The score of the Numenta Anomaly Benchmark, from its published definition.

Lavin and Ahmad: Evaluating real-time anomaly detection algorithms, the Numenta Anomaly Benchmark, ICMLA 2015. In each
labelled window only the first detection counts, the more the earlier it is; a detection outside costs the more the
farther it is behind the window before it; a window without any costs too. The sum over all series is scaled so that
telling nothing is 0 and the earliest possible detection of everything 100.

Neither detections nor windows count in the probation, a series' first rows: a window that has ended by then is none.
(So in the published ``nab/sweeper.py``. Its ``runner.py`` takes the number of all windows for the perfect score, as in
its own data no window is so early; with one, everything detected would be less than 100.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

Window = tuple[int, int]
"""The first and the last row of a labelled anomaly, both included."""

PROBATION_SHARE, MOST_PROBATION = 0.15, 750
"""Of a series' first rows, in which a detector may learn and nothing counts."""


class Profile(NamedTuple):
    """What a found window, a false detection and a missed window weigh."""

    found: float
    false: float
    missed: float


STANDARD = Profile(1.0, 0.11, 1.0)
LOW_FALSE = Profile(1.0, 0.22, 1.0)
LOW_MISSED = Profile(1.0, 0.11, 2.0)
PROFILES: Mapping[str, Profile] = {"standard": STANDARD, "low FP": LOW_FALSE, "low FN": LOW_MISSED}


class Series(NamedTuple):
    """A score for each row, a detection where it reaches the threshold; and the labelled windows, in order."""

    scores: Sequence[float]
    windows: Sequence[Window]


def probation(rows: int) -> int:
    """How many rows do not count."""
    return min(int(PROBATION_SHARE * rows), MOST_PROBATION)


def _sigmoid(position: float) -> float:
    """From 1, at a window's begin (-1), over 0 at its end (0), to -1 far behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def counted(series: Series) -> list[Window]:
    """The windows that have not ended within the probation."""
    first = probation(len(series.scores))
    return [window for window in series.windows if window[1] >= first]


def _places(rows: int, windows: Sequence[Window]) -> list[tuple[float, int]]:
    """Of each row what a detection is worth there, before weights, and the window it lies in (-1: none)."""
    best = _sigmoid(-1.0)
    places: list[tuple[float, int]] = [(-1.0, -1)] * rows
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        for row in range(first, last + 1):
            places[row] = (_sigmoid(-(last - row + 1) / width) / best, number)
        behind = windows[number + 1][0] if number + 1 < len(windows) else rows
        for row in range(last + 1, behind):
            places[row] = (_sigmoid((row - last) / max(width - 1, 1)), -1)
    return places


class Step(NamedTuple):
    """A row that would be detected at a threshold of ``score``; ``window`` (series, window), None where it is false."""

    score: float
    worth: float
    window: tuple[int, int] | None


def steps(series: Iterable[Series]) -> list[Step]:
    """The rows that count, of all series one after the other."""
    found = []
    for which, (scores, windows) in enumerate(series):
        places = _places(len(scores), windows)
        for row in range(probation(len(scores)), len(scores)):
            worth, window = places[row]
            found.append(Step(scores[row], worth, None if window < 0 else (which, window)))
    return found


def score_at(series: Sequence[Series], threshold: float, profile: Profile = STANDARD) -> float:
    """The score of all series at one threshold; 100 at most. Without any window that counts, 0 is all there is."""
    return scaled(series, [one for one in steps(series) if one.score >= threshold], profile)


def scaled(series: Sequence[Series], detected: Iterable[Step], profile: Profile) -> float:
    """The score of all series where these rows are detected."""
    windows = sum(len(counted(one)) for one in series)
    if not windows:
        return 0.0
    false, found = 0.0, dict[tuple[int, int], float]()
    for one in detected:
        if one.window is None:
            false += one.worth
        else:
            found[one.window] = max(one.worth, found.get(one.window, -1.0))
    raw = profile.false * false + profile.found * sum(found.values()) - profile.missed * (windows - len(found))
    return 100.0 * (raw + profile.missed * windows) / (windows * (profile.found + profile.missed))


class Best(NamedTuple):
    """The highest score of any threshold, and that threshold."""

    score: float
    threshold: float


def best_threshold(series: Sequence[Series], profile: Profile = STANDARD) -> Best:
    """The one threshold for all series that gives the highest score, as the benchmark chooses it."""
    windows = sum(len(counted(one)) for one in series)
    best = Best(0.0, math.inf)
    raw, found = -profile.missed * windows, dict[tuple[int, int], float]()
    ordered = sorted(steps(series), key=lambda one: -one.score)
    for at, one in enumerate(ordered):
        if one.window is None:
            raw += profile.false * one.worth
        elif one.window not in found:
            found[one.window] = one.worth
            raw += profile.found * one.worth + profile.missed
        elif one.worth > found[one.window]:
            raw += profile.found * (one.worth - found[one.window])
            found[one.window] = one.worth
        if windows and (at + 1 == len(ordered) or ordered[at + 1].score < one.score):
            score = 100.0 * (raw + profile.missed * windows) / (windows * (profile.found + profile.missed))
            if score > best.score:
                best = Best(score, one.score)
    return best
