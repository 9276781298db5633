"""What is known of a KPI: its definition, where trouble moves it, and how its series were of late."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from detectors.incidents.cause import CAUSES
from detectors.incidents.recent import STRANGE, Recent
from detectors.incidents.stages import Stage, lags, stages_of
from detectors.watch.worse import worse_side
from streams.kpis.definitions import Definitions, KpiDefinition
from streams.kpis.values import KpiValue


class Known(NamedTuple):
    """A KPI's definition, the stages at which trouble moves it, whether it lags, and its last values."""

    kpi: KpiDefinition
    stages: frozenset[Stage]
    lags: bool
    recent: Recent

    @property
    def stage(self) -> Stage:
        """Where it shows."""
        return max(self.stages)

    @property
    def flows(self) -> bool:
        """Whether it adds up what goes on at a stage where trouble may begin, the more the better."""
        adds_up = not self.lags and self.kpi.kind in ("count", "sum")
        return adds_up and self.kpi.better == "higher" and self.stage in CAUSES

    def off(self, value: KpiValue) -> bool:
        """Whether a value is one to look at: alerted of, or strange for the worse."""
        if value.value is None or value.expected is None or not isfinite(value.value):
            return False
        worse = value.side == worse_side(self.kpi.better, value.side)
        return value.alert or (value.surprise >= STRANGE and worse)


def known_of(definitions: Definitions) -> dict[str, Known]:
    """By name, of all KPIs, with no values yet."""
    return {kpi.name: Known(kpi, stages_of(kpi, definitions), lags(kpi), Recent(kpi.kind)) for kpi in definitions.kpis}
