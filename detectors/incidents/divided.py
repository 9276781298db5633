"""How counts are divided up among slices.

How many orders come in an hour is not known well beforehand; how those that come are divided up among channels is. So
that all are off alike is judged by that alone, given how many came; that a slice is off alone, by how the others are
divided up among themselves, and by whether they are as many as expected.

Counts that are divided up are Dirichlet-multinomial: each slice's share is about what it was expected to be, as if that
had been learned from so many cases (N. L. Johnson, S. Kotz, N. Balakrishnan, "Discrete Multivariate Distributions",
1997, chapter 35).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

Floats = npt.NDArray[np.float64]

LEARNED = 200.0
"""Shares are known as if from so many cases: one of a half is wrong by four in a hundred."""
VAGUE = 0.15
"""How many are expected may itself be wrong by such a share, hour after hour."""
_FEW = 0.1
"""Where none were expected some may come."""


class Counts(NamedTuple):
    """How many came of each slice of a group, and were expected, with the variance of that: of shape (..., slices)."""

    came: Floats
    expected: Floats
    variance: Floats


def alone(counts: Counts, inside: npt.NDArray[np.bool_]) -> Floats:
    """How much better it explains some counts that those ``inside`` are off, by a factor of their own, and all others
    are as expected, than that all are off by one: the logarithm of the ratio of likelihoods.

    ``inside`` has the shape (hypotheses, slices), what comes back (..., hypotheses).
    """
    all_ = np.ones((1, inside.shape[-1]), dtype=np.bool_)
    alike = _how_many(counts, all_) + _divided(counts, all_)
    apart = _how_many(counts, inside) + _divided(counts, inside)
    return apart + _as_expected(counts, ~inside) + _divided(counts, ~inside) - alike


def _how_many(counts: Counts, of: npt.NDArray[np.bool_]) -> Floats:
    """The log-likelihood of a Poisson count where just so many were to be expected."""
    came = _sum(counts.came, of)
    return np.asarray(xlogy(came, came) - came - gammaln(came + 1.0))


def _divided(counts: Counts, of: npt.NDArray[np.bool_]) -> Floats:
    """The log-likelihood of how counts are divided up, given how many there are of all."""
    came, expected = counts.came[..., None, :], np.maximum(_FEW, counts.expected)
    total = _sum(counts.came, of)
    share = LEARNED * expected[..., None, :] / _sum(expected, of)[..., None]
    each = gammaln(came + share) - gammaln(share) - gammaln(came + 1.0)
    return np.asarray(
        gammaln(total + 1.0) + gammaln(LEARNED) - gammaln(total + LEARNED) + np.where(of, each, 0.0).sum(-1)
    )


def _as_expected(counts: Counts, of: npt.NDArray[np.bool_]) -> Floats:
    """The log-likelihood of how many there are of all, negative binomial around what was expected."""
    came, middle = _sum(counts.came, of), np.maximum(_FEW, _sum(counts.expected, of))
    beyond = _sum(np.maximum(0.0, counts.variance - counts.expected), of) + (VAGUE * middle) ** 2
    shape = middle**2 / beyond
    found = gammaln(came + shape) - gammaln(shape) - gammaln(came + 1.0) + shape * np.log(shape / (shape + middle))
    return np.asarray(found + came * np.log(middle / (shape + middle)))


def _sum(values: Floats, of: npt.NDArray[np.bool_]) -> Floats:
    """Of shape (..., hypotheses)."""
    return np.asarray(np.where(of, values[..., None, :], 0.0).sum(-1))
