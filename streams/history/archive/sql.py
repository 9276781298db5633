"""SQL over an archive, with DuckDB: the events of a topic as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.errors import DaybookError
from streams.history.archive.files import pieces_in
from streams.history.archive.layout import Piece, chosen

if TYPE_CHECKING:
    import duckdb

TOPICS = ("orders", "deliveries", "support", "calendar", "feedback")
"""What is archived, by the middle of a topic's name; each is a view of that name."""
FORMATS = {
    ".csv": "FORMAT csv, HEADER",
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".json": "FORMAT json",
}
"""What an answer can be written as, by the ending of the file's name."""
_ENDINGS = ", ".join(FORMATS)
_ROWS_AT_ONCE = 1_000
_EVENT = """
SELECT partition, "offset", arrival, event->>'$.type' AS type, event->>'$.source' AS source, event->>'$.id' AS id,
    try_cast(event->>'$.time' AS TIMESTAMPTZ) AS time,
    coalesce(event->>'$.subject', try(decode(key))) AS subject, event->'$.data' AS data, value
FROM (
    SELECT *, try_cast(try(decode(value)) AS JSON) AS event,
        CAST(split_part(split_part(filename, '/', -1), '.', 2) AS INTEGER) AS partition
    FROM read_parquet([{files}], filename = true, hive_partitioning = false)
)
"""
_NOTHING = """
SELECT * FROM (SELECT 0 AS partition, 0::BIGINT AS "offset", TIMESTAMPTZ 'epoch' AS arrival, '' AS type, '' AS source,
    '' AS id, TIMESTAMPTZ 'epoch' AS time, '' AS subject, '{}'::JSON AS data, ''::BLOB AS value) WHERE false
"""


class QueryError(DaybookError):
    """A query cannot be answered: the message is DuckDB's, in a line or two."""


def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with a view for each of :data:`TOPICS`, and ``events``, which is the first three together.

    Columns: partition, offset, arrival, type, source, id, time, subject, data (JSON) and value, the raw record. What is
    no JSON has only the outer ones. A record that is in several files comes once, unless two wrote the archive.
    Raises :class:`QueryError` for a file that is damaged.
    """
    import duckdb

    connection = duckdb.connect()
    pieces = chosen(pieces_in(folder))
    with _told():
        connection.execute("SET TimeZone = 'UTC'")
        for topic in TOPICS:
            mine = [piece for piece in pieces if piece.log.topic == topic]
            connection.execute(f"CREATE VIEW {topic} AS {_view(folder, mine)}")
        both = " UNION ALL ".join(f"SELECT '{topic}' AS topic, * FROM {topic}" for topic in TOPICS[:3])
        connection.execute(f"CREATE VIEW events AS {both}")
    return connection


def _view(folder: Path, pieces: Iterable[Piece]) -> str:
    files = ", ".join("'" + str(folder / piece.name).replace("'", "''") + "'" for piece in pieces)
    return _EVENT.format(files=files) if files else _NOTHING


class Answer(NamedTuple):
    """What a query says: the names of the columns, and the rows as they come."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


def query(connection: duckdb.DuckDBPyConnection, text: str) -> Answer:
    """Ask. Raises :class:`QueryError` where it is no query, and while rows come where a file is damaged."""
    with _told():
        connection.execute(text)
    if connection.description is None:
        raise QueryError("this says nothing (expected a SELECT)")
    return Answer([column[0] for column in connection.description], _rows(connection))


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while True:
        with _told():
            some = connection.fetchmany(_ROWS_AT_ONCE)
        if not some:
            return
        yield from some


def show(connection: duckdb.DuckDBPyConnection, text: str, most: int) -> None:
    """Print an answer as a table of at most so many rows. Raises :class:`QueryError` as :func:`query`."""
    with _told():
        connection.query(text).show(max_rows=most)


def export(connection: duckdb.DuckDBPyConnection, text: str, path: Path) -> None:
    """Write an answer to a file, by its ending one of :data:`FORMATS`; it is there as a whole or not at all.

    Raises :class:`QueryError` where the query is none, or nothing can be written there.
    """
    form = FORMATS.get(path.suffix)
    if form is None:
        raise QueryError(f"{path}: what it shall be is not known by its name (expected one that ends with {_ENDINGS})")
    draft = path.with_name(f".{path.name}.part")
    where = str(draft).replace("'", "''")
    try:
        with _told():
            connection.execute(f"COPY ({text.rstrip().rstrip(';')}) TO '{where}' ({form})")
        draft.replace(path)
    except OSError as error:
        raise QueryError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _told() -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise QueryError("\n".join(line for line in str(error).splitlines() if line.strip())) from None
