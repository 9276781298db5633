"""What every model is: an online learner of one series, after river's ``learn_one`` and ``score_one``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

Reading = Mapping[str, float]
"""What river calls ``x``, of one span of a series, its grain:

- ``time``: where the span begins, epoch ms UTC;
- ``span``: how long it is, in ms;
- ``value``: in the series' unit; NaN where nothing was observed;
- ``weight``: how many observations are behind it. Of a ratio its denominator, of a count the count itself.
"""


class Expected(NamedTuple):
    """What a series is expected to be, in its unit: usually from ``low`` to ``high``, ``middle`` most likely.

    ``borrowed`` is the share of it, 0 to 1, that does not rest on the series' own history at that time of the week.
    """

    low: float
    middle: float
    high: float
    borrowed: float = 0.0


class Model(ABC):
    """One way to tell the usual from the strange.

    Scoring changes nothing. The same readings in the same order give the same scores, in any process. Time only
    goes forward: a reading is later than those learned before it, perhaps by far.
    """

    @abstractmethod
    def score_one(self, x: Reading) -> float:
        """How strange a reading is: 0 is usual or unknown, more is stranger, never NaN or infinite.

        A model with a probability for it tells its surprise, ``-log10 p``; others rank only.
        """

    @abstractmethod
    def learn_one(self, x: Reading) -> None:
        """Take a reading for usual."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays (:mod:`streams.kpis.pack` can pack it)."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` of a model made alike told of."""


class Expecting(Model):
    """A model that knows what it expects."""

    @abstractmethod
    def expect(self, x: Reading) -> Expected | None:
        """What a reading of that time, span and weight should be; its value is not looked at. None where nothing is
        known yet."""
