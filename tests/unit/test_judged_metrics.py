"""What detection makes of the KPIs, as metrics: of the grain that ended last, whatever comes late."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streams.kpis.values import KpiValue
from streams.runtime.judged import JudgedCollector
from tests.support.incidents import HOUR, T0


def of(hour: int, middle: float | None, slice_: dict[str, str] | None = None) -> KpiValue:
    start = T0 + hour * HOUR
    expected = None if middle is None else (0.5 * middle, middle, 2.0 * middle)
    return KpiValue(
        kpi="orders_placed", stat="value", slice=slice_ or {}, span="1h", rolling=False, start=start,
        end=start + HOUR, value=1.0, weight=1, parts=(1,), status="final", revision=0, unit="orders",
        better="higher", expected=expected,
    )  # fmt: skip


def test_a_slice_that_is_new_in_a_grain_that_was_told_takes_nothing_away() -> None:
    registry = CollectorRegistry()
    shown, labels = JudgedCollector(registry), {"kpi": "orders_placed", "stat": "value", "bound": "middle"}

    def middle(slice_: str = "") -> float | None:
        return registry.get_sample_value("daybook_kpi_expected", labels | {"slice": slice_})

    web, phone = {"channel": "web"}, {"channel": "phone"}
    shown.tell([of(1, 10.0), of(1, 4.0, web)])
    shown.tell([of(1, None, phone)])
    assert (middle(), middle("channel=web")) == (10.0, 4.0)
    shown.tell([of(0, None, phone)])
    assert (middle(), middle("channel=web")) == (10.0, 4.0)
    shown.tell([of(2, 11.0), of(0, 3.0, phone)])
    assert (middle(), middle("channel=web"), middle("channel=phone")) == (11.0, None, None)
