"""What promotions and holidays do to a series, learned from those there were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp
from typing import Any

_YEAR = 365.25 * 86_400_000
_LEAST, _MOST = 0.02, 50.0
TYPICAL: Mapping[str, float] = {"promotion": 1.0, "holiday": 1.0}
"""Where nothing was learned nothing is changed."""


class Lifts:
    """A factor for each kind of occasion: what was seen during them over what would have been usual without.

    (Σ seen + k typical) / (Σ usual + k), as of a gamma prior: ``events`` is k, as many events have been seen before, in
    the unit of the series (of counts 20 events; of sums 20 amounts). One reading counts for at most a quarter of k and
    of what was learned, so that a single odd hour makes no lift. Older ones fade within ``memory`` years.

    What several kinds do together multiplies. Give a model the product as its reading's ``lift``, and learn with what
    the model expects for a lift of 1.

    >>> lifts = Lifts(events=20.0)
    >>> for hour in range(48):
    ...     lifts.learn(["promotion"], hour * 3_600_000, seen=30.0, usual=20.0)
    >>> round(lifts.factor(["promotion"]), 2), lifts.factor(["holiday"])
    (1.49, 1.0)
    """

    def __init__(self, events: float = 20.0, typical: Mapping[str, float] = TYPICAL, memory: float = 3.0) -> None:
        self._events = events
        self._typical = dict(typical)
        self._memory = memory * _YEAR
        self._learned: dict[str, list[float]] = {}  # seen, usual, when

    def factor(self, kinds: Iterable[str]) -> float:
        """What the usual is multiplied by while these are on; 1 where none is."""
        product = 1.0
        for kind in kinds:
            seen, usual, _ = self._learned.get(kind, (0.0, 0.0, 0.0))
            before = self._typical.get(kind, 1.0)
            product *= min(max((seen + self._events * before) / (usual + self._events), _LEAST), _MOST)
        return product

    def learn(self, kinds: Iterable[str], time: float, seen: float, usual: float) -> None:
        """Take in what was seen in a reading that began then (epoch ms), and what is usual without occasions."""
        kinds = tuple(kinds)
        if not (0.0 <= seen < float("inf") and 0.0 < usual < float("inf")):
            return
        others = self.factor(kinds)
        for kind in kinds:
            sums = self._learned.setdefault(kind, [0.0, 0.0, time])
            fade = exp(-max(0.0, time - sums[2]) / self._memory)
            own = self.factor((kind,))
            expected = usual * others / own
            share = min(1.0, 0.25 * (self._events + sums[1] * fade) / expected)
            sums[0] = sums[0] * fade + share * min(seen, _MOST * expected)
            sums[1] = sums[1] * fade + share * expected
            sums[2] = time

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values."""
        return {kind: list(sums) for kind, sums in self._learned.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self._learned = {str(kind): [float(value) for value in sums] for kind, sums in state.items()}
