"""Replay from an archive: how fast, and what it keeps in memory."""

from __future__ import annotations

import os
import resource
import shutil
import threading
from multiprocessing import active_children
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from streams.config import Config
from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.history.replay.run import replay
from streams.history.replay.source import source_of
from streams.kpis.warm import warm
from streams.kpis.watermark import FAMILIES
from streams.runtime.partitions import partition_of
from tests.benchmarks.core import Line, profiled
from tests.benchmarks.marketplace import PARTITIONS, Marketplace, continuous
from tests.benchmarks.processes import shared_out

RATE = 20.0
"""Events a second of the history: a large shop's, some 230,000 orders a day."""
KEEP_ENDED = 6 * 3_600_000
"""How long an order is remembered after its last event (ms): history lasts longer, so that memory shows its bound."""
START = 1_772_323_200_000
"""1 March 2026."""
_BEGUN = "20260301T000000"


CASES = (("KPI core, one process", False, 1), ("KPI core", False, None), ("with detection and incidents", True, None))
"""What is measured: its name, whether values are judged, in how many processes (None: as by default)."""


class Replayed(NamedTuple):
    """One run: ``seconds`` by the clock and by processors, the most MiB of all processes together, and after each tenth
    of the records."""

    records: int
    events: int
    values: int
    seconds: float
    processor: float
    peak: float
    tenths: list[float]

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def make_archive(folder: Path, events: int, rate: float = RATE) -> Path:
    """A marketplace's history of so many events; one that is there already is taken as it is."""
    done = folder / "complete"
    if done.exists() and done.read_text() == f"{events} {rate}":
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    offsets = {(family, partition): 0 for family in range(len(FAMILIES)) for partition in range(PARTITIONS)}
    waiting: dict[Log, list[tuple[int, int, bytes | None, bytes | None]]] = {}
    writer = Writer(folder)
    for record in continuous(Marketplace(events=events, start=START, rate=rate)):
        partition = partition_of(record.key, PARTITIONS) if record.partition is None else record.partition
        place = (record.family, partition)
        log = Log(FAMILIES[record.family], partition, _BEGUN)
        rows = waiting.setdefault(log, [])
        rows.append((offsets[place], record.due, record.key, record.value))
        offsets[place] += 1
        if len(rows) >= 1_000:
            writer.add(log, waiting.pop(log))
    for log, rows in waiting.items():
        writer.add(log, rows)
    writer.flush()
    done.write_text(f"{events} {rate}")
    return folder


def measure(config: Config, folder: Path, detect: bool, processes: int | None = None) -> Replayed:
    """Replay an archive once."""
    warm()
    config, source = _remembering(config), source_of(folder)
    used, tenths, said = _Memory(), [], [0]

    def progress(done: int, of: int) -> None:
        if done * 10 // of > said[0]:
            said[0] = done * 10 // of
            tenths.append(used.now)

    before = _processor()
    with used:
        summary = replay(config, source, detect=detect, progress=progress, processes=processes)
    after = _processor()
    counts = summary.counts
    return Replayed(counts.records, counts.events, summary.values, summary.seconds, after - before, used.most, tenths)


def profile(config: Config, folder: Path) -> list[Line]:
    """The functions that take the most time where all is in one process."""
    return profiled(lambda: replay(_remembering(config), source_of(folder), detect=False, processes=1))


def _remembering(config: Config) -> Config:
    return replace(config, lifecycle=replace(config.lifecycle, keep_ended=KEEP_ENDED))


def _processor() -> float:
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


class _Memory:
    """The memory of this process and those it started, in MiB, looked at four times a second."""

    def __init__(self) -> None:
        self.most = self.now = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.25):
            pids = [os.getpid(), *(one.pid for one in active_children() if one.pid is not None)]
            self.now = sum(shared_out(pid) for pid in pids)
            self.most = max(self.most, self.now)
