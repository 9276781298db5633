"""Whose deviation it is: which slices carry what a KPI is off by.

What a series is off by is taken apart into what was and what was expected, in amounts that add up over slices and over
time (:func:`contribution`). A slice that is off by more than its size would have it explains the deviation: its part
in the Kullback-Leibler divergence of the deviation from what was expected, share × log(share / size). So a carrier in
one region that is off by all there is comes before the carrier and before the region, and where everything is off alike
nothing explains it. After R. Bhagwan et al., "Adtributor: revenue debugging in advertising systems", 2014, where
explanatory power and surprise are two figures with a threshold each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, log
from typing import NamedTuple

from msgspec import Struct

from streams.kpis.values import KpiValue

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, by dimension; empty for the total."""

EXPLAINS = 0.6
"""The least share of the deviation that explains it."""
MORE_THAN_ITS_SIZE = 3.0
"""How many times the odds of its share must be those of its size: a slice that was nearly all there was explains what
it alone is off by, and not what everything is off by."""
LEAST_EXPLAINED = 0.1
"""The least that explains anything: beside a slice that was nearly all there was nobody can tell if the rest is off."""
MATTERS = 0.4
"""A dimension that explains less than this share of what the best one explains is left out."""
TOGETHER = 0.4
"""Two dimensions are named together where both at once carry at least this share."""
LEAST_CASES = 3.0
"""What rests on fewer orders, parcels or tickets explains nothing."""


class Amount(NamedTuple):
    """What was, and what was expected, in amounts that add up; ``weight`` is the number of observations."""

    actual: float = 0.0
    expected: float = 0.0
    weight: float = 0.0

    @property
    def off(self) -> float:
        return self.actual - self.expected


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


def contribution(value: KpiValue, kind: str, middle: float) -> Amount | None:
    """What a value adds to what its KPI was, and to what was expected of it; None where nothing was observed.

    ``middle`` is what was expected. A count or a sum is what it is; of a ratio the upper side, of a mean the sum, of a
    duration all the time that passed, beside what they would have been for as many cases. A level is what it is, grain
    after grain.
    """
    if value.value is None or not isfinite(value.value):
        return None
    if kind in ("ratio", "mean"):
        upper, lower = value.parts[0], value.parts[1]
        return Amount(float(upper), middle * lower, float(lower))
    if kind == "duration":
        return Amount(value.weight * value.value, value.weight * middle, float(value.weight))
    return Amount(float(value.value), middle, float(value.weight))


def slice_of(dimensions: Mapping[str, str]) -> Slice:
    """As a key."""
    return tuple(sorted(dimensions.items()))


def attribute(amounts: Mapping[Slice, Amount], side: int, kind: str = "count") -> list[Share]:
    """All slices there is anything of, those that are off most to a ``side`` (1 above, -1 below) first.

    Shares are of the total's deviation; where it has none, or to the other side, of the sum of the slices that are off
    to this one. One statistic of one KPI, of a ``kind``.
    """
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for slice_ in amounts:
        if slice_:
            groups.setdefault(tuple(name for name, _ in slice_), []).append(slice_)
    total = amounts.get((), Amount())
    single = total.actual / total.weight if kind == "sum" and total.weight > 0.0 and total.actual > 0.0 else 1.0
    found = []
    for members in groups.values():
        expected = sum(abs(amounts[one].expected) for one in members)
        beside = sum(max(0.0, side * amounts[one].off) for one in members)
        whole = max(side * total.off, beside)
        for one in members:
            amount = amounts[one]
            cases = amount.weight if kind in ("mean", "duration") else abs(amount.off) / single
            found.append(_share(one, amount, side, whole, expected, cases))
    return sorted(found, key=lambda one: (-side * one.off, sorted(one.slice.items())))


def _share(slice_: Slice, amount: Amount, side: int, whole: float, expected: float, cases: float) -> Share:
    share = min(1.0, max(0.0, side * amount.off) / whole) if whole > 0.0 else 0.0
    size = abs(amount.expected) / expected if expected > 0.0 else 0.0
    more = share * (1.0 - size) >= MORE_THAN_ITS_SIZE * size * (1.0 - share)
    # Nobody can do anything about a slice without a name.
    known = all(of not in ("unknown", "other") for _, of in slice_)
    explains = 0.0
    if share >= EXPLAINS and more and known and cases >= LEAST_CASES:
        # A slice of which nothing was expected is as large as one case.
        explains = share * log(share / min(share, max(size, 1.0 / (1.0 + expected))))
    return Share(dict(slice_), share, size, amount.off, cases, explains if explains >= LEAST_EXPLAINED else 0.0)


def scope(attributions: Iterable[tuple[float, Sequence[Share]]]) -> dict[str, str]:
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


def _explaining(shares: Sequence[Share]) -> dict[tuple[str, str], float]:
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
    for one in shares:
        pairs = one.slice.items()
        if len(pairs) > 1 and all(pair in found for pair in pairs) and one.share < TOGETHER:
            # Each explains much by itself, and not the same: they are not where the two meet.
            del found[min(pairs, key=lambda pair: (found[pair], pair))]
    return found
