"""The tail of scores, fitted by extreme value theory: how rare is one beyond all that were seen?

What exceeds a high threshold is close to a generalized Pareto distribution whatever the scores' own (Pickands 1975).
Fitted by probability-weighted moments (Hosking and Wallis, Parameter and quantile estimation for the generalized Pareto
distribution, Technometrics 1987), which is robust for few exceedances and needs no search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

HEAVIEST = 0.5
"""The shape is kept between 0 (exponential) and this: few exceedances say little about it, and a bounded tail would
call anything beyond it impossible."""


class Tail(NamedTuple):
    """Exceedances of a threshold: ``P(X > x) = (1 + shape x / scale) ** (-1 / shape)``, exponential at shape 0."""

    scale: float
    shape: float

    def beyond(self, excess: float) -> float:
        """The probability, given that the threshold was exceeded, of more than ``excess`` >= 0."""
        if self.shape < 1e-6:
            return math.exp(-excess / self.scale)
        return float((1.0 + self.shape * excess / self.scale) ** (-1.0 / self.shape))


def fit_tail(exceedances: Sequence[float], prior_scale: float, prior_weight: float, heaviest: float = HEAVIEST) -> Tail:
    """The tail of ascending ``exceedances``, taken together with ``prior_weight`` imagined ones of an exponential tail
    of ``prior_scale``; its shape is ``heaviest`` at most."""
    count = len(exceedances)
    if count == 0:
        return Tail(prior_scale, 0.0)
    mean = sum(exceedances) / count
    weighted = sum((1.0 - (place - 0.35) / count) * one for place, one in enumerate(exceedances, 1)) / count
    # Of an exponential tail these two moments are scale and scale / 4.
    share = prior_weight / (count + prior_weight)
    mean = (1.0 - share) * mean + share * prior_scale
    weighted = (1.0 - share) * weighted + share * prior_scale / 4.0
    if mean <= 0.0:
        return Tail(max(prior_scale * share, 1e-9), 0.0)
    shape = 2.0 - mean / (mean - 2.0 * weighted) if mean > 2.0 * weighted else heaviest
    shape = min(max(shape, 0.0), heaviest)
    return Tail(max(mean * (1.0 - shape), 1e-9), shape)
