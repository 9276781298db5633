"""Rolling conformal p-values: how many of the recent scores were as strange as this one?

The rank of a score among those before it is a p-value whatever the model, as long as the past resembles the present
(Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005; Laxhammar and Falkman: Inductive conformal
anomaly detection, 2015). A rank cannot be rarer than one in so many scores; beyond all of them the tail fitted to their
highest tenth tells (:mod:`detectors.calibration.tail`). Until there are enough scores a model's own probability counts.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Any

import numpy as np

from detectors.calibration.tail import HEAVIEST, Tail, fit_tail

OWN_SCALE = 1.0 / math.log(10.0)
"""Scores that are -log10 of an honest p-value exceed any threshold by an exponential of this mean."""
TAIL_SHARE = 0.1
"""The share of the scores that is the tail."""
TAIL_FROM = 20
"""Scores from which on the tail is fitted."""
REFIT_EVERY = 50
RANKS_FROM = 30
"""Scores from which on a rank says something."""
LEAST = 1e-12
"""No p-value is smaller."""


class Calibration:
    """Of one model's scores, perhaps for several series alike.

    ``window`` scores are remembered. ``trust`` is how many scores the model's own p-value (``10 ** -score``) is worth
    at first; 0 for a model whose scores only rank: then nothing is strange until there are some. ``heaviest`` bounds
    the tail's shape; 0 makes it exponential.
    """

    def __init__(self, window: int = 2_000, trust: float = 50.0, heaviest: float = HEAVIEST) -> None:
        self.window, self.trust, self._heaviest = window, trust, heaviest
        # The last scores, the oldest at ``_oldest`` once they are as many as are remembered; and the same in order.
        self._recent = array("d")
        self._oldest = 0
        self._sorted = array("d")
        self._since = 0
        self._threshold, self._share = math.inf, TAIL_SHARE
        self._tail = Tail(OWN_SCALE, 0.0)

    def __len__(self) -> int:
        return len(self._sorted)

    def p_value(self, score: float) -> float:
        """The probability of a score at least as high, in (0, 1]; ties count half. Changes nothing."""
        count = len(self._sorted)
        higher = count - bisect_right(self._sorted, score)
        ties = count - bisect_left(self._sorted, score) - higher
        if not self.trust and count < RANKS_FROM:
            return 1.0
        rank = (higher + 0.5 * ties + 0.5) / (count + 1.0)
        own = self.trust / (1.0 + count / self.trust) if self.trust else 0.0  # fades as ranks become more
        p: float = (count * rank + own * 10.0**-score) / (count + own)
        if higher == 0 and score > self._threshold:
            p = min(p, self._share * self._tail.beyond(score - self._threshold))
        return min(max(p, LEAST), 1.0)

    def learn(self, score: float) -> None:
        """Remember the score of something usual."""
        insort(self._sorted, score)
        if len(self._recent) < self.window:
            self._recent.append(score)
        else:
            del self._sorted[bisect_left(self._sorted, self._recent[self._oldest])]
            self._recent[self._oldest] = score
            self._oldest = (self._oldest + 1) % self.window
        self._since += 1
        if len(self._sorted) >= TAIL_FROM and (self._since >= REFIT_EVERY or self._threshold == math.inf):
            self._fit()

    def _fit(self) -> None:
        self._since = 0
        scores = self._sorted
        threshold = scores[int(len(scores) * (1.0 - TAIL_SHARE))]
        beyond = scores[bisect_right(scores, threshold) :]
        if not beyond:  # all that is high is the same: ranks tell as much
            self._threshold = math.inf
            return
        self._threshold, self._share = threshold, len(beyond) / len(scores)
        mean = sum(beyond) / len(beyond) - threshold
        prior = OWN_SCALE if self.trust else mean
        excesses = [one - threshold for one in beyond]
        self._tail = fit_tail(excesses, prior, self.trust / 5.0, self._heaviest)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "recent": np.array(self._recent, float),
            "oldest": self._oldest,
            "since": self._since,
            "threshold": self._threshold,
            "share": self._share,
            "tail": list(self._tail),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._recent = array("d", np.asarray(state["recent"], float).tolist())
        self._oldest = int(state["oldest"])
        self._sorted = array("d", sorted(self._recent))
        self._since, self._tail = state["since"], Tail(*state["tail"])
        self._threshold, self._share = state["threshold"], state["share"]
