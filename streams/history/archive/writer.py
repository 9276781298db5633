"""Collecting records until there is enough for a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from streams.history.archive.files import Records, write
from streams.history.archive.layout import Log, Piece, day_of

MOST_BYTES = 32 << 20
"""Of one partition; then a file is written."""
MOST_BYTES_OF_ALL = 128 << 20
"""Of all partitions; then files of all are."""


class _Open:
    """What a file will hold: records of one log that arrived on one day, one after the other."""

    def __init__(self, first: int, day: date) -> None:
        self.first, self.day = first, day
        self.end, self.bytes = first, 0
        self._offsets: list[int] = []
        self._arrivals: list[int] = []
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []

    def add(self, offset: int, arrival: int, key: bytes | None, value: bytes | None) -> None:
        self._offsets.append(offset)
        self._arrivals.append(arrival)
        self._keys.append(key)
        self._values.append(value)
        self.end = offset + 1
        self.bytes += len(key or b"") + len(value or b"") + 32

    def records(self) -> Records:
        return Records(np.array(self._offsets, np.int64), np.array(self._arrivals, np.int64), self._keys, self._values)


class Writer:
    """Writes what it is given to the archive in a ``folder``, file by file. What is not written yet is lost with the
    process: who reads a log again begins where :func:`~streams.history.archive.layout.newest_log` ends."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_bytes_of_all: int = MOST_BYTES_OF_ALL) -> None:
        self._folder, self._most, self._most_of_all = folder, most_bytes, most_bytes_of_all
        self._open: dict[Log, _Open] = {}

    @property
    def waiting(self) -> int:
        """How many bytes wait to be written."""
        return sum(one.bytes for one in self._open.values())

    def add(self, log: Log, rows: Sequence[tuple[int, int, bytes | None, bytes | None]]) -> list[Piece]:
        """Take in records of a log, as (offset, arrival in epoch ms, key, value) by offset; the files written for it.

        Raises :class:`~streams.history.archive.files.ArchiveError` where one cannot be.
        """
        return list(self._add(log, rows))

    def _add(self, log: Log, rows: Sequence[tuple[int, int, bytes | None, bytes | None]]) -> Iterator[Piece]:
        for offset, arrival, key, value in rows:
            day, mine = day_of(arrival), self._open.get(log)
            # A file has no hole inside: where offsets are missing, that is to be seen from the names.
            if mine is not None and (mine.day != day or mine.end != offset or mine.bytes >= self._most):
                yield self._close(log)
                mine = None
            if mine is None:
                mine = self._open[log] = _Open(offset, day)
            mine.add(offset, arrival, key, value)
        if self.waiting >= self._most_of_all:
            yield from self.flush()

    def flush(self) -> list[Piece]:
        """Write all that waits; the files written. What could not be written waits on."""
        return [self._close(log) for log in list(self._open)]

    def _close(self, log: Log) -> Piece:
        mine = self._open[log]
        piece = Piece(log, mine.first, mine.end, mine.day)
        write(self._folder, piece, [mine.records()])
        del self._open[log]
        return piece
