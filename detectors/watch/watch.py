"""The whole business under watch, or the part of it that is in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from detectors.calendar.business import BusinessCalendar
from detectors.watch.kpi import KpiWatch
from detectors.watch.settings import DEFAULT, Settings, shares
from detectors.watch.verdicts import Verdicts
from detectors.watch.words import Words
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue

Agreed = tuple[float, Mapping[str, Settings]]
"""How often a week one is told of something, and what is otherwise for single KPIs."""


class Watch:
    """Judges final KPI values, each KPI by itself: what becomes of one does not depend on which others are in the same
    place.

    ``per_week`` is how often a week the team agreed to be told of something, shared equally by all KPIs that have no
    ``settings`` of their own about it; ``verdicts`` are what people made of it.
    """

    def __init__(
        self,
        definitions: Definitions,
        per_week: float,
        calendar: BusinessCalendar | None = None,
        verdicts: Verdicts | None = None,
        settings: Mapping[str, Settings] | None = None,
    ) -> None:
        self.calendar = calendar or BusinessCalendar(definitions.timezone)
        words = Words(definitions.currency)
        self.asks: Callable[[], Agreed] | None = None
        """Asked before each step whether something else has been agreed upon meanwhile."""
        self._agreed: Agreed | None = None
        settings = settings or {}
        share = shares([kpi.name for kpi in definitions.kpis], per_week, settings)
        self._kpis = {
            kpi.name: KpiWatch(
                kpi,
                definitions.timezone,
                share[kpi.name],
                self.calendar.at,
                words,
                verdicts,
                settings.get(kpi.name, DEFAULT),
            )
            for kpi in definitions.kpis
        }

    @property
    def series(self) -> int:
        """How many series there are."""
        return sum(kpi.series for kpi in self._kpis.values())

    def step(self, values: Iterable[KpiValue]) -> list[KpiValue]:
        """The same values, judged. They come by KPI and grain, ascending within a KPI.

        Corrections, and values that are not final, are left as they are: judged is what was known when it became final.
        """
        if self.asks is not None and (agreed := self.asks()) is not self._agreed:
            self._agreed = agreed
            self.adopt(*agreed)
        judged: list[KpiValue] = []
        for (name, _, fresh), several in groupby(values, key=_grain):
            kpi, grain = self._kpis.get(name), list(several)
            judged += grain if kpi is None or not fresh else kpi.step(grain)
        return judged

    def adopt(self, per_week: float, settings: Mapping[str, Settings]) -> None:
        """Go on under other settings, with all that was learned."""
        share = shares(list(self._kpis), per_week, settings)
        for name, kpi in self._kpis.items():
            kpi.adopt(share[name], settings.get(name, DEFAULT))

    def state(self) -> dict[str, Any]:
        """Everything learned, as plain values and arrays."""
        return {name: kpi.state() for name, kpi in self._kpis.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of; a KPI it does not tell of begins anew."""
        for name, kpi in self._kpis.items():
            if name in state:
                kpi.load(state[name])


def _grain(value: KpiValue) -> tuple[str, int, bool]:
    return value.kpi, value.start, value.status == "final" and value.revision == 0 and not value.rolling
