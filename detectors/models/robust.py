"""How far a single reading counts, and when what looked like outliers is a new level."""

from __future__ import annotations

_FAR = 4.0
_AT_LEAST = 6
_LASTING_MS = 12 * 3_600_000


class Guard:
    """Limits deviations to four times their usual size until they last.

    Readings far off to the same side raise a count, usual ones lower it. Once it stands for half a day, and at least
    six readings, they are no outliers any more: a new level.
    """

    __slots__ = ("_far",)

    def __init__(self) -> None:
        self._far = 0

    def limit(self, off: float, usual: float, span: float) -> float:
        """A deviation as far as it counts. ``usual`` is its expected size, ``span`` the reading's length in ms."""
        limit = _FAR * usual
        if abs(off) <= limit:
            self._far -= (self._far > 0) - (self._far < 0)
            return off
        side = 1 if off > 0.0 else -1
        lasting = max(_AT_LEAST, int(_LASTING_MS // max(span, 1.0)))
        self._far = max(-lasting, min(lasting, self._far + side)) if self._far * side >= 0 else side
        return off if abs(self._far) >= lasting else side * limit

    @property
    def suspicious(self) -> bool:
        """Whether several were far off to one side: nothing to learn the usual spread from."""
        return abs(self._far) > 2

    def adopted(self, off: float, counted: float, usual: float) -> bool:
        """Whether a deviation far off counted in full: there is a new level."""
        return off == counted and abs(off) > _FAR * usual

    def state(self) -> int:
        return self._far

    def load(self, state: int) -> None:
        self._far = int(state)
