"""Series in CSV files: ``timestamp,value``, perhaps ``label``; and the windows of a folder in NAB's layout."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from detectors.evaluation.nab import Window
from streams.errors import DaybookError


class SeriesError(DaybookError):
    """A file of a series cannot be read: the message names file, line and what was expected."""


class Labelled(NamedTuple):
    """One file's series. ``stamps`` are the texts of the file, ``times`` epoch ms; ``values`` are NaN where a row has
    none. ``events`` are first and last rows, both included; None where nothing is labelled."""

    name: str
    stamps: list[str]
    times: list[int]
    values: list[float]
    events: list[Window] | None


def csv_files(folder: Path) -> list[Path]:
    """All CSV files in and below a folder, by name. Raises :class:`SeriesError` where there is none."""
    if not folder.is_dir():
        raise SeriesError(f"{folder}: no such folder")
    found = sorted(path for path in folder.rglob("*.csv") if path.is_file())
    if not found:
        raise SeriesError(f"{folder}: no CSV files in it (expected files of timestamp,value)")
    return found


def read_series(path: Path, name: str) -> Labelled:
    """Raises :class:`SeriesError` at the first row that makes no sense."""
    stamps, times, values, labels = [], list[int](), list[float](), list[bool]()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            fields = [field.strip().lower() for field in rows.fieldnames or ()]
            if not {"timestamp", "value"} <= set(fields):
                raise SeriesError(f"{name}:1: expected a head with timestamp and value, not {','.join(fields)!r}")
            rows.fieldnames = fields
            for row in rows:
                where = f"{name}:{rows.line_num}"
                stamp = (row["timestamp"] or "").strip()
                time = _time(stamp, where)
                if times and time < times[-1]:
                    raise SeriesError(f"{where}: {stamp!r} is before the row above it (expected rows in order of time)")
                stamps.append(stamp)
                times.append(time)
                values.append(_number(row["value"], where))
                labels.append(_label(row.get("label"), where))
    except UnicodeDecodeError:
        raise SeriesError(f"{name}: not UTF-8") from None
    except (OSError, csv.Error) as error:
        raise SeriesError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    return Labelled(name, stamps, times, values, list(_runs(labels)) if "label" in fields else None)


def read_windows(path: Path) -> dict[str, list[tuple[int, int]]]:
    """The windows of each file, in epoch ms, from ``{file: [[from, to], …]}``. Raises :class:`SeriesError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): [(_time(first, path.name), _time(last, path.name)) for first, last in windows]
            for name, windows in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SeriesError(f"{path}: {reason} (expected an object of file: [[from, to], ...])") from None


def with_windows(series: Labelled, windows: list[tuple[int, int]]) -> Labelled:
    """The same series, its events given by time."""
    events = []
    for first, last in sorted(windows):
        rows = [row for row, time in enumerate(series.times) if first <= time <= last]
        if rows:
            events.append((rows[0], rows[-1]))
    return series._replace(events=events)


def _time(text: str, where: str) -> int:
    try:
        if text.replace(".", "", 1).isdigit():  # seconds or milliseconds since 1970
            number = float(text)
            return int(number if number > 1e11 else number * 1000)
        found = datetime.fromisoformat(text.replace("/", "-"))
    except (ValueError, AttributeError):
        raise SeriesError(f"{where}: {text!r} is not a time (expected like 2026-01-31 12:05:00)") from None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _number(text: str | None, where: str) -> float:
    text = (text or "").strip()
    if text.lower() in ("", "nan", "null", "na"):
        return math.nan
    try:
        found = float(text)
    except ValueError:
        raise SeriesError(f"{where}: {text!r} is not a number") from None
    return found if math.isfinite(found) else math.nan


def _label(text: str | None, where: str) -> bool:
    text = (text or "0").strip()
    if text in ("0", "1", "0.0", "1.0"):
        return text.startswith("1")
    raise SeriesError(f"{where}: label {text!r} (expected 0 or 1)")


def _runs(labels: list[bool]) -> Iterator[Window]:
    begin = None
    for row, label in enumerate([*labels, False]):
        if label and begin is None:
            begin = row
        elif not label and begin is not None:
            yield begin, row - 1
            begin = None
