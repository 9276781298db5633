"""Histories of orders to tune on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from detectors.calendar.business import BusinessCalendar
from detectors.tuning.course import History, Label
from streams.config import load_config
from streams.events.times import format_time
from streams.history.replay.lane import Counts
from streams.history.replay.results import Results, Summary
from streams.kpis.values import KpiValue
from tests.support.judging import MONDAY, final
from tests.support.shop import HOUR

CONFIG = load_config(env={})
(KPI,) = (kpi for kpi in CONFIG.kpis if kpi.name == "orders_placed")
WEEK = 168
SHARE = 3.0 / 26.0


def orders(weeks: int, seed: int = 1, mean: float = 30.0) -> list[KpiValue]:
    """So many weeks of orders placed, by day, fewer on weekends."""
    rng = np.random.default_rng(seed)
    found = []
    for hour in range(weeks * WEEK):
        rate = mean * (1.5 + math.sin((hour % 24 - 9) / 24 * 2 * math.pi)) * (0.6 if hour // 24 % 7 >= 5 else 1.0)
        found.append(final("orders_placed", hour, float(rng.poisson(rate))))
    return found


def history(values: list[KpiValue], labels: list[Label] | None = None) -> History:
    """Of orders placed, with what was wrong."""
    return History(KPI, "UTC", values, labels or [], BusinessCalendar("UTC").at)


def hours(first: int, last: int) -> Label:
    """Wrong from one hour since MONDAY to another."""
    return Label(MONDAY + first * HOUR, MONDAY + last * HOUR)


def at(*of: int) -> list[int]:
    """Hours since MONDAY, epoch ms."""
    return [MONDAY + hour * HOUR for hour in of]


OUTAGES = [
    f"{format_time(MONDAY + (week * WEEK + 34) * HOUR)},{format_time(MONDAY + (week * WEEK + 44) * HOUR)}"
    for week in range(4, 20)
]


"""Times in which there were no orders, as the lines of a file of labels."""


def replayed(folder: Path) -> Path:
    """What a replay wrote: twenty weeks in which there were no orders for ten hours, once a week from the fifth on."""
    values = orders(20)
    for week in range(4, 20):
        for hour in range(week * WEEK + 34, week * WEEK + 44):
            values[hour] = final("orders_placed", hour, 0.0)
    with Results(folder) as results:
        results.put(values, [])
        results.conclude(Summary(Counts(), len(values), 0, 0, 1.0))
    return folder
