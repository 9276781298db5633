"""An archive for the time of a replay: what does not come from one is put down as one first.

So whatever is replayed is read in one way, in several processes, and memory does not grow with it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streams.history.archive.files import Records, write
from streams.history.archive.layout import Log, Piece, day_of

MOST_BYTES = 32 << 20
"""Of all partitions together; then files of all are written."""
_BEGUN = "19700101T000000"
_OVERHEAD = 32

Row = tuple[int, bytes | None, bytes | None]
"""A record: when it arrived (epoch ms), its key, its value."""


class Scratch:
    """Writes records to an archive in a ``folder``, those of a topic and partition in the order they come in. Their
    offsets count from 0: where they were is not known, or of no interest."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes
        self._waiting: dict[Log, list[Row]] = {}
        self._ends: dict[Log, int] = {}
        self._bytes = 0

    def put(self, topic: str, partition: int, arrival: int, key: bytes | None, value: bytes | None) -> None:
        """Take in a record; ``topic`` is what the archive calls it, ``arrival`` epoch ms.

        Raises :class:`~streams.history.archive.files.ArchiveError` where a file cannot be written.
        """
        self._waiting.setdefault(Log(topic, partition, _BEGUN), []).append((arrival, key, value))
        self._bytes += len(key or b"") + len(value or b"") + _OVERHEAD
        if self._bytes >= self._most:
            self.flush()

    def flush(self) -> None:
        """Write all that waits. Raises as :meth:`put`."""
        for log, rows in self._waiting.items():
            first = self._ends.get(log, 0)
            end = self._ends[log] = first + len(rows)
            arrivals, keys, values = zip(*rows, strict=True)
            # A file may span days here, which it is none the worse for: its name says when it begins.
            piece = Piece(log, first, end, day_of(arrivals[0]))
            records = Records(np.arange(first, end, dtype=np.int64), np.array(arrivals, np.int64), keys, values)
            write(self._folder, piece, [records])
        self._waiting, self._bytes = {}, 0
