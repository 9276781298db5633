"""Which lives an incident's scope is about, also those of which not all is known yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from detectors.casework.stories import Values

SURE = 0.95
"""From this share on, what is not known of an order is what the others like it have."""
_LEAST = 20


class Scope:
    """A slice: ``names`` are all dimensions, ``wanted`` what is asked of some. What an order does not say yet (the
    warehouse before it is packed) is taken from what others with the same value of another dimension have, where nearly
    all have the same."""

    def __init__(self, names: tuple[str, ...], wanted: Mapping[str, str], values: Iterable[Values]) -> None:
        self._wanted = [(names.index(name), value) for name, value in wanted.items() if name in names]
        self.possible = all(name in names for name in wanted)
        counts: dict[tuple[int, int], dict[str, Counter[str]]] = {}
        for one in values if self._wanted else ():
            for place, _ in self._wanted:
                told = one[place]
                for other, by in enumerate(one):
                    if told is not None and by is not None and other != place:
                        counts.setdefault((place, other), {}).setdefault(by, Counter())[told] += 1
        self._guess: dict[tuple[int, int, str], str] = {}
        for (place, other), seen in counts.items():
            for by, told_ in seen.items():
                value, count = told_.most_common(1)[0]
                if count >= _LEAST and count >= SURE * told_.total():
                    self._guess[place, other, by] = value

    def holds(self, values: Values) -> bool:
        """Whether it is inside, by what is known and by what is as good as known."""
        return self.possible and all(
            (values[place] or self._guessed(place, values)) == value for place, value in self._wanted
        )

    def knows(self, values: Values) -> bool:
        """Whether it is inside, by what is known."""
        return self.possible and all(values[place] == value for place, value in self._wanted)

    def _guessed(self, place: int, values: Values) -> str | None:
        found = {self._guess.get((place, other, by)) for other, by in enumerate(values) if by is not None} - {None}
        return found.pop() if len(found) == 1 else None
