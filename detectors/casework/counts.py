"""How many of several: the distribution of a count of unequal chances that share a fate.

Independent chances make a Poisson-binomial distribution (Y. Hong, "On computing the distribution function for the
Poisson binomial distribution", 2013, by its characteristic function). Orders are not independent: one carrier, one
warehouse, one storm. So the log odds of all of them move together by a normal amount: of standard deviation ``fate``,
and more for those of which nothing much alike is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

FATES = (0.0, 0.3, 0.6, 0.9, 1.3, 1.8)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_GRID = 0.5
_MOST_LOGIT = 9.0
_USUAL_FATE, _FATE_VARIES = 0.75, 0.5


def logit(chances: F64) -> F64:
    """Log odds, bounded."""
    bounded = np.clip(chances, 1e-6, 1.0 - 1e-6)
    found: F64 = np.clip(np.log(bounded / (1.0 - bounded)), -_MOST_LOGIT, _MOST_LOGIT)
    return found


def distribution(chances: F64, fate: float | F64) -> F64:
    """The probabilities of 0 to n, shape (n + 1,), of chances of shape (n,); ``fate`` is one for all or of each."""
    count = len(chances)
    if not count:
        return np.ones(1)
    # Those alike are taken together, with the mean of their chances.
    fates = np.broadcast_to(np.asarray(fate, dtype=np.float64), (count,))
    rounded = np.stack([np.round(logit(chances) / _GRID), np.round(fates / _GRID)])
    _, place, times = np.unique(rounded, axis=1, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    odds, moves = (np.bincount(place, each) / times for each in (logit(chances), fates))
    # The distribution is real: half of its characteristic function says all.
    turns = np.exp(-2j * np.pi * np.arange((count + 1) // 2 + 1) / (count + 1)) - 1.0
    total = np.zeros(count + 1)
    for node, weight in [(0.0, 1.0)] if not moves.any() else zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        each = 1.0 / (1.0 + np.exp(-(odds + moves * node)))
        powers = times @ np.log(1.0 + each[:, None] * turns[None, :])
        total += weight * np.clip(np.fft.irfft(np.exp(powers), count + 1), 0.0, None)
    found: F64 = total / total.sum()
    return found


def interval(probabilities: F64, share: float) -> tuple[int, int]:
    """From which count to which it lies, with at least this share of probability, as much beyond either end at the
    most."""
    sums = np.cumsum(probabilities)
    beyond = 0.5 * (1.0 - share)
    last = len(probabilities) - 1
    return min(last, int(np.searchsorted(sums, beyond))), min(last, int(np.searchsorted(sums, 1.0 - beyond)))


def fate_of(groups: Iterable[tuple[F64, F64, int]]) -> float:
    """How much chances move together: the most likely of :data:`FATES`, where moderate ones are likely beforehand.

    Groups are of chances, of what each moves beside by itself, and of how many came true.
    """
    groups = [group for group in groups if len(group[0])]
    likelihoods = [
        -0.5 * (log((fate + 0.1) / _USUAL_FATE) / _FATE_VARIES) ** 2
        + sum(
            log(max(1e-9, float(distribution(chances, np.hypot(fate, alone))[came]))) for chances, alone, came in groups
        )
        for fate in FATES
    ]
    return FATES[int(np.argmax(likelihoods))]
