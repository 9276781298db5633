"""What will miss its promise, as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from detectors.casework.promises import Forecast


class PromiseCollector:
    """``daybook_promises_endangered``: how many of those due within a day will miss their promise; the ``bound`` is
    expected, or low or high, between which 90 % lie. ``daybook_promises_overdue``: how many have missed theirs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Replaced as a whole, never changed: the thread that renders sees one state.
        self._told: Sequence[Forecast] = ()
        registry.register(self)

    def tell(self, forecasts: Iterable[Forecast]) -> None:
        """Take in the newest; none where another worker has them."""
        self._told = tuple(forecasts)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauges without samples."""
        return iter(self._gauges())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called for each scrape."""
        endangered, overdue = self._gauges()
        for one in self._told:
            for bound, at in (("low", one.low), ("expected", one.expected), ("high", one.high)):
                endangered.add_metric([one.kpi, bound], at)
            overdue.add_metric([one.kpi], one.overdue)
        yield endangered
        yield overdue

    @staticmethod
    def _gauges() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "daybook_promises_endangered",
                "Open orders or tickets due within a day that will miss their promise",
                labels=["kpi", "bound"],
            ),
            GaugeMetricFamily(
                "daybook_promises_overdue", "Open orders or tickets that have missed their promise", labels=["kpi"]
            ),
        )
