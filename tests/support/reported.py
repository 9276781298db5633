"""What a replay left of two days of two KPIs, with names that would be markup if they were not escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from streams.config import load_config
from streams.history.replay.conditions import conditions_of
from streams.history.replay.lane import Counts
from streams.history.replay.results import Results, Summary
from streams.kpis.values import KpiValue
from tests.support.incidents import HOUR, T0, incident, symptom

CONFIG = load_config(env={})
EVIL = "</script><script>alert(1)</script><img src=https://example.org/x onerror=alert(2)>"
"""The value of a slice, as somebody could send it."""
HOURS = 48
LATE = 20
"""The hour that was known to be another when it was over."""
LOW = 30
"""The hour in which the slice was off."""


def value(kpi: str, hour: int, of: float | None, **more: Any) -> KpiValue:
    """Of an hour, the first of which begins at T0."""
    start = T0 + hour * HOUR
    given: dict[str, Any] = {
        "kpi": kpi, "stat": "value", "slice": {}, "span": "1h", "rolling": False, "start": start, "end": start + HOUR,
        "value": of, "weight": 10, "parts": (10,), "status": "final", "revision": 0, "unit": "orders",
        "better": "higher", "expected": (5.0, 10.0, 15.0),
    }  # fmt: skip
    return KpiValue(**given | more)


def values() -> list[KpiValue]:
    """Orders in total, one of them corrected, and of three regions: of one it was alerted. On time ratio in total."""
    evil = {"region": EVIL}
    total = [value("orders_placed", hour, 10.0 + hour % 3) for hour in range(HOURS)]
    late = replace(total[LATE], value=14.0, status="corrected", revision=1, expected=None)
    of_evil = [value("orders_placed", hour, 8.0, slice=evil) for hour in range(HOURS)]
    of_evil[LOW] = replace(of_evil[LOW], value=1.0, surprise=5.0, side=-1, alert=True, why=f"1 instead of 10 {EVIL}")
    quiet = [value("orders_placed", hour, 8.0, slice={"region": "south"}) for hour in range(HOURS)]
    ratio = [value("on_time_ratio", hour, None if hour % 2 else 0.9, unit="ratio") for hour in range(HOURS)]
    ratio = [replace(one, expected=None if one.value is None else (0.8, 0.9, 1.0)) for one in ratio]
    return [*total, *of_evil, *quiet, *ratio, late]


def results_in(folder: Path, *gaps: str) -> Path:
    """Write them to a new folder, as a replay does; the folder."""
    low = T0 + LOW * HOUR
    told = symptom(
        "orders_placed", slice={"region": EVIL}, since=low, until=low + HOUR, value=1.0, expected=(5.0, 10.0, 15.0),
        unit="orders", why=f"1 instead of 10 {EVIL}",
    )  # fmt: skip
    found = [
        incident("orders-1", title=f"Fewer orders: region {EVIL}", symptoms=(told,), since=low, until=low + HOUR),
        incident("late-1", since=T0 + 40 * HOUR, until=T0 + 42 * HOUR, state="merged", merged_into="orders-1"),
    ]
    conditions = conditions_of(CONFIG, "archive/daybook", gaps)
    with Results(folder) as results:
        results.put(values(), found)
        results.conclude(Summary(Counts(records=1_234, events=1_000), len(values()), 1, 2, 3.0), conditions)
    return folder
