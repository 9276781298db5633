"""What settings are tuned on: final values of history, and what people say was wrong in it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from msgspec.structs import replace

from detectors.tuning.course import Label
from streams.config import Config
from streams.errors import ContractError, DaybookError
from streams.events.times import format_time, parse_time
from streams.history.lookback.runs import RunError, rows_of
from streams.history.replay.results import pairs_in
from streams.history.replay.run import engine_of, news_of
from streams.history.replay.source import Source
from streams.kpis.values import KpiValue

_COLUMNS = ("since", "until", "kpi", "what")


class TuningError(DaybookError):
    """There is nothing to tune on, or not enough; the message says what is wanted."""


class Said(NamedTuple):
    """A label as it stands in a file; without a ``kpi`` it is about all."""

    label: Label
    kpi: str
    line: int


def replayed_values(
    config: Config, source: Source, kpis: Iterable[str], progress: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, list[KpiValue]]:
    """By KPI the final values of an archive, as corrected, in the order of time."""
    newest: dict[str, dict[tuple[int, str], KpiValue]] = {name: {} for name in kpis}
    for news in news_of(config, engine_of(config, source, detect=False), source, progress):
        for value in news.values:
            if value.kpi in newest and not value.rolling:
                newest[value.kpi][value.start, value.series] = value
    return {name: _as_told([of[key] for key in sorted(of)]) for name, of in newest.items()}


def written_values(config: Config, folder: Path, kpis: Iterable[str]) -> dict[str, list[KpiValue]]:
    """The same of what ``daybook replay --out`` wrote. Raises :class:`TuningError` where there is nothing of it."""
    better = {kpi.name: kpi.better for kpi in config.kpis}
    columns = ["kpi", "stat", "slice", "span", "start", "end", "value", "weight", "parts", "revision", "unit"]
    try:
        rows = rows_of(folder, pl.col("kpi").is_in(list(kpis)), columns)
    except RunError as error:
        raise TuningError(str(error)) from None
    series = ["kpi", "stat", "slice", "span"]
    rows = rows.with_columns(pl.col("start", "end").cast(pl.Int64)).sort("revision", maintain_order=True)
    rows = rows.unique([*series, "start"], keep="last").sort("start", *series)
    found: dict[str, list[KpiValue]] = {name: [] for name in kpis}
    for row in rows.iter_rows(named=True):
        fields = row | {
            "slice": dict(pairs_in(row["slice"])),
            "parts": tuple(row["parts"]),
            "better": better[row["kpi"]],
            "revision": 0,
        }
        found[row["kpi"]].append(KpiValue(rolling=False, status="final", **fields))
    return found


def _as_told(values: Sequence[KpiValue]) -> list[KpiValue]:
    """As if nothing had come late: what is judged is the first that is told of a grain."""
    return [replace(value, status="final", revision=0) for value in values]


def labels_in(path: Path, known: Iterable[str]) -> list[Said]:
    """What a CSV file says was wrong: ``since`` and ``until`` (RFC 3339), and perhaps ``kpi``, one of the ``known``
    ones, and ``what``.

    Raises :class:`TuningError` with the line of the first mistake.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            unknown = set(rows.fieldnames or ()) - set(_COLUMNS)
            if unknown or not {"since", "until"} <= set(rows.fieldnames or ()):
                raise TuningError(f"{path}:1: expected the columns since, until and perhaps kpi, what")
            names = set(known)
            return [_said(path, rows.line_num, row, names) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TuningError(f"{path}: cannot be read ({error})") from None


def _said(path: Path, line: int, row: dict[str, str | None], known: Collection[str]) -> Said:
    moments = []
    for name in ("since", "until"):
        try:
            moments.append(parse_time((row[name] or "").strip()))
        except ContractError as error:
            raise TuningError(f"{path}:{line}: {name}: {error}") from None
    since, until = moments
    if until <= since:
        raise TuningError(f"{path}:{line}: it ends before it begins")
    kpi = (row.get("kpi") or "").strip()
    if kpi and kpi not in known:
        raise TuningError(f"{path}:{line}: there is no KPI {kpi!r}")
    return Said(Label(since, until, (row.get("what") or "").strip()), kpi, line)


def labels_of(path: Path, said: Iterable[Said], kpi: str, since: int, until: int) -> list[Label]:
    """Those about a KPI, by time. Raises :class:`TuningError` for one that lies outside of history, which goes from
    ``since`` to ``until`` (epoch ms)."""
    for one in said:
        if one.label.since < since or one.label.until > until:
            raise TuningError(
                f"{path}:{one.line}: lies outside of the history, which goes from {format_time(since)} to "
                f"{format_time(until)}"
            )
    return sorted(one.label for one in said if one.kpi in ("", kpi))
