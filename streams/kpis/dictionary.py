"""Bounded cardinality: each dimension keeps its busiest values, what is beyond them is folded into ``other``.

Values are coded as small integers: 0 unknown, 1 ``other``, then the named ones. While no more than ``most`` distinct
values occur, each is named. Beyond that a newcomer is counted in a sketch of bounded size and takes the place of the
least busy named value once it is clearly busier. Weights are halved at intervals, so that what was busy long ago
gives way. All decisions follow the order of values, never the size of chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN, OTHER = 0, 1
NAMES = ("unknown", "other")

AGEING = 65_536
"""After so many values all weights are halved."""
CLEARLY = 2
"""A newcomer must be so many times as busy as the value it replaces."""
LEAST = 16
"""…and have been seen at least so often."""
MOST_CODES = 60_000
"""Codes are never used again for another value, so replacing stops here (cells hold 16 bits)."""


class SpaceSaving:
    """Counts of the most frequent strings in bounded memory, a constant time per string.

    Source: Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements, ICDT 2005.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._weights: dict[str, tuple[int, int]] = {}
        self._levels: dict[int, dict[str, None]] = {}
        self._lightest = 0

    def add(self, value: str) -> int:
        """Count ``value`` and return how often it has been seen at least."""
        weight, error = self._weights.get(value, (0, 0))
        if weight:
            self._drop(value, weight)
        elif len(self._weights) >= self.capacity:
            lightest = next(iter(self._levels[self._lightest]))
            weight = error = self._lightest
            self._drop(lightest, weight)
            del self._weights[lightest]
        self._put(value, weight + 1, error)
        return weight + 1 - error

    def remove(self, value: str) -> None:
        """Stop counting ``value``."""
        weight, _ = self._weights.pop(value)
        self._drop(value, weight)

    def halve(self) -> None:
        """Halve all counts; what was seen once is forgotten."""
        old, self._weights, self._levels = self._weights, {}, {}
        for value, (weight, error) in old.items():
            if weight > 1:
                self._put(value, weight // 2, error // 2)

    def state(self) -> list[list[Any]]:
        """Everything, as plain values: in each weight's order."""
        return [[name, *self._weights[name]] for level in self._levels.values() for name in level]

    def load(self, state: list[list[Any]]) -> None:
        """Become what :meth:`state` told of."""
        self._weights, self._levels = {}, {}
        for name, weight, error in state:
            self._put(name, weight, error)

    def _put(self, value: str, weight: int, error: int) -> None:
        self._weights[value] = (weight, error)
        self._levels.setdefault(weight, {})[value] = None
        self._lightest = weight if len(self._levels) == 1 else min(self._lightest, weight)
        if self._lightest not in self._levels:
            self._lightest = min(self._levels)

    def _drop(self, value: str, weight: int) -> None:
        level = self._levels[weight]
        del level[value]
        if not level:
            del self._levels[weight]


class Dictionary:
    """The codes of one dimension's values in one partition."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.names: list[str] = list(NAMES)
        self.folded = 0
        """How many values went into ``other`` so far."""
        self._codes: dict[str, int] = {name: code for code, name in enumerate(NAMES)}
        self._known: dict[str, int] = dict(self._codes)
        self._weights: list[int] = [0] * len(NAMES)
        self._waiting = SpaceSaving(4 * most)
        self._seen = 0
        self.changes = 0
        """Grows whenever something else than the weights of named values has changed."""
        self.naming = 0

    def encode(self, values: Sequence[str | None]) -> npt.NDArray[np.int32]:
        """Codes of a column, in order; None and the empty string are unknown."""
        get = self._codes.get
        codes = np.array([get(value, -1) if value else UNKNOWN for value in values], dtype=np.int32)
        if (codes >= 0).all():
            self._weigh_all(codes)
            return codes
        self.changes += 1
        return np.array([self._admit(value) for value in values], dtype=np.int32)

    def encode_coded(
        self, codes: npt.NDArray[np.int32], values: Callable[[], Sequence[str | None]]
    ) -> npt.NDArray[np.int32]:
        """The same for a column the named values of which have been looked up in :attr:`named`, the others being -1.

        ``values`` gives the column itself where that is not enough.
        """
        if (codes >= 0).all():
            self._weigh_all(codes)
            return codes
        return self.encode(values())

    @property
    def named(self) -> Mapping[str, int]:
        """The codes of the values that are named now; :attr:`naming` grows when they change."""
        return self._codes

    def weigh(self, codes: npt.NDArray[np.int32]) -> None:
        """Count values that are named."""
        self._seen += int(codes.size)
        for code, weight in enumerate(np.bincount(codes).tolist()):
            self._weights[code] += weight

    def _weigh_all(self, codes: npt.NDArray[np.int32]) -> None:
        """Count named values one after the other: as :meth:`_admit` does, weights age in between."""
        while self._seen + codes.size >= AGEING:
            before = AGEING - 1 - self._seen
            self.weigh(codes[:before])
            codes = codes[before:]
            self.changes += 1
            self._age()
            self._seen = -1
            self.weigh(codes[:1])
            codes = codes[1:]
        self.weigh(codes)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values that do not change any more."""
        return {
            "names": list(self.names),
            "codes": dict(self._codes),
            "weights": list(self._weights),
            "waiting": self._waiting.state(),
            "seen": self._seen,
            "folded": self.folded,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.names = list(state["names"])
        self._known = {name: code for code, name in enumerate(self.names)}
        self._codes = dict(state["codes"])
        self.naming += 1
        self._weights = list(state["weights"])
        self._waiting.load(state["waiting"])
        self._seen, self.folded = state["seen"], state["folded"]

    def name(self, code: int) -> str:
        """The value behind a code."""
        return self.names[code]

    def _admit(self, value: str | None) -> int:
        self._seen += 1
        if self._seen >= AGEING:
            self._age()
        if not value:
            return UNKNOWN
        code = self._codes.get(value)
        if code is None:
            room = len(self._codes) < self.most + len(NAMES)
            code = self._name(value) if room else self._wait(value)
        self._weights[code] += 1
        return code

    def _name(self, value: str) -> int:
        code = self._known.get(value)
        if code is None:
            code = self._known[value] = len(self.names)
            self.names.append(value)
            self._weights.append(0)
        self._codes[value] = code
        self.naming += 1
        return code

    def _wait(self, value: str) -> int:
        seen = self._waiting.add(value)
        idlest = None
        if seen >= LEAST and len(self.names) < MOST_CODES:
            idlest = min((name for name in self._codes if name not in NAMES), key=self._weight_of)
        if idlest is None or seen < CLEARLY * self._weight_of(idlest):
            self.folded += 1
            return OTHER
        del self._codes[idlest]
        self._waiting.remove(value)
        code = self._name(value)
        self._weights[code] = seen - 1
        return code

    def _weight_of(self, name: str) -> int:
        return self._weights[self._codes[name]]

    def _age(self) -> None:
        self._seen = 0
        self._weights = [weight // 2 for weight in self._weights]
        self._waiting.halve()
