"""From sums to values: the last step, where integers may become fractions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.kpis.definitions import DurationKpi, KpiDefinition, LevelKpi, stat_name
from streams.kpis.sketch import quantile
from streams.kpis.windows import Bag, key_of

VALUE = "value"
"""The name of the only statistic of a KPI that is not a duration."""


class Reading(NamedTuple):
    """One statistic: its name, value in the KPI's unit (None: nothing observed), weight and exact parts."""

    stat: str
    value: float | None
    weight: int
    parts: tuple[int, ...]


def stats_of(kpi: KpiDefinition) -> tuple[str, ...]:
    """The names of a KPI's statistics."""
    return tuple(stat_name(q) for q in kpi.quantiles) if isinstance(kpi, DurationKpi) else (VALUE,)


def evaluate(kpi: KpiDefinition, bag: Bag) -> Iterator[Reading]:
    """Read a KPI's statistics off its sums. Durations come in seconds, money in minor units, ratios from 0 to 1."""
    if isinstance(kpi, DurationKpi):
        count = sum(bag.values())
        for q in kpi.quantiles:
            milliseconds = quantile(bag, q)
            seconds = None if milliseconds is None else milliseconds / 1000
            yield Reading(stat_name(q), seconds, count, (count,))
        return
    first = bag.get(key_of(0, 0), 0)
    if isinstance(kpi, LevelKpi) or kpi.kind == "count":
        yield Reading(VALUE, float(first), first, (first,))
        return
    second = bag.get(key_of(1, 0), 0)
    if kpi.kind == "sum":
        yield Reading(VALUE, float(first), second, (first, second))
    else:
        yield Reading(VALUE, first / second if second else None, second, (first, second))
