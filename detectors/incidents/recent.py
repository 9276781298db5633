"""What the series of a KPI were off by in the last days: what an incident is explained with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import isfinite
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
    middle: float
    surprise: float
    side: int


class Recent:
    """Of one KPI, of whose ``kind`` it depends how its values add up."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.end = 0
        """Where the newest grain ends, epoch ms."""
        self._grains: dict[tuple[str, Slice], list[_Grain]] = {}

    def put(self, values: Sequence[KpiValue]) -> None:
        """Remember the final values of a grain, or what has become of some. A correction is held against what was
        expected at first, and is not judged again."""
        for value in values:
            self._put(value)
        newest, span = max(value.start for value in values), values[0].end - values[0].start
        self.end = max(self.end, newest + span)
        self._grains = {
            series: grains for series, grains in self._grains.items() if grains[-1].start > newest - KEPT * span
        }

    def _put(self, value: KpiValue) -> None:
        grains = self._grains.get((value.stat, slice_of(value.slice)), [])
        at = bisect_left(grains, value.start, key=lambda one: one.start)
        if at < len(grains) and grains[at].start == value.start:
            amount = contribution(value, self.kind, grains[at].middle)
            if amount is not None:
                grains[at] = grains[at]._replace(amount=amount)
            return
        if value.expected is None or not all(map(isfinite, value.expected)):
            return
        middle = value.expected[1]
        amount = contribution(value, self.kind, middle)
        if amount is not None and at == len(grains):
            grains.append(_Grain(value.start, amount, middle, value.surprise, value.side))
            self._grains[value.stat, slice_of(value.slice)] = grains[-KEPT:]

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

    def amounts(self, stat: str, since: int, until: int) -> dict[Slice, Amount]:
        """What each slice was and was expected to be, in all grains that begin from one instant to another, which is
        left out."""
        found = {}
        for (of, slice_), grains in self._grains.items():
            if of == stat and grains[-1].start >= since:
                first = bisect_left(grains, since, key=lambda one: one.start)
                last = bisect_right(grains, until - 1, key=lambda one: one.start)
                inside = [grain.amount for grain in grains[first:last]]
                if inside:
                    found[slice_] = Amount(*map(sum, zip(*inside, strict=True)))
        return found

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        grains = [
            [
                stat,
                [list(pair) for pair in slice_],
                [[one.start, *one.amount, one.middle, one.surprise, one.side] for one in grains],
            ]
            for (stat, slice_), grains in self._grains.items()
        ]
        return [self.end, grains]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self.end, told = state
        self._grains = {
            (stat, tuple((name, of) for name, of in slice_)): [
                _Grain(start, Amount(actual, expected, weight), middle, surprise, side)
                for start, actual, expected, weight, middle, surprise, side in grains
            ]
            for stat, slice_, grains in told
        }
