"""How a KPI's grain was judged, and what kept each series from alerting: for those who ask afterwards."""

from __future__ import annotations

from typing import Literal, NamedTuple

from streams.kpis.values import KpiValue

Held = Literal["", "unknown", "closed", "calendar", "holiday", "least_cases", "least_change"]
"""Why a value cannot alert, however strange: too little is known to judge it, the business is closed, maintenance or an
outage is known of, it is a holiday, it rests on too few cases, it is not far enough off."""
Waits = Literal["", "cool_down", "open"]
"""Why nothing is told of a KPI, however strange: its last alert was a short while ago, or is not over."""


class SeriesJudgement(NamedTuple):
    """Of a value: how surprising the KPI would be (-log10 p) if it could alert and were the strangest, for the worse;
    what ``held`` it; the ``cases`` it rests on."""

    value: KpiValue
    surprise: float
    held: Held
    cases: float


class Judgement(NamedTuple):
    """Of one grain, ``start`` to ``end`` (excluded, epoch ms): how surprising the KPI was, the ``threshold`` from which
    on it alerts, whether it waits, whether it alerted."""

    start: int
    end: int
    surprise: float
    threshold: float
    waits: Waits
    alert: bool
    series: list[SeriesJudgement]
