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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import isfinite, log
from typing import NamedTuple

from msgspec import Struct

from streams.kpis.values import KpiValue

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, by dimension; empty for the total."""
Evidence = dict[Slice, float]
"""By slice how much better it explains a KPI than that everything is off alike, in nats; below 0 how much worse."""

EXPLAINS = 1.0
"""The least evidence that explains anything, nats: nearly three times as likely as that everything is off alike."""
OTHER = 3.0
"""One KPI of twenty that are off at once is so for another reason: it says no more than that against anything, nats."""
CONTRADICTS = 4.0
"""Evidence for one slice rather than another that makes it another incident, nats."""
LEAST_CASES = 3.0
"""What rests on fewer orders, parcels or tickets explains nothing."""
_WIDTH = 2.0 * 2.576
"""99 % of values lie in so many standard deviations."""
_VAGUE = 0.15
"""What is expected of a slice may itself be wrong by such a share, hour after hour."""


_LEAST = 0.1
"""Where next to nothing is left, it varies as if there were this share of what was expected."""
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
    everything = _fit(members.values(), kind, single)
    hypotheses = _fewest_words_first({*members, *((pair,) for slice_ in members for pair in slice_)})
    as_expected = {slice_: _fit([one], kind, single, 1.0) for slice_, one in members.items()}
    nothing = sum(as_expected.values())
    found: Evidence = {}
    for slice_ in hypotheses:
        inside = [one for one in members if set(slice_) <= set(one)]
        # Nobody can do anything about a slice without a name; and one that is all there is is everything.
        if len(inside) == len(members) or any(of in ("unknown", "other") for _, of in slice_):
            continue
        off = side * sum(members[one].off for one in inside)
        cases = sum(_cases(members[one], kind, single) for one in inside)
        may = off > 0.0 and cases >= LEAST_CASES
        before = sum(as_expected[one] for one in inside)
        alone = _fit([members[one] for one in inside], kind, single) if may else before
        gain = nothing - before + alone - everything
        found[slice_] = gain if may else min(0.0, gain)
    return found


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
        spread = variance * _grown(one, factor or 0.0, kind) + (_VAGUE * _rarer(one, middle, kind)) ** 2
        found -= 0.5 * ((one.actual - middle) ** 2 / spread + log(spread))
    return found


def _grown(amount: Amount, factor: float, kind: str) -> float:
    """How many times as much it varies where a factor more is expected: of counts what is more varies by more and what
    is less by less; a ratio varies most where it is a half."""
    if kind in ("count", "sum"):
        return max(factor, _LEAST)
    if kind != "ratio" or amount.weight <= 0.0:
        return max(factor, 1.0)
    before, after = (
        min(max(of / amount.weight, _EDGE), 1.0 - _EDGE) for of in (amount.expected, factor * amount.expected)
    )
    return max(1.0, after * (1.0 - after) / (before * (1.0 - before)))


def _rarer(amount: Amount, middle: float, kind: str) -> float:
    """Of what the expectation may be wrong by a share: of a ratio the side there is less of."""
    return min(abs(middle), abs(amount.weight - middle)) if kind == "ratio" else middle


def _fewest_words_first(slices: Iterable[Slice]) -> list[Slice]:
    return sorted(set(slices), key=lambda one: (len(one), one))


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


class Vote(NamedTuple):
    """What a KPI has to say of whom an incident is about: for a slice no more than ``most`` nats, what it being off at
    all is worth, and against it no more than :data:`OTHER`."""

    most: float
    evidence: Evidence

    def of(self, slice_: Slice) -> float:
        """For a slice, or against it; 0 where nothing is known of it. What is known of two dimensions one by one only
        adds up: where all carriers of a region are off, the carriers are off alike, and where one is off there alone,
        it is off alone among carriers too."""
        found = self.evidence.get(slice_)
        if found is None and len(slice_) > 1:
            return sum(self.of((pair,)) for pair in slice_)
        return min(self.most, max(-OTHER, found or 0.0))


def scope(votes: Sequence[Vote]) -> dict[str, str]:
    """The slice that explains several KPIs at once better than that everything is off alike; empty where none does."""
    slices = _fewest_words_first(slice_ for vote in votes for slice_ in (*vote.evidence, *_pairs(vote.evidence)))
    best: Slice = ()
    most = EXPLAINS
    for slice_ in slices:
        names = tuple(name for name, _ in slice_)
        alike = sum(tuple(name for name, _ in one) == names for one in slices)
        found = sum(vote.of(slice_) for vote in votes) - log(alike)
        if found > most:
            best, most = slice_, found
    return dict(best)


def _pairs(evidence: Evidence) -> Iterator[Slice]:
    """Two dimensions together, of what each explains by itself."""
    single = [slice_[0] for slice_, gain in evidence.items() if len(slice_) == 1 and gain > EXPLAINS]
    for one, other in combinations(sorted(single), 2):
        if one[0] != other[0]:
            yield one, other


def contradicts(vote: Vote, about: Mapping[str, str]) -> bool:
    """Whether a KPI speaks for another value of a dimension of a scope, and clearly more so than for that one."""
    for dimension, value in about.items():
        ours = vote.of(((dimension, value),))
        theirs = max((vote.of(one) for one in vote.evidence if len(one) == 1 and one[0][0] == dimension), default=0.0)
        if theirs > CONTRADICTS and theirs - ours > CONTRADICTS:
            return True
    return False
