"""Whether an archive is what it says it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from streams.history.archive.files import ArchiveError, add_to, digest_said, new_digest, pieces_in, read
from streams.history.archive.layout import Piece, chosen, day_of, gaps


class Finding(NamedTuple):
    """Something that is wrong: where, and what."""

    where: str
    what: str


def verify(folder: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> Iterator[Finding]:
    """Read all of an archive and say what is wrong with it; nothing where all is well. ``progress`` is told how many
    files have been read, of how many."""
    pieces = pieces_in(folder)
    for gap in gaps(pieces):
        log = gap.log
        where = f"{log.topic}/{log.partition}"
        yield Finding(where, f"offsets {gap.first} to {gap.end - 1} are missing (log of {log.begun})")
    read_ = chosen(pieces)
    for done, piece in enumerate(read_, 1):
        try:
            yield from (Finding(str(piece.name), what) for what in _wrong(folder, piece))
        except ArchiveError as error:
            yield Finding(str(piece.name), str(error).removeprefix(f"{folder / piece.name}: "))
        progress(done, len(read_))


def _wrong(folder: Path, piece: Piece) -> Iterator[str]:
    """What is wrong with a file that can be read. Raises :class:`ArchiveError` where it cannot."""
    following, elsewhere, digest = piece.first, 0, new_digest()
    for some in read(folder, piece):
        offsets = some.offsets.tolist()
        if offsets != list(range(following, following + len(offsets))):
            yield f"holds other offsets than its name says, near {following}"
            return
        following += len(offsets)
        add_to(digest, some)
        elsewhere += sum(day_of(arrival) != piece.day for arrival in some.arrivals.tolist())
    if following != piece.end:
        yield f"ends with offset {following - 1}, its name says {piece.end - 1}"
    if elsewhere:
        yield f"{elsewhere} records did not arrive on that day"
    if digest.hexdigest() != digest_said(folder, piece):
        yield "its records are others than those that were written (the digest differs)"
