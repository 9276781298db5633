"""Whether several KPIs together are as they have been together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import numpy as np
from river.anomaly import LODA, HalfSpaceTrees

from detectors.calibration.conformal import Calibration
from detectors.models.model import Model, Reading

_STEPS = 65_535


def squash(z: float) -> int:
    """A normal score of any size to 0 … 65,535, the usual ones (-3 to 3) to the middle half; NaN is as usual as 0.

    A fixed function: what one outlier was does not change where all others are, as behind a scaler that learns.
    """
    if z != z:
        z = 0.0
    z = min(max(z, -1e18), 1e18)
    return round(_STEPS * (0.5 + 0.5 * z / (3.0 + abs(z))))


class Joint(Model):
    """The joint behaviour of ``names``, by river's half-space trees and LODA.

    A reading maps each name to its normal score: by how many standard deviations it is off what is usual for it (0
    where it is not named, or NaN). One alone that is off is for a model of that one; here what counts is which are off
    together. Each of river's two has its scores ranked among its own; the score is the mean of both ranks' surprises,
    -log10 of the geometric mean of two p-values. Nothing is strange during the first ``window`` readings, and until
    there are ranks.

    LODA never forgets, so two take turns: one has learned the last full window and what came since, the other only
    what came since. With each window the older one is made anew. The trees compare with the last full window by
    themselves. All three follow from the readings of that window and of those since, at most 2 · ``window``: these,
    in steps of 1/65,535, are the state, and are told to fresh ones after loading.

    S. C. Tan, K. M. Ting, T. F. Liu, "Fast anomaly detection for streaming data", 2011; T. Pevný, "Loda: Lightweight
    on-line detector of anomalies", 2016.

    >>> model = Joint(["late", "failed"], window=50)
    >>> for hour in range(300):
    ...     z = (hour % 7 - 3) / 2
    ...     model.learn_one({"late": z, "failed": z})
    >>> model.score_one({"late": 1.5, "failed": 1.5}) < 1 < model.score_one({"late": 1.5, "failed": -1.5})
    True
    """

    def __init__(
        self,
        names: Sequence[str],
        window: int = 250,
        trees: int = 10,
        height: int = 7,
        cuts: int = 16,
        seed: int = 1,
    ) -> None:
        self._names = sorted(names)
        self._window, self._trees, self._height, self._cuts, self._seed = window, trees, height, cuts, seed
        self._ranks = Calibration(trust=0.0), Calibration(trust=0.0)
        self._rows: list[list[int]] = []
        self._begin()

    def _begin(self) -> None:
        self._hst: Any = HalfSpaceTrees(
            n_trees=self._trees, height=self._height, window_size=self._window, seed=self._seed
        )
        self._older, self._younger = self._loda(), self._loda()
        self._told = 0

    def _loda(self) -> Any:
        return LODA(n_bins=10, n_random_cuts=self._cuts, seed=self._seed)

    def _row(self, x: Mapping[str, float]) -> list[int]:
        return [squash(x.get(name, 0.0)) for name in self._names]

    def _scores(self, row: list[int]) -> tuple[float, float] | None:
        """Of both; None in the first window."""
        if self._told < self._window:
            return None
        seen = self._as_seen(row)
        return float(self._hst.score_one(seen)), float(self._older.score_one(seen))

    def _as_seen(self, row: list[int]) -> dict[str, float]:
        return {name: step / _STEPS for name, step in zip(self._names, row, strict=True)}

    def _surprise(self, scores: tuple[float, float]) -> float:
        return -0.5 * sum(log10(ranks.p_value(score)) for ranks, score in zip(self._ranks, scores, strict=True))

    def score_one(self, x: Reading) -> float:
        scores = self._scores(self._row(x))
        return 0.0 if scores is None else self._surprise(scores)

    def learn_one(self, x: Reading) -> None:
        self.step(x)

    def step(self, x: Reading) -> float:
        """Score a reading, then learn it: half the work of both."""
        row = self._row(x)
        scores, surprise = self._scores(row), 0.0
        if scores is not None:
            surprise = self._surprise(scores)
            for ranks, score in zip(self._ranks, scores, strict=True):
                ranks.learn(score)
        self._rows.append(row)
        self._tell(row)
        if len(self._rows) == 2 * self._window:
            del self._rows[: self._window]
        return surprise

    def _tell(self, row: list[int]) -> None:
        seen = self._as_seen(row)
        self._hst.learn_one(seen)
        self._older.learn_one(seen)
        self._younger.learn_one(seen)
        self._told += 1
        if self._told % self._window == 0:
            self._older, self._younger = self._younger, self._loda()

    def because(self, x: Reading) -> dict[str, float]:
        """How much less strange a reading were if one of them were as usual, by name, the most first."""
        score = self.score_one(x)
        shares = {name: score - self.score_one({**x, name: 0.0}) for name in self._names if x.get(name)}
        return dict(sorted(shares.items(), key=lambda one: (-one[1], one[0])))

    def state(self) -> dict[str, Any]:
        return {
            "rows": np.array(self._rows, np.uint16).reshape(-1, len(self._names)),
            "ranks": [ranks.state() for ranks in self._ranks],
        }

    def load(self, state: dict[str, Any]) -> None:
        for ranks, told in zip(self._ranks, state["ranks"], strict=True):
            ranks.load(told)
        self._rows = np.asarray(state["rows"]).tolist()
        self._begin()
        for row in self._rows:
            self._tell(row)
