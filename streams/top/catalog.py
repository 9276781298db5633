"""What the configuration says of each KPI, as far as a table needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.kpis import units
from streams.kpis.definitions import stat_name

if TYPE_CHECKING:
    from streams.config import Config


@dataclass(frozen=True, slots=True)
class Goal:
    """The bounds a value should keep, in the KPI's unit."""

    min: float | None = None
    max: float | None = None

    def met(self, value: float | None) -> bool | None:
        """Whether ``value`` keeps the bounds; ``None`` where there is no value."""
        if value is None:
            return None
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def text(self, unit: str, currency: str) -> str:
        """The bounds as a person writes them: ``≥ 95.0 %``."""
        bounds = []
        if self.min is not None:
            bounds.append(f"≥ {units.human(self.min, unit, currency)}")
        if self.max is not None:
            bounds.append(f"≤ {units.human(self.max, unit, currency)}")
        return " ".join(bounds)


@dataclass(frozen=True, slots=True)
class Kpi:
    """One KPI: how to name it and how to show it. ``windows`` in ms, as configured; ``goal_stat`` is the
    statistic the goal is for: of several quantiles the highest."""

    name: str
    description: str = ""
    kind: str = ""
    unit: str = ""
    better: str = "neither"
    windows: tuple[int, ...] = ()
    goal: Goal | None = None
    goal_stat: str = "value"

    @property
    def label(self) -> str:
        """The name as words: ``time_to_ship`` → ``Time to ship``."""
        return self.name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Catalog:
    """All KPIs, in the order of the configuration."""

    business: str = ""
    currency: str = "EUR"
    kpis: dict[str, Kpi] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: Config) -> Catalog:
        """The catalogue of a validated configuration."""
        kpis = {}
        for kpi in config.kpis:
            goal = None
            if kpi.goal_min is not None or kpi.goal_max is not None:
                goal = Goal(kpi.goal_min, kpi.goal_max)
            kpis[kpi.name] = Kpi(
                kpi.name,
                kpi.description,
                kpi.kind,
                kpi.unit,
                kpi.better,
                tuple(window.ms for window in kpi.windows),
                goal,
                stat_name(max(kpi.quantiles)) if kpi.quantiles else "value",
            )
        return cls(config.business.name, config.business.currency, kpis)

    def get(self, name: str) -> Kpi:
        """What is known of a KPI; one that is not configured (any more) still has its name."""
        return self.kpis.get(name) or Kpi(name)
