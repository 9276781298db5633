"""When surprise becomes an alert: once for what is new, and not more often than agreed for long."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

_FIRST = 100
_REFERENCE = 1000


class Told(NamedTuple):
    """What of a surprise is left once what is to be expected is taken off, and whether it is an alert."""

    surprise: float
    alert: bool


class Pace:
    """Turns the surprise of each row into alerts.

    - *Looks*: among more rows, more are strange by chance. Of n rows, as they depend on each other, about
      n ** ``looks`` count, so the p-value of a row is multiplied by that, as in a test of many hypotheses; per thousand
      rows.
    - *Allowance*: each alert raises what the next needs by ``step``, and that is paid back over ``every`` rows, so that
      a series which is strange again and again comes to about one alert in that many (as in Gibbs and Candès, "Adaptive
      conformal inference under distribution shift", 2021).
    - *Quiet*: after an alert there is none for ``quiet`` rows, and none before surprise has fallen to ``recovered``:
      what lasts is told once. Meanwhile what is told of surprise is at most half of what an alert needs.
    - *Trial*: of the first rows nothing is told. What would have been alerts counts for the allowance.
    """

    def __init__(
        self,
        alert: float = 0.9,
        recovered: float = 0.85,
        quiet: int = 100,
        every: int = 2000,
        step: float = 0.05,
        looks: float = 0.8,
        trial: int = 200,
    ) -> None:
        self._alert = alert
        self._recovered = recovered
        self._quiet = quiet
        self._every = every
        self._step = step
        self._looks = looks
        self._trial = trial
        self._rows = 0
        self._raised = 0.0
        self._since: int | None = None
        self._lasting = False

    def tell(self, surprise: float) -> Told:
        """Of the next row."""
        self._rows += 1
        left = surprise - self._looks * math.log10(max(self._rows, _FIRST) / _REFERENCE) - self._raised
        self._raised = max(0.0, self._raised - self._step / self._every)
        if left <= self._recovered:
            self._lasting = False
        if self._since is not None:
            self._since += 1
            if self._since <= self._quiet or self._lasting:
                return Told(min(left, self._alert / 2), False)
        if left < self._alert:
            return Told(left, False)
        self._since = 0
        self._lasting = True
        self._raised += self._step
        if self._rows <= self._trial:
            return Told(min(left, self._alert / 2), False)
        return Told(left, True)

    def state(self) -> dict[str, Any]:
        return {"rows": self._rows, "raised": self._raised, "since": self._since, "lasting": self._lasting}

    def load(self, state: dict[str, Any]) -> None:
        self._rows = int(state["rows"])
        self._raised = float(state["raised"])
        self._since = None if state["since"] is None else int(state["since"])
        self._lasting = bool(state["lasting"])
