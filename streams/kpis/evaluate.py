"""From sums to values: the last step, where integers may become fractions.

A series of a duration has a sum for every histogram bucket, of a level or count one, any other two: a sum or
numerator, and the observations or denominator behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.kpis.definitions import DurationKpi, KpiDefinition, LevelKpi, stat_name
from streams.kpis.sketch import BUCKETS, quantile_of

I64 = npt.NDArray[np.int64]

VALUE = "value"
"""The name of the only statistic of a KPI that is not a duration."""


class Reading(NamedTuple):
    """One statistic: its name, value in the KPI's unit (None: nothing observed), weight and exact parts."""

    stat: str
    value: float | None
    weight: int
    parts: tuple[int, ...]


def width(kpi: KpiDefinition) -> int:
    """How many sums a series has."""
    if isinstance(kpi, DurationKpi):
        return BUCKETS
    return 1 if isinstance(kpi, LevelKpi) or kpi.kind == "count" else 2


def place(kpi: KpiDefinition, measure: I64, bucket: I64) -> I64:
    """Which of a series' sums a cell belongs to."""
    return bucket if isinstance(kpi, DurationKpi) else measure


def evaluate(kpi: KpiDefinition, sums: I64) -> list[list[Reading]]:
    """Read the statistics of many series off their sums, shape (series, :func:`width`).

    Durations come in seconds, money in minor units, ratios from 0 to 1.
    """
    if isinstance(kpi, DurationKpi):
        return _durations(kpi, sums)
    first = sums[:, 0].tolist()
    if isinstance(kpi, LevelKpi) or kpi.kind == "count":
        return [[Reading(VALUE, float(one), one, (one,))] for one in first]
    second = sums[:, 1].tolist()
    if kpi.kind == "sum":
        return [[Reading(VALUE, float(one), n, (one, n))] for one, n in zip(first, second, strict=True)]
    return [[Reading(VALUE, one / n if n else None, n, (one, n))] for one, n in zip(first, second, strict=True)]


def _durations(kpi: DurationKpi, sums: I64) -> list[list[Reading]]:
    used = np.flatnonzero(sums.any(axis=0))
    lowest = int(used[0]) if used.size else 0
    upto = np.cumsum(sums[:, lowest : int(used[-1]) + 1 if used.size else 1], axis=1)
    readings = []
    for row, count in zip(upto, upto[:, -1].tolist(), strict=True):
        stats = []
        for q in kpi.quantiles:
            duration = quantile_of(row, q, lowest)
            seconds = None if duration is None else duration / 1000
            stats.append(Reading(stat_name(q), seconds, count, (count,)))
        readings.append(stats)
    return readings
