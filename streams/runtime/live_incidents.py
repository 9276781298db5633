"""How many incidents there are, as a metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from detectors.incidents.incident import Incident


class IncidentCollector:
    """``daybook_incidents``: those that are not over, where this worker has them. No ids: they are in the topic."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Replaced as a whole, never changed: the thread that renders sees one state.
        self._live: Mapping[tuple[str, str, str], int] | None = None
        registry.register(self)

    def tell(self, incidents: Iterable[Incident] | None) -> None:
        """All there are; None where another worker has them."""
        self._live = (
            None if incidents is None else Counter((one.kind, one.severity, one.state) for one in incidents if one.live)
        )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauge without samples."""
        yield self._gauge()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Called for each scrape. Where there are none it says 0 of each kind, so that rules have something to look
        at."""
        gauge = self._gauge()
        if self._live is not None:
            none = dict.fromkeys(((kind, "warning", "open") for kind in ("business", "pipeline")), 0)
            for labels, count in {**none, **self._live}.items():
                gauge.add_metric(labels, count)
        yield gauge

    @staticmethod
    def _gauge() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "daybook_incidents", "Incidents that are not over", labels=["kind", "severity", "state"]
        )
