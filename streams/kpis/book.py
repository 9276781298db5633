"""The series book: every KPI's series, fed by partials, read as values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streams.kpis.definitions import Definitions
from streams.kpis.partials import Partial
from streams.kpis.series import KpiSeries, by_slice
from streams.kpis.values import KpiValue


class SeriesBook:
    """Merges the partials of ``partitions`` source partitions.

    A partial of a KPI it does not know is passed over, and so is one made under another plan than ``plan`` names
    (empty: whatever plan).
    """

    def __init__(self, definitions: Definitions, partitions: int, plan: str = "") -> None:
        self._plan = plan
        self._kpis = {kpi.name: KpiSeries(kpi, definitions, partitions) for kpi in definitions.kpis}
        self.stale = 0
        """Partials that were older than what had been applied."""
        self._touched: set[str] = set()

    def apply(self, partial: Partial) -> None:
        """Take in a partial; one that repeats, or is older than what is known, changes nothing."""
        kpi = self._kpis.get(partial.kpi)
        if kpi is None or partial.plan != (self._plan or partial.plan):
            return
        if not kpi.newer(partial.partition, partial.sequence):
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

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays: what :meth:`load` makes the same book of."""
        kpis = {name: [series.shape, series.state()] for name, series in self._kpis.items()}
        return {"kpis": kpis, "touched": sorted(self._touched), "stale": self.stale}

    def load(self, state: dict[str, Any]) -> bool:
        """Become what :meth:`state` told of. Whether it told of all KPIs: one that was given other windows or another
        grain since then is as before its first partial."""
        known = state["kpis"]
        same = [name for name, series in self._kpis.items() if known.get(name, [""])[0] == series.shape]
        for name in same:
            self._kpis[name].load(known[name][1])
        self._touched, self.stale = set(state["touched"]) & self._kpis.keys(), state["stale"]
        return len(same) == len(self._kpis)
