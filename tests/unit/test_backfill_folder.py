"""The data folder of a Prometheus: what is taken for one, what may be put in, and all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from streams.history.backfill.folder import BLOCKS, NOTES, PENDING, BackfillError, Note, Pending, held
from streams.kpis.grid import HOUR_MS

NOW = 1_772_409_600_000 + 47 * 60_000
"""2026-03-02T00:47:00Z."""
NOTE = Note("daybook", 1_000, 2_000, 7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a Prometheus that has run."""
    folder = tmp_path / "data"
    (folder / "wal").mkdir(parents=True)
    return folder


def segment(folder: Path, name: str, written: int) -> None:
    """A file of its log that was written to last at a time, epoch ms."""
    path = folder / "wal" / name
    path.write_bytes(b"records")
    os.utime(path, (written / 1000, written / 1000))


def block(draft: Path, name: str) -> Path:
    path = draft / "blocks" / name
    path.mkdir(parents=True)
    (path / "meta.json").write_text("{}")
    return path


def test_an_empty_folder_is_one_of_a_prometheus_that_is_new(tmp_path: Path) -> None:
    with held(tmp_path) as one:
        assert one.closed_until(NOW) == NOW
        assert one.notes() == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file or directory.*make an empty folder"),
        (lambda path: path.write_text("text"), "Not a directory"),
        (lambda path: (path / "photos").mkdir(parents=True), "no data folder of Prometheus.*storage.tsdb.path"),
    ],
)
def test_what_is_no_data_folder_is_refused_by_name(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "some"
    make(path)  # type: ignore[operator]
    with pytest.raises(BackfillError, match=said) as refused, held(path):
        pass
    assert str(path) in str(refused.value)


def test_what_is_in_its_log_only_is_left_to_prometheus(folder: Path) -> None:
    segment(folder, "00000007", NOW - HOUR_MS)
    segment(folder, "00000008", NOW)
    with held(folder) as one:
        closed = one.closed_until(NOW)
    assert closed % (2 * HOUR_MS) == 0
    assert NOW - 6 * HOUR_MS < closed <= NOW - 4 * HOUR_MS


def test_a_log_that_was_not_written_for_long_is_left_to_prometheus_too(folder: Path) -> None:
    stopped = NOW - 100 * HOUR_MS
    segment(folder, "00000007", stopped)
    segment(folder, "00000008", NOW)  # it has been started again
    with held(folder) as one:
        assert one.closed_until(NOW) <= stopped - 3 * HOUR_MS


def test_blocks_are_moved_in_and_noted(folder: Path) -> None:
    with held(folder) as one:
        one.move_in([block(one.draft, "A"), block(one.draft, "B")], NOTE, NOW)
        assert one.notes() == [NOTE]
    with held(folder) as one:
        assert one.notes() == [NOTE]
    assert {path.name for path in folder.iterdir()} == {"wal", "A", "B", NOTES}


def test_nothing_is_moved_in_where_not_all_can_be(folder: Path) -> None:
    (folder / "B" / "chunks").mkdir(parents=True)
    with held(folder) as one, pytest.raises(BackfillError, match="cannot be put there"):
        one.move_in([block(one.draft, "A"), block(one.draft, "B")], NOTE, NOW)
    assert {path.name for path in folder.iterdir()} == {"wal", "B"}


def test_an_interruption_leaves_the_folder_as_it_was(folder: Path) -> None:
    def interrupted() -> None:
        with held(folder) as one:
            block(one.draft, "A")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name for path in folder.iterdir()} == {"wal"}


def test_what_one_that_was_killed_has_left_is_removed(folder: Path) -> None:
    (folder / ".daybook-backfill.part" / "blocks").mkdir(parents=True)
    with held(folder) as one:
        assert not list(one.draft.iterdir())
    assert {path.name for path in folder.iterdir()} == {"wal"}


def test_what_one_was_killed_in_is_finished(folder: Path) -> None:
    earlier = Note("daybook", 0, 500, 3)
    with held(folder) as one:
        one.move_in([block(one.draft, "A")], earlier, NOW)
    size = (folder / NOTES).stat().st_size
    with (folder / NOTES).open("ab") as file:
        file.write(b'{"job":"day')
    (folder / "B").mkdir()
    (folder / ".daybook-backfill.part" / BLOCKS / "C").mkdir(parents=True)
    (folder / PENDING).write_bytes(msgspec.json.encode(Pending(NOTE, ["B", "C"], size)))
    with held(folder) as one:
        assert one.notes() == [earlier, NOTE]
    assert sorted(path.name for path in folder.iterdir()) == ["A", "B", "C", NOTES, "wal"]


def test_what_one_was_killed_in_before_it_had_moved_anything_is_forgotten(folder: Path) -> None:
    (folder / ".daybook-backfill.part" / "B").mkdir(parents=True)
    (folder / PENDING).write_bytes(b'{"note":')
    with held(folder) as one:
        assert one.notes() == []
    assert [path.name for path in folder.iterdir()] == ["wal"]


def test_nothing_is_moved_in_where_a_prometheus_has_begun_meanwhile(tmp_path: Path) -> None:
    with held(tmp_path) as one:
        made = block(one.draft, "A")
        (tmp_path / "wal").mkdir()
        segment(tmp_path, "00000000", NOW)
        with pytest.raises(BackfillError, match="begun there in the meantime; run this again"):
            one.move_in([made], Note("daybook", NOW - HOUR_MS, NOW - 1, 7), NOW)
    assert {path.name for path in tmp_path.iterdir()} == {"wal"}


def test_two_at_once_are_not_let_in(folder: Path) -> None:
    with held(folder), pytest.raises(BackfillError, match="another daybook backfill is at work there"), held(folder):
        pass


def test_damaged_notes_are_named(folder: Path) -> None:
    (folder / NOTES).write_text('{"job": "daybook"')
    with held(folder) as one, pytest.raises(BackfillError, match=f"{NOTES}: cannot be read"):
        one.notes()


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / NOTES).mkdir()  # root may write anywhere, but not this
    with pytest.raises(BackfillError, match=r"data: cannot be written \(Is a directory\)"), held(folder):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who can give files away")
def test_blocks_belong_to_who_owns_the_folder(folder: Path) -> None:
    os.chown(folder, 65534, 65534)
    with held(folder) as one:
        one.move_in([block(one.draft, "A")], NOTE, NOW)
    for path in (folder / "A", folder / "A" / "meta.json", folder / NOTES):
        assert path.stat().st_uid == 65534
