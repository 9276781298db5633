"""What the series of a KPI were off by in the last days: what an incident is explained with."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from typing import Any, NamedTuple

from detectors.incidents.attribution import Amount, Slice, contribution, slice_of
from streams.kpis.values import KpiValue

KEPT = 96
"""Grains that are remembered of each series."""
STRANGE = 2.0
"""From this surprise on a series is off."""
_GAP = 2
"""Grains after which what was off before is another matter."""


class _Grain(NamedTuple):
    start: int
    amount: Amount
    expected: tuple[float, float, float]
    surprise: float
    side: int
    told: bool
    """Whether it was alerted of, and nothing that came late has taken that back."""
    inside: bool
    """Whether it lies where it was expected."""


class Recent:
    """Of one KPI, of whose ``kind`` it depends how its values add up."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.end = 0
        """Where the newest grain ends, epoch ms."""
        self._grains: dict[tuple[str, Slice], list[_Grain]] = {}

    def is_new(self, value: KpiValue) -> bool:
        """Whether it is of a grain that was not told of. A worker that takes over tells again what the one before it
        told last, and what is longer ago than is remembered may have been told."""
        grains = self._grains.get((value.stat, slice_of(value.slice)))
        if grains and value.start <= grains[-1].start:
            return False
        return value.end > self.end - KEPT * (value.end - value.start)

    def put(self, values: Sequence[KpiValue]) -> list[KpiValue]:
        """Remember the final values of a grain, or what has become of some. A correction is held against what was
        expected at first, and is not judged again.

        Gives back those corrections that take an alert back: what was outside of what was expected is inside now.
        """
        taken_back = [value for value in values if self._put(value)]
        newest, span = max(value.start for value in values), values[0].end - values[0].start
        self.end = max(self.end, newest + span)
        self._grains = {
            series: grains for series, grains in self._grains.items() if grains[-1].start > newest - KEPT * span
        }
        return taken_back

    def _put(self, value: KpiValue) -> bool:
        grains = self._grains.get((value.stat, slice_of(value.slice)), [])
        at = bisect_left(grains, value.start, key=lambda one: one.start)
        if at < len(grains) and grains[at].start == value.start:
            return self._correct(grains, at, value)
        if value.expected is None or not all(map(isfinite, value.expected)):
            return False
        amount = contribution(value, self.kind, value.expected)
        if amount is not None and at == len(grains):
            inside = _inside(value, value.expected)
            grains.append(_Grain(value.start, amount, value.expected, value.surprise, value.side, value.alert, inside))
            self._grains[value.stat, slice_of(value.slice)] = grains[-KEPT:]
        return False

    def _correct(self, grains: list[_Grain], at: int, value: KpiValue) -> bool:
        before = grains[at]
        amount = contribution(value, self.kind, before.expected)
        if amount is None:
            return False
        inside = _inside(value, before.expected)
        taken_back = before.told and inside and not before.inside
        grains[at] = before._replace(amount=amount, inside=inside, told=before.told and not taken_back)
        return taken_back

    def told(self, stat: str, slice_: Slice, since: int, until: int) -> bool:
        """Whether a series has been alerted of in any grain that begins from one instant to another, which is left out,
        and nothing that came late has taken that back. So it is taken to be where that is longer ago than what is
        remembered."""
        grains = self._grains.get((stat, slice_), [])
        if not grains or grains[0].start > since:
            return True
        return any(grain.told for grain in grains if since <= grain.start < until)

    def since(self, value: KpiValue) -> int:
        """The start of the first of the grains in a row, up to this one, in which the series was off to the same side.
        One in between that was not does not end the row."""
        since, reach = value.start, _GAP * (value.end - value.start)
        for grain in reversed(self._grains.get((value.stat, slice_of(value.slice)), ())):
            if grain.start >= value.start:
                continue
            if since - grain.start > reach:
                break
            if grain.surprise >= STRANGE and grain.side == value.side:
                since = grain.start
        return since

    def amounts(self, stat: str, slices: Iterable[Slice], side: int, since: int, until: int) -> dict[Slice, Amount]:
        """What each slice was and was expected to be, in those grains that begin from one instant to another, which is
        left out, in which any of some ``slices`` was off to a side."""
        off = {
            grain.start
            for slice_ in slices
            for grain in _between(self._grains.get((stat, slice_), []), since, until)
            if grain.told or (grain.surprise >= STRANGE and grain.side == side)
        }
        found = {}
        for (of, slice_), grains in self._grains.items():
            if of == stat:
                amounts = [grain.amount for grain in _between(grains, since, until) if grain.start in off]
                if amounts:
                    found[slice_] = self._together(amounts)
        return found

    def grains(self, stat: str, since: int, until: int) -> dict[Slice, dict[int, Amount]]:
        """What each slice was and was expected to be in the grains that begin from one instant to another, which is
        left out, by where they begin."""
        return {
            slice_: {grain.start: grain.amount for grain in _between(grains, since, until)}
            for (of, slice_), grains in self._grains.items()
            if of == stat
        }

    def _together(self, amounts: Sequence[Amount]) -> Amount:
        found = Amount(*map(sum, zip(*amounts, strict=True)))
        if self.kind != "level":
            return found
        # What a level is off by it is off by the next hour, too.
        return found._replace(variance=sum(sqrt(one.variance) for one in amounts) ** 2)

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        grains = [
            [
                stat,
                [list(pair) for pair in slice_],
                [[*one] for one in grains],
            ]
            for (stat, slice_), grains in self._grains.items()
        ]
        return [self.end, grains]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self.end, told = state
        self._grains = {
            (stat, tuple((name, of) for name, of in slice_)): [
                _Grain(start, Amount(*amount), tuple(expected), *others) for start, amount, expected, *others in grains
            ]
            for stat, slice_, grains in told
        }


def _between(grains: list[_Grain], since: int, until: int) -> list[_Grain]:
    """Those that begin from one instant to another, which is left out."""
    first = bisect_left(grains, since, key=lambda one: one.start)
    return grains[first : bisect_left(grains, until, key=lambda one: one.start)]


def _inside(value: KpiValue, expected: tuple[float, float, float]) -> bool:
    return value.value is not None and expected[0] <= value.value <= expected[2]
