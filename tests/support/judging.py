"""Final values by hand, and a watch over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from detectors.calendar.business import BusinessCalendar
from detectors.watch.watch import Watch
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue
from tests.support.shop import HOUR

MONDAY = 1_704_067_200_000
"""2024-01-01, midnight UTC."""


def final(kpi: str, hour: int, value: float | None, weight: int | None = None, **more: Any) -> KpiValue:
    """The final value of an hour since MONDAY; ``more`` replaces fields."""
    fields: dict[str, Any] = {
        "kpi": kpi,
        "stat": "value",
        "slice": {},
        "span": "1h",
        "rolling": False,
        "start": MONDAY + hour * HOUR,
        "end": MONDAY + (hour + 1) * HOUR,
        "value": value,
        "weight": int(value or 0) if weight is None else weight,
        "parts": (),
        "status": "final",
        "revision": 0,
        "unit": "orders",
        "better": "higher",
    }
    return KpiValue(**(fields | more))


def watch(definitions: Definitions, per_week: float = 0.4, calendar: BusinessCalendar | None = None) -> Watch:
    """A watch of three KPIs; ``per_week`` is what three of the default ones have."""
    return Watch(definitions, per_week, calendar)


def told(over: Watch, values: Iterable[KpiValue]) -> list[KpiValue]:
    """Hour by hour, as it is live."""
    by_hour: dict[int, list[KpiValue]] = {}
    for value in values:
        by_hour.setdefault(value.start, []).append(value)
    return [judged for start in sorted(by_hour) for judged in over.step(by_hour[start])]


def alerts(values: Iterable[KpiValue]) -> list[tuple[int, Mapping[str, str]]]:
    """The hours since MONDAY in which somebody was told, and of which slice."""
    return [((value.start - MONDAY) // HOUR, value.slice) for value in values if value.alert]
