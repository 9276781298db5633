"""What is replayed: the event topics of an archive, of a time if one is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.errors import DaybookError
from streams.history.archive.files import arrivals_of, pieces_in
from streams.history.archive.layout import Piece, chosen, gaps, midnight
from streams.history.archive.reading import values_of
from streams.history.replay.lane import I64, Batch, Logs
from streams.kpis.grid import DAY_MS
from streams.kpis.watermark import FAMILIES

AT_ONCE = 50_000
"""Records that are fed at once."""
EVER = (-(1 << 62), 1 << 62)
"""From when to when, where nothing is said (epoch ms)."""


class ReplayError(DaybookError):
    """There is nothing to replay, or not all of it."""


class Source(NamedTuple):
    """What there is of an archive to be replayed: the files by (partition, family). Of their records those count that
    arrived from the one up to, not including, the other time of ``between`` (epoch ms), all but ``left_out``."""

    folder: Path
    pieces: dict[tuple[int, int], list[Piece]]
    between: tuple[int, int] = EVER
    left_out: int = 0

    @property
    def partitions(self) -> int:
        """How many source partitions there are."""
        return max(partition for partition, _ in self.pieces) + 1

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(piece.end - piece.first for several in self.pieces.values() for piece in several) - self.left_out

    def logs(self, partition: int, at_once: int = AT_ONCE) -> Logs:
        """The logs of a partition's topics. They raise :class:`~streams.history.archive.files.ArchiveError` where a
        file is damaged."""
        return {
            family: _batches(self.folder, several, at_once, self.between)
            for (of, family), several in self.pieces.items()
            if of == partition
        }


def source_of(folder: Path, since: date | None = None, until: date | None = None) -> Source:
    """The event topics of an archive, as far as they arrived on days from ``since`` up to and with ``until`` (UTC).

    Raises :class:`ReplayError` where there are none.
    """
    begin = EVER[0] if since is None else midnight(since)
    end = EVER[1] if until is None else midnight(until) + DAY_MS
    return source_between(folder, (begin, end))


def source_between(folder: Path, between: tuple[int, int]) -> Source:
    """The same, as far as they arrived from the one up to, not including, the other time (epoch ms).

    Raises :class:`ReplayError` where there are none, and :class:`~streams.history.archive.files.ArchiveError` where a
    file of a day of which not all counts is damaged.
    """
    families = {name: family for family, name in enumerate(FAMILIES)}
    found: dict[tuple[int, int], list[Piece]] = {}
    everything = [piece for piece in chosen(pieces_in(folder)) if piece.log.topic in families]
    if not everything:
        raise ReplayError(f"{folder}: no event is archived there (daybook archive ls)")
    left_out = 0
    for piece in everything:
        begin, records = midnight(piece.day), piece.end - piece.first
        if begin >= between[1] or begin + DAY_MS <= between[0]:
            continue
        if begin < between[0] or begin + DAY_MS > between[1]:
            outside = records - int(_inside(arrivals_of(folder, piece), between).sum())
            if outside == records:
                continue
            left_out += outside
        found.setdefault((piece.log.partition, families[piece.log.topic]), []).append(piece)
    if not found:
        days = sorted(piece.day for piece in everything)
        raise ReplayError(
            f"{folder}: nothing arrived in that time (what there is arrived from {days[0]} to {days[-1]})"
        )
    return Source(folder, found, between if left_out else EVER, left_out)


def missing(source: Source) -> list[str]:
    """What is missing of it, in a line each: a replay cannot be what live was."""
    pieces = [piece for several in source.pieces.values() for piece in several]
    return [
        f"{gap.log.topic}/{gap.log.partition}: offsets {gap.first} to {gap.end - 1} are not in the archive"
        for gap in gaps(pieces)
    ]


def _batches(folder: Path, pieces: Iterable[Piece], at_once: int, between: tuple[int, int]) -> Iterator[Batch]:
    for _, (arrivals, values) in values_of(folder, pieces):
        if between != EVER:
            inside = _inside(arrivals, between)
            if not inside.all():
                arrivals, values = arrivals[inside], values.only(inside)
        for start in range(0, len(values), at_once):
            stop = start + at_once
            yield Batch(values[start:stop], arrivals[start:stop])


def _inside(arrivals: I64, between: tuple[int, int]) -> npt.NDArray[np.bool_]:
    return (arrivals >= between[0]) & (arrivals < between[1])
