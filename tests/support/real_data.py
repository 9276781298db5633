"""The real data sets, and what becomes of them: imported, and through the core as a broker and workers would do it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from streams.config import Config, load_config
from streams.events.codec import ChunkDecoder
from streams.ingest.imports import ImportReport, Record, Sink, load_mapping, run_import
from streams.kpis.book import SeriesBook
from streams.kpis.kernel import Kernel
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
CONFIGS = ROOT / "streams" / "ingest" / "mappings"
FILES = {
    "olist": ("olist_orders.csv", "olist_payments.csv"),
    "online_retail": ("online_retail.parquet",),
    "servicenow": ("servicenow_incident_log.parquet",),
}

needs_real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data sets are not at {DATA}")


Series = tuple[str, str, str]
"""KPI, statistic, value of the slice (empty for the total)."""
Grains = dict[Series, dict[datetime, KpiValue]]
"""By series, then by the start of the grain as the business's clocks showed it."""


class Imported(NamedTuple):
    """An import, what became final of it, and what became of its events."""

    report: ImportReport
    finals: Grains
    outcomes: dict[str, int]

    def parts(self, kpi: str, slice_: str = "") -> dict[datetime, tuple[int, ...]]:
        """The exact integers of a series by grain, those of empty grains left out."""
        grains = self.finals[kpi, "value", slice_]
        return {start: value.parts for start, value in grains.items() if any(value.parts)}

    def starts(self, kpi: str) -> set[datetime]:
        """The grains something was said of."""
        return set(self.finals[kpi, "value", ""])

    def values(self, kpi: str, stat: str) -> dict[datetime, tuple[int, float]]:
        """Observations and value of a quantile by grain, empty grains left out."""
        grains = self.finals[kpi, stat, ""]
        return {start: (value.weight, value.value) for start, value in grains.items() if value.value is not None}


def configured(name: str, data_dir: Path) -> Config:
    """The configuration that comes with a mapping."""
    return load_config(CONFIGS / f"{name}.daybook.yaml", {}).with_(data_dir=data_dir)


def import_whole(name: str, config: Config, sink: Sink | None = None) -> ImportReport:
    """Import a data set; without a sink, to the configured broker."""
    files = [DATA / file for file in FILES[name]]
    return run_import(files, load_mapping(name), config, sink=sink, progress=False)


def imported(name: str, data_dir: Path) -> Imported:
    """A data set imported and taken through the core."""
    config = configured(name, data_dir)
    records: list[Record] = []
    report = import_whole(name, config, records.extend)
    values, outcomes = through_the_core(config, records)
    return Imported(report, by_local_time(config, values), outcomes)


def by_local_time(config: Config, values: Iterable[KpiValue]) -> Grains:
    """Values by series and local start of their grain."""
    zone = ZoneInfo(config.business.timezone)
    found: Grains = defaultdict(dict)
    for value in values:
        start = datetime.fromtimestamp(value.start / 1000, UTC).astimezone(zone).replace(tzinfo=None)
        found[value.kpi, value.stat, ",".join(value.slice.values())][start] = value
    return found


def through_the_core(config: Config, records: Sequence[Record]) -> tuple[list[KpiValue], dict[str, int]]:
    """The last value told of each grain, and what became of the events (accepted, late …).

    Records are treated as a broker and workers would: by partition and topic, in order within each, read in pieces of
    any size and in any order of topics and partitions.
    """
    partitions = config.kafka.partitions
    logs: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    for record in records:
        partition = crc32(record.key) % partitions if record.partition is None else record.partition
        logs[record.family, partition].append(record.value)
    plan = Plan(config.definitions())
    kernels = [Kernel(plan, partition) for partition in range(partitions)]
    book = SeriesBook(config.definitions(), partitions)
    decoders = [ChunkDecoder("orders"), ChunkDecoder("deliveries"), ChunkDecoder("support")]
    told: dict[tuple[str, int], KpiValue] = {}
    outcomes: dict[str, int] = defaultdict(int)
    at = dict.fromkeys(logs, 0)
    draw = random.Random(7)
    while at:
        source = draw.choice(sorted(at))
        family, partition = source
        chunk = logs[source][at[source] : at[source] + draw.randint(1, 4_000)]
        events, rejections = decoders[family].decode_chunk(chunk)
        assert rejections == []
        offsets = np.arange(at[source], at[source] + len(chunk), dtype=np.int64)
        outcome = kernels[partition].process(family, events, offsets, np.full(len(chunk), -1, dtype=np.int64))
        for what in ("accepted", "late", "duplicates"):
            outcomes[what] += getattr(outcome, what)
        assert outcome.rejected == []
        at[source] += len(chunk)
        if at[source] == len(logs[source]):
            del at[source]
        for partial in kernels[partition].drain():
            book.apply(Partial.decode(partial.encode()))
        for value in book.advance():
            told[value.series, value.start] = value
    return list(told.values()), dict(outcomes)
