"""The core alone: no Kafka, no event loop. What an event costs, stage by stage, in processor time."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.events.codec import ChunkDecoder
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Kernel
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.warm import warm
from streams.kpis.watermark import FAMILIES
from streams.runtime.agents.pieces import pieces
from streams.runtime.partitions import partition_of
from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.marketplace import PARTITIONS, Record

STAGES = ("kernel", "drain", "book", "values")
"""JSON into cells; changed cells as partials, encoded; partials decoded and merged; final values
and windows computed."""
SLICE = 2_500
"""Events in a call, about what a worker takes at a time."""
DRAIN_EVERY = 100_000
"""Events between two drains: what a worker under full load reads in the second between two."""
_ROOT = Path(__file__).resolve().parents[2]


class Piece(NamedTuple):
    """Part of one partition of one topic. ``events`` leaves heartbeats out."""

    family: int
    partition: int
    values: list[bytes | None]
    events: int


class Cost(NamedTuple):
    """Processor seconds by stage, for so many events; cells drained and series kept."""

    seconds: dict[str, float]
    events: int
    cells: int
    series: int

    @property
    def micros(self) -> dict[str, float]:
        """Microseconds an event, by stage."""
        return {stage: seconds / self.events * 1e6 for stage, seconds in self.seconds.items()}

    @property
    def total(self) -> float:
        """Microseconds an event."""
        return sum(self.micros.values())


def pieces_of(records: Iterable[Record], size: int = SLICE) -> list[Piece]:
    """Records by topic and partition, in pieces of ``size`` in the order they are filled: as a backlog is read."""
    open_: defaultdict[tuple[int, int], list[bytes | None]] = defaultdict(list)
    beats: defaultdict[tuple[int, int], int] = defaultdict(int)
    done = []

    def close(place: tuple[int, int]) -> None:
        values = open_.pop(place)
        done.append(Piece(*place, values, len(values) - beats.pop(place, 0)))

    for record in records:
        heartbeat = record.partition is not None
        place = (
            record.family,
            record.partition if record.partition is not None else partition_of(record.key, PARTITIONS),
        )
        open_[place].append(record.value)
        beats[place] += heartbeat
        if len(open_[place]) >= size:
            close(place)
    for place in sorted(open_):
        close(place)
    return done


class Core:
    """Kernels of all partitions and the book behind them."""

    def __init__(self, definitions: Definitions) -> None:
        plan = Plan(definitions)
        self.kernels = [Kernel(plan, partition) for partition in range(PARTITIONS)]
        self.book = SeriesBook(definitions, PARTITIONS)
        self.decoders = [ChunkDecoder(family) for family in FAMILIES]
        self.cells = 0

    def take(self, piece: Piece) -> Iterator[str]:
        """Read and fold; yields the stage's name when it is done."""
        kernel, count = self.kernels[piece.partition], len(piece.values)
        first = kernel.next_offsets[piece.family]
        offsets = np.arange(first, first + count, dtype=np.int64)
        decoder = self.decoders[piece.family]
        outcome = kernel.process_raw(decoder, piece.values, offsets, np.full(count, -1, dtype=np.int64))
        if outcome.rejected:
            raise BenchmarkError(f"the load is wrong: {outcome.rejected[0][1].reason}")
        yield "kernel"

    def drain(self) -> Iterator[str]:
        """From changed cells to values; yields each stage's name when it is done."""
        sent = [part.encode() for kernel in self.kernels for partial in kernel.drain() for part in pieces(partial)]
        yield "drain"
        touched = set()
        for raw in sent:
            partial = Partial.decode(raw)
            self.book.apply(partial)
            touched.add(partial.kpi)
            self.cells += len(partial.rows)
        yield "book"
        self.book.advance()
        self.book.current(sorted(touched))
        yield "values"

    def run(self, load: Sequence[Piece]) -> Cost:
        """Take in the whole load, draining every :data:`DRAIN_EVERY` events and at the end."""
        seconds = dict.fromkeys(STAGES, 0.0)
        events = since = 0
        clock = time.thread_time

        def timed(stages: Iterator[str]) -> None:
            began = clock()
            for stage in stages:
                now = clock()
                seconds[stage] += now - began
                began = now

        for number, piece in enumerate(load, 1):
            timed(self.take(piece))
            events += piece.events
            since += piece.events
            if since >= DRAIN_EVERY or number == len(load):
                timed(self.drain())
                since = 0
        return Cost(seconds, events, self.cells, self.book.series)


def measure(definitions: Definitions, load: Sequence[Piece], runs: int = 1) -> Cost:
    """The cheapest of some runs, each from nothing."""
    warm()
    return min((Core(definitions).run(load) for _ in range(runs)), key=lambda cost: cost.total)


class Line(NamedTuple):
    """A function in a profile, and its share of the time in itself."""

    share: float
    calls: int
    where: str


def profile(definitions: Definitions, load: Sequence[Piece], most: int = 12) -> list[Line]:
    """The functions that take the most time in themselves, under Python's profiler."""
    warm()
    core = Core(definitions)
    return profiled(lambda: core.run(load), most)


def profiled(run: Callable[[], object], most: int = 12) -> list[Line]:
    """The same of whatever is run."""
    profiler = cProfile.Profile()
    profiler.enable()
    run()
    profiler.disable()
    rows = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]  # not in its annotations
    whole = sum(own for _, (_, _, own, _, _) in rows)
    ranked = sorted(rows, key=lambda row: row[1][2], reverse=True)[:most]
    return [Line(own / whole, calls, _where(*place)) for place, (_, calls, own, _, _) in ranked]


def _where(file: str, line: int, function: str) -> str:
    if file == "~":
        return function.strip("<>").replace("built-in method ", "").replace("method ", "")
    path = Path(file)
    if path.is_relative_to(_ROOT):
        return f"{path.relative_to(_ROOT)}: {function}"
    return f"{'/'.join(path.parts[-2:])}: {function}"
