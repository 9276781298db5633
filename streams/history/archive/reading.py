"""Reading an archive: every record once, log by log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from streams.history.archive.files import I64, Records, read, read_values
from streams.history.archive.layout import Log, Piece, by_log, chosen
from streams.kpis.scan.packed import Packed

T = TypeVar("T")


def records_of(folder: Path, pieces: Iterable[Piece]) -> Iterator[tuple[Log, Records]]:
    """The records of files, those of a log in the order of their offsets, the oldest log of a partition first.

    A record that is in several files comes once. Raises :class:`~streams.history.archive.files.ArchiveError` for a file
    that is damaged.
    """
    return _each(folder, pieces, read)


def values_of(folder: Path, pieces: Iterable[Piece]) -> Iterator[tuple[Log, tuple[I64, Packed]]]:
    """The same records, of each their arrivals (epoch ms) and values only, which is much faster."""
    return _each(folder, pieces, read_values)


def _each(
    folder: Path, pieces: Iterable[Piece], read: Callable[[Path, Piece, int], Iterator[T]]
) -> Iterator[tuple[Log, T]]:
    for log, several in by_log(chosen(pieces)):
        after = -1
        for piece in several:
            for some in read(folder, piece, after):
                yield log, some
            after = max(after, piece.end - 1)
