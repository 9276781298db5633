"""The series book: every KPI's series, fed by partials, read as values."""

from __future__ import annotations

from collections.abc import Iterable

from streams.kpis.definitions import Definitions
from streams.kpis.partials import Partial
from streams.kpis.series import KpiSeries, by_slice
from streams.kpis.values import KpiValue


class SeriesBook:
    """Merges the partials of ``partitions`` source partitions. A partial of a KPI it does not know is passed over."""

    def __init__(self, definitions: Definitions, partitions: int) -> None:
        self._kpis = {kpi.name: KpiSeries(kpi, definitions, partitions) for kpi in definitions.kpis}
        self.stale = 0
        """Partials that were older than what had been applied."""
        self._touched: set[str] = set()

    def apply(self, partial: Partial) -> None:
        """Take in a partial; one that repeats, or is older than what is known, changes nothing."""
        kpi = self._kpis.get(partial.kpi)
        if kpi is None:
            return
        if not kpi.newer(partial.partition, partial.as_of):
            self.stale += 1
            return
        kpi.apply(partial)
        self._touched.add(partial.kpi)

    def advance(self) -> list[KpiValue]:
        """Final and corrected grain values since the last call."""
        touched, self._touched = sorted(self._touched), set()
        return [value for name in touched for value in by_slice(self._kpis[name].advance())]

    def current(self, kpis: Iterable[str] | None = None) -> list[KpiValue]:
        """Provisional values: rolling windows and open grains, of all KPIs or the named ones."""
        names = self._kpis if kpis is None else kpis
        return [value for name in names for value in self._kpis[name].current()]

    def watermark(self, kpi: str) -> int | None:
        """How far a KPI's event time has come over all partitions, in epoch ms."""
        return self._kpis[kpi].watermark.value

    @property
    def series(self) -> int:
        """How many series there are."""
        return sum(len(kpi.slices) for kpi in self._kpis.values())

    @property
    def sealed_cells(self) -> int:
        """Cells that came for panes which were sealed."""
        return sum(kpi.sealed_cells for kpi in self._kpis.values())
