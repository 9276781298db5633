"""What a replay leaves: KPI values as Parquet, incidents as JSON lines, a summary; as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import msgspec
import polars as pl

from detectors.incidents.incident import Incident
from streams.errors import DaybookError
from streams.history.replay.conditions import Conditions
from streams.history.replay.lane import Counts
from streams.kpis.values import KpiValue

ROWS = 200_000
"""Values of one file."""
_ESCAPED = str.maketrans({"%": "%25", ",": "%2C", "=": "%3D"})
_MOMENT = pl.Datetime("ms", "UTC")
_SCHEMA = pl.Schema(
    {
        "kpi": pl.String(),
        "stat": pl.String(),
        "slice": pl.String(),
        "span": pl.String(),
        "start": _MOMENT,
        "end": _MOMENT,
        "value": pl.Float64(),
        "weight": pl.Int64(),
        "parts": pl.List(pl.Int64()),
        "status": pl.String(),
        "revision": pl.Int64(),
        "unit": pl.String(),
        "low": pl.Float64(),
        "middle": pl.Float64(),
        "high": pl.Float64(),
        "surprise": pl.Float64(),
        "side": pl.Int64(),
        "alert": pl.Boolean(),
        "why": pl.String(),
    }
)


class ResultsError(DaybookError):
    """The results cannot be written: the message names the folder."""


class Summary(msgspec.Struct, frozen=True):
    """What was replayed, and what came of it. ``seconds`` is how long it took."""

    counts: Counts
    values: int
    alerts: int
    incidents: int
    seconds: float


class Results:
    """Writes to ``folder``, which must not be there yet. Use as a context manager: what was written is there once it is
    left without an error, and nothing of it otherwise.

    In ``kpis/*.parquet`` are all final and corrected values in the order in which they were told of: of one series and
    ``start`` the one with the highest ``revision`` holds. ``incidents.jsonl`` has the incidents as they were at last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._draft = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        self._rows: list[KpiValue] = []
        self._files = 0
        self._incidents: dict[str, Incident] = {}

    def __enter__(self) -> Self:
        must_be_new(self._folder)
        try:
            (self._draft / "kpis").mkdir(parents=True)
        except OSError as error:
            raise self._unwritable(error) from None
        return self

    def put(self, values: Iterable[KpiValue], incidents: Iterable[Incident]) -> None:
        """Take in what has come of a piece of history."""
        self._rows += values
        self._incidents.update((one.id, one) for one in incidents)
        if len(self._rows) >= ROWS:
            self._write()

    def conclude(self, summary: Summary, conditions: Conditions | None = None) -> None:
        """Write the rest, the summary, and the ``conditions`` under which it was made."""
        self._write()
        try:
            with (self._draft / "incidents.jsonl").open("wb") as file:
                for one in sorted(self._incidents.values(), key=lambda one: (one.since, one.id)):
                    file.write(one.encode() + b"\n")
            (self._draft / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
            if conditions is not None:
                conditions.write(self._draft)
        except OSError as error:
            raise self._unwritable(error) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._draft.replace(self._folder)
        except OSError as failed:
            raise self._unwritable(failed) from None
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if not rows and self._files:
            return
        path = self._draft / "kpis" / f"{self._files:05}.parquet"
        self._files += 1
        try:
            _frame(rows).write_parquet(path, compression="zstd")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ResultsError:
        return ResultsError(f"{self._folder}: cannot be written ({error.strerror or error})")


def must_be_new(folder: Path) -> None:
    """Raises :class:`ResultsError` where a folder for results is there already."""
    if folder.exists():
        raise ResultsError(f"{folder}: is there already; name another folder")


def slice_text(slice_: Mapping[str, str]) -> str:
    """A slice as it stands in the files: ``region=north``, empty for a total; ``%``, ``,`` and ``=`` in a value as
    ``%25``, ``%2C`` and ``%3D``."""
    return ",".join(f"{name}={of.translate(_ESCAPED)}" for name, of in sorted(slice_.items()))


def pairs_in(text: str) -> list[tuple[str, str]]:
    """The dimensions and values that :func:`slice_text` wrote."""
    return [(name, unquote(of)) for name, _, of in (part.partition("=") for part in text.split(",") if part)]


def _frame(values: list[KpiValue]) -> pl.DataFrame:
    bounds = [value.expected or (None, None, None) for value in values]
    columns: dict[str, object] = {
        name: [getattr(value, name) for value in values]
        for name in _SCHEMA
        if name not in ("slice", "parts", "low", "middle", "high", "start", "end")
    }
    columns["slice"] = [slice_text(value.slice) for value in values]
    columns["parts"] = [list(value.parts) for value in values]
    for name in ("start", "end"):
        columns[name] = pl.Series([getattr(value, name) for value in values], dtype=pl.Int64).cast(_MOMENT)
    for place, name in enumerate(("low", "middle", "high")):
        columns[name] = [bound[place] for bound in bounds]
    return pl.DataFrame(columns, schema_overrides=_SCHEMA).select(list(_SCHEMA))
