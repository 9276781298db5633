"""Whose deviation it is: which slice explains what a KPI is off by.

What a series is off by is taken apart into what was and what was expected, in amounts that add up over slices and over
time (:func:`contribution`), each with how far it may be off by chance. Then two explanations are held against each
other: *everything is off alike*, all slices of a group by one factor, and *only this one is off*, by a factor of its
own, while the others are as expected. How much better the second fits is the evidence for the slice: the logarithm of
the ratio of their likelihoods, less what it costs to say which of the slices it is (a description length: J. Rissanen,
"Modeling by shortest data description", 1978). So a channel that had most of the orders and has none any more explains
what it alone is off by, which a comparison of shares cannot see.

That trouble hits all that it is about by one factor, and that the fewest words that say it are the best, is after
Z. Li et al., "Generic and robust localization of multi-dimensional root causes" (Squeeze), 2019; that slices are judged
by what was expected of each, after R. Bhagwan et al., "Adtributor: revenue debugging in advertising systems", 2014.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detectors.incidents import divided, waits
from detectors.incidents.divided import VAGUE, Counts
from streams.kpis.values import KpiValue

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, by dimension; empty for the total."""
Evidence = dict[Slice, float]
"""By slice how much better it explains a KPI than that everything is off alike, in nats; below 0 how much worse."""

LEAST_CASES = 3.0
"""What rests on fewer orders, parcels or tickets explains nothing."""
_WIDTH = 2.0 * 2.576
"""99 % of values lie in so many standard deviations."""
_EDGE = 0.02
"""Ratios vary as if none were nearer to 0 or 1."""


class Amount(NamedTuple):
    """What was, and what was expected, in amounts that add up; ``weight`` is the number of observations, ``variance``
    that of what was expected."""

    actual: float = 0.0
    expected: float = 0.0
    weight: float = 0.0
    variance: float = 0.0

    @property
    def off(self) -> float:
        return self.actual - self.expected


class Share(Struct, frozen=True):
    """A slice's part in what a KPI was off by.

    ``share`` is of the whole deviation, ``size`` of what was expected; ``off`` the deviation itself, in amounts
    (see :func:`contribution`), ``cases`` how many orders, parcels or tickets that is. ``explains`` is the evidence that
    it is this slice (see :data:`Evidence`), 0 where there is none.
    """

    slice: dict[str, str]
    share: float
    size: float
    off: float
    cases: float
    explains: float


def contribution(value: KpiValue, kind: str, expected: tuple[float, float, float]) -> Amount | None:
    """What a value adds to what its KPI was, and to what was expected of it; None where nothing was observed.

    ``expected`` is (low, middle, high). A count or a sum is what it is; of a ratio the upper side, of a mean the sum,
    of a duration all the time that passed, beside what they would have been for as many cases. A level is what it is,
    grain after grain.
    """
    if value.value is None or not isfinite(value.value):
        return None
    low, middle, high = expected
    if kind in ("ratio", "mean"):
        actual, cases, each = float(value.parts[0]), float(value.parts[1]), float(value.parts[1])
    elif kind == "duration":
        actual, cases, each = value.weight * value.value, float(value.weight), float(value.weight)
    else:
        actual, cases, each = float(value.value), float(value.weight), 1.0
    return Amount(actual, each * middle, cases, (each * (high - low) / _WIDTH) ** 2)


def slice_of(dimensions: Mapping[str, str]) -> Slice:
    """As a key."""
    return tuple(sorted(dimensions.items()))


def evidence(amounts: Mapping[Slice, Amount], side: int, kind: str = "count") -> Evidence:
    """For every slice, of what is off to a ``side`` (1 above, -1 below), of one statistic of one KPI of a ``kind``.

    Slices of two dimensions also speak for those of one: a carrier is all that it has in any region.
    """
    found: Evidence = {}
    for members in _groups(amounts).values():
        ours = {one: amounts[one] for one in members}
        for slice_, gain in _gains(ours, side, kind).items():
            found[slice_] = max(gain, found.get(slice_, gain))
    return found


def _groups(amounts: Mapping[Slice, Amount]) -> dict[tuple[str, ...], list[Slice]]:
    """Slices by the same dimensions, in order."""
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for slice_ in sorted(amounts):
        if slice_:
            groups.setdefault(tuple(name for name, _ in slice_), []).append(slice_)
    return groups


def _gains(members: Mapping[Slice, Amount], side: int, kind: str) -> Evidence:
    single = _single(members.values(), kind)
    hypotheses: dict[Slice, list[Slice]] = {}
    for one in members:
        for slice_ in dict.fromkeys((one, *((pair,) for pair in one))):
            hypotheses.setdefault(slice_, []).append(one)
    gains = _COMPARED.get(kind, _apart)(members, list(hypotheses.values()), kind)
    found: Evidence = {}
    for gain, (slice_, inside) in zip(gains, hypotheses.items(), strict=True):
        # Nobody can do anything about a slice without a name; and one that is all there is is everything.
        if len(inside) == len(members) or any(of in ("unknown", "other") for _, of in slice_):
            continue
        off = side * sum(members[one].off for one in inside)
        cases = sum(_cases(members[one], kind, single) for one in inside)
        found[slice_] = gain if off > 0.0 and cases >= LEAST_CASES else min(0.0, gain)
    return found


def _apart(members: Mapping[Slice, Amount], hypotheses: Sequence[Sequence[Slice]], kind: str) -> list[float]:
    """How much better it explains what was that those inside of each hypothesis are off alone."""
    single = _single(members.values(), kind)
    everything = _fit(members.values(), kind, single)
    as_expected = {slice_: _fit([one], kind, single, 1.0) for slice_, one in members.items()}
    nothing = sum(as_expected.values())
    return [
        nothing
        - sum(as_expected[one] for one in inside)
        + _fit([members[one] for one in inside], kind, single)
        - everything
        for inside in hypotheses
    ]


def _divided(members: Mapping[Slice, Amount], hypotheses: Sequence[Sequence[Slice]], kind: str) -> list[float]:
    """The same of counts."""
    counts = counted(np.array(list(members.values()), dtype=np.float64), kind)
    number_of = {slice_: number for number, slice_ in enumerate(members)}
    numbers = [[number_of[one] for one in inside] for inside in hypotheses]
    within = Counts(*(np.array([of[several].sum() for several in numbers]) for of in counts))
    beside = Counts(*(np.maximum(0.0, of.sum() - inside) for of, inside in zip(counts, within, strict=True)))
    return [float(gain) for gain in divided.alone(within, beside)]


def _waited(members: Mapping[Slice, Amount], hypotheses: Sequence[Sequence[Slice]], kind: str) -> list[float]:
    """The same of durations."""
    actual, expected, weight, variance = np.array(list(members.values()), dtype=np.float64).T
    cases = np.maximum(1.0, weight)
    inside = np.array([[one in several for one in members] for several in hypotheses])
    return waits.alone(actual / cases, expected / cases, variance / cases**2, inside).tolist()  # type: ignore[no-any-return]


_COMPARED = {"count": _divided, "sum": _divided, "duration": _waited}


def counted(amounts: npt.NDArray[np.float64], kind: str) -> Counts:
    """How many orders, parcels or tickets: of amounts of shape (..., slices, 4). Sums vary by how large each is, too:
    about as half as many would."""
    actual, expected, weight, variance = np.moveaxis(amounts, -1, 0)
    each = np.ones_like(actual)
    if kind == "sum":
        # What one order is worth differs less among slices than how many there are.
        total, cases = np.abs(actual).sum(axis=-1, keepdims=True), weight.sum(axis=-1, keepdims=True)
        each = np.where((total > 0.0) & (cases > 0.0), 2.0 * total / np.maximum(cases, 1.0), 1.0) * each
    return Counts(np.maximum(0.0, actual) / each, np.maximum(0.0, expected) / each, variance / each**2)


def _fit(amounts: Iterable[Amount], kind: str, single: float, factor: float | None = None) -> float:
    """The log-likelihood of what was, where all is what was expected times a factor, the best one if none is given."""
    several = [(one, one.variance + single**2) for one in amounts]
    scale = sum(one.expected**2 / variance for one, variance in several)
    if factor is None and scale > 0.0:
        factor = sum(one.actual * one.expected / variance for one, variance in several) / scale
    found = 0.0
    for one, variance in several:
        # Where nothing was expected there is no factor, and whatever came is as good.
        middle = one.actual if factor is None else factor * one.expected
        spread = variance * _grown(one, factor or 0.0, kind) + (VAGUE * _rarer(one, middle, kind)) ** 2
        found -= 0.5 * ((one.actual - middle) ** 2 / spread + log(spread))
    return found


def _grown(amount: Amount, factor: float, kind: str) -> float:
    """How many times as much it varies where a factor more is expected: a ratio varies most where it is a half."""
    if kind != "ratio" or amount.weight <= 0.0:
        return max(factor, 1.0)
    before, after = (
        min(max(of / amount.weight, _EDGE), 1.0 - _EDGE) for of in (amount.expected, factor * amount.expected)
    )
    return max(1.0, after * (1.0 - after) / (before * (1.0 - before)))


def _rarer(amount: Amount, middle: float, kind: str) -> float:
    """Of what the expectation may be wrong by a share: of a ratio the side there is less of."""
    return min(abs(middle), abs(amount.weight - middle)) if kind == "ratio" else middle


def _single(amounts: Iterable[Amount], kind: str) -> float:
    """What one order, parcel or ticket is, in amounts."""
    actual, _, weight, _ = map(sum, zip(*amounts, strict=True))
    return abs(actual) / weight if kind in ("sum", "mean", "duration") and actual and weight else 1.0


def _cases(amount: Amount, kind: str, single: float) -> float:
    """How many orders, parcels or tickets are off."""
    return amount.weight if kind in ("mean", "duration") else abs(amount.off) / single


def attribute(amounts: Mapping[Slice, Amount], side: int, kind: str = "count") -> list[Share]:
    """All slices there is anything of, those that are off most to a ``side`` (1 above, -1 below) first.

    Shares are of the total's deviation; where it has none, or to the other side, of the sum of the slices that are off
    to this one. One statistic of one KPI, of a ``kind``.
    """
    explains, total = evidence(amounts, side, kind), amounts.get((), Amount())
    found = []
    for members in _groups(amounts).values():
        expected = sum(abs(amounts[one].expected) for one in members)
        single = _single((amounts[one] for one in members), kind)
        whole = max(side * total.off, sum(max(0.0, side * amounts[one].off) for one in members))
        for one in members:
            amount = amounts[one]
            found.append(
                Share(
                    dict(one),
                    share=min(1.0, max(0.0, side * amount.off) / whole) if whole > 0.0 else 0.0,
                    size=abs(amount.expected) / expected if expected > 0.0 else 0.0,
                    off=amount.off,
                    cases=_cases(amount, kind, single),
                    explains=max(0.0, explains.get(one, 0.0)),
                )
            )
    return sorted(found, key=lambda one: (-side * one.off, sorted(one.slice.items())))
