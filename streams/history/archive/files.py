"""The files of an archive: which there are, writing one, reading one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import nanoarrow
import numpy as np
import numpy.typing as npt
import polars as pl

from streams.errors import DaybookError
from streams.history.archive.layout import DRAFT, Piece, piece_of
from streams.kpis.scan.packed import Packed, pack_views

I64 = npt.NDArray[np.int64]

ROWS_AT_ONCE = 50_000
"""Records of a file that are in memory at the same time, when it is read."""
_DIGEST = "daybook.digest"
_ARRIVAL = pl.Datetime("ms", "UTC")
_SCHEMA = pl.Schema({"offset": pl.Int64(), "arrival": _ARRIVAL, "key": pl.Binary(), "value": pl.Binary()})
_GROUP = ROWS_AT_ONCE
_LEVEL = 3


class ArchiveError(DaybookError):
    """A file of the archive cannot be read or written: the message names it."""


class Records(NamedTuple):
    """Records of one log, by offset. ``offsets`` and ``arrivals`` (epoch ms) are int64, one for each of ``keys`` and
    ``values``."""

    offsets: I64
    arrivals: I64
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.values)


def pieces_in(folder: Path) -> list[Piece]:
    """All files of an archive, in no order; none where there is no such folder."""
    found = (piece_of(path.relative_to(folder)) for path in folder.glob("topic=*/date=*/*.parquet"))
    return [piece for piece in found if piece is not None]


def write(folder: Path, piece: Piece, records: Iterable[Records]) -> int:
    """Write a file, which is there as a whole or not at all; its size in bytes.

    A digest of all it holds is kept in it. Raises :class:`ArchiveError` where it cannot be written.
    """
    path = folder / piece.name
    frames, digest = [], new_digest()
    for some in records:
        add_to(digest, some)
        frames.append(_frame(some))
    draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            pl.concat(frames).write_parquet(
                file,
                compression="zstd",
                compression_level=_LEVEL,
                row_group_size=_GROUP,
                metadata={_DIGEST: digest.hexdigest()},
            )
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.replace(path)
        _settle(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ArchiveError(f"{path}: cannot be written ({error.strerror or error})") from None
    return size


def read(folder: Path, piece: Piece, after: int = -1) -> Iterator[Records]:
    """The records of a file with an offset above ``after``, some at a time.

    Raises :class:`ArchiveError` where it is damaged, before or while records come.
    """
    path = folder / piece.name
    frame = _scanned(path)
    start = 0
    while True:
        rows = _collected(path, frame.slice(start, ROWS_AT_ONCE))
        if rows.is_empty():
            return
        start += len(rows)
        rows = rows.filter(pl.col("offset") > after)
        if not rows.is_empty():
            yield _records(rows)


def read_values(folder: Path, piece: Piece, after: int = -1) -> Iterator[tuple[I64, Packed]]:
    """Arrivals and values of the same records, without keys, and much faster.

    Raises :class:`ArchiveError` where it is damaged, before or while records come.
    """
    path = folder / piece.name
    frame, start = _scanned(path).select("offset", "arrival", "value"), 0
    while not (rows := _collected(path, frame.slice(start, ROWS_AT_ONCE))).is_empty():
        start += len(rows)
        if rows["offset"][0] <= after:
            rows = rows.filter(pl.col("offset") > after)
        if not rows.is_empty():
            yield rows["arrival"].cast(pl.Int64).to_numpy(), _packed(rows["value"])


def arrivals_of(folder: Path, piece: Piece) -> I64:
    """When the records of a file arrived, epoch ms. Raises :class:`ArchiveError` where it is damaged."""
    path = folder / piece.name
    return _collected(path, _scanned(path).select("arrival"))["arrival"].cast(pl.Int64).to_numpy()


def digest_said(folder: Path, piece: Piece) -> str:
    """What a file says the digest of its records is. Raises :class:`ArchiveError` where it is damaged."""
    path = folder / piece.name
    try:
        return pl.read_parquet_metadata(path).get(_DIGEST, "")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None


def remove(folder: Path, piece: Piece) -> None:
    """A file whose records are in another one. Raises :class:`ArchiveError` where it cannot be removed."""
    try:
        (folder / piece.name).unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveError(f"{folder / piece.name}: cannot be removed ({error.strerror})") from None


def remove_drafts(folder: Path) -> None:
    """What was being written when its writer died."""
    for path in folder.glob(f"topic=*/date=*/*{DRAFT}"):
        path.unlink(missing_ok=True)


def _frame(records: Records) -> pl.DataFrame:
    columns = {
        "offset": records.offsets,
        "arrival": pl.Series(records.arrivals).cast(_ARRIVAL),
        "key": pl.Series(records.keys, dtype=pl.Binary),
        "value": pl.Series(records.values, dtype=pl.Binary),
    }
    return pl.DataFrame(columns, schema=_SCHEMA)


def _records(rows: pl.DataFrame) -> Records:
    return Records(
        rows["offset"].to_numpy(),
        rows["arrival"].cast(pl.Int64).to_numpy(),
        rows["key"].to_list(),
        rows["value"].to_list(),
    )


def _packed(column: pl.Series) -> Packed:
    (array,) = nanoarrow.c_array_stream(column.rechunk())
    view = array.view()
    _, views, *buffers, _ = (np.frombuffer(view.buffer(at), dtype=np.uint8) for at in range(view.n_buffers))
    return pack_views(views, buffers, column.is_null().to_numpy())


def _scanned(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(path)
        if frame.collect_schema() != _SCHEMA:
            raise ArchiveError(f"{path}: is no file of the archive (its columns are {frame.collect_schema().names()})")
        return frame
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None


def _collected(path: Path, frame: pl.LazyFrame) -> pl.DataFrame:
    try:
        return frame.collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ArchiveError:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return ArchiveError(f"{path}: cannot be read, it is damaged or cut off ({said})")


def new_digest() -> hashlib.blake2b:
    """Of no records yet."""
    return hashlib.blake2b(digest_size=16)


def add_to(digest: hashlib.blake2b, records: Records) -> None:
    """Add records to a digest, which is the same however they are divided up."""
    for offset, arrival, key, value in zip(
        records.offsets.tolist(), records.arrivals.tolist(), records.keys, records.values, strict=True
    ):
        lengths = (-1 if key is None else len(key), -1 if value is None else len(value))
        digest.update(f"{offset} {arrival} {lengths[0]} {lengths[1]}\n".encode())
        digest.update(key or b"")
        digest.update(value or b"")


def _settle(folder: Path) -> None:
    """Have the folder's entries on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
