"""How counts are divided up among slices.

How many orders come in an hour is not known well beforehand; how those that come are divided up among channels is. So
that all are off alike is judged by that alone, given how many came; that a slice is off alone, by whether the others
are as many as expected.

Counts that are divided up are Dirichlet-multinomial: each slice's share is about what it was expected to be, as if that
had been learned from so many cases (N. L. Johnson, S. Kotz, N. Balakrishnan, "Discrete Multivariate Distributions",
1997, chapter 35). How they fall to a slice and to all others is beta-binomial then, and how either is divided up within
says the same of both explanations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln, xlogy

Floats = npt.NDArray[np.float64]

LEARNED = 200.0
"""Shares are known as if from so many cases: one of a half is wrong by four in a hundred."""
VAGUE = 0.15
"""What is expected may itself be wrong by such a share, hour after hour."""
_FEW = 0.1
"""Where none were expected some may come."""


class Counts(NamedTuple):
    """How many came, and were expected, with the variance of that; all of one shape."""

    came: Floats
    expected: Floats
    variance: Floats

    def over(self, inside: npt.NDArray[np.bool_]) -> tuple[Counts, Counts]:
        """What is inside, and what is beside: of counts of shape (..., slices), and of which slices are inside in each
        of several hypotheses, (hypotheses, slices); of shape (..., hypotheses)."""
        within = inside.T.astype(np.float64)
        return Counts(*(one @ within for one in self)), Counts(*(one @ (1.0 - within) for one in self))


def alone(inside: Counts, outside: Counts) -> Floats:
    """How much better it explains some counts that those ``inside`` are off, by a factor of their own, and all others
    as expected, than that all are off by one: the logarithm of the ratio of likelihoods."""
    usual, others = (np.maximum(_FEW, one.expected) for one in (inside, outside))
    came, rest = inside.came, outside.came
    one, other = (LEARNED * of / (usual + others) for of in (usual, others))
    divided = gammaln(came + rest + 1.0) - gammaln(came + 1.0) - gammaln(rest + 1.0)
    divided += betaln(came + one, rest + other) - betaln(one, other)
    return np.asarray(_just(came) + _as_expected(rest, others, outside.variance) - _just(came + rest) - divided)


def _just(came: Floats) -> Floats:
    """The log-likelihood of a Poisson count where just so many were to be expected."""
    return np.asarray(xlogy(came, came) - came - gammaln(came + 1.0))


def _as_expected(came: Floats, middle: Floats, variance: Floats) -> Floats:
    """The log-likelihood of a count that is negative binomial around what was expected."""
    shape = middle**2 / (np.maximum(0.0, variance - middle) + (VAGUE * middle) ** 2)
    found = gammaln(came + shape) - gammaln(shape) - gammaln(came + 1.0) + shape * np.log(shape / (shape + middle))
    return np.asarray(found + came * np.log(middle / (shape + middle)))
