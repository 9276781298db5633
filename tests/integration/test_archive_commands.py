"""``daybook archive`` as a person uses it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.config import load_config
from streams.history.archive.files import pieces_in
from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.runtime.archivist import folder_of
from tests.unit.test_archive_files import event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of two topics, in the data folder of a configuration."""
    found = folder_of(load_config(env={"DAYBOOK_DATA_DIR": str(tmp_path)}))
    writer = Writer(found)
    for topic, batches in (("orders", ((0, 100), (100, 150))), ("support", ((0, 7),))):
        for first, end in batches:
            writer.add(Log(topic, 0, "20260301T081500"), [event(number) for number in range(first, end)])
            writer.flush()
    return found


def daybook(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
    environment = {**kept, "DAYBOOK_DATA_DIR": str(folder), "COLUMNS": "120"}
    argv = [sys.executable, "-m", "streams.cli", "archive", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_it_lists_days_and_files(tmp_path: Path, folder: Path) -> None:
    lines = daybook(tmp_path, "ls").stdout.splitlines()
    assert lines[0] == str(folder)
    assert lines[2].split()[:4] == ["orders", "2026-03-02", "150", "2"]
    assert lines[3].split()[:4] == ["support", "2026-03-02", "7", "1"]
    assert len(daybook(tmp_path, "ls", "--topic", "orders", "--files").stdout.splitlines()) == 2
    assert "nothing is archived of topic 'order'" in daybook(tmp_path, "ls", "--topic", "order").stderr


def test_small_files_are_joined_and_all_is_well(tmp_path: Path, folder: Path) -> None:
    assert daybook(tmp_path, "compact").stdout == "2 files are 1 now\n"
    assert daybook(tmp_path, "compact").stdout == "there is nothing to do\n"
    done = daybook(tmp_path, "verify")
    assert (done.returncode, done.stdout) == (0, "2 files, 157 events: nothing wrong\n")


def test_damage_is_told_by_file_and_the_rest_is_read(tmp_path: Path, folder: Path) -> None:
    piece = min(pieces_in(folder))
    path = folder / piece.name
    path.write_bytes(path.read_bytes()[:-100])
    done = daybook(tmp_path, "verify")
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert first.startswith(f"{piece.name}: cannot be read, it is damaged or cut off")
    assert last == "3 files, 157 events: 1 found"
    done = daybook(tmp_path, "sql", "SELECT count(value) FROM orders")
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_questions_are_answered_as_a_table_as_csv_or_in_a_file(tmp_path: Path, folder: Path) -> None:
    text = "SELECT topic, count(*) AS events FROM events GROUP BY topic ORDER BY topic"
    assert "orders" in daybook(tmp_path, "sql", text).stdout
    rows = list(csv.reader(io.StringIO(daybook(tmp_path, "sql", "--csv", text).stdout)))
    assert rows == [["topic", "events"], ["orders", "150"], ["support", "7"]]
    out = tmp_path / "answer.csv"
    done = daybook(tmp_path, "sql", text, "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert out.read_text().splitlines() == ["topic,events", "orders,150", "support,7"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sql", "SELECT nothing FROM orders"), "nothing"),
        (("sql", "SELECT 1", "--out", "answer.xlsx"), "expected one that ends with"),
    ],
)
def test_a_question_that_is_none_is_told_without_a_traceback(
    tmp_path: Path, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = daybook(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_nothing_is_archived_that_is_said(tmp_path: Path) -> None:
    for command in ("ls", "verify", "compact"):
        done = daybook(tmp_path, command)
        assert done.returncode == 2
        assert "nothing is archived there (daybook archive run does it, and daybook run)" in done.stderr
