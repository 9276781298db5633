"""Where a flow fell, whether or not that was told of.

Of a warehouse that stands still people are often told once parcels are late. That it sent fewer than its share was
there to be seen before, in the hours in which it did: the best of all spans of hours and slices is looked for, and what
it costs to have looked at so many is taken off what speaks for it (a scan statistic: M. Kulldorff, "A spatial scan
statistic", 1997).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import NamedTuple

import numpy as np

from detectors.incidents import divided
from detectors.incidents.attribution import LEAST_CASES, Amount, Evidence, Slice, counted, evidence

LONGEST = 36
"""Grains that a fall may last."""
_NAMELESS = ("unknown", "other")


class Fall(NamedTuple):
    """A slice that had less than its share, from one instant to another (epoch ms): the evidence that it did, in nats,
    less what it cost to find it; and what there is in that time for others, and against them."""

    slice: Slice
    since: int
    until: int
    evidence: float
    others: Evidence


def fall(grains: Mapping[Slice, Mapping[int, Amount]], span: int, kind: str = "count", side: int = -1) -> Fall | None:
    """The clearest, of what each slice was and was expected to be by where a grain of some ``span`` (ms) begins; None
    where nothing speaks for any. Slices of one dimension only."""
    groups: dict[str, list[Slice]] = {}
    for slice_ in sorted(grains):
        if len(slice_) == 1:
            groups.setdefault(slice_[0][0], []).append(slice_)
    found = [one for members in groups.values() if (one := _of(members, grains, span, kind, side))]
    if not found:
        return None
    best = max(found, key=lambda one: (one.evidence, one.slice))
    amounts = {one: _sum(of, best.since, best.until) for one, of in grains.items()}
    return best._replace(others={**evidence(amounts, side, kind), best.slice: best.evidence})


def _sum(grains: Mapping[int, Amount], since: int, until: int) -> Amount:
    there = [one for start, one in grains.items() if since <= start < until]
    return Amount(*map(sum, zip(*there, strict=True))) if there else Amount()


def _of(
    members: Sequence[Slice], grains: Mapping[Slice, Mapping[int, Amount]], span: int, kind: str, side: int
) -> Fall | None:
    """Of the slices of one dimension."""
    starts = np.array(sorted({start for one in members for start in grains[one]}))
    if len(members) < 2 or not starts.size:
        return None
    none = Amount()
    table = np.array([[grains[one].get(start, none) for one in members] for start in starts.tolist()], dtype=np.float64)
    # Where nothing is usual nothing can be missing: such an hour only belongs to what is around it.
    at = np.flatnonzero(table[..., 1].sum(axis=1) >= 1.0)
    if not at.size:
        return None
    first, last = (numbers.ravel() for numbers in np.meshgrid(at, at, indexing="ij"))
    fits = (last >= first) & (starts[last] - starts[first] < LONGEST * span)
    first, last = first[fits], last[fits]
    cost = log(len(first)) + log(len(members))
    upto = np.concatenate([np.zeros((1, *table.shape[1:])), np.cumsum(table, axis=0)])
    counts = counted(upto[last + 1] - upto[first], kind)
    named = np.array([one[0][1] not in _NAMELESS for one in members])
    off = named & (side * (counts.came - counts.expected) >= LEAST_CASES)
    # Only what has less than its share of all that came.
    share = counts.came * counts.expected.sum(axis=-1, keepdims=True)
    off &= side * (share - counts.expected * counts.came.sum(axis=-1, keepdims=True)) > 0.0
    looked = np.flatnonzero(off.any(axis=-1))
    if not looked.size:
        return None
    each = np.eye(len(members), dtype=np.bool_)
    gains = divided.alone(*divided.Counts._make(one[looked] for one in counts).over(each))
    # Where others catch up on what they missed, this one has less than its share of all, and nothing is wrong with it.
    best = gains.max(axis=-1, keepdims=True)
    gains = np.where(off[looked] & (gains >= best), gains, -np.inf)
    where, which = np.unravel_index(int(np.argmax(gains)), gains.shape)
    gain = float(gains[where, which]) - cost
    if gain <= 0.0:
        return None
    window = looked[where]
    return Fall(members[int(which)], int(starts[first[window]]), int(starts[last[window]]) + span, gain, {})
