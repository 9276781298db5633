"""Prometheus metrics of one worker: its KPIs and its own health.

A KPI is one gauge, ``daybook_<kpi>`` (``_seconds`` appended for durations), in base units: seconds, ratio 0
to 1, the currency's minor units, or what is counted. Its labels are ``window`` (``1h``; ``now`` for a
level), the dimensions it is sliced by (empty where it is not), and ``quantile`` for durations. Only series
of partitions this worker owns are exported, and a series without an observation is absent. What a KPI is to keep
to is ``daybook_kpi_goal``, at every worker (see :mod:`streams.runtime.goals`).

Everything is registered in the registry that is handed in. :func:`serve` answers scrapes in a thread of its
own.
"""

from __future__ import annotations

import errno
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily

from streams.errors import BrokerError, ConfigError
from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.values import KpiValue
from streams.runtime.goals import GOAL_LABELS, goals_of
from streams.runtime.judged import JudgedCollector
from streams.runtime.live_incidents import IncidentCollector
from streams.runtime.notify.metrics import NotifyMetrics
from streams.runtime.promised import PromiseCollector

log = structlog.get_logger(__name__)

_PORTS_TRIED = 100


def metric_of(kpi: KpiDefinition) -> str:
    """The name of the gauge a KPI is shown as."""
    suffix = "_seconds" if kpi.unit == "seconds" and not kpi.name.endswith("_seconds") else ""
    return f"daybook_{kpi.name}{suffix}"


def dimensions_of(kpi: KpiDefinition) -> tuple[str, ...]:
    """The dimensions that are labels of the gauge, each once."""
    return tuple(dict.fromkeys(name for group in kpi.by for name in group))


class KpiCollector:
    """The KPI gauges, rendered from the values last told."""

    def __init__(self, kpis: Iterable[KpiDefinition]) -> None:
        self._families = {kpi.name: _Family.of(kpi) for kpi in kpis}
        # Replaced as a whole, never changed: the thread that renders sees one state.
        self._told: Mapping[str, tuple[KpiValue, ...]] = {}

    @property
    def names(self) -> list[str]:
        """The gauges' names."""
        return [family.metric for family in self._families.values()]

    def tell(self, values: Mapping[str, Iterable[KpiValue]]) -> None:
        """Replace what is known of these KPIs. Only rolling values (windows, a level's ``now``) are shown."""
        fresh = {kpi: tuple(value for value in several if value.rolling) for kpi, several in values.items()}
        self._told = {**self._told, **fresh}

    def forget(self, kpis: Iterable[str]) -> None:
        """Show nothing of these KPIs any more."""
        gone = set(kpis)
        self._told = {kpi: values for kpi, values in self._told.items() if kpi not in gone}

    def describe(self) -> list[GaugeMetricFamily]:
        """The gauges without samples, so that a name taken twice is noticed when they are registered."""
        return [family.gauge() for family in self._families.values()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called for each scrape."""
        told = self._told
        for kpi, family in self._families.items():
            gauge = family.gauge()
            for value in told.get(kpi, ()):
                if value.value is not None:
                    gauge.add_metric(family.labels_of(value), value.value)
            yield gauge


@dataclass(frozen=True, slots=True)
class _Family:
    metric: str
    help: str
    dimensions: tuple[str, ...]
    quantiles: Mapping[str, str]
    """By statistic, what the ``quantile`` label says; empty for all but durations."""

    @classmethod
    def of(cls, kpi: KpiDefinition) -> _Family:
        text = kpi.description or kpi.name.replace("_", " ").capitalize()
        return cls(
            metric_of(kpi),
            f"{text} ({kpi.unit})",
            dimensions_of(kpi),
            {stat_name(quantile): f"{quantile:g}" for quantile in kpi.quantiles},
        )

    def gauge(self) -> GaugeMetricFamily:
        labels = ["window", *self.dimensions, *(["quantile"] if self.quantiles else [])]
        return GaugeMetricFamily(self.metric, self.help, labels=labels)

    def labels_of(self, value: KpiValue) -> list[str]:
        labels = [value.span, *(value.slice.get(name, "") for name in self.dimensions)]
        if self.quantiles:
            labels.append(self.quantiles[value.stat])
        return labels


class Metrics:
    """All metrics of a worker. Raises :class:`ConfigError` where a KPI has the name of one of Daybook's
    own."""

    def __init__(self, registry: CollectorRegistry, kpis: Iterable[KpiDefinition], version: str = "unknown") -> None:
        self.registry = registry
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asked for

        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"daybook_{name}", text, tuple(labels), registry=registry)

        def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"daybook_{name}", text, tuple(labels), registry=registry)

        self.events = counter("events", "Events read, heartbeats aside", ["topic"])
        self.late = counter("late_events", "Events too late to count: older than the allowed lateness")
        self.duplicates = counter("duplicate_events", "Events sent more than once, counted once")
        self.dead_letters = counter("dead_letters", "Records set aside, by reason", ["topic", "code"])
        self.heartbeats = counter("heartbeats", "Heartbeats of sources")
        self.recovered = Histogram(
            "daybook_recovery_seconds",
            "Time to read the state of one partition back from the state log",
            ["agent"],
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=registry,
        )
        self.state_bytes = counter("state_log_bytes", "Bytes of state recorded, steps and snapshots", ["agent"])
        self.append = Histogram(
            "daybook_state_log_append_seconds",
            "Time until the broker had acknowledged an entry of the state log",
            ["agent"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
            registry=registry,
        )
        self.recovering = gauge("recovering_partitions", "Partitions whose state is being read back", ["agent"])
        self.watermark = gauge("watermark_seconds", "How far event time has come, in epoch seconds", ["partition"])
        self.lag = gauge("consumer_lag", "Records not yet read", ["topic", "partition"])
        self.open_cases = gauge("open_cases", "Orders, deliveries and tickets remembered", ["partition"])
        self.folded = gauge(
            "folded_values", "Values of a dimension folded into other, beyond the busiest", ["partition", "dimension"]
        )
        self.series = gauge("series", "KPI series kept")
        self.assigned = gauge("assigned_partitions", "Source partitions this worker owns")
        self.partitions = gauge("source_partitions", "Source partitions there are, for all workers together")
        self.publish_failures = counter("publish_failures", "Times that results could not be published in time")
        self.kernel = Histogram(
            "daybook_kernel_seconds",
            "Time to decode and fold one slice of a chunk",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25),
            registry=registry,
        )
        self.detector = Histogram(
            "daybook_detector_seconds",
            "Time to close the grains that were due in one partition and judge them",
            buckets=(0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
            registry=registry,
        )
        self.build = gauge("build_info", "What runs here", ["version", "python"])
        self.build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        kpis = tuple(kpis)
        self.goal = gauge("kpi_goal", "What a KPI is to keep to, in its unit: at least min, at most max", GOAL_LABELS)
        for kpi in kpis:
            for labels, at in goals_of(kpi, _Family.of(kpi).metric):
                self.goal.labels(*labels).set(at)
        self.kpis = KpiCollector(kpis)
        self.judged = JudgedCollector(registry)
        self.incidents = IncidentCollector(registry)
        self.notify = NotifyMetrics(registry)
        self.promised = PromiseCollector(registry)
        try:
            registry.register(self.kpis)
        except ValueError as error:
            raise ConfigError(f"kpis: a metric's name is taken: {error}; choose another name") from None

    def appended(self, agent: str) -> Callable[[int, float], None]:
        """What notes an entry of an agent's state log: its bytes, and the seconds until it was acknowledged."""
        size, seconds = self.state_bytes.labels(agent), self.append.labels(agent)

        def note(bytes_: int, took: float) -> None:
            size.inc(bytes_)
            seconds.observe(took)

        return note

    def dropped(self, partition: int, topics: Iterable[str]) -> None:
        """Export nothing more of a source partition."""
        number = str(partition)
        for gauge in (self.watermark, self.open_cases):
            _remove(gauge, number)
        self.folded.remove_by_labels({"partition": number})
        for topic in topics:
            _remove(self.lag, topic, number)


class MetricsServer:
    """``http://host:port/metrics`` in a thread of its own; ``port`` is the one it got."""

    def __init__(self, server: Any, thread: threading.Thread, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._server, self._thread = server, thread

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def serve(registry: CollectorRegistry, host: str, port: int) -> MetricsServer:
    """Answer scrapes on ``port``, or on the next free one where it is in use, which the log says.

    Raises :class:`BrokerError` where none of a hundred is free or the address is not ours.
    """
    for candidate in range(port, min(port + _PORTS_TRIED, 65536)):
        try:
            server, thread = start_http_server(candidate, host, registry)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise BrokerError(f"{host}:{candidate}: cannot serve metrics there ({error.strerror})") from None
        started = MetricsServer(server, thread, host, candidate)
        if candidate == port:
            log.info("metrics served", url=started.url)
        else:
            log.warning("metrics port in use, took the next free one", wanted=port, url=started.url)
        return started
    raise BrokerError(f"{host}:{port}: in use, and so are the ports after it (worker.metrics_port)")


def _remove(gauge: Gauge, *labels: str) -> None:
    try:
        gauge.remove(*labels)
    except KeyError:  # never set
        return
