"""A run of history as ``daybook replay --out`` leaves it: its alerts, its incidents, what its KPIs were worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from detectors.incidents.incident import Incident
from detectors.lookback.matching import Alert
from streams.errors import DaybookError
from streams.history.replay.results import pairs_in

_SERIES = ["kpi", "stat", "slice", "span", "start"]
_CLOSE = 1e-9


class RunError(DaybookError):
    """A folder is none that a replay has written, or is damaged: the message names it."""


class KpiDifference(NamedTuple):
    """Of one KPI: how many final values both runs have, how many of them differ, by which share of the first's at most
    (None where none can be told), and how many only one has."""

    kpi: str
    both: int
    differ: int
    most: float | None
    only_before: int
    only_after: int


def alerts_of(folder: Path) -> list[Alert]:
    """The alerts, by time. Raises :class:`RunError`."""
    rows = rows_of(folder, pl.col("alert"), [*_SERIES[:3], "start", "end", "surprise", "why"])
    return sorted(
        Alert(
            end=row["end"],
            kpi=row["kpi"],
            stat=row["stat"],
            slice=tuple(pairs_in(row["slice"])),
            start=row["start"],
            surprise=row["surprise"],
            why=row["why"],
        )
        for row in rows.with_columns(pl.col("start", "end").cast(pl.Int64)).iter_rows(named=True)
    )


def incidents_of(folder: Path) -> list[Incident]:
    """The incidents as they were at last. Raises :class:`RunError`."""
    path = folder / "incidents.jsonl"
    try:
        return [Incident.decode(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); expected what daybook replay --out wrote") from None
    except msgspec.MsgspecError as error:
        raise RunError(f"{path}: {error}") from None


def differences(before: Path, after: Path) -> list[KpiDifference]:
    """What differs of the KPIs' final values, KPI by KPI; none of those that are the same. Raises :class:`RunError`."""
    both = _finals(before).join(_finals(after), on=_SERIES, how="full", coalesce=True, suffix="_after")
    there, there_after = pl.col("revision").is_not_null(), pl.col("revision_after").is_not_null()
    by = (pl.col("value_after") - pl.col("value")).abs()
    differs = (by > _CLOSE * pl.col("value").abs()) | (pl.col("value").is_null() != pl.col("value_after").is_null())
    differs = there & there_after & differs.fill_null(False)
    share = by / pl.col("value").abs()
    told = (
        both.group_by("kpi")
        .agg(
            (there & there_after).sum().alias("both"),
            differs.sum().alias("differ"),
            share.filter(differs & share.is_finite()).max().alias("most"),
            (there & ~there_after).sum().alias("only_before"),
            (there_after & ~there).sum().alias("only_after"),
        )
        .sort("kpi")
    )
    found = [KpiDifference(**row) for row in told.iter_rows(named=True)]
    return [one for one in found if one.differ or one.only_before or one.only_after]


def _finals(folder: Path) -> pl.DataFrame:
    """The values that hold at last."""
    rows = rows_of(folder, None, [*_SERIES, "revision", "value"])
    return rows.sort("revision", maintain_order=True).unique(_SERIES, keep="last")


def rows_of(folder: Path, which: pl.Expr | None, columns: Sequence[str | pl.Expr]) -> pl.DataFrame:
    """Columns of the values in a folder, of all or of some. Raises :class:`RunError`."""
    files = sorted((folder / "kpis").glob("*.parquet"))
    if not files:
        raise RunError(f"{folder}: is no folder that daybook replay --out wrote (there is no kpis/*.parquet in it)")
    try:
        rows = pl.scan_parquet(files)
        return (rows if which is None else rows.filter(which)).select(columns).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{folder}: cannot be read ({str(error).splitlines()[0]})") from None
