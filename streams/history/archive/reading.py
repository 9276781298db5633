"""Reading an archive: every record once, log by log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from streams.history.archive.files import Records, read
from streams.history.archive.layout import Log, Piece, by_log, chosen


def records_of(folder: Path, pieces: Iterable[Piece]) -> Iterator[tuple[Log, Records]]:
    """The records of files, those of a log in the order of their offsets, the oldest log of a partition first.

    A record that is in several files comes once. Raises :class:`~streams.history.archive.files.ArchiveError` for a file
    that is damaged.
    """
    for log, several in by_log(chosen(pieces)):
        after = -1
        for piece in several:
            for some in read(folder, piece, after):
                yield log, some
            after = max(after, piece.end - 1)
