"""The goals of the KPIs as a metric, so that a rule can hold values to them."""

from __future__ import annotations

from collections.abc import Iterator

from streams.kpis.definitions import KpiDefinition
from streams.kpis.grid import DAY_MS
from streams.kpis.series import NOW

GOAL_LABELS = ("kpi", "metric", "bound", "window", "quantile")


def goals_of(kpi: KpiDefinition, metric: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """The bounds of a KPI's goal, in its unit, each with the values of :data:`GOAL_LABELS`.

    ``metric`` is the gauge the KPI is shown as; with ``window`` and ``quantile`` it says for which of its series the
    goal is: the highest quantile, and the longest window up to a day, for a goal is not a matter of one quiet hour.
    """
    window = NOW if kpi.kind == "level" else _window(kpi)
    quantile = f"{max(kpi.quantiles):g}" if kpi.quantiles else ""
    for bound, at in (("min", kpi.goal_min), ("max", kpi.goal_max)):
        if at is not None and window is not None:
            yield (kpi.name, metric, bound, window, quantile), at


def _window(kpi: KpiDefinition) -> str | None:
    """``None`` where it has none, so that no rolling value is shown."""
    windows = sorted(kpi.windows, key=lambda window: window.ms)
    within = [window for window in windows if window.ms <= DAY_MS]
    chosen = within[-1:] or windows[:1]
    return chosen[0].text if chosen else None
