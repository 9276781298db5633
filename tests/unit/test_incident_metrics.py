"""How many incidents there are, and what will miss its promise, as metrics."""

from __future__ import annotations

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from detectors.casework.promises import Forecast
from streams.runtime.live_incidents import IncidentCollector
from streams.runtime.promised import PromiseCollector
from tests.support.incidents import incident


def test_incidents_are_counted_while_they_last_where_they_are() -> None:
    registry = CollectorRegistry()
    shown = IncidentCollector(registry)

    def count(**labels: str) -> float | None:
        given = {"kind": "business", "severity": "warning", "state": "open"} | labels
        return registry.get_sample_value("daybook_incidents", given)

    assert count() is None  # nobody knows yet where they are
    shown.tell([])
    assert (count(), count(kind="pipeline")) == (0, 0)
    one = incident()
    shown.tell([one, replace(one, state="resolved"), replace(one, severity="critical", state="acknowledged")])
    assert (count(), count(severity="critical", state="acknowledged")) == (1, 1)
    shown.tell(None)
    assert count() is None


def test_what_will_miss_its_promise_has_an_interval() -> None:
    registry = CollectorRegistry()
    shown = PromiseCollector(registry)
    shown.tell([Forecast("on_time_ratio", 0, 1, 40, 13.6, 9, 21, 5, "14 orders", ())])

    def endangered(bound: str) -> float | None:
        return registry.get_sample_value("daybook_promises_endangered", {"kpi": "on_time_ratio", "bound": bound})

    assert [endangered(bound) for bound in ("low", "expected", "high")] == [9, 13.6, 21]
    assert registry.get_sample_value("daybook_promises_overdue", {"kpi": "on_time_ratio"}) == 5
    shown.tell(())
    assert endangered("low") is None
