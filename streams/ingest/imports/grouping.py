"""Bringing together what belongs together: the lines of an order, the states of a ticket.

A file need not keep them side by side, and need not fit into memory: past :data:`WHOLE_ROWS` rows it is split
by a hash of the keys into files on disk, each of which is then taken as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from streams.errors import MappingError
from streams.ingest.imports.mapping import Change
from streams.ingest.imports.reader import ROW

WHOLE_ROWS = 500_000
"""So many rows are held in memory at once."""


def whole_groups(
    batches: Iterator[pl.DataFrame], keys: Sequence[str], rows: int, scratch: Path
) -> Iterator[pl.DataFrame]:
    """Frames in which no group of equal ``keys`` is split, rows in file order; without keys, the batches as
    they are. ``rows`` is about how many there are in all."""
    if not keys:
        yield from batches
    elif rows <= WHOLE_ROWS:
        if whole := list(batches):
            yield _one(whole)
    else:
        yield from _parted(batches, keys, -(-rows // WHOLE_ROWS) + 1, scratch)


def _parted(batches: Iterator[pl.DataFrame], keys: Sequence[str], parts: int, scratch: Path) -> Iterator[pl.DataFrame]:
    files: list[list[Path]] = [[] for _ in range(parts)]
    part_of = pl.struct(*keys).hash(seed=0) % parts
    for number, batch in enumerate(batches):
        for (part,), rows in batch.group_by(part_of.alias("part"), maintain_order=True):
            file = scratch / f"part-{part}-{number}.arrow"
            rows.drop("part", strict=False).write_ipc(file)
            files[int(part)].append(file)
    for pieces in files:
        if pieces:
            yield _one([pl.read_ipc(piece) for piece in pieces])
        for piece in pieces:
            piece.unlink()


def _one(frames: list[pl.DataFrame]) -> pl.DataFrame:
    try:
        return pl.concat(frames, how="vertical_relaxed")
    except PolarsError as error:
        raise MappingError(f"the files differ in the types of their columns: {error}") from None


def changed(change: Change, entity: str) -> pl.Expr:
    """Whether a row, in a frame in file order, is such a change of its entity's state."""
    if change.kind == "first":
        return pl.col(ROW) == pl.col(ROW).first().over(entity)
    if change.kind == "rises":
        number = pl.col(change.column).cast(pl.Float64, strict=False)
        return (number > number.shift(1).over(entity)).fill_null(False)
    inside = pl.col(change.column).is_in(change.values).fill_null(False)
    before = inside.shift(1).over(entity).fill_null(False)
    return inside & ~before if change.kind == "enters" else before & ~inside


def spread(moments: pl.DataFrame) -> pl.DataFrame:
    """Put an entity's events of one time 1 ms apart, in the order of the log: a log to the minute still knows
    which came first.

    ``moments`` has ``entity``, ``time``, ``row`` and ``rule``; the result the same rows in their order, with
    ``time`` changed.
    """
    place = pl.int_range(pl.len()).over("entity", "time", order_by=["row", "rule"])
    return moments.with_columns(time=pl.col("time") + place)
