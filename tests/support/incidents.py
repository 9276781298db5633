"""Incidents to tell of."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from detectors.incidents.attribution import Share
from detectors.incidents.incident import Assessment, Case, Change, Incident, Symptom

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
T0 = 1_793_703_600_000
"""Tuesday 3 November 2026, 12:00 in Berlin: winter time."""


def symptom(kpi: str = "on_time_ratio", **more: Any) -> Symptom:
    """60 % instead of 94 %, from T0 to 14:00."""
    given: dict[str, Any] = {
        "kpi": kpi, "stat": "value", "slice": {}, "since": T0, "until": T0 + 2 * HOUR, "value": 0.6,
        "expected": (0.91, 0.94, 0.97), "surprise": 5.0, "side": -1, "unit": "ratio", "told": True,
    }  # fmt: skip
    return Symptom(**given | more)


def assessment(**more: Any) -> Assessment:
    """41 orders."""
    given: dict[str, Any] = {
        "at": T0 + 2 * HOUR, "orders": 41, "tickets": 12, "customers": 38, "amount": 312_000,
        "explanation": "62 % of the extra tickets are about orders late in north",
        "cases": tuple(Case(order=f"o-{number}") for number in range(44)),
    }  # fmt: skip
    return Assessment(**given | more)


def incident(name: str = "i-1", **more: Any) -> Incident:
    """Late in north, not yet looked into."""
    given: dict[str, Any] = {
        "id": name, "kind": "business", "state": "open", "severity": "warning",
        "title": "On time ratio lower than usual: region north", "since": T0, "until": T0 + 2 * HOUR,
        "cause_until": T0 + 2 * HOUR, "symptoms": (symptom(),), "scope": {"region": "north"},
        "shares": {"on_time_ratio": [Share({"region": "north"}, 0.71, 0.2, -30.0, 30.0, 0.9)]},
        "history": (Change(T0 + 2 * HOUR, "opened"),), "cause": "delivery",
    }  # fmt: skip
    return Incident(**given | more)


def then(one: Incident, what: Any, at: int, **more: Any) -> Incident:
    """Its next revision: ``what`` happened to it."""
    change = Change(at, what, more.pop("by", ""), more.pop("note", ""))
    return replace(one, history=(*one.history, change), revision=one.revision + 1, **more)
