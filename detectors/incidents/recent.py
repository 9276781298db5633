"""What the series of a KPI were off by in the last days: what an incident is explained with."""

from __future__ import annotations

from typing import Any, NamedTuple

from detectors.incidents.attribution import Amount, Slice, contribution, slice_of
from streams.kpis.values import KpiValue

KEPT = 96
"""Grains that are remembered of each series."""
STRANGE = 2.0
"""From this surprise on a series is off."""


class _Grain(NamedTuple):
    start: int
    amount: Amount
    surprise: float
    side: int


class Recent:
    """Of one KPI, of whose ``kind`` it depends how its values add up."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._grains: dict[tuple[str, Slice], list[_Grain]] = {}

    def put(self, value: KpiValue) -> None:
        """Remember a final value, or what has become of one."""
        amount = contribution(value, self._kind)
        if amount is None:
            return
        grains = self._grains.setdefault((value.stat, slice_of(value)), [])
        grain = _Grain(value.start, amount, value.surprise, value.side)
        if not grains or grains[-1].start < value.start:
            grains.append(grain)
            del grains[:-KEPT]
            return
        for at, known in enumerate(grains):
            if known.start == value.start:
                # A correction is not judged again: it is as strange as it was.
                grains[at] = grain._replace(surprise=known.surprise, side=known.side)

    def since(self, value: KpiValue) -> int:
        """The start of the first of the grains in a row, up to this one, in which the series was off to the same side.
        One in between that was not does not end the row."""
        since, missed = value.start, 0
        for grain in reversed(self._grains.get((value.stat, slice_of(value)), ())):
            if grain.start >= value.start:
                continue
            if grain.surprise >= STRANGE and grain.side == value.side:
                since, missed = grain.start, 0
            else:
                missed += 1
                if missed > 1:
                    break
        return since

    def amounts(self, stat: str, since: int, last: int) -> dict[Slice, Amount]:
        """What each slice was and was expected to be, all grains from one start to another, both included."""
        found = {}
        for (of, slice_), grains in self._grains.items():
            inside = [grain.amount for grain in grains if since <= grain.start <= last] if of == stat else []
            if inside:
                found[slice_] = Amount(*map(sum, zip(*inside, strict=True)))
        return found

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [
            [
                stat,
                [list(pair) for pair in slice_],
                [[one.start, *one.amount, one.surprise, one.side] for one in grains],
            ]
            for (stat, slice_), grains in self._grains.items()
        ]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        self._grains = {
            (stat, tuple((name, of) for name, of in slice_)): [
                _Grain(start, Amount(actual, expected, cases), surprise, side)
                for start, actual, expected, cases, surprise, side in grains
            ]
            for stat, slice_, grains in state
        }
