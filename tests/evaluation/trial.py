"""One watcher on one shop, with and without its bad days."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.evaluation.incidents import Alert, Known, Score, score, together
from detectors.evaluation.watcher import Context, MakeWatcher
from streams.events.times import parse_time
from tests.evaluation import recording, shop
from tests.evaluation.recording import Recording
from tests.evaluation.truth import known

CONTRACT = 3.0
"""Pages a week that people agreed to, unless said otherwise."""


class Watched(NamedTuple):
    """What a watcher said of a recording: ``surprise`` and ``alert`` have the shape (series, grains), ``seconds`` is
    the processor time it took for ``points`` values."""

    surprise: npt.NDArray[np.float32]
    alert: npt.NDArray[np.bool_]
    seconds: float
    points: int


class Trial(NamedTuple):
    """A shop watched with incidents and without."""

    size: int
    seed: int
    names: list[str]
    starts: npt.NDArray[np.int64]
    known: list[Known]
    troubled: Watched
    usual: Watched
    usual_names: list[str]

    @property
    def judged(self) -> tuple[int, int]:
        """The grains that count begin from here up to there: the weeks in which incidents may be."""
        return int(self.starts[0]) + shop.LEARNING_WEEKS * shop.WEEK, int(self.starts[-1]) + 1

    def scores(self, threshold: float | None = None) -> tuple[Score, Score]:
        """With incidents, and without; alerts as they were given, or where the surprise reaches a threshold."""
        return (
            score(self._alerts(self.troubled, self.names, threshold), self.known, self.names, *self.judged),
            score(self._alerts(self.usual, self.usual_names, threshold), [], self.usual_names, *self.judged),
        )

    def alerts(self, troubled: bool) -> list[Alert]:
        """Those that count, as they were given: with incidents, or without."""
        since, until = self.judged
        watched, names = (self.troubled, self.names) if troubled else (self.usual, self.usual_names)
        return [alert for alert in self._alerts(watched, names, None) if since <= alert.time < until]

    def _alerts(self, watched: Watched, names: Sequence[str], threshold: float | None) -> list[Alert]:
        told = watched.alert if threshold is None else watched.surprise >= threshold
        return [Alert(names[row], int(self.starts[column])) for row, column in zip(*np.nonzero(told), strict=True)]

    @property
    def by_chance(self) -> float:
        """The share of all values, by series and grain, on which an alert would be true: the precision of alerts thrown
        at random."""
        since, until = self.judged
        starts = self.starts[(self.starts >= since) & (self.starts < until)]
        right = 0
        windows: dict[str, list[tuple[int, int]]] = {}
        for one in self.known:
            if one.nature != "planned":
                for series, window in one.moves.items():
                    windows.setdefault(series, []).append(window)
        for several in windows.values():
            held = np.zeros(len(starts), dtype=np.bool_)
            for first, last in several:
                held |= (starts >= first) & (starts < last)
            right += int(held.sum())
        return right / (len(self.names) * len(starts))


def watch(record: Recording, make: MakeWatcher, pages: float) -> Watched:
    """Tell a fresh watcher all values, grain by grain, and write down what it says."""
    row_of = {series.name: row for row, series in enumerate(record.series)}
    column_of = {start: column for column, start in enumerate(record.starts.tolist())}
    surprise = np.zeros(record.value.shape, dtype=np.float32)
    alert = np.zeros(record.value.shape, dtype=np.bool_)
    calendar = sorted(record.calendar, key=lambda entry: parse_time(entry.start))
    watcher = make(Context(recording.definitions(), calendar, pages))
    seconds, points = 0.0, 0
    for values in record.steps():
        began = time.process_time()
        seen = watcher.step(values)
        seconds += time.process_time() - began
        points += len(values)
        for one in seen:
            at = row_of[one.series], column_of[one.time]
            surprise[at] = max(surprise[at], one.surprise)
            alert[at] |= one.alert
    return Watched(surprise, alert, seconds, points)


def run(size: int, seed: int, make: MakeWatcher, pages: float = CONTRACT, *, stale: bool = False) -> Trial:
    """Watch a shop; its recordings are made where there are none."""
    troubled = recording.obtain(size, seed, True, stale=stale)
    usual = recording.obtain(size, seed, False, stale=stale)
    return Trial(
        size=size,
        seed=seed,
        names=[series.name for series in troubled.series],
        starts=troubled.starts,
        known=known(troubled, usual, recording.definitions()),
        troubled=watch(troubled, make, pages),
        usual=watch(usual, make, pages),
        usual_names=[series.name for series in usual.series],
    )


def overall(trials: Iterable[Trial], threshold: float | None = None) -> tuple[Score, Score]:
    """All trials as one: with incidents, and without."""
    pairs = [trial.scores(threshold) for trial in trials]
    return together(pair[0] for pair in pairs), together(pair[1] for pair in pairs)


def threshold_for(trials: Sequence[Trial], limit: float) -> float:
    """The lowest threshold on surprise, of 40 that are apart by equal steps of rank, at which the shops without
    incidents have at most ``limit`` false alarms per KPI and week; infinite where none has."""
    said = np.concatenate([trial.usual.surprise[trial.usual.surprise > 0] for trial in trials])
    if not said.size:
        return float("inf")
    ranks = 1 - np.logspace(-1.5, -6, 40)
    candidates = np.unique(np.quantile(said, ranks))
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if overall_usual(trials, float(candidates[middle])).false_per_kpi_week <= limit:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low]) if low < len(candidates) else float("inf")


def overall_usual(trials: Iterable[Trial], threshold: float) -> Score:
    """The shops without incidents at a threshold."""
    return together(
        score(trial._alerts(trial.usual, trial.usual_names, threshold), [], trial.usual_names, *trial.judged)
        for trial in trials
    )
