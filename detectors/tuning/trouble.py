"""Trouble put into a KPI's history, where nobody has said when there was any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from detectors.calibration.contract import WEEK_MS
from detectors.evaluation.injection import ANY, COUNT, DURATION, RATIO, SIZES, Bounds, Fault, inject, place
from detectors.tuning.course import Label
from streams.kpis.definitions import KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

SEEN: tuple[Fault, ...] = ("outage", "level_shift", "spike", "dip")
"""What settings are chosen by."""
HELD_OUT: tuple[Fault, ...] = tuple(kind for kind in SIZES if kind not in SEEN)
"""What they are reported on beside."""
_BOUNDS: Mapping[str, Bounds] = {"count": COUNT, "level": Bounds(low=0.0, whole=True), "ratio": RATIO}
_LONGEST_MS = 24 * HOUR_MS
_APART_MS = 72 * HOUR_MS
"""At the least; where there is room trouble is a week apart: what is strange every other day is ranked among its like,
and hides itself."""


def troubled(
    kpi: KpiDefinition,
    values: Sequence[KpiValue],
    since: int,
    kinds: Sequence[Fault],
    seed: int,
    beside: Sequence[Label] = (),
) -> tuple[list[KpiValue], list[Label]]:
    """The same values with faults from ``since`` (epoch ms) on, about one a week, two where history is short, and where
    they are: at random places, of all of some ``kinds`` as often or once more, in all series at once, each in terms of
    its own spread. ``beside`` are times in and around which there are none.

    Raises ``ValueError`` where there is no room for one of each.
    """
    starts = sorted({value.start for value in values})
    rows, grain = {start: row for row, start in enumerate(starts)}, kpi.grain.ms
    # Where nothing was observed a ratio, a mean or a duration has no value to be wrong.
    wanted = [kind for kind in kinds if kind != "outage" or kpi.kind in _COUNTED]
    ignored = sum(start < since for start in starts)
    length, apart = max(1, _LONGEST_MS // grain), max(1, _APART_MS // grain)
    apart = min(max(1, WEEK_MS // grain), max(apart, (len(starts) - ignored) // len(wanted) - length))
    room = (len(starts) - ignored) // (length + apart)
    if room < len(wanted):
        needed = (length + apart) * len(wanted) * grain // WEEK_MS + 1
        raise ValueError(f"too short to put one of each kind of trouble in it (at least {needed} weeks are needed)")
    several = (wanted * (room // len(wanted) + 1))[:room]
    labels = place(len(starts), 1, seed, length=length, apart=apart, ignored=ignored, kinds=several)
    labels = [one for one in labels if not _near(starts[one.first], starts[one.last] + grain, beside)]
    by_series: dict[str, list[int]] = {}
    for number, value in enumerate(values):
        by_series.setdefault(value.series, []).append(number)
    found = list(values)
    for numbers in by_series.values():
        places = {rows[values[number].start]: number for number in numbers}
        readings = [_reading(values[places[row]]) if row in places else _ABSENT for row in range(len(starts))]
        bounds = _BOUNDS.get(kpi.kind, DURATION if kpi.kind == "duration" else ANY)
        for row, x in enumerate(inject(readings, labels, max(1, WEEK_MS // grain), bounds)):
            if row in places and x != readings[row]:
                found[places[row]] = _valued(values[places[row]], x)
    return found, [Label(starts[one.first], starts[one.last] + grain, one.kind) for one in labels]


def _near(since: int, until: int, labels: Sequence[Label]) -> bool:
    return any(one.since - _APART_MS < until and since < one.until + _APART_MS for one in labels)


_COUNTED = ("count", "sum", "level")
_ABSENT = {"value": math.nan, "weight": 0.0}


def _reading(value: KpiValue) -> dict[str, float]:
    return {"value": math.nan if value.value is None else float(value.value), "weight": float(value.weight)}


def _valued(value: KpiValue, x: Mapping[str, float]) -> KpiValue:
    weight = round(x["weight"])
    parts = (round(x["value"] * value.parts[1]), value.parts[1]) if len(value.parts) == 2 else value.parts
    return replace(value, value=x["value"], weight=weight, parts=parts)
