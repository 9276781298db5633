"""Faults put into synthetic series, judged as the KPIs are: which of them are found, by kind and size."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.calendar.business import BusinessCalendar
from detectors.evaluation.episodes import begins
from detectors.evaluation.injection import COUNT, DURATION, RATIO, SIZES, Bounds, Fault, Label, inject, place
from detectors.models.model import Reading
from detectors.watch.kpi import KpiWatch
from detectors.watch.words import Words
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue
from tests.benchmarks.figures import table
from tests.evaluation.recording import definitions

F64 = npt.NDArray[np.float64]

ROWS = 30 * 168
LEARNING = 4 * 168
LENGTH = 24
APART = 168
SETTLES = 72
"""Alerts in so many rows from a fault's end are neither about it nor false: what has lasted is being forgotten."""
AFTER = 6
"""An alert so many rows after the last is still about a fault: people are told of what has added up."""
SEEDS = 30
PER_WEEK = 0.5
"""The contract of the one KPI."""
SEED_OF = 1_000
START = 1_772_409_600_000
"""Monday 2 March 2026, midnight UTC."""

Kind = Literal["count", "ratio", "duration"]
VOLUMES = (3.0, 100.0)
"""Cases an hour, on average."""


class _How(NamedTuple):
    kpi: str
    unit: str
    bounds: Bounds
    faults: tuple[Fault, ...]


# Of what nothing was observed a ratio or a duration says nothing: that is told of by the counts beside it.
_OBSERVED: tuple[Fault, ...] = tuple(kind for kind in SIZES if kind != "outage")
_HOW: dict[Kind, _How] = {
    "count": _How("orders_placed", "orders", COUNT, tuple(SIZES)),
    "ratio": _How("on_time_ratio", "ratio", RATIO, _OBSERVED),
    "duration": _How("time_to_ship", "seconds", DURATION, _OBSERVED),
}


class Tally(NamedTuple):
    """Of one series: its faults, for each the rows until the first alert about it, if any; other alerts that people
    are told of, in so many weeks."""

    faults: list[tuple[Label, int | None]]
    false: int
    weeks: float


def series(kind: Kind, volume: float, seed: int) -> list[Reading]:
    """Hourly readings: more by day than by night, fewer at weekends; what is counted is Poisson, of those a share of
    nine in ten is good, and each takes about ten hours (lognormal)."""
    generator = np.random.default_rng([seed, int(volume)])
    rows = np.arange(ROWS)
    shape = (1.0 + 0.8 * np.sin(2 * np.pi * (rows % 24 - 8) / 24)) * np.where(rows // 24 % 7 >= 5, 0.6, 1.0)
    cases = generator.poisson(volume * shape / shape.mean())
    values: F64
    if kind == "count":
        values = cases.astype(np.float64)
    elif kind == "ratio":
        values = np.where(cases > 0, generator.binomial(cases, 0.9) / np.maximum(cases, 1), np.nan)
    else:
        # The daily rhythm is also one of durations.
        usual = 36_000.0 * (1.0 + 0.2 * np.cos(2 * np.pi * rows / 24))
        values = np.array(
            [
                float(np.median(usual[row] * np.exp(generator.normal(0.0, 0.6, number)))) if number else np.nan
                for row, number in enumerate(cases.tolist())
            ]
        )
    return [
        {"time": float(START + row * HOUR_MS), "span": float(HOUR_MS), "value": value, "weight": float(weight)}
        for row, (value, weight) in enumerate(zip(values.tolist(), cases.tolist(), strict=True))
    ]


def tally(kind: Kind, volume: float, seed: int) -> Tally:
    """Put a fault of each kind into a series, and watch it as a KPI without slices."""
    how = _HOW[kind]
    labels = place(ROWS, 1, SEED_OF + seed, length=LENGTH, apart=APART, ignored=LEARNING, kinds=how.faults)
    told = watch(kind, inject(series(kind, volume, seed), labels, 168, how.bounds))
    faults: list[tuple[Label, int | None]] = []
    for label in labels:
        here = [row for row in told if label.first <= row <= label.last + AFTER]
        faults.append((label, here[0] - label.first if here else None))
    near = {row for label in labels for row in range(label.first, label.last + 1 + SETTLES)}
    false = begins(row * HOUR_MS for row in told if row >= LEARNING and row not in near)
    clear = ROWS - LEARNING - len(near)
    return Tally(faults, len(false), clear / 168)


def watch(kind: Kind, readings: list[dict[str, float]]) -> list[int]:
    """The rows on which somebody is told, whichever way a value is off."""
    how = _HOW[kind]
    kpi = next(one for one in definitions().kpis if one.name == how.kpi)
    watch_ = KpiWatch(kpi, "UTC", PER_WEEK, BusinessCalendar("UTC").at, Words("EUR"))
    told = []
    for row, x in enumerate(readings):
        value = KpiValue(
            kpi=kpi.name,
            stat="value",
            slice={},
            span="1h",
            rolling=False,
            start=int(x["time"]),
            end=int(x["time"] + x["span"]),
            value=None if x["value"] != x["value"] else x["value"],
            weight=int(x["weight"]),
            parts=(int(x["weight"]),),
            status="final",
            revision=0,
            unit=how.unit,
            better="neither",
        )
        if watch_.step([value])[0].alert:
            told.append(row)
    return told


def measure(processes: int) -> str:
    """The share of faults that were found, by kind and size, of each kind of series."""
    columns = [(kind, volume) for kind in _HOW for volume in VOLUMES]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = {column: [pool.submit(tally, *column, seed) for seed in range(SEEDS)] for column in columns}
        found = {column: [one.result() for one in several] for column, several in waiting.items()}
    return report(found)


def report(found: dict[tuple[Kind, float], list[Tally]]) -> str:
    """A row for each kind and size of fault."""
    rows: list[tuple[object, ...]] = []
    for fault, sizes in SIZES.items():
        for size in sizes:
            cells = [_share(several, fault, size) for several in found.values()]
            rows.append((fault.replace("_", " "), f"{size:g}", *cells))
    rows.append(("median delay, h", "", *(_delay(several) for several in found.values())))
    rows.append(("false a week", "", *(_false(several) for several in found.values())))
    return table(("fault", "size", *(f"{kind}, {volume:g} an hour" for kind, volume in found)), rows)


def _share(several: list[Tally], fault: Fault, size: float) -> str:
    of = [delay for one in several for label, delay in one.faults if (label.kind, label.size) == (fault, size)]
    return f"{sum(delay is not None for delay in of) / len(of):.2f}" if of else "-"


def _delay(several: list[Tally]) -> str:
    delays = [delay for one in several for _, delay in one.faults if delay is not None]
    return f"{np.median(delays):.1f}" if delays else "-"


def _false(several: list[Tally]) -> str:
    return f"{sum(one.false for one in several) / sum(one.weeks for one in several):.3f}"
