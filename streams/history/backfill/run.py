"""An archive replayed into the data folder of a Prometheus, or what a replay wrote."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from prometheus_client.metrics_core import Metric

from streams.history.backfill.folder import BackfillError, Folder, Note, held
from streams.history.backfill.gauges import Gauges
from streams.history.backfill.openmetrics import Samples
from streams.history.backfill.promtool import SPAN_MS, Blocks
from streams.history.backfill.replayed import Replayed
from streams.history.replay.processes import steps_of
from streams.history.replay.run import engine_of
from streams.history.replay.source import Source

if TYPE_CHECKING:
    from streams.config import Config

INSTANCE = "backfill"
"""What the label ``instance`` says, where a scraped worker's address would stand."""
LONGEST_STEP_MS = 5 * 60_000
"""So far back Prometheus looks for a series' last sample: with longer steps lines would break."""


class Period(NamedTuple):
    """From when up to and with when, epoch ms, and each how many."""

    since: int
    until: int
    step: int


class Filled(NamedTuple):
    """What was put in: ``since`` the first and ``until`` the last time (epoch ms), how many ``samples`` of how many
    ``series`` at most in a block, in how many ``blocks`` of how many ``bytes``. ``there`` says how many times were left
    out because they had been filled in before, ``kept_back`` from when on Prometheus has its own (None: all was before
    that). ``seconds`` is how long it took."""

    since: int
    until: int
    samples: int
    series: int
    blocks: int
    bytes: int
    there: int
    kept_back: int | None
    seconds: float


def backfill(
    config: Config,
    source: Source,
    path: Path,
    period: Period,
    job: str,
    now: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Filled:
    """Replay all of a source, and put what a worker would have shown in that period into the data folder ``path``; as a
    whole or not at all. A time that has been filled in before is left out. ``now`` is epoch ms; ``progress`` is told
    how many records have been fed.

    Raises :class:`~streams.history.backfill.folder.BackfillError` where that cannot be or there is nothing to put in,
    and :class:`~streams.history.archive.files.ArchiveError` for a damaged file.
    """
    engine = engine_of(config, source, step_ms=period.step)
    gauges = Gauges(config, engine.definitions, source.partitions)

    def steps() -> Generator[int]:
        for step in steps_of(engine.definitions, source, config.limits.event_bytes, engine.told_every):
            gauges.take(step.partials, engine.take(step))
            yield engine.counts.records
        gauges.take([], engine.finish())
        gauges.end()
        yield engine.counts.records

    return _fill(gauges, steps(), path, period, job, now, progress)


def backfill_replayed(
    replayed: Replayed,
    path: Path,
    period: Period,
    job: str,
    now: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Filled:
    """The same from a folder that a replay wrote; ``progress`` is told how many of its days have been read."""
    return _fill(replayed, replayed.read(), path, period, job, now, progress)


class _History(Protocol):
    """What was shown at each time, as far as it is ``settled``."""

    @property
    def began(self) -> int | None: ...
    @property
    def settled(self) -> int | None: ...
    def skip(self, time: int) -> None: ...
    def at(self, time: int) -> Iterator[Metric]: ...


def _fill(
    history: _History,
    steps: Generator[int],
    path: Path,
    period: Period,
    job: str,
    now: int,
    progress: Callable[[int], None],
) -> Filled:
    with held(path) as folder, closing(steps):
        filling = _Filling(folder, period, job, now)
        for done in steps:
            progress(done)
            if filling.go_on(history):
                break
        return filling.conclude()


class _Filling:
    """Where the filling of a folder stands: the next time that is looked at."""

    def __init__(self, folder: Folder, period: Period, job: str, now: int) -> None:
        self._folder, self._period, self._job, self._now = folder, period, job, now
        self._blocks = Blocks(folder.draft)
        self._closed = folder.closed_until(now)
        self._before = [note for note in folder.notes() if note.job == job]
        self._samples = Samples({"job": job, "instance": INSTANCE})
        self._next: int | None = None
        self._first = self._last = self._reached = 0
        self._count = self._series = self._there = 0
        self._begun = clock.monotonic()

    def go_on(self, history: _History) -> bool:
        """Look at all times that are settled; whether there is none after them."""
        settled, (since, until, step) = history.settled, self._period
        if settled is None:
            return False
        if self._next is None:
            if history.began is None:
                return False
            self._next = (history.began // step + 1) * step
        self._reached = settled
        if self._next < since and self._next <= settled:
            self._next = min(-(-since // step), settled // step) * step
            history.skip(self._next)
        while since <= self._next <= min(settled, until) and self._next < self._closed:
            self._look(history, self._next)
            self._next += step
        return self._next > until or self._next >= self._closed

    def _look(self, history: _History, time: int) -> None:
        if any(note.since <= time <= note.until for note in self._before):
            self._there += 1
            history.skip(time)
            return
        if self._samples.last is not None and self._samples.last // SPAN_MS != time // SPAN_MS:
            self._make()
        self._samples.add(history.at(time), time)
        self._first, self._last = self._first or time, time

    def _make(self) -> None:
        self._count += self._samples.count
        self._series = max(self._series, self._samples.series)
        self._blocks.make(self._samples)

    def conclude(self) -> Filled:
        """Put in what has been made."""
        if self._samples.count:
            self._make()
        if not self._count:
            raise BackfillError(f"{self._folder.path}: {self._why_nothing()}")
        blocks, size = self._blocks.made, self._blocks.bytes
        self._folder.move_in(blocks, Note(self._job, self._first, self._last, self._count), self._now)
        return Filled(
            since=self._first,
            until=self._last,
            samples=self._count,
            series=self._series,
            blocks=len(blocks),
            bytes=size,
            there=self._there,
            kept_back=self._closed if self._cut_off else None,
            seconds=clock.monotonic() - self._begun,
        )

    @property
    def _cut_off(self) -> bool:
        return self._closed <= min(self._reached, self._period.until)

    def _why_nothing(self) -> str:
        if self._there:
            return f"all of that time has been filled in already for the job {self._job}"
        if self._cut_off:
            return "all of that time is too new: what its Prometheus has made no block of yet it keeps itself"
        return "nothing that was replayed is of that time"
