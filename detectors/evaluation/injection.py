"""Faults put into any series of readings, with labels: what a detector can be tried on where no labelled series are.

How large a fault is, is told in the series' own terms, so that one setting serves all series: in multiples of its
spread around what is usual at that phase of its period, or as a share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.models.model import Reading

F64 = npt.NDArray[np.float64]

Fault = Literal["spike", "dip", "level_shift", "drift", "outage", "variance", "seasonal_break"]
"""What can be put in; what ``size`` means of it:

- ``spike``, ``dip``: a few rows that are ``size`` spreads too high, too low;
- ``level_shift``: all rows of the interval are, up or down by the size's sign;
- ``drift``: they leave the usual evenly and are ``size`` spreads off at the end of the interval;
- ``outage``: the share ``size`` of what happens is missing; of 1, nothing is observed but zero;
- ``variance``: they are ``1 + size`` times as far from the usual as they would be;
- ``seasonal_break``: the usual of the interval is that of half a period away, blended in by the share ``size``.
"""

SIZES: dict[Fault, tuple[float, ...]] = {
    "spike": (4.0, 6.0, 10.0),
    "dip": (4.0, 6.0, 10.0),
    "level_shift": (-4.0, -2.0, 2.0, 4.0),
    "drift": (-6.0, -3.0, 3.0, 6.0),
    "outage": (0.5, 0.8, 1.0),
    "variance": (1.0, 3.0),
    "seasonal_break": (0.6, 1.0),
}
"""From hard to find to plain."""
_SHARES = ("outage", "seasonal_break")
_BRIEF = ("spike", "dip")


class Label(NamedTuple):
    """A fault: its first and last row, both included."""

    first: int
    last: int
    kind: Fault
    size: float


class Bounds(NamedTuple):
    """What values a series can have: from ``low`` to ``high``, ``whole`` numbers only. Where ``counted`` the weight is the
    value."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    counted: bool = False


ANY = Bounds()
COUNT = Bounds(low=0.0, whole=True, counted=True)
RATIO = Bounds(low=0.0, high=1.0)
DURATION = Bounds(low=0.0)


def place(
    rows: int, each: int, seed: int, *, length: int, apart: int, ignored: int = 0, kinds: Iterable[Fault] = tuple(SIZES)
) -> list[Label]:
    """Where which faults go: ``each`` of every kind, shuffled, at random places, in the order of time.

    The first ``ignored`` rows stay as they are, between two faults and after the last are at least ``apart`` rows.
    ``length`` is the longest a fault lasts; spikes and dips take 1 to 3 rows, the others at least half of it. Raises
    ``ValueError`` where there is no room.
    """
    generator = np.random.default_rng(seed)
    wanted = [kind for kind in kinds for _ in range(each)]
    wanted = [wanted[number] for number in generator.permutation(len(wanted)).tolist()]
    lengths = [
        int(generator.integers(1, 4)) if kind in _BRIEF else int(generator.integers((length + 1) // 2, length + 1))
        for kind in wanted
    ]
    spare = rows - ignored - sum(lengths) - apart * len(wanted)
    if spare < 0:
        raise ValueError(f"{len(wanted)} faults and what is between them take {-spare} rows more than there are")
    # Uniform among all ways to share out the rows that are left.
    gaps = np.sort(generator.integers(0, spare + 1, size=len(wanted))).tolist()
    found, used = [], ignored
    for kind, long, gap in zip(wanted, lengths, gaps, strict=True):
        first = used + gap
        size = SIZES[kind][int(generator.integers(len(SIZES[kind])))]
        found.append(Label(first, first + long - 1, kind, size))
        used += long + apart
    return found


def inject(
    readings: Sequence[Reading], labels: Iterable[Label], period: int, bounds: Bounds = ANY
) -> list[dict[str, float]]:
    """The series with the faults in it; ``readings`` stay as they are, and so do rows without a value.

    ``period`` is how many rows a season has (168 of hours in a week). Raises ``ValueError`` for a label outside the
    series, a period below 1, a share not in (0, 1].
    """
    if period < 1:
        raise ValueError(f"a period of {period} rows")
    found = [dict(reading) for reading in readings]
    values = np.array([reading["value"] for reading in readings], dtype=np.float64)
    usual = usual_of(values, period)
    scale = spread(values - usual)
    for label in labels:
        if not 0 <= label.first <= label.last < len(found):
            raise ValueError(f"rows {label.first} to {label.last} of a series of {len(found)}")
        if label.kind in _SHARES and not 0 < label.size <= 1:
            raise ValueError(f"{label.kind}: the share {label.size:g} is not in (0, 1]")
        rows = slice(label.first, label.last + 1)
        made = _MAKE[label.kind](values[rows], usual, label, scale, period)
        for row, value in zip(range(label.first, label.last + 1), made.tolist(), strict=True):
            if not math.isfinite(value):
                continue
            value = float(min(max(round(value) if bounds.whole else value, bounds.low), bounds.high))
            found[row]["value"] = value
            if bounds.counted:
                found[row]["weight"] = value
            elif label.kind == "outage":
                found[row]["weight"] = float(round(found[row]["weight"] * (1 - label.size)))
    return found


def usual_of(values: F64, period: int) -> F64:
    """The median of each phase of the period, row by row; of a phase without any value the median of all."""
    finite = values[np.isfinite(values)]
    overall = float(np.median(finite)) if finite.size else 0.0
    phases = np.full(min(period, max(1, values.size)), overall)
    for phase in range(phases.size):
        there = values[phase::period]
        there = there[np.isfinite(there)]
        if there.size:
            phases[phase] = np.median(there)
    usual: F64 = phases[np.arange(values.size) % period]
    return usual


def spread(deviations: F64) -> float:
    """A standard deviation that outliers do not move (1.4826 times the median absolute one); the plain one where most
    do not deviate at all, and 1 where none does."""
    there = deviations[np.isfinite(deviations)]
    if not there.size:
        return 1.0
    robust = 1.4826 * float(np.median(np.abs(there)))
    return robust or float(np.std(there)) or 1.0


def _shifted(values: F64, usual: F64, label: Label, scale: float, period: int) -> F64:
    sign = -1.0 if label.kind == "dip" else 1.0
    return values + sign * label.size * scale


def _drifting(values: F64, usual: F64, label: Label, scale: float, period: int) -> F64:
    ramp: F64 = np.arange(1, values.size + 1) / values.size
    return values + ramp * label.size * scale


def _missing(values: F64, usual: F64, label: Label, scale: float, period: int) -> F64:
    return values * (1.0 - label.size)


def _restless(values: F64, usual: F64, label: Label, scale: float, period: int) -> F64:
    here = usual[label.first : label.last + 1]
    return here + (1.0 + label.size) * (values - here)


def _out_of_step(values: F64, usual: F64, label: Label, scale: float, period: int) -> F64:
    rows = np.arange(label.first, label.last + 1)
    elsewhere = usual[(rows + max(1, period // 2)) % min(period, usual.size)]
    return values + label.size * (elsewhere - usual[rows])


_MAKE: dict[Fault, Callable[[F64, F64, Label, float, int], F64]] = {
    "spike": _shifted,
    "dip": _shifted,
    "level_shift": _shifted,
    "drift": _drifting,
    "outage": _missing,
    "variance": _restless,
    "seasonal_break": _out_of_step,
}
