"""Whose deviation it is: which slices carry what a KPI is off by.

What a series is off by is taken apart into what was and what was expected, in amounts that add up over slices and over
time (:func:`contribution`). A slice that is off by more than its size would have it explains the deviation: its part
in the Kullback-Leibler divergence of the deviation from what was expected, share × log(share / size). So a carrier in
one region that is off by all there is comes before the carrier and before the region, and where everything is off alike
nothing explains it. After R. Bhagwan et al., "Adtributor: revenue debugging in advertising systems", 2014, where
explanatory power and surprise are two figures with a threshold each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log
from typing import NamedTuple

from msgspec import Struct

from streams.kpis.values import KpiValue

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, by dimension; empty for the total."""

EXPLAINS = 0.5
"""The least share of the deviation that explains it."""
MORE_THAN_ITS_SIZE = 3.0
"""How many times the odds of its share must be those of its size: a slice that was nearly all there was explains what
it alone is off by, and not what everything is off by."""
MATTERS = 0.4
"""A dimension that explains less than this share of what the best one explains is left out."""
LEAST_CASES = 3.0
"""What rests on fewer orders, parcels or tickets explains nothing."""


class Amount(NamedTuple):
    """What was, and what was expected, in amounts that add up; and how many ``cases`` the difference is."""

    actual: float = 0.0
    expected: float = 0.0
    cases: float = 0.0

    @property
    def off(self) -> float:
        return self.actual - self.expected

    def plus(self, other: Amount) -> Amount:
        return Amount(self.actual + other.actual, self.expected + other.expected, self.cases + other.cases)


class Share(Struct, frozen=True):
    """A slice's part in what a KPI was off by.

    ``share`` is of the whole deviation, ``size`` of what was expected; ``off`` the deviation itself, in amounts
    (see :func:`contribution`), ``cases`` how many orders, parcels or tickets that is. ``explains`` is 0 where the slice
    is off by no more than its size.
    """

    slice: dict[str, str]
    share: float
    size: float
    off: float
    cases: float
    explains: float


def contribution(value: KpiValue, kind: str) -> Amount | None:
    """What a value adds to what its KPI was and was expected to be; None where nothing was observed or expected.

    A count or a sum is what it is; of a ratio the upper side, of a mean the sum, of a duration all the time that
    passed, beside what they would have been for as many cases. A level is what it is, grain after grain.
    """
    if value.value is None or value.expected is None:
        return None
    middle = value.expected[1]
    if kind in ("ratio", "mean"):
        upper, lower = value.parts[0], value.parts[1]
        expected = middle * lower
        return Amount(float(upper), expected, abs(upper - expected) if kind == "ratio" else float(lower))
    if kind == "duration":
        return Amount(value.weight * value.value, value.weight * middle, float(value.weight))
    cases = float(value.weight) if kind == "sum" else abs(value.value - middle)
    return Amount(float(value.value), middle, cases)


def slice_of(value: KpiValue) -> Slice:
    """As a key."""
    return tuple(sorted(value.slice.items()))


def attribute(amounts: Mapping[Slice, Amount], side: int) -> list[Share]:
    """All slices there is anything of, those that are off most to a ``side`` (1 above, -1 below) first.

    Shares are of the total's deviation; where it has none, or to the other side, of the sum of the slices that are off
    to this one. One statistic of one KPI.
    """
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for slice_ in amounts:
        if slice_:
            groups.setdefault(tuple(name for name, _ in slice_), []).append(slice_)
    total = amounts.get((), Amount())
    found = []
    for members in groups.values():
        expected = sum(abs(amounts[one].expected) for one in members)
        beside = sum(max(0.0, side * amounts[one].off) for one in members)
        whole = max(side * total.off, beside)
        found += [_share(one, amounts[one], side, whole, expected) for one in members]
    return sorted(found, key=lambda one: (-side * one.off, sorted(one.slice.items())))


def _share(slice_: Slice, amount: Amount, side: int, whole: float, expected: float) -> Share:
    share = min(1.0, max(0.0, side * amount.off) / whole) if whole > 0.0 else 0.0
    size = abs(amount.expected) / expected if expected > 0.0 else 0.0
    explains = 0.0
    more = share * (1.0 - size) >= MORE_THAN_ITS_SIZE * size * (1.0 - share) and size < 1.0
    # Nobody can do anything about a slice without a name.
    known = all(of not in ("unknown", "other") for _, of in slice_)
    if share >= EXPLAINS and more and known and amount.cases >= LEAST_CASES:
        # A slice of which nothing was expected is as large as one case.
        explains = share * max(0.0, log(share / max(size, 1.0 / (1.0 + expected))))
    return Share(dict(slice_), share, size, amount.off, amount.cases, explains)


def scope(attributions: Iterable[tuple[float, list[Share]]]) -> dict[str, str]:
    """The slice that explains several KPIs at once, each with a weight: of every dimension the value that does so most,
    where those of other values do not come close. Empty where everything is off alike."""
    votes: dict[str, dict[str, float]] = {}
    for weight, shares in attributions:
        for (dimension, value), explains in _explaining(shares).items():
            of = votes.setdefault(dimension, {})
            of[value] = of.get(value, 0.0) + weight * explains
    found, most = {}, max((max(of.values()) for of in votes.values()), default=0.0)
    for dimension, of in sorted(votes.items()):
        value, vote = max(of.items(), key=lambda one: (one[1], one[0]))
        if 2.0 * vote > sum(of.values()) and vote >= MATTERS * most:
            found[dimension] = value
    return found


def _explaining(shares: Iterable[Share]) -> dict[tuple[str, str], float]:
    """By dimension and value how much they explain of one KPI: of each dimension the one that does so most, and of two
    together those that explain more than either of them alone."""
    best: dict[tuple[str, ...], Share] = {}
    for one in shares:
        of = tuple(one.slice)
        if one.explains > 0.0 and (of not in best or one.explains > best[of].explains):
            best[of] = one
    found: dict[tuple[str, str], float] = {}
    for of in sorted(best, key=len):
        pairs, explains = best[of].slice.items(), best[of].explains
        if all(explains > found.get(pair, 0.0) for pair in pairs):
            found.update(dict.fromkeys(pairs, explains))
    return found
