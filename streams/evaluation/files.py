"""Series in CSV files: ``timestamp,value``, perhaps ``label``; and the windows of a folder in NAB's layout.

A row, a window or an entry that makes no sense costs nothing but itself, and is said.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from detectors.evaluation.nab import Window
from streams.errors import DaybookError
from streams.evaluation.times import read_time
from streams.events.times import format_time

SHOWN = 3
"""So many rows of a file are said with their reason, the others counted."""


class SeriesError(DaybookError):
    """A file of a series cannot be read: the message names file, line and what was expected."""


class Labelled(NamedTuple):
    """One file's series, in order of time. ``stamps`` are the texts of the file, ``times`` epoch ms; ``values`` are NaN
    where a row has none. ``events`` are first and last rows, both included; None where nothing is labelled.

    ``lost_rows`` and ``lost_windows`` are how many made no sense; ``remarks`` say it, a line each.
    """

    name: str
    stamps: list[str]
    times: list[int]
    values: list[float]
    events: list[Window] | None
    lost_rows: int = 0
    lost_windows: int = 0
    remarks: tuple[str, ...] = ()


class Windows(NamedTuple):
    """What a ``windows.json`` says: the windows of each file, first and last time in epoch ms, None where its entry
    makes no sense. ``lost_windows`` and ``remarks`` as in :class:`Labelled`."""

    of: dict[str, list[tuple[int, int]] | None]
    lost_windows: int
    remarks: tuple[str, ...]


class _Row(NamedTuple):
    line: int
    stamp: str
    time: int
    value: float
    label: bool


def csv_files(folder: Path) -> list[Path]:
    """All CSV files in and below a folder, by name. Raises :class:`SeriesError` where there is none."""
    if not folder.is_dir():
        raise SeriesError(f"{folder}: no such folder")
    found = sorted(path for path in folder.rglob("*.csv") if path.is_file())
    if not found:
        raise SeriesError(f"{folder}: no CSV files in it (expected files of timestamp,value)")
    return found


def read_series(path: Path, name: str) -> Labelled:
    """Rows that make no sense are left out, those at one time kept, those not in order of time put in order; all three
    are remarked. Raises :class:`SeriesError` where the head makes no sense or no row is left."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            # Line by line: a quote that is never closed must not take all rows behind it.
            first = file.readline()
            head = [field.strip().lower() for field in _fields(first)]
            if not {"timestamp", "value"} <= set(head):
                if "\0" in first or "\ufffd" in first:
                    raise SeriesError(f"{name}: not UTF-8")
                raise SeriesError(f"{name}:1: expected a head with timestamp and value, not {_cut(first.strip())!r}")
            rows, lost = _rows(file, head)
    except OSError as error:
        raise SeriesError(f"{name}: {error.strerror or error}") from None
    if not rows:
        raise SeriesError(f"{name}:{lost[0]} (no row is left)" if lost else f"{name}: no rows in it")
    remarks = [f"left out: {name}:{reason}" for reason in lost[:SHOWN]]
    if len(lost) > SHOWN:
        remarks.append(f"left out: {name}: {len(lost) - SHOWN:,} more rows")
    back = [row.line for before, row in pairwise(rows) if row.time < before.time]
    if back:
        remarks.append(f"{name}:{back[0]}: before the row above it{_more(back)}: put in order of time")
        rows.sort(key=lambda row: row.time)
    again = [row.line for before, row in pairwise(rows) if row.time == before.time]
    if again:
        remarks.append(f"{name}:{again[0]}: at the same time as another row{_more(again)}: kept")
    return Labelled(
        name,
        [row.stamp for row in rows],
        [row.time for row in rows],
        [row.value for row in rows],
        list(_runs([row.label for row in rows])) if "label" in head else None,
        lost_rows=len(lost),
        remarks=tuple(remarks),
    )


def _fields(line: str) -> list[str]:
    return next(csv.reader([line]), [])


def _rows(lines: Iterable[str], head: list[str]) -> tuple[list[_Row], list[str]]:
    """The rows below the head, and ``line: reason`` of those that make no sense."""
    found, lost = [], []
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            fields = _fields(line)
            if len(fields) != len(head):
                raise ValueError(f"{len(fields)} fields (expected {len(head)}, as in the head)")
            row = dict(zip(head, fields, strict=True))
            stamp = row["timestamp"].strip()
            found.append(_Row(number, stamp, read_time(stamp), _number(row["value"]), _label(row.get("label", ""))))
        except (ValueError, csv.Error) as error:
            lost.append(f"{number}: {error}")
    return found, lost


def read_windows(path: Path) -> Windows:
    """``{file: [[from, to], …]}``. Raises :class:`SeriesError` where it is no such object at all."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SeriesError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(given, dict):
        raise SeriesError(f"{path}: not an object of file: [[from, to], ...]")
    of: dict[str, list[tuple[int, int]] | None] = {}
    remarks, lost = [], 0
    for name, entry in given.items():
        if not isinstance(entry, list):
            of[name] = None
            remarks.append(f"left out: {path.name}: {name}: {_json(entry)} (expected [[from, to], ...])")
            continue
        of[name] = found = []
        for window in entry:
            try:
                found.append(_window(window))
            except ValueError as error:
                lost += 1
                remarks.append(f"left out: {path.name}: {name}: {error}")
    return Windows(of, lost, tuple(remarks))


def with_windows(series: Labelled, windows: Windows) -> Labelled:
    """The same series, its events given by time. A window that holds no row is left out and remarked, as is a series
    that is not labelled at all."""
    given = windows.of.get(series.name)
    remarks = list(series.remarks)
    if given is None:
        if series.name not in windows.of and series.events is None:
            remarks.append(f"left out: {series.name} has no entry in windows.json: judged, but not scored")
        return series._replace(remarks=tuple(remarks))
    events = []
    for first, last in sorted(given):
        rows = [row for row, time in enumerate(series.times) if first <= time <= last]
        if rows:
            events.append((rows[0], rows[-1]))
        else:
            span = f"{format_time(first)} to {format_time(last)}"
            remarks.append(f"left out: {series.name}: the window from {span}, which holds no row")
    return series._replace(events=events, lost_windows=len(given) - len(events), remarks=tuple(remarks))


def _window(given: Any) -> tuple[int, int]:
    if not isinstance(given, list) or len(given) != 2:
        raise ValueError(f"{_json(given)} (expected [from, to])")
    first, last = (read_time(str(time)) for time in given)
    if first > last:
        raise ValueError(f"{_json(given)} ends before it begins")
    return first, last


def _json(value: Any) -> str:
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _more(lines: list[int]) -> str:
    return f", one of {len(lines):,}" if len(lines) > 1 else ""


def _number(text: str) -> float:
    text = text.strip()
    if text.lower() in ("", "nan", "null", "none", "na", "n/a"):
        return math.nan
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    return found if math.isfinite(found) else math.nan


def _label(text: str) -> bool:
    text = text.strip() or "0"
    if text in ("0", "1", "0.0", "1.0"):
        return text.startswith("1")
    raise ValueError(f"label {text!r} (expected 0 or 1)")


def _runs(labels: list[bool]) -> Iterator[Window]:
    begin = None
    for row, label in enumerate([*labels, False]):
        if label and begin is None:
            begin = row
        elif not label and begin is not None:
            yield begin, row - 1
            begin = None
