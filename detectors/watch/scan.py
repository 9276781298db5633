"""Evidence that adds up: a little too few, hour after hour, is as strange as far too few at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import log, log10, sqrt
from typing import NamedTuple

from scipy.special import cython_special as special

from detectors.watch.settings import SPANS

_LOG10 = log(10.0)
_LARGEST = 37.0


class Evidence(NamedTuple):
    """``low`` and ``high``: -log10 of the probability of as far below, and above, what is usual, over whichever span it
    is least. Not corrected for having looked at several.

    ``low_span`` and ``high_span`` are those spans, in readings, 0 for where a level stands; ``low_cases`` and
    ``high_cases`` how many orders, parcels or tickets that rests on. ``sums`` are the normal scores over all spans that
    there are readings for, as they are.
    """

    low: float
    high: float
    low_span: int = 1
    high_span: int = 1
    low_cases: float = 0.0
    high_cases: float = 0.0
    sums: Sequence[float] = ()


class Wander:
    """How much sums over the last readings really vary: more than chance, where one good hour follows another.

    Of each span the mean square of its sums, 1 if readings were independent; ``few`` of those are assumed, ``memory``
    readings are remembered. What is off by more than four times that counts as four times.
    """

    __slots__ = ("_few", "_keep", "_number", "_squares", "scales")

    def __init__(self, spans: int = len(SPANS) + 1, few: float = 50.0, memory: float = 5_000.0) -> None:
        self._few = few
        self._keep = 1.0 - 1.0 / memory
        self._number = [few] * spans
        self._squares = [few] * spans
        self.scales = [1.0] * spans

    def learn(self, sums: Sequence[float]) -> None:
        """Take in the sums of one reading."""
        keep, number, squares, scales = self._keep, self._number, self._squares, self.scales
        for at, found in enumerate(sums):
            scale = scales[at]
            found = min(abs(found), 4.0 * scale)
            number[at] = number[at] * keep + 1.0
            squares[at] = squares[at] * keep + found * found
            scales[at] = max(1.0, sqrt(squares[at] / number[at]))

    def state(self) -> list[list[float]]:
        return [list(self._number), list(self._squares), list(self.scales)]

    def load(self, state: list[list[float]]) -> None:
        self._number, self._squares, self.scales = ([float(one) for one in each] for each in state)


class Scan:
    """Stouffer's weighted sum of normal scores over the last readings, of all :data:`SPANS`.

    A change of the usual by the same share (or amount) in each reading shows best in Σ w z / √Σ w², where w is by how
    many standard deviations it would move each. S. A. Stouffer et al., "The American Soldier", vol. 1, 1949; looking
    over several spans at once is a scan statistic (J. Glaz, J. Naus, S. Wallenstein, "Scan Statistics", 2001).

    What is further off than ``limit`` counts as that: one reading, however wild, is one reading.
    """

    __slots__ = ("_limit", "_recent", "_spans")

    def __init__(self, spans: Sequence[int] = SPANS, limit: float = 4.0) -> None:
        self._spans = tuple(spans)
        self._limit = limit
        self._recent: deque[tuple[float, float, float]] = deque(maxlen=self._spans[-1] - 1)

    def with_(
        self,
        score: float,
        weight: float,
        cases: float,
        scales: Sequence[float],
        stands: float | None = None,
        longest: int = SPANS[-1],
    ) -> Evidence:
        """The evidence once this reading is among the last. Changes nothing.

        ``cases`` are the orders, parcels or tickets that it rests on; ``scales`` those of :class:`Wander`; ``stands``
        is the normal score of where a level is: not its last change, and nothing to add up. Spans that are longer than
        the ``longest`` are left out.
        """
        low = high = score / scales[0]
        low_span = high_span = 1
        low_cases = high_cases = cases
        limited = min(max(score, -self._limit), self._limit)
        sums = [limited]
        total, squares, seen, rest = weight * limited, weight * weight, 1, cases
        recent = self._recent
        at = len(recent)
        for number, span in enumerate(self._spans[1:], 1):
            if span > longest:
                break
            while seen < span and at:
                at -= 1
                one, square, more = recent[at]
                total += one
                squares += square
                rest += more
                seen += 1
            if seen < span or squares <= 0.0:
                break
            found = total / sqrt(squares)
            sums.append(found)
            found /= scales[number]
            if found < low:
                low, low_span, low_cases = found, span, rest
            elif found > high:
                high, high_span, high_cases = found, span, rest
        if stands is not None:
            sums += [0.0] * (len(self._spans) - len(sums))
            sums.append(stands)
            stands /= scales[-1]
            if stands < low:
                low, low_span, low_cases = stands, 0, cases
            elif stands > high:
                high, high_span, high_cases = stands, 0, cases
        return Evidence(_tail(low), _tail(-high), low_span, high_span, abs(low_cases), abs(high_cases), sums)

    def add(self, score: float, weight: float, cases: float) -> None:
        """Remember a reading."""
        self._recent.append((weight * min(max(score, -self._limit), self._limit), weight * weight, cases))

    def clear(self) -> None:
        """Forget all readings."""
        self._recent.clear()

    def state(self) -> list[list[float]]:
        return [list(one) for one in self._recent]

    def load(self, state: list[list[float]]) -> None:
        self._recent = deque(((float(a), float(b), float(c)) for a, b, c in state), maxlen=self._recent.maxlen)


def _tail(score: float) -> float:
    """-log10 of the probability of a normal score as low."""
    if score > 0.0:
        return -log10(special.ndtr(score))
    found: float = -special.log_ndtr(max(score, -_LARGEST)) / _LOG10
    return found
