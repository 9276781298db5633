"""Files into frames: which file is which, whether the columns are there, and batches of bounded size."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from streams.errors import MappingError
from streams.ingest.imports.cells import DIGITS, Cells, unread
from streams.ingest.imports.mapping import Format, Input, Join, Mapping, Take

ROW = "\N{NUMBER SIGN}row"
"""The column that carries a row's number, from 0 over all main files."""
BATCH_ROWS = 100_000

Pseudonym = Callable[[str], str]


class Source:
    """The files of one import, matched to the mapping's inputs."""

    def __init__(self, files: Sequence[Path], mapping: Mapping, scratch: Path) -> None:
        self._mapping = mapping
        self.scratch = scratch
        self._copies: dict[tuple[Path, str], Path] = {}
        self._frames: dict[str, list[tuple[Path, pl.LazyFrame]]] = {source.name: [] for source in mapping.inputs}
        for file in files:
            source, frame = self._match(file)
            self._frames[source.name].append((file, frame))
        for source in mapping.inputs:
            if not self._frames[source.name]:
                columns = ", ".join(mapping.columns_of(source))
                raise MappingError(
                    f"mapping {mapping.name} needs a {source.format} file of {source.name} (with the columns {columns})"
                )
        self._starts: list[tuple[int, Path]] = []

    def rows(self) -> int:
        """How many rows the main files have."""
        total = 0
        for file, frame in self._frames[self._mapping.main.name]:
            total += int(_collect(file, frame.select(pl.len())).item())
        return total

    def batches(self, limit: int | None, pseudonym: Pseudonym) -> Iterator[pl.DataFrame]:
        """The main files' rows in order, cleaned, with what was joined to them, in frames of bounded size."""
        columns = self._mapping.columns_of(self._mapping.main)
        cleaner = _Cleaner(self._mapping, pseudonym)
        joined = [(join, self._joined(source, join, cleaner)) for source, join in self._mapping.joined]
        start = 0
        for file, frame in self._frames[self._mapping.main.name]:
            self._starts.append((start, file))
            wanted = frame.select(columns).with_row_index(ROW, offset=start)
            if limit is not None:
                wanted = wanted.head(max(0, limit - start))
            for batch in _batches(file, wanted):
                start += len(batch)
                clean = cleaner(batch)
                for join, taken in joined:
                    clean = clean.join(taken, left_on=join.to, right_on=join.key, how="left", maintain_order="left")
                yield clean

    def place_of(self, row: int) -> tuple[str, int]:
        """A main row by its file's name and its number there, from 1."""
        start, file = next((start, file) for start, file in reversed(self._starts) if start <= row)
        return file.name, row - start + 1

    def _match(self, file: Path) -> tuple[Input, pl.LazyFrame]:
        """The input whose columns a file has; the one with most columns, where it has those of several."""
        form = _format_of(file)
        candidates = [source for source in self._mapping.inputs if source.format == form]
        if not candidates:
            raise MappingError(
                f"{file}: a {form} file, expected {self._mapping.main.format} (mapping {self._mapping.name})"
            )
        missing: dict[str, list[str]] = {}
        present: dict[str, list[str]] = {}
        for source in sorted(candidates, key=lambda source: -len(self._mapping.columns_of(source))):
            frame = self._scan(file, source)
            present[source.name] = frame.collect_schema().names()
            missing[source.name] = [
                column for column in self._mapping.columns_of(source) if column not in present[source.name]
            ]
            if not missing[source.name]:
                return source, frame
        closest = min(missing, key=lambda name: len(missing[name]))
        raise MappingError(
            f"{file}: column {', '.join(missing[closest])} is missing "
            f"(mapping {self._mapping.name}, input {closest}); there are {', '.join(present[closest])}"
        )

    def _scan(self, file: Path, source: Input) -> pl.LazyFrame:
        try:
            if source.format == "parquet":
                frame = pl.scan_parquet(file)
            else:
                frame = pl.scan_csv(
                    self._utf8(file, source.encoding),
                    separator=source.delimiter,
                    quote_char=source.quote,
                    infer_schema=False,
                )
            frame.collect_schema()
        except PolarsError as error:
            raise _unreadable(file, error) from None
        except UnicodeDecodeError as error:
            raise MappingError(f"{file}: not {source.encoding} text (byte {error.start})") from None
        return frame

    def _utf8(self, file: Path, encoding: str) -> Path:
        if codecs.lookup(encoding).name == "utf-8":
            return file
        copy = self._copies.get((file, encoding))
        if copy is None:
            copy = self._copies[file, encoding] = self.scratch / f"utf-8-{len(self._copies)}.csv"
            with (
                file.open(encoding=encoding, newline="") as text,
                copy.open("w", encoding="utf-8", newline="") as out,
            ):
                while piece := text.read(1 << 20):
                    out.write(piece)
        return copy

    def _joined(self, source: Input, join: Join, cleaner: _Cleaner) -> pl.DataFrame:
        """One row for each key with what is taken of it."""
        wanted = self._mapping.columns_of(source)
        parts = []
        for file, frame in self._frames[source.name]:
            parts.append(cleaner(_collect(file, frame.select(wanted))))
        rows = pl.concat(parts, how="vertical_relaxed")
        cells = Cells(self._mapping, rows.schema)
        takes = [_taken(take, cells).alias(name) for name, take in join.take.items()]
        return rows.group_by(join.key, maintain_order=True).agg(takes)


def _taken(take: Take, cells: Cells) -> pl.Expr:
    match take.how:
        case "count":
            return pl.len().cast(pl.Int64)
        case "sum":
            # A sum with one amount in it that cannot be read is no sum.
            amount = cells.decimal(take.column)
            return pl.when(~unread(take.column, amount).any()).then(amount.sum()).cast(pl.Decimal(38, DIGITS))
        case _:
            value = pl.col(take.column)
            if take.order_by is not None:
                value = value.sort_by(cells.decimal(take.order_by), nulls_last=True, maintain_order=True)
            return value.first() if take.how == "first" else value.last()


class _Cleaner:
    """Strips text, makes null markers null, replaces private columns by pseudonyms."""

    def __init__(self, mapping: Mapping, pseudonym: Pseudonym) -> None:
        self._mapping = mapping
        self._pseudonym = pseudonym

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        clean = []
        for column, kind in frame.schema.items():
            if kind == pl.String:
                text = pl.col(column).str.strip_chars()
                clean.append(pl.when(~text.is_in(self._mapping.nulls) & (text != "")).then(text).alias(column))
            elif kind.is_float():
                clean.append(pl.col(column).fill_nan(None))
        frame = frame.with_columns(clean)
        for column in self._mapping.private:
            if column in frame.columns:
                frame = frame.with_columns(self._hidden(frame, column))
        return frame

    def _hidden(self, frame: pl.DataFrame, column: str) -> pl.Series:
        known = frame.select(Cells(self._mapping, frame.schema).text(column))[column]
        distinct = known.drop_nulls().unique()
        hidden = pl.Series([self._pseudonym(value) for value in distinct], dtype=pl.String)
        return known.replace_strict(distinct, hidden, default=None, return_dtype=pl.String)


def _batches(file: Path, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    batches = frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
    while True:
        try:
            batch = next(batches, None)
        except PolarsError as error:
            raise _unreadable(file, error) from None
        if batch is None:
            return
        yield batch


def _collect(file: Path, frame: pl.LazyFrame) -> pl.DataFrame:
    try:
        return frame.collect(engine="streaming")
    except PolarsError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: PolarsError) -> MappingError:
    return MappingError(f"{file}: {' '.join(str(error).split('Consider')[0].split())}")


def _format_of(file: Path) -> Format:
    try:
        with file.open("rb") as raw:
            return "parquet" if raw.read(4) == b"PAR1" else "csv"
    except OSError as error:
        raise MappingError(f"{file}: {error.strerror}") from None
