"""The worker's metrics: names, labels, what is shown and what is not, and serving them."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.config import load_config
from streams.errors import BrokerError, ConfigError
from streams.kpis.definitions import DurationKpi, KpiDefinition, LevelKpi, MeasureKpi, Span, Term
from streams.kpis.values import KpiValue
from streams.runtime.metrics import Metrics, MetricsServer, serve
from streams.runtime.ports import next_free

HOUR = Span("1h", 3_600_000)


def measure(name: str = "on_time_ratio", **more: object) -> MeasureKpi:
    settings = {
        "kind": "ratio",
        "unit": "ratio",
        "better": "higher",
        "by": (("region",), ("region", "carrier")),
        "windows": (HOUR,),
        "grain": HOUR,
        "of": Term(moments=("delivery.delivered",)),
        "description": "Share delivered as promised",
    }
    return MeasureKpi(name=name, **settings | more)  # type: ignore[arg-type]


DURATION = DurationKpi(
    name="time_to_ship",
    unit="seconds",
    better="lower",
    by=(("region",),),
    windows=(HOUR,),
    grain=HOUR,
    quantiles=(0.5, 0.999),
    entity="order",
    start=("order.placed",),
    end=("delivery.dispatched",),
)
LEVEL = LevelKpi(
    name="orders_open",
    unit="orders",
    better="lower",
    by=(),
    windows=(),
    grain=HOUR,
    entity="order",
    start=("order.placed",),
    until=("delivery.delivered",),
)


def value(kpi: KpiDefinition, number: float | None, **more: object) -> KpiValue:
    settings = {
        "stat": "value",
        "slice": {},
        "span": "1h",
        "rolling": True,
        "start": 0,
        "end": 3_600_000,
        "weight": 1,
        "parts": (1,),
        "status": "provisional",
        "revision": 0,
    }
    settings |= more
    return KpiValue(kpi=kpi.name, value=number, unit=kpi.unit, better=kpi.better, **settings)  # type: ignore[arg-type]


def scrape(registry: CollectorRegistry) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, [measure(), DURATION, LEVEL], "1.2.3")


def test_a_kpi_is_one_gauge_labelled_by_window_and_dimensions(metrics: Metrics, registry: CollectorRegistry) -> None:
    kpi = measure()
    sliced = value(kpi, 0.5, slice={"region": "north", "carrier": "ups"}, span="24h")
    metrics.kpis.tell({kpi.name: [value(kpi, 0.9), value(kpi, 0.8, slice={"region": "north"}), sliced]})
    assert scrape(registry)["daybook_on_time_ratio"] == {
        (("carrier", ""), ("region", ""), ("window", "1h")): 0.9,
        (("carrier", ""), ("region", "north"), ("window", "1h")): 0.8,
        (("carrier", "ups"), ("region", "north"), ("window", "24h")): 0.5,
    }
    text = generate_latest(registry).decode()
    assert "# HELP daybook_on_time_ratio Share delivered as promised (ratio)\n" in text
    assert "# TYPE daybook_on_time_ratio gauge\n" in text


def test_a_duration_is_in_seconds_with_a_quantile(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.kpis.tell({DURATION.name: [value(DURATION, 120.0, stat="p50"), value(DURATION, 900.0, stat="p99_9")]})
    assert scrape(registry)["daybook_time_to_ship_seconds"] == {
        (("quantile", "0.5"), ("region", ""), ("window", "1h")): 120.0,
        (("quantile", "0.999"), ("region", ""), ("window", "1h")): 900.0,
    }


def test_only_rolling_values_with_an_observation_are_shown(metrics: Metrics, registry: CollectorRegistry) -> None:
    kpi = measure()
    metrics.kpis.tell(
        {
            kpi.name: [value(kpi, None), value(kpi, 0.1, rolling=False)],
            LEVEL.name: [value(LEVEL, 7.0, span="now")],
        }
    )
    found = scrape(registry)
    assert "daybook_on_time_ratio" not in found
    assert found["daybook_orders_open"] == {(("window", "now"),): 7.0}


def test_what_is_told_anew_replaces_what_was_and_what_is_forgotten_is_gone(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    kpi = measure()
    metrics.kpis.tell({kpi.name: [value(kpi, 0.9, slice={"region": "north"})], LEVEL.name: [value(LEVEL, 1.0)]})
    metrics.kpis.tell({kpi.name: [value(kpi, 0.7)]})
    assert list(scrape(registry)["daybook_on_time_ratio"].values()) == [0.7]
    metrics.kpis.forget([kpi.name])
    found = scrape(registry)
    assert "daybook_on_time_ratio" not in found
    assert list(found["daybook_orders_open"].values()) == [1.0]


def test_label_values_of_any_kind_are_escaped(metrics: Metrics, registry: CollectorRegistry) -> None:
    kpi = measure()
    odd = 'a"b\\c\nd'
    metrics.kpis.tell({kpi.name: [value(kpi, 0.9, slice={"region": odd})]})
    ((labels, _),) = scrape(registry)["daybook_on_time_ratio"].items()
    assert dict(labels)["region"] == odd


def test_the_workers_own_metrics_are_there_from_the_start(metrics: Metrics, registry: CollectorRegistry) -> None:
    found = scrape(registry)
    for name in ("late_events", "duplicate_events", "heartbeats", "publish_failures"):
        assert found[f"daybook_{name}_total"] == {(): 0.0}
    (build,) = found["daybook_build_info"]
    assert dict(build)["version"] == "1.2.3"
    assert "daybook_kernel_seconds_count" in found
    assert not [name for name in found if name.endswith("_created")]


def test_a_partition_that_is_given_away_is_not_exported(metrics: Metrics, registry: CollectorRegistry) -> None:
    for number in ("0", "1"):
        metrics.watermark.labels(number).set(1)
        metrics.lag.labels("t", number).set(2)
    metrics.dropped(1, ["t"])
    metrics.dropped(7, ["t"])  # never had anything
    found = scrape(registry)
    assert list(found["daybook_watermark_seconds"]) == [(("partition", "0"),)]
    assert list(found["daybook_consumer_lag"]) == [(("partition", "0"), ("topic", "t"))]


@pytest.mark.parametrize("name", ["events", "series", "consumer_lag", "dead_letters", "open_cases"])
def test_a_kpi_with_the_name_of_a_metric_of_ours_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^kpis: .*daybook_" + name):
        Metrics(CollectorRegistry(), [measure(name)])


def test_all_default_kpis_can_be_registered_and_promtext_parses(registry: CollectorRegistry) -> None:
    config = load_config(env={})
    metrics = Metrics(registry, config.kpis)
    assert len(metrics.kpis.names) == len(config.kpis) >= 22
    scrape(registry)


@pytest.fixture
def server(metrics: Metrics) -> Iterator[MetricsServer]:
    started = serve(metrics.registry, "127.0.0.1", next_free("127.0.0.1", 24_100))
    yield started
    started.close()


def test_metrics_are_served(server: MetricsServer) -> None:
    with urllib.request.urlopen(server.url, timeout=5) as answer:
        assert b"daybook_build_info" in answer.read()


def test_a_port_in_use_gives_the_next_free_one(server: MetricsServer) -> None:
    second = serve(CollectorRegistry(), "127.0.0.1", server.port)
    try:
        assert second.port > server.port
    finally:
        second.close()
    again = serve(CollectorRegistry(), "127.0.0.1", second.port)
    again.close()
    assert again.port == second.port


def test_an_address_that_is_not_ours_is_a_one_line_error() -> None:
    with pytest.raises(BrokerError, match=r"^192\.0\.2\.1:\d+: cannot serve metrics there"):
        serve(CollectorRegistry(), "192.0.2.1", 24_500)


def test_folded_values_go_with_their_partition() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, [])
    for partition in ("0", "1"):
        metrics.folded.labels(partition, "region").set(7)
    metrics.dropped(0, [])
    samples = [
        sample.labels
        for family in registry.collect()
        if family.name == "daybook_folded_values"
        for sample in family.samples
    ]
    assert samples == [{"partition": "1", "dimension": "region"}]
