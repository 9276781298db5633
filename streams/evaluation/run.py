"""Folders of series through a detector: each row judged before the next is seen, results to files and as a summary."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from detectors.evaluation.candidate import Judged
from detectors.evaluation.events import Outcome, judge
from detectors.evaluation.nab import PROFILES, Best, Series, best_threshold, probation, score_at
from streams.evaluation.detectors import CANDIDATES
from streams.evaluation.files import Labelled, SeriesError, csv_files, read_series, read_windows, with_windows

Progress = Callable[[str], None]


class Judgement(NamedTuple):
    """A series and what was said of each of its rows."""

    series: Labelled
    rows: list[Judged]

    @property
    def outcome(self) -> Outcome | None:
        """Alerts against labels, the probation left out; None where nothing is labelled."""
        if self.series.events is None:
            return None
        alerts = [row.alert for row in self.rows]
        return judge(self.series.times, alerts, self.series.events, probation(len(alerts)))


class Scores(NamedTuple):
    """NAB's, by profile: of the alerts as they were given, and of the best threshold on surprise for all series."""

    given: dict[str, float]
    best: dict[str, Best]


def judged(series: Labelled, detector: str) -> list[Judged]:
    """What a fresh detector says of each row."""
    candidate = CANDIDATES[detector]()
    return [candidate.step(time, value) for time, value in zip(series.times, series.values, strict=True)]


def evaluate(folder: Path, detector: str, out: Path | None, jobs: int | None, say: Progress) -> list[Judgement]:
    """Judge every series below a folder. A file that cannot be read is said and left out.

    A ``windows.json`` in the folder labels the series. Raises :class:`SeriesError` where nothing can be read.
    """
    paths = csv_files(folder)
    marked = folder / "windows.json"
    windows = read_windows(marked) if marked.exists() else None
    found: dict[str, Judgement] = {}
    with ProcessPoolExecutor(min(jobs or os.cpu_count() or 1, len(paths))) as pool:
        waiting = {
            pool.submit(_judge_file, path, path.relative_to(folder).as_posix(), windows, detector, out): path
            for path in paths
        }
        for number, done in enumerate(as_completed(waiting), 1):
            try:
                judgement = done.result()
            except SeriesError as error:
                say(f"[{number}/{len(paths)}] left out: {error}")
                continue
            found[judgement.series.name] = judgement
            alerts = sum(row.alert for row in judgement.rows)
            say(f"[{number}/{len(paths)}] {judgement.series.name}: {len(judgement.rows):,} rows, {alerts} alerts")
    if not found:
        raise SeriesError(f"{folder}: none of its {len(paths)} files could be read")
    return [found[name] for name in sorted(found)]


def _judge_file(
    path: Path, name: str, windows: dict[str, list[tuple[int, int]]] | None, detector: str, out: Path | None
) -> Judgement:
    series = read_series(path, name)
    if windows is not None:
        series = with_windows(series, windows.get(name, []))
    judgement = Judgement(series, judged(series, detector))
    if out is not None:
        write_rows(out / name, judgement)
    return judgement


def write_rows(path: Path, judgement: Judgement) -> None:
    """``timestamp,value,expected_low,expected_high,surprise,alert`` for every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "value", "expected_low", "expected_high", "surprise", "alert"))
        series = judgement.series
        for stamp, value, row in zip(series.stamps, series.values, judgement.rows, strict=True):
            numbers = (value, row.low, row.high)
            texts = ["" if number != number else f"{number:.10g}" for number in numbers]
            writer.writerow((stamp, *texts, f"{row.surprise:.6g}", int(row.alert)))


def nab_scores(judgements: Sequence[Judgement]) -> Scores:
    """NAB's scores of series whose events are known."""
    alerts = [Series([float(row.alert) for row in one.rows], one.series.events or []) for one in judgements]
    surprise = [Series([row.surprise for row in one.rows], one.series.events or []) for one in judgements]
    return Scores(
        {name: score_at(alerts, 1.0, profile) for name, profile in PROFILES.items()},
        {name: best_threshold(surprise, profile) for name, profile in PROFILES.items()},
    )


def labelled(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those whose events are known."""
    return [one for one in judgements if one.series.events is not None]
