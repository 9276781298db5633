"""What detection makes of the KPIs, as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily

from streams.kpis.values import KpiValue

_BOUNDS = ("low", "middle", "high")


class JudgedCollector:
    """``daybook_kpi_expected`` and ``daybook_kpi_surprise`` of the grain that ended last, and alerts so far.

    ``slice`` is empty for the total, else like ``region=north``.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alerts = Counter(
            "daybook_kpi_alerts", "Alerts, that is values that somebody is told of", ["kpi"], registry=registry
        )
        # Replaced as a whole, never changed: the thread that renders sees one state.
        self._told: Mapping[str, tuple[KpiValue, ...]] = {}
        registry.register(self)

    def tell(self, values: Iterable[KpiValue]) -> None:
        """Take in final values as they were judged; the last grain of each KPI is shown. What comes late may be of a
        slice that is new in that grain, and then adds to it, or in one before, and is passed over."""
        told = dict(self._told)
        finals = sorted((value for value in values if value.status == "final"), key=_grain)
        for (kpi, start), several in groupby(finals, key=_grain):
            shown = told.get(kpi, ())
            if not shown or shown[0].start < start:
                told[kpi] = tuple(several)
            elif shown[0].start == start:
                told[kpi] = tuple({value.series: value for value in (*shown, *several)}.values())
        self._told = told

    def forget(self, kpis: Iterable[str]) -> None:
        """Show nothing of these KPIs any more."""
        gone = set(kpis)
        self._told = {kpi: values for kpi, values in self._told.items() if kpi not in gone}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauges without samples."""
        return iter(self._gauges())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called for each scrape."""
        expected, surprise = self._gauges()
        for kpi, values in self._told.items():
            for value in values:
                labels = [kpi, value.stat, ",".join(f"{name}={text}" for name, text in sorted(value.slice.items()))]
                for bound, at in zip(_BOUNDS, value.expected or (), strict=False):
                    expected.add_metric([*labels, bound], at)
                if value.expected is not None:
                    surprise.add_metric(labels, value.surprise)
        yield expected
        yield surprise

    @staticmethod
    def _gauges() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        labels = ["kpi", "stat", "slice"]
        return (
            GaugeMetricFamily(
                "daybook_kpi_expected",
                "What a KPI was expected to be over the last grain, in its unit: 99 % lie between low and high",
                labels=[*labels, "bound"],
            ),
            GaugeMetricFamily(
                "daybook_kpi_surprise",
                "How strange a KPI was over the last grain: -log10 of a probability",
                labels=labels,
            ),
        )


def _grain(value: KpiValue) -> tuple[str, int]:
    return value.kpi, value.start
