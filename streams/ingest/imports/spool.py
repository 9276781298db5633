"""Encoded events in event-time order, however many there are: sorted runs on disk, merged as they are
read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from streams.ingest.imports.convert import ENCODED

RUN_EVENTS = 250_000
"""So many events are sorted in memory; a run on disk holds as many."""
_READ_AHEAD = 2_000


Encoded = tuple[int, int, int, str, str, bytes]
"""One event on its way: its time (epoch ms), row and rule, which order it, then key, id and value."""


class Spool:
    """Takes events in any order, gives them back by (time, row, rule): of one time, in the order of the file,
    and of one row, in the order of the mapping's rules."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._waiting: list[pl.DataFrame] = []
        self._count = 0
        self._total = 0
        self._runs: list[Path] = []

    def add(self, encoded: pl.DataFrame) -> None:
        """Take events in; a run is written when enough have come."""
        for piece in encoded.iter_slices(RUN_EVENTS):
            self._waiting.append(piece)
            self._count += len(piece)
            self._total += len(piece)
            if self._count >= RUN_EVENTS:
                self._write()

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[Encoded]:
        if not self._runs:
            yield from self._sorted().iter_rows()
            return
        if self._count:
            self._write()
        # The value never decides: no two events share time, row and rule.
        yield from heapq.merge(*map(_read, self._runs))

    def _write(self) -> None:
        path = self._scratch / f"run-{len(self._runs)}.arrow"
        self._sorted().write_ipc(path, record_batch_size=_READ_AHEAD)
        self._runs.append(path)
        self._waiting, self._count = [], 0

    def _sorted(self) -> pl.DataFrame:
        waiting = self._waiting or [pl.DataFrame(schema=ENCODED)]
        return pl.concat(waiting).sort("time", "row", "rule", maintain_order=True)


def _read(run: Path) -> Iterator[Encoded]:
    frame, at = pl.scan_ipc(run), 0
    while len(batch := frame.slice(at, _READ_AHEAD).collect()):
        yield from batch.iter_rows()
        at += _READ_AHEAD
