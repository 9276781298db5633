"""The gauges of a replay that was written to a folder. It has grains, so windows as long as a grain, and no others."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
from prometheus_client.metrics_core import Metric

from detectors.incidents.incident import Incident
from streams.history.backfill.exporter import Exporter
from streams.history.backfill.folder import BackfillError
from streams.history.lookback.runs import incidents_of, rows_of
from streams.history.replay.results import pairs_in
from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.grid import DAY_MS
from streams.kpis.series import NOW
from streams.kpis.values import KpiValue

if TYPE_CHECKING:
    from streams.config import Config

_START = pl.col("start").cast(pl.Int64)
_END = pl.col("end").cast(pl.Int64)
_COLUMNS: tuple[str | pl.Expr, ...] = (
    *("kpi", "stat", "slice", "span", "value", "weight", "status", "revision"),
    *("low", "middle", "high", "surprise", "side", "alert", "why"),
    _START,
    _END,
)


def window_of(kpi: KpiDefinition) -> str | None:
    """The window that a grain of a KPI is a value of; None where it has none that is as long."""
    if kpi.kind == "level":
        return NOW
    return next((span.text for span in kpi.windows if span.ms == kpi.grain.ms), None)


def windows_missing(config: Config) -> list[str]:
    """The windows that a folder has no value of, from the shortest on."""
    spans = {span for kpi in config.kpis if kpi.kind != "level" for span in kpi.windows if span.text != window_of(kpi)}
    return list(dict.fromkeys(span.text for span in sorted(spans, key=lambda span: span.ms)))


class Replayed:
    """What ``daybook replay --out`` wrote, read day by day.

    A value is there from the end of its grain to the end of the next one. Raises
    :class:`~streams.history.lookback.runs.RunError` for a folder that is none, and
    :class:`~streams.history.backfill.folder.BackfillError` where the configuration is not the replay's.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self._folder = folder
        self._kpis = {kpi.name: kpi for kpi in config.kpis}
        stats = pl.struct("kpi", "stat").unique().implode().alias("stats")
        whole = rows_of(folder, None, [_START.min(), _END.max(), stats]).row(0, named=True)
        if whole["start"] is None:
            raise BackfillError(f"{folder}: there is no value in it")
        self._check(whole["stats"])
        self.began: int = whole["start"]
        """The beginning of the first grain, epoch ms."""
        self.settled: int | None = None
        """The time up to which :meth:`at` can be asked."""
        self._end: int = whole["end"]
        self.days = -(-(self._end - self.began) // DAY_MS)
        """How many days there are."""
        self._exporter = Exporter(config)
        self._due: list[tuple[int, dict[str, list[KpiValue]]]] = []
        self._shown: dict[str, list[KpiValue]] = {}
        for one in incidents_of(folder):
            self._put(one)

    def read(self) -> Generator[int]:
        """Read on, day by day; how many days have been read."""
        for day in range(self.days):
            self._read(self.began + day * DAY_MS)
            yield day + 1

    def skip(self, time: int) -> None:
        """Go on to a time, which must be settled, without looking."""
        while self._due and self._due[0][0] <= time:
            self._shown.update(self._due.pop(0)[1])
        self._exporter.reach(time)

    def at(self, time: int) -> Iterator[Metric]:
        """What was shown at a time, epoch ms; times must ascend, and be settled."""
        self.skip(time)
        return self._exporter.show(
            {
                kpi: [value for value in self._shown.get(kpi, ()) if time < 2 * value.end - value.start]
                for kpi in self._kpis
            }
        )

    def _read(self, begin: int) -> None:
        end = begin + DAY_MS
        rows = rows_of(self._folder, _END.is_between(begin, end, closed="right"), _COLUMNS)
        self._exporter.judged(map(self._value, rows.filter(pl.col("status") == "final").iter_rows(named=True)))
        last = rows.sort("revision", maintain_order=True).unique(
            ["kpi", "stat", "slice", "start"], keep="last", maintain_order=True
        )
        for (at,), several in sorted(last.group_by("end", maintain_order=True), key=lambda one: one[0]):
            shown: dict[str, list[KpiValue]] = {}
            for value in map(self._value, several.iter_rows(named=True)):
                window = window_of(self._kpis[value.kpi])
                if window is not None:
                    shown.setdefault(value.kpi, []).append(msgspec.structs.replace(value, rolling=True, span=window))
            self._due.append((int(at), shown))
        # Behind the last grain nothing is known, and what is filled in is not filled in again.
        self.settled = min(end, self._end)

    def _value(self, row: dict[str, Any]) -> KpiValue:
        bounds = [row.pop(name) for name in ("low", "middle", "high")]
        kpi = self._kpis[row["kpi"]]
        row["slice"] = dict(pairs_in(row["slice"]))
        expected = None if bounds[0] is None else (bounds[0], bounds[1], bounds[2])
        return KpiValue(**row, rolling=False, parts=(), unit=kpi.unit, better=kpi.better, expected=expected)

    def _put(self, incident: Incident) -> None:
        """Open from when it was opened to its last change, and from then on as it is."""
        times = [change.at for change in incident.history] or [incident.since]
        self._exporter.incidents(times[0], [msgspec.structs.replace(incident, state="open")])
        self._exporter.incidents(times[-1], [incident])

    def _check(self, stats: list[dict[str, str]]) -> None:
        for one in stats:
            kpi = self._kpis.get(one["kpi"])
            known = () if kpi is None else [stat_name(quantile) for quantile in kpi.quantiles] or ["value"]
            if one["stat"] not in known:
                raise BackfillError(
                    f"{self._folder}: has values of {one['kpi']} ({one['stat']}), which this configuration does not; "
                    "use the one that was replayed (--config)"
                )
