"""What is replayed: the event topics of an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from streams.errors import DaybookError
from streams.history.archive.files import pieces_in
from streams.history.archive.layout import Piece, chosen, gaps
from streams.history.archive.reading import values_of
from streams.history.replay.lane import Batch, Logs
from streams.kpis.watermark import FAMILIES

AT_ONCE = 50_000
"""Records that are fed at once."""


class ReplayError(DaybookError):
    """There is nothing to replay, or not all of it."""


class Source(NamedTuple):
    """What there is of an archive to be replayed: the files by (partition, family)."""

    folder: Path
    pieces: dict[tuple[int, int], list[Piece]]

    @property
    def partitions(self) -> int:
        """How many source partitions there are."""
        return max(partition for partition, _ in self.pieces) + 1

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(piece.end - piece.first for several in self.pieces.values() for piece in several)

    def logs(self, partition: int, at_once: int = AT_ONCE) -> Logs:
        """The logs of a partition's topics. They raise :class:`~streams.history.archive.files.ArchiveError` where a
        file is damaged."""
        return {
            family: _batches(self.folder, several, at_once)
            for (of, family), several in self.pieces.items()
            if of == partition
        }


def source_of(folder: Path, since: date | None = None, until: date | None = None) -> Source:
    """The event topics of an archive, as far as they arrived on days from ``since`` up to and with ``until`` (UTC).

    Raises :class:`ReplayError` where there are none.
    """
    families = {name: family for family, name in enumerate(FAMILIES)}
    found: dict[tuple[int, int], list[Piece]] = {}
    everything = [piece for piece in chosen(pieces_in(folder)) if piece.log.topic in families]
    if not everything:
        raise ReplayError(f"{folder}: no event is archived there (daybook archive ls)")
    for piece in everything:
        if (since is None or piece.day >= since) and (until is None or piece.day <= until):
            found.setdefault((piece.log.partition, families[piece.log.topic]), []).append(piece)
    if not found:
        days = sorted(piece.day for piece in everything)
        raise ReplayError(
            f"{folder}: nothing arrived in that time (what there is arrived from {days[0]} to {days[-1]})"
        )
    return Source(folder, found)


def missing(source: Source) -> list[str]:
    """What is missing of it, in a line each: a replay cannot be what live was."""
    pieces = [piece for several in source.pieces.values() for piece in several]
    return [
        f"{gap.log.topic}/{gap.log.partition}: offsets {gap.first} to {gap.end - 1} are not in the archive"
        for gap in gaps(pieces)
    ]


def _batches(folder: Path, pieces: Iterable[Piece], at_once: int) -> Iterator[Batch]:
    for _, (arrivals, values) in values_of(folder, pieces):
        for start in range(0, len(values), at_once):
            stop = start + at_once
            yield Batch(values[start:stop], arrivals[start:stop])
