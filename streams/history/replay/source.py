"""What is replayed: the event topics of an archive, side by side in event time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streams.errors import DaybookError
from streams.history.archive.files import I64, pieces_in
from streams.history.archive.layout import Piece, chosen, gaps
from streams.history.archive.reading import records_of
from streams.kpis.watermark import FAMILIES

AT_ONCE = 10_000
"""Records that are fed at once."""


class ReplayError(DaybookError):
    """There is nothing to replay, or not all of it."""


class Batch(NamedTuple):
    """Records of one topic (``family``: 0 orders, 1 deliveries, 2 support) of one partition; ``arrivals`` are epoch
    ms."""

    partition: int
    family: int
    values: list[bytes | None]
    arrivals: I64


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


def batches(
    source: Source, reached: Callable[[int, int], int], ended: Callable[[int, int], None], at_once: int = AT_ONCE
) -> Iterator[Batch]:
    """All records, each time of whoever is furthest behind in event time, as ``reached`` says of (partition, family).
    So no topic is read far ahead of the others, and what waits to become final stays small. ``ended`` is told of who
    has nothing more.

    Raises :class:`~streams.history.archive.files.ArchiveError` for a file that is damaged.
    """
    waiting = {who: _batches_of(source.folder, who, several, at_once) for who, several in sorted(source.pieces.items())}
    everybody = {(partition, family) for partition in range(source.partitions) for family in range(len(FAMILIES))}
    for who in sorted(everybody - waiting.keys()):
        ended(*who)
    while waiting:
        who = min(waiting, key=lambda one: (reached(*one), one))
        batch = next(waiting[who], None)
        if batch is None:
            del waiting[who]
            ended(*who)
        else:
            yield batch


def _batches_of(folder: Path, who: tuple[int, int], pieces: Iterable[Piece], at_once: int) -> Iterator[Batch]:
    for _, some in records_of(folder, pieces):
        for start in range(0, len(some), at_once):
            stop = start + at_once
            arrivals = np.ascontiguousarray(some.arrivals[start:stop], dtype=np.int64)
            yield Batch(*who, list(some.values[start:stop]), arrivals)
