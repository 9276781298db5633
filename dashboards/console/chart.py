"""A KPI's past as a chart: what was, what was usual, what was alerted of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.kpis.units import major
from streams.kpis.values import KpiValue

_SCALE = {"ratio": 100.0, "seconds": 1 / 3600.0}
_ACCENT, _ALERT, _GRID = "#1f8a86", "#d64541", "rgba(128, 128, 128, 0.25)"
_MOST_SYMBOLS = 200
_LABEL = {"formatter": "goal {c}", "position": "insideEndTop"}
# Text only, so that nothing that a KPI says is taken for markup.
_TOOLTIP = """(points) => {
  const by = Object.fromEntries(points.map((point) => [point.seriesName, point.value]));
  const at = new Date(points[0].value[0]).toLocaleString([], {dateStyle: "medium", timeStyle: "short"});
  const lines = [at];
  if (by.value && by.value[1] !== null) lines.push("value " + by.value[1]);
  if (by.low && by.low[1] !== null && by.usual)
    lines.push("usual " + by.low[1] + " to " + Math.round((by.low[1] + by.usual[1]) * 1e4) / 1e4);
  if (by.alert) lines.push("alert: " + by.alert[2]);
  const box = document.createElement("div");
  box.style.cssText = "white-space: pre-line; max-width: 16rem";
  box.textContent = lines.join("\\n");
  return box;
}"""
_NAMES = {"ratio": "%", "seconds": "hours"}


def axis(unit: str, currency: str) -> tuple[str, float]:
    """What the values are shown in, and what they are multiplied by for that."""
    if unit == "money":
        return currency, float(major(1, currency))
    return _NAMES.get(unit, unit), _SCALE.get(unit, 1.0)


def options(
    values: Sequence[KpiValue], unit: str, currency: str, goal: tuple[float | None, float | None]
) -> dict[str, Any]:
    """The options of an ECharts chart of one series, by time. ``goal`` is (least, most), in the KPI's unit."""
    name, scale = axis(unit, currency)

    def shown(value: float | None) -> float | None:
        return None if value is None else round(value * scale, 4)

    def bound(value: KpiValue, place: int) -> float | None:
        return None if value.expected is None else shown(value.expected[place])

    band = [
        [value.start, low, None if low is None or high is None else round(high - low, 4)]
        for value in values
        for low, high in [(bound(value, 0), bound(value, 2))]
    ]
    alerts = [
        [value.start, shown(value.value), value.why] for value in values if value.alert and value.value is not None
    ]
    lines = [{"yAxis": shown(one), "name": "goal"} for one in goal if one is not None]
    stacked = {"type": "line", "stack": "band", "symbol": "none", "lineStyle": {"opacity": 0}, "silent": True}
    return {
        "animation": False,
        "color": [_ACCENT, _ACCENT, _ACCENT, _ALERT],
        "grid": {"left": 60, "right": 16, "top": 40, "bottom": 64},
        "legend": {"data": ["usual", "value", "alert"], "top": 0},
        "tooltip": {"trigger": "axis", "confine": True, ":formatter": _TOOLTIP},
        "xAxis": {"type": "time"},
        "yAxis": {"type": "value", "name": name, "scale": True, "splitLine": {"lineStyle": {"color": _GRID}}},
        "dataZoom": [{"type": "slider", "height": 20, "bottom": 8}],
        "series": [
            {**stacked, "name": "low", "data": [[at, low] for at, low, _ in band]},
            {
                **stacked,
                "name": "usual",
                "areaStyle": {"opacity": 0.2},
                "data": [[at, width] for at, _, width in band],
            },
            {
                "name": "value",
                "type": "line",
                # What can be seen can be clicked.
                "showSymbol": len(values) <= _MOST_SYMBOLS,
                "symbolSize": 6,
                "data": [[value.start, shown(value.value)] for value in values],
                "markLine": {"silent": True, "symbol": "none", "label": _LABEL, "data": lines} if lines else {},
            },
            {"name": "alert", "type": "scatter", "symbol": "triangle", "symbolSize": 14, "data": alerts},
        ],
    }


def in_words(values: Sequence[KpiValue], name: str) -> str:
    """What the chart shows, for who cannot see it."""
    known = [value for value in values if value.value is not None]
    if not known:
        return f"{name}: nothing is known of that time"
    alerts = sum(value.alert for value in values)
    outside = sum(
        value.expected is not None and value.value is not None
        and not value.expected[0] <= value.value <= value.expected[2]
        for value in values
    )  # fmt: skip
    return f"{name}: {len(known)} values, {outside} outside of what is usual, {alerts} alerted of"
