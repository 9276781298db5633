"""What a simulated shop's KPIs were worth, hour by hour: computed once by the KPI core, kept in a file, read as a
detector would have been told of it.

A file is named by size, seed, with or without incidents, and a hash of what it follows from: the KPI definitions, the
simulator's settings, the code of the KPI core and of the simulator.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from streams.config import load_config
from streams.events.types import BusinessEvent, CalendarData, CalendarEntry, SourceHeartbeat
from streams.ingest.simulator import Label, Simulation, SimulatorSettings, family_of
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from tests.evaluation import shop

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

ROOT = Path(__file__).resolve().parents[2]
CACHE_VARIABLE = "DAYBOOK_EVALUATION_CACHE"
"""Where recordings are kept, if not under ``build/``."""
FORMAT = 1
_CODE = ("streams/kpis", "streams/ingest/simulator", "streams/events")
_FAMILIES = 3


class Series(msgspec.Struct, frozen=True):
    """Which series: what all its :class:`KpiValue` have in common. ``parts`` is how many each has."""

    kpi: str
    stat: str
    slice: dict[str, str]
    span: str
    unit: str
    better: str
    parts: int

    @property
    def name(self) -> str:
        """As :attr:`KpiValue.series`."""
        inner = ",".join(f"{k}={v}" for k, v in sorted(self.slice.items()))
        stat = "" if self.stat == "value" else f".{self.stat}"
        return f"{self.kpi}{stat}{'{' + inner + '}' if inner else ''}@{self.span}"


class Recording(NamedTuple):
    """The final values of ``series`` (rows), grain by grain (columns), as they were first told.

    ``starts`` and ``ends`` (epoch ms) are the grains', the same for all series. ``told`` says where there was a value
    at all; ``value`` is NaN where nothing was observed. ``parts`` has shape (series, grains, 2); a series with one part
    has zeros in the second. Rows are in the order in which the series book tells of them. ``labels`` are the
    simulator's, with the names of orders and tickets left out, ``touched`` how many those were. ``calendar`` is what
    was announced. ``events`` is how many events went in.
    """

    size: int
    seed: int
    series: list[Series]
    starts: I64
    ends: I64
    told: npt.NDArray[np.bool_]
    value: F64
    weight: I64
    parts: I64
    labels: list[Label]
    touched: list[int]
    calendar: list[CalendarData]
    events: int

    def steps(self) -> Iterator[list[KpiValue]]:
        """Grain by grain, all values that were told of it."""
        for column, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True)):
            rows = np.flatnonzero(self.told[:, column])
            columns = (self.value[rows, column], self.weight[rows, column], self.parts[rows, column])
            yield [
                KpiValue(
                    kpi=series.kpi,
                    stat=series.stat,
                    slice=series.slice,
                    span=series.span,
                    rolling=False,
                    start=start,
                    end=end,
                    value=None if value != value else value,
                    weight=weight,
                    parts=tuple(parts[: series.parts]),
                    status="final",
                    revision=0,
                    unit=series.unit,
                    better=series.better,
                )
                for series, value, weight, parts in zip(
                    (self.series[row] for row in rows.tolist()), *(column.tolist() for column in columns), strict=True
                )
            ]

    def until(self, end: int) -> Recording:
        """Of the grains that end by an instant, epoch ms."""
        kept = int(np.searchsorted(self.ends, end, side="right"))
        return self._replace(
            starts=self.starts[:kept],
            ends=self.ends[:kept],
            told=self.told[:, :kept],
            value=self.value[:, :kept],
            weight=self.weight[:, :kept],
            parts=self.parts[:, :kept],
        )

    def row(self, kpi: str, stat: str = "value", **slice_: str) -> int:
        """Where a series stands. Raises ``KeyError`` where there is none."""
        for number, series in enumerate(self.series):
            if (series.kpi, series.stat, series.slice) == (kpi, stat, slice_):
                return number
        raise KeyError(f"no series {kpi}.{stat} {slice_}")


def definitions() -> Definitions:
    """The KPIs as they come, whatever the environment says."""
    return load_config(env={}).definitions()


def record(settings: SimulatorSettings, kpis: Definitions, since: int, size: int, seed: int) -> Recording:
    """Simulate a shop and run what it sends through the KPI core, in the order of arrival.

    Grains that begin at ``since`` (epoch ms) or later are kept. Every hour, once the heartbeats say that it is over,
    what is final is read: a detector that runs live is told the same.
    """
    simulation = Simulation(settings)
    kernel, book = Kernel(Plan(kpis), 0), SeriesBook(kpis, 1)
    waiting: list[list[BusinessEvent]] = [[] for _ in range(_FAMILIES)]
    arrivals: list[list[int]] = [[] for _ in range(_FAMILIES)]
    calendar: list[CalendarData] = []
    told: list[KpiValue] = []
    beats = events = 0
    for arrival, event in simulation.arrivals():
        if isinstance(event, CalendarEntry):
            calendar.append(event.data)
            continue
        family = family_of(event)
        waiting[family].append(event)
        arrivals[family].append(arrival)
        if not isinstance(event, SourceHeartbeat):
            continue
        beats += 1
        if beats % _FAMILIES == 0:
            for family in range(_FAMILIES):
                events += len(waiting[family])
                _process(kernel, family, waiting[family], arrivals[family])
                waiting[family], arrivals[family] = [], []
            for partial in kernel.drain():
                book.apply(partial)
            told += [value for value in book.advance() if value.revision == 0 and value.start >= since]
    return _recording(size, seed, told, simulation.labels(), calendar, events - beats)


def _process(kernel: Kernel, family: int, events: list[BusinessEvent], arrivals: list[int]) -> None:
    first = kernel.next_offsets[family]
    offsets = np.arange(first, first + len(events), dtype=np.int64)
    kernel.process(family, events, offsets, np.array(arrivals, dtype=np.int64))


def _recording(
    size: int, seed: int, told: list[KpiValue], labels: list[Label], calendar: list[CalendarData], events: int
) -> Recording:
    named = {
        (value.kpi, tuple(sorted(value.slice.items())), value.stat): Series(
            value.kpi, value.stat, value.slice, value.span, value.unit, value.better, len(value.parts)
        )
        for value in told
    }
    order = sorted(named)
    row_of = {name: row for row, name in enumerate(order)}
    grains = dict(sorted({value.start: value.end for value in told}.items()))
    column_of = {start: column for column, start in enumerate(grains)}
    shape = len(order), len(grains)
    there, values, weights = np.zeros(shape, dtype=np.bool_), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    parts = np.zeros((*shape, 2), dtype=np.int64)
    for one in told:
        at = row_of[one.kpi, tuple(sorted(one.slice.items())), one.stat], column_of[one.start]
        there[at], weights[at] = True, one.weight
        values[at] = np.nan if one.value is None else one.value
        parts[at][: len(one.parts)] = one.parts
    return Recording(
        size=size,
        seed=seed,
        series=[named[name] for name in order],
        starts=np.array(list(grains), dtype=np.int64),
        ends=np.array(list(grains.values()), dtype=np.int64),
        told=there,
        value=values,
        weight=weights,
        parts=parts,
        labels=[msgspec.structs.replace(label, orders=[], tickets=[]) for label in labels],
        touched=[len(label.orders) + len(label.tickets) + label.lost_orders for label in labels],
        calendar=calendar,
        events=events,
    )


# -- the cache ----------------------------------------------------------------------------------------------------


def folder() -> Path:
    """Where recordings are kept."""
    return Path(os.environ.get(CACHE_VARIABLE) or ROOT / "build" / "evaluation")


@cache
def _code() -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for place in _CODE:
        for path in sorted((ROOT / place).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


def key(settings: SimulatorSettings, kpis: Definitions) -> str:
    """What a recording follows from, as twelve hexadecimal digits."""
    digest = hashlib.blake2b(_code(), digest_size=6)
    digest.update(msgspec.json.encode([FORMAT, settings, kpis], order="sorted"))
    return digest.hexdigest()


def path_of(size: int, seed: int, with_incidents: bool, kpis: Definitions) -> Path:
    """Where a recording is, or will be."""
    kind = "incidents" if with_incidents else "usual"
    return folder() / f"{size}-{seed:03d}-{kind}-{key(_settings(size, seed, with_incidents), kpis)}.npz"


def _settings(size: int, seed: int, with_incidents: bool) -> SimulatorSettings:
    return shop.troubled(size, seed) if with_incidents else shop.usual(size, seed)


def find(size: int, seed: int, with_incidents: bool, *, stale: bool = False) -> Path | None:
    """The recording of a shop in the cache. With ``stale``, the newest that was made by other code or settings will
    do."""
    path = path_of(size, seed, with_incidents, definitions())
    if path.exists():
        return path
    others = path.parent.glob(path.name.rpartition("-")[0] + "-*.npz") if stale else ()
    return max(others, key=lambda one: one.stat().st_mtime, default=None)


def obtain(size: int, seed: int, with_incidents: bool, *, stale: bool = False) -> Recording:
    """The recording of a shop: from the cache, or made now and put there. ``stale`` as for :func:`find`."""
    return load(find(size, seed, with_incidents, stale=stale) or make(size, seed, with_incidents))


def make(size: int, seed: int, with_incidents: bool) -> Path:
    """Record a shop and put it into the cache."""
    path = path_of(size, seed, with_incidents, definitions())
    return keep(path, _settings(size, seed, with_incidents), size, seed)


def keep(path: Path, settings: SimulatorSettings, size: int, seed: int) -> Path:
    """Record a shop as some settings have it, from where the seed begins, in a file of that name."""
    kpis = definitions()
    before = gc.get_threshold()
    # Orders and tickets hold no cycles: looking for some costs a third of the time.
    gc.set_threshold(200_000, 20, 100)
    try:
        recording = record(settings, kpis, shop.begins(seed), size, seed)
    finally:
        gc.set_threshold(*before)
    save(path, recording)
    return path


class _About(msgspec.Struct):
    format: int
    size: int
    seed: int
    series: list[Series]
    labels: list[Label]
    touched: list[int]
    calendar: list[CalendarData]
    events: int


_ARRAYS = ("starts", "ends", "told", "value", "weight", "parts")


def save(path: Path, recording: Recording) -> None:
    """Write a recording; a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = recording._asdict()
    arrays = {name: fields.pop(name) for name in _ARRAYS}
    about = msgspec.json.encode(_About(FORMAT, **fields))
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    with draft.open("wb") as file:
        np.savez_compressed(file, about=np.frombuffer(about, dtype=np.uint8), **arrays)
    draft.replace(path)


def load(path: Path) -> Recording:
    """Read what :func:`save` wrote. Raises ``ValueError`` where it is of another format."""
    with np.load(path) as held:
        about = msgspec.json.decode(held["about"].tobytes(), type=_About)
        if about.format != FORMAT:
            raise ValueError(f"{path}: a recording of format {about.format}, not {FORMAT}")
        fields: dict[str, Any] = {name: held[name] for name in _ARRAYS}
    fields |= {name: getattr(about, name) for name in _About.__struct_fields__ if name != "format"}
    return Recording(**fields)


def missing(sizes: Iterable[int], seeds: Iterable[int]) -> list[tuple[int, int, bool]]:
    """What is not in the cache yet: (size, seed, with incidents), all sizes of a seed before the next seed."""
    kpis, sizes = definitions(), list(sizes)
    return [
        (size, seed, with_incidents)
        for seed in seeds
        for size in sizes
        for with_incidents in (True, False)
        if not path_of(size, seed, with_incidents, kpis).exists()
    ]
