"""Folders of series through a detector: each row judged before the next is seen, results to files and as a summary."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from detectors.evaluation.candidate import Judged
from detectors.evaluation.cooled import Cooled, best_cooled
from detectors.evaluation.events import Outcome, judge
from detectors.evaluation.nab import PROFILES, Best, Series, best_threshold, probation, score_at
from streams.evaluation.detectors import CANDIDATES
from streams.evaluation.files import Labelled, SeriesError, Windows, csv_files, read_series, read_windows, with_windows

Progress = Callable[[str], None]
ROW, FILE, WINDOW, MISSING, UNSCORED = "row", "file", "window", "missing file", "unscored file"


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


class Evaluation(NamedTuple):
    """The series that were judged, by name; and how many of what were left out: :data:`ROW`, :data:`FILE` and so on."""

    judgements: list[Judgement]
    left_out: Counter[str]


def judged(series: Labelled, detector: str) -> list[Judged]:
    """What a fresh detector says of each row. Raises :class:`SeriesError` where it fails, whatever its reason."""
    rows: list[Judged] = []
    try:
        candidate = CANDIDATES[detector]()
        for time, value in zip(series.times, series.values, strict=True):
            rows.append(candidate.step(time, value))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SeriesError(f"{series.name}: {detector} failed at {series.stamps[len(rows)]!r}: {reason}") from error
    return rows


def evaluate(folder: Path, detector: str, out: Path | None, jobs: int | None, say: Progress) -> Evaluation:
    """Judge every series below a folder. What makes no sense, and a file that the detector fails on, is said and left
    out.

    A ``windows.json`` in the folder labels the series. Raises :class:`SeriesError` where nothing can be judged, or
    ``out`` and the folder lie in one another.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in csv_files(folder)}
    if out is not None:
        _prepare(out, folder)
    marked = folder / "windows.json"
    windows = read_windows(marked) if marked.exists() else None
    left_out = Counter[str]()
    if windows is not None:
        absent = [name for name in windows.of if name not in paths]
        for remark in (*windows.remarks, *(f"left out: {marked.name}: {name}: no such file" for name in absent)):
            say(remark)
        left_out += Counter({MISSING: len(absent), WINDOW: windows.lost_windows})
    found: dict[str, Judgement] = {}
    with ProcessPoolExecutor(min(jobs or os.cpu_count() or 1, len(paths))) as pool:
        waiting = {pool.submit(_judge_file, path, name, windows, detector, out): name for name, path in paths.items()}
        for number, done in enumerate(as_completed(waiting), 1):
            name = waiting[done]
            try:
                judgement = done.result()
            except (SeriesError, BrokenExecutor) as error:
                reason = error if isinstance(error, SeriesError) else f"{name}: the process that judged it has died"
                say(f"[{number}/{len(paths)}] left out: {reason}")
                left_out[FILE] += 1
                continue
            found[name] = judgement
            alerts = sum(row.alert for row in judgement.rows)
            say(f"[{number}/{len(paths)}] {name}: {len(judgement.rows):,} rows, {alerts} alerts")
            for remark in judgement.series.remarks:
                say(f"  {remark}")
            left_out += Counter({ROW: judgement.series.lost_rows, WINDOW: judgement.series.lost_windows})
            left_out[UNSCORED] += windows is not None and judgement.series.events is None
    if not found:
        raise SeriesError(f"{folder}: none of its {len(paths)} files could be judged")
    return Evaluation([found[name] for name in sorted(found)], +left_out)


def _prepare(out: Path, folder: Path) -> None:
    inside, outside = folder.resolve(), out.resolve()
    if outside == inside:
        raise SeriesError(f"--out {out}: the folder that is read, whose files would be overwritten (expected another)")
    if outside.is_relative_to(inside) or inside.is_relative_to(outside):
        raise SeriesError(
            f"--out {out}: one of it and {folder} lies in the other, and results would be taken for series "
            "(expected a folder apart)"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SeriesError(f"--out {out}: {error.strerror}") from None


def _judge_file(path: Path, name: str, windows: Windows | None, detector: str, out: Path | None) -> Judgement:
    series = read_series(path, name)
    if windows is not None:
        series = with_windows(series, windows)
    judgement = Judgement(series, judged(series, detector))
    if out is not None:
        try:
            write_rows(out / name, judgement)
        except OSError as error:
            raise SeriesError(f"{name}: its results could not be written to {out / name}: {error.strerror}") from None
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
    """NAB's scores of the series whose events are known."""
    alerts = [Series([float(row.alert) for row in one.rows], one.series.events or []) for one in labelled(judgements)]
    surprise = _surprise(labelled(judgements))
    return Scores(
        {name: score_at(alerts, 1.0, profile) for name, profile in PROFILES.items()},
        {name: best_threshold(surprise, profile) for name, profile in PROFILES.items()},
    )


def nab_cooled(judgements: Sequence[Judgement]) -> Cooled:
    """NAB's standard score of the same, quiet for a while after each detection."""
    known = labelled(judgements)
    return best_cooled(_surprise(known), [one.series.times for one in known])


def _surprise(judgements: Sequence[Judgement]) -> list[Series]:
    return [Series([row.surprise for row in one.rows], one.series.events or []) for one in judgements]


def labelled(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those whose events are known."""
    return [one for one in judgements if one.series.events is not None]
