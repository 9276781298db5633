"""Making few large files of many small ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from streams.history.archive.files import Records, pieces_in, read, remove, write
from streams.history.archive.layout import Piece, chosen

MOST_RECORDS = 500_000
"""Records of one file."""
MOST_BYTES = 48 << 20
"""Of files that become one: all their records are in memory then, several times as large."""


class Joined(NamedTuple):
    """Files that became ``whole``, or that another one held already."""

    whole: Piece
    parts: list[Piece]


def plan(
    pieces: Iterable[Piece], before: date, most: int = MOST_RECORDS, sizes: Mapping[Piece, int] | None = None
) -> list[Joined]:
    """What is to be made one: files of a log and day before a date, each of which goes on where the one before ends,
    up to ``most`` records and, by their ``sizes``, :data:`MOST_BYTES`.

    Files that a larger one holds are to be removed: whoever joined them did not come to that.
    """
    pieces = list(pieces)
    kept = chosen(pieces)
    joins = []
    for _, several in groupby(kept, key=lambda one: (one.log, one.day)):
        for run in _runs(list(several), most, sizes or {}):
            whole = run[0]._replace(end=run[-1].end)
            if len(run) > 1 and whole.day < before:
                joins.append(Joined(whole, run))
    left = [
        Joined(whole, [part])
        for part in set(pieces) - set(kept)
        for whole in kept
        if (whole.log, whole.day) == (part.log, part.day) and whole.first <= part.first and part.end <= whole.end
    ]
    return [*joins, *left]


def _runs(several: list[Piece], most: int, sizes: Mapping[Piece, int]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    held = 0
    for one in several:
        held += sizes.get(one, 0)
        if run and (run[-1].end != one.first or one.end - run[0].first > most or held > MOST_BYTES):
            yield run
            run, held = [], sizes.get(one, 0)
        run.append(one)
    if run:
        yield run


def compact(folder: Path, before: date) -> list[Joined]:
    """Carry out the plan for an archive: first the whole, then its parts are removed. Readers that began before may
    miss a part that is gone; they begin again.

    Raises :class:`~streams.history.archive.files.ArchiveError` for a file that is damaged; nothing of it is removed.
    """
    pieces = pieces_in(folder)
    joins = plan(pieces, before, sizes={piece: (folder / piece.name).stat().st_size for piece in pieces})
    for join in joins:
        if join.whole not in join.parts and len(join.parts) > 1:
            write(folder, join.whole, _all(folder, join.parts))
        for part in join.parts:
            if part != join.whole:
                remove(folder, part)
    return joins


def _all(folder: Path, parts: Iterable[Piece]) -> Iterator[Records]:
    for part in parts:
        yield from read(folder, part)
