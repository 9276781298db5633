"""How a KPI went, as known at the time and as it is known since: read from the folder of a replay."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from streams.history.lookback.runs import rows_of

_SERIES = ["kpi", "stat", "slice"]
_JOINT = "\x1f"


class Point(NamedTuple):
    """A value over a grain from ``start`` to ``end`` (epoch ms). ``first`` is what it was known to be then, ``value``
    what it is known to be since; ``low`` to ``high`` was expected then, if anything was; all in the KPI's unit. ``why``
    says what was strange, ``alert`` whether somebody was told."""

    start: int
    end: int
    first: float | None
    value: float | None
    low: float | None
    high: float | None
    alert: bool
    why: str

    @property
    def corrected(self) -> bool:
        """Whether it was another then."""
        return self.first != self.value

    @property
    def unusual(self) -> bool:
        """Whether it was outside of what was expected, as known then."""
        if self.first is None or self.low is None or self.high is None:
            return False
        return not self.low <= self.first <= self.high


class Course(NamedTuple):
    """One statistic of a KPI, in total (``slice`` is empty) or of a slice (as
    :func:`~streams.history.replay.results.slice_text` has it), by time."""

    kpi: str
    stat: str
    slice: str
    points: tuple[Point, ...]

    @property
    def alerts(self) -> list[Point]:
        """Of which somebody was told."""
        return [point for point in self.points if point.alert]

    @property
    def corrections(self) -> list[Point]:
        """Those that were others at the time."""
        return [point for point in self.points if point.corrected]


def courses_of(folder: Path) -> list[Course]:
    """All totals, and of the slices those that were alerted of; by name, totals first.

    Raises :class:`~streams.history.lookback.runs.RunError`.
    """
    series = pl.concat_str(_SERIES, separator=_JOINT)
    alerted = rows_of(folder, pl.col("alert"), _SERIES).select(series.unique()).to_series()
    columns = [*_SERIES, "start", "end", "revision", "value", "low", "high", "alert", "why"]
    rows = rows_of(folder, (pl.col("slice") == "") | series.is_in(alerted.implode()), columns)
    points = (
        rows.with_columns(pl.col("start", "end").cast(pl.Int64))
        .sort("revision")
        .group_by([*_SERIES, "start"], maintain_order=True)
        .agg(
            # Only what was known first has been judged.
            pl.col("end").first(),
            pl.col("value").first().alias("first"),
            pl.col("value").last(),
            pl.col("low", "high").first(),
            pl.col("alert").any(),
            pl.col("why").first(),
        )
        .sort([*_SERIES, "start"])
    )
    return [
        Course(kpi, stat, slice_, tuple(map(Point._make, several.drop(_SERIES).iter_rows())))
        for (kpi, stat, slice_), several in points.group_by(_SERIES, maintain_order=True)
    ]
