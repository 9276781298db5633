"""Files of the archive: written whole, read once, damage told by name."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from streams.history.archive.compaction import compact
from streams.history.archive.files import ArchiveError, pieces_in, read, remove_drafts
from streams.history.archive.layout import Log, Piece
from streams.history.archive.reading import records_of
from streams.history.archive.sql import QueryError, export, opened, query, show
from streams.history.archive.verify import verify
from streams.history.archive.writer import Writer

LOG = Log("orders", 0, "20260301T081500")
NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
LATER = date(2026, 4, 1)

Row = tuple[int, int, bytes | None, bytes | None]


def event(number: int) -> Row:
    value = (
        f'{{"specversion":"1.0","id":"e{number}","source":"/shop","type":"order.placed",'
        f'"time":"2026-03-02T11:59:00Z","subject":"o{number}","data":{{"order_id":"o{number}","region":"north"}}}}'
    )
    return number, NOON + number, f"o{number}".encode(), value.encode()


def archived(folder: Path, *batches: range, log: Log = LOG) -> list[Piece]:
    """Each batch in files of its own."""
    writer = Writer(folder)
    for batch in batches:
        writer.add(log, [event(number) for number in batch])
        writer.flush()
    return pieces_in(folder)


def everything(folder: Path) -> list[Row]:
    return [
        row
        for _, some in records_of(folder, pieces_in(folder))
        for row in zip(some.offsets.tolist(), some.arrivals.tolist(), some.keys, some.values, strict=True)
    ]


def test_what_was_written_is_read_as_it_arrived(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    written: list[Row] = [event(0), (1, NOON, None, b"no json"), (2, NOON, b"key", None), (3, NOON, b"", b"")]
    writer.add(LOG, written)
    assert everything(tmp_path) == []
    assert writer.waiting > 0
    writer.flush()
    assert everything(tmp_path) == written
    assert writer.waiting == 0


def test_a_file_is_of_one_day_and_has_no_hole(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    next_day = (2, NOON + DAY_MS, b"k", b"v")
    writer.add(LOG, [event(0), event(1), next_day, (7, NOON + DAY_MS, b"k", b"v")])
    writer.flush()
    assert sorted((piece.first, piece.end, piece.day.day) for piece in pieces_in(tmp_path)) == [
        (0, 2, 2),
        (2, 3, 3),
        (7, 8, 3),
    ]


def test_files_are_written_when_enough_waits_of_one_partition_or_of_all(tmp_path: Path) -> None:
    of_one = Writer(tmp_path / "one", most_bytes=1_000)
    assert [piece.end - piece.first for piece in of_one.add(LOG, [event(number) for number in range(20)])] != []
    of_all = Writer(tmp_path / "all", most_bytes_of_all=2_000)
    for partition in range(3):
        of_all.add(LOG._replace(partition=partition), [event(number) for number in range(5)])
    assert len(pieces_in(tmp_path / "all")) >= 2


def test_a_record_in_several_files_comes_once(tmp_path: Path) -> None:
    archived(tmp_path, range(0, 10), range(5, 15), range(12, 14))
    assert [row[0] for row in everything(tmp_path)] == list(range(15))


def test_a_log_that_was_begun_again_follows_the_one_before(tmp_path: Path) -> None:
    archived(tmp_path, range(0, 3), log=LOG._replace(begun="20260305T000000"))
    archived(tmp_path, range(0, 2))
    assert [(log.begun, len(some)) for log, some in records_of(tmp_path, pieces_in(tmp_path))] == [
        ("20260301T081500", 2),
        ("20260305T000000", 3),
    ]


def test_joined_files_hold_the_same_and_the_parts_are_gone(tmp_path: Path) -> None:
    archived(tmp_path, range(0, 10), range(10, 11), range(11, 40))
    before = everything(tmp_path)
    compact(tmp_path, LATER)
    (whole,) = pieces_in(tmp_path)
    assert (whole.first, whole.end) == (0, 40)
    assert everything(tmp_path) == before
    assert list(verify(tmp_path)) == []


def test_joining_that_died_before_the_parts_were_removed_is_finished(tmp_path: Path) -> None:
    parts = archived(tmp_path, range(0, 10), range(10, 20))
    saved = {piece: (tmp_path / piece.name).read_bytes() for piece in parts}
    compact(tmp_path, LATER)
    for piece, raw in saved.items():
        (tmp_path / piece.name).write_bytes(raw)
    assert [row[0] for row in everything(tmp_path)] == list(range(20))
    compact(tmp_path, LATER)
    assert [(piece.first, piece.end) for piece in pieces_in(tmp_path)] == [(0, 20)]


def test_what_was_being_written_when_its_writer_died_is_no_file(tmp_path: Path) -> None:
    (piece,) = archived(tmp_path, range(3))
    path = tmp_path / piece.name
    path.with_name(f"{path.name}.99.part").write_bytes(b"half")
    assert pieces_in(tmp_path) == [piece]
    remove_drafts(tmp_path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_off_is_named_and_nothing_is_joined_from_it(tmp_path: Path, keep: float) -> None:
    pieces = sorted(archived(tmp_path, range(0, 500), range(500, 900)))
    path = tmp_path / pieces[0].name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ArchiveError, match="damaged or cut off") as caught:
        list(read(tmp_path, pieces[0]))
    assert str(path) in str(caught.value)
    (finding,) = verify(tmp_path)
    assert finding.where == str(pieces[0].name)
    with pytest.raises(ArchiveError):
        compact(tmp_path, LATER)
    assert sorted(pieces_in(tmp_path)) == pieces


def test_verifying_finds_a_gap_a_wrong_name_and_changed_records(tmp_path: Path) -> None:
    a, b, c = sorted(archived(tmp_path, range(0, 10), range(10, 20), range(20, 30)))
    assert list(verify(tmp_path)) == []
    # Other records than its name says, and other than were written.
    (tmp_path / a.name).write_bytes((tmp_path / c.name).read_bytes())
    (tmp_path / b.name).unlink()
    found = {(finding.where, finding.what.partition(" (")[0]) for finding in verify(tmp_path)}
    assert found == {
        ("orders/0", "offsets 10 to 19 are missing"),
        (str(a.name), "holds other offsets than its name says, near 0"),
    }


def test_records_that_were_changed_differ_from_their_digest(tmp_path: Path) -> None:
    import polars as pl

    (piece,) = archived(tmp_path, range(5))
    path = tmp_path / piece.name
    said = pl.read_parquet_metadata(path)["daybook.digest"]
    changed = pl.read_parquet(path).with_columns(pl.lit(b"other").alias("value"))
    changed.write_parquet(path, metadata={"daybook.digest": said})
    (finding,) = verify(tmp_path)
    assert "digest differs" in finding.what


def test_another_parquet_file_under_such_a_name_is_none_of_the_archive(tmp_path: Path) -> None:
    import polars as pl

    (piece,) = archived(tmp_path, range(1))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / piece.name)
    with pytest.raises(ArchiveError, match="is no file of the archive"):
        list(read(tmp_path, piece))


def test_sql_sees_the_events_and_what_is_none(tmp_path: Path) -> None:
    archived(tmp_path, range(3))
    writer = Writer(tmp_path)
    writer.add(LOG, [(3, NOON, b"k", b"no json"), (4, NOON, b"k", b"\xff\xfe")])
    writer.flush()
    with opened(tmp_path) as connection:
        text = """SELECT partition, "offset", type, time, subject, data->>'$.region' FROM orders ORDER BY "offset" """
        found = list(query(connection, text).rows)
        assert found[0][:3] == (0, 0, "order.placed")
        assert found[0][3].isoformat() == "2026-03-02T11:59:00+00:00"
        assert found[0][4:] == ("o0", "north")
        assert found[3][:3] == (0, 3, None)
        assert list(query(connection, "SELECT topic, count(*) FROM events GROUP BY topic").rows) == [("orders", 5)]
        assert list(query(connection, "SELECT * FROM support").rows) == []


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.json"])
def test_an_answer_is_written_for_other_programs(tmp_path: Path, name: str) -> None:
    import duckdb

    archived(tmp_path / "archive", range(3))
    with opened(tmp_path / "archive") as connection:
        export(connection, "SELECT subject, arrival FROM orders;", tmp_path / name)
    found = duckdb.sql(f"SELECT subject FROM '{tmp_path / name}' ORDER BY 1").fetchall()
    assert found == [("o0",), ("o1",), ("o2",)]


def test_a_wrong_query_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    archived(tmp_path, range(1))
    with opened(tmp_path) as connection:
        with pytest.raises(QueryError, match="nothing_like_it"):
            query(connection, "SELECT * FROM nothing_like_it")
        with pytest.raises(QueryError, match="nothing_like_it"):
            show(connection, "SELECT * FROM nothing_like_it", 10)
        with pytest.raises(QueryError, match="nothing_like_it"):
            export(connection, "SELECT * FROM nothing_like_it", tmp_path / "out.csv")
        with pytest.raises(QueryError, match="expected one that ends with"):
            export(connection, "SELECT 1", tmp_path / "out.xlsx")
    assert not list(tmp_path.glob("*out*"))


def test_a_file_of_another_day_is_nobodys_left_over(tmp_path: Path) -> None:
    archived(tmp_path, range(0, 10))
    writer = Writer(tmp_path)
    writer.add(LOG, [(number, NOON + 5 * DAY_MS, b"k", b"v") for number in range(3)])
    writer.flush()
    compact(tmp_path, LATER)
    assert sorted((piece.first, piece.end) for piece in pieces_in(tmp_path)) == [(0, 3), (0, 10)]
