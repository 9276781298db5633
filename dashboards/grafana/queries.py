"""PromQL of a KPI.

``$job`` and ``$window`` are variables of the dashboards, and so is each dimension. A worker's own label, ``instance``,
is left out everywhere: which worker has a KPI is of no interest, and changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.series import NOW
from streams.kpis.units import exponent
from streams.runtime.goals import goals_of
from streams.runtime.metrics import dimensions_of, metric_of

STRANGE = 3
"""A surprise from which on a value is marked: a chance of one in a thousand."""
WINDOW = "$window"


def quoted(text: str) -> str:
    """A string as PromQL writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True)
class KpiQueries:
    """What can be asked of one KPI. ``currency`` is that of the business: money is shown in major units."""

    kpi: KpiDefinition
    currency: str

    @property
    def window(self) -> str:
        """What the label ``window`` has to say: what is chosen, or that a level is as it is now."""
        return NOW if self.kpi.kind == "level" else WINDOW

    @property
    def judged_window(self) -> str | None:
        """The window whose values can be held to what was expected of a grain.

        A count over a day cannot be held to what an hour should have had; a ratio can. None where there is none.
        """
        kpi = self.kpi
        if kpi.kind == "level":
            return NOW
        windows = sorted(kpi.windows, key=lambda window: abs(window.ms - kpi.grain.ms))
        if not windows or (kpi.kind in ("count", "sum") and windows[0].ms != kpi.grain.ms):
            return None
        return windows[0].text

    @property
    def bounds(self) -> tuple[str, ...]:
        """Which bounds the goal has that is exported: ``min``, ``max``, both or none."""
        return tuple(labels[2] for labels, _ in goals_of(self.kpi, metric_of(self.kpi)))

    @property
    def last_quantile(self) -> float | None:
        """The one that a duration's goal is about; None for all else."""
        return self.kpi.quantiles[-1] if self.kpi.quantiles else None

    def total(self, window: str, quantile: float | None = None) -> str:
        """The whole business, one series."""
        return self._scaled(f"max({self._series(window, (), quantile)})")

    def sliced(self, dimensions: Sequence[str], window: str) -> str:
        """By these dimensions, of their values that are chosen; a duration's highest quantile."""
        series = self._series(window, dimensions, self.last_quantile)
        return self._scaled(f"max by ({', '.join(dimensions)}) ({series})")

    def expected(self, bound: Literal["low", "middle", "high"]) -> str:
        """What was expected of the total over the last grain; of a duration its highest quantile."""
        return self._scaled(f"max({self._judged('daybook_kpi_expected', bound=bound)})")

    def goal(self, bound: str) -> str:
        """What the KPI is to keep to."""
        labels = {"kpi": quoted(self.kpi.name), "bound": quoted(bound)}
        return self._scaled(f"max({_select('daybook_kpi_goal', labels)})")

    def surprise(self) -> str:
        """How strange the total was over the last grain."""
        return f"max({self._judged('daybook_kpi_surprise')})"

    def anomalies(self, window: str) -> str:
        """The total where it is strange, and nothing where it is not."""
        return f"{self.total(window, self.last_quantile)} and on () ({self.surprise()} >= {STRANGE})"

    def _series(self, window: str, by: Sequence[str], quantile: float | None) -> str:
        """A total has no value of any dimension; a slice has one of its own, and none of the others."""
        labels = {"window": quoted(window)}
        labels |= {name: f'"${name}"' if name in by else '""' for name in dimensions_of(self.kpi)}
        if quantile is not None:
            labels["quantile"] = quoted(f"{quantile:g}")
        return _select(metric_of(self.kpi), labels, by)

    def _judged(self, metric: str, **more: str) -> str:
        stat = "value" if self.last_quantile is None else stat_name(self.last_quantile)
        named = {"kpi": self.kpi.name, "stat": stat, "slice": "", **more}
        return _select(metric, {name: quoted(text) for name, text in named.items()})

    def _scaled(self, expression: str) -> str:
        digits = exponent(self.currency) if self.kpi.unit == "money" else 0
        return f"{expression} / {10**digits}" if digits else expression


def _select(metric: str, labels: Mapping[str, str], patterns: Sequence[str] = ()) -> str:
    """A selector; labels in ``patterns`` are matched as regular expressions."""
    matchers = "".join(f", {name}{'=~' if name in patterns else '='}{text}" for name, text in labels.items())
    return f'{metric}{{job="$job"{matchers}}}'
