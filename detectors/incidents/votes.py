"""Whom several KPIs at once say that an incident is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import log
from typing import NamedTuple

from detectors.incidents.attribution import Evidence, Slice

EXPLAINS = 1.0
"""The least evidence that explains anything, nats: nearly three times as likely as that everything is off alike."""
BOTH = 3.0
"""The least evidence for each of two dimensions that are named together without having been seen together, nats."""
AS_CLEAR = 2.0
"""And neither is for more than so many times what the other is for: it is enough by itself."""
OTHER = 3.0
"""One KPI of twenty that are off at once is so for another reason: it says no more than that against anything, nats."""
CONTRADICTS = 4.0
"""Evidence for one slice rather than another that makes it another incident, nats."""


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


def _fewest_words_first(slices: Iterable[Slice]) -> list[Slice]:
    return sorted(set(slices), key=lambda one: (len(one), one))


def _pairs(evidence: Evidence) -> Iterator[Slice]:
    """Two dimensions together, of what each explains by itself."""
    single = {slice_[0]: gain for slice_, gain in evidence.items() if len(slice_) == 1 and gain > BOTH}
    for one, other in combinations(sorted(single), 2):
        if one[0] != other[0] and 1.0 / AS_CLEAR <= single[one] / single[other] <= AS_CLEAR:
            yield one, other


def contradicts(vote: Vote, about: Mapping[str, str]) -> bool:
    """Whether a KPI speaks for another value of a dimension of a scope, and clearly more so than for that one."""
    for dimension, value in about.items():
        ours = vote.of(((dimension, value),))
        theirs = max((vote.of(one) for one in vote.evidence if len(one) == 1 and one[0][0] == dimension), default=0.0)
        if theirs > CONTRADICTS and theirs - ours > CONTRADICTS:
            return True
    return False
