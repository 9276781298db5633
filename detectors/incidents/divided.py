"""How counts are divided up among slices.

How many orders come in an hour is not known well beforehand; how those that come are divided up among channels is. So
that all are off alike is judged by that alone, given how many came; that a slice is off alone, by how the others are
divided up among themselves, and by whether they are as many as expected.

Counts that are divided up are Dirichlet-multinomial: each slice's share is about what it was expected to be, as if that
had been learned from so many cases (N. L. Johnson, S. Kotz, N. Balakrishnan, "Discrete Multivariate Distributions",
1997, chapter 35).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma, log
from typing import NamedTuple

LEARNED = 100.0
"""Shares are known as if from so many cases: one of a half is wrong by five in a hundred."""
VAGUE = 0.15
"""How many are expected may itself be wrong by such a share, hour after hour."""
_FEW = 0.1
"""Where none were expected some may come."""


class Counted(NamedTuple):
    """How many came, and were expected; ``variance`` is that of what was expected."""

    came: float
    expected: float
    variance: float


def alone(inside: Sequence[Counted], outside: Sequence[Counted]) -> float:
    """How much better it explains some counts that those ``inside`` of a slice are off, by a factor of their own, and
    those ``outside`` are as expected, than that all are off by one: the logarithm of the ratio of likelihoods."""
    everything = [*inside, *outside]
    alike = _how_many(sum(one.came for one in everything)) + _divided(everything)
    apart = _how_many(sum(one.came for one in inside)) + _divided(inside)
    return apart + _as_expected(outside) + _divided(outside) - alike


def _how_many(came: float) -> float:
    """The log-likelihood of a Poisson count where just so many were to be expected."""
    return came * log(came) - came - lgamma(came + 1.0) if came > 0.0 else 0.0


def _divided(counts: Sequence[Counted]) -> float:
    """The log-likelihood of how counts are divided up, given how many there are of all."""
    expected = [max(_FEW, one.expected) for one in counts]
    total, scale = sum(one.came for one in counts), LEARNED / sum(expected)
    found = lgamma(total + 1.0) + lgamma(LEARNED) - lgamma(total + LEARNED)
    for one, usual in zip(counts, expected, strict=True):
        share = usual * scale
        found += lgamma(one.came + share) - lgamma(share) - lgamma(one.came + 1.0)
    return found


def _as_expected(counts: Sequence[Counted]) -> float:
    """The log-likelihood of how many there are of all, negative binomial around what was expected."""
    came, middle = sum(one.came for one in counts), max(_FEW, sum(one.expected for one in counts))
    beyond = sum(max(0.0, one.variance - one.expected) for one in counts) + (VAGUE * middle) ** 2
    shape = middle**2 / beyond
    found = lgamma(came + shape) - lgamma(shape) - lgamma(came + 1.0) + shape * log(shape / (shape + middle))
    return found + came * log(middle / (shape + middle))
