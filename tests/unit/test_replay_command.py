"""``daybook replay`` as a person uses it: what it reads, of which time, and each mistake in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from streams.cli import cli
from streams.cli.sources import between
from streams.config import load_config
from streams.history.replay.conditions import read_conditions
from streams.history.replay.source import EVER
from tests.support.archived import archived
from tests.support.archived_shop import CONFIGURATION
from tests.support.simulated import MONDAY
from tests.unit.test_replay_archive import DAY_MS, HOUR_MS, sent

NOON = MONDAY + 11 * HOUR_MS
"""2 March 2026, noon in Berlin (11:00 UTC)."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration of three KPIs, an archive of three days, and no address of a real broker."""
    for name in list(os.environ):
        if name.startswith("DAYBOOK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAYBOOK_BOOTSTRAP", "127.0.0.1:9")
    Path("daybook.yaml").write_text(CONFIGURATION)
    archived(tmp_path / "data" / "archive" / "daybook", sent(), 2, most_bytes=1_000_000)


def lines() -> list[bytes]:
    return list(dict.fromkeys(record.value for record in sent()))


def written(name: str, some: list[bytes]) -> str:
    Path(name).write_bytes(b"".join(line + b"\n" for line in some))
    return name


def call(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["replay", *arguments], input=stdin)


def results(result: Result) -> list[str]:
    """What was counted and found, without how long it took."""
    assert result.exit_code == 0, result.output
    said: list[str] = re.findall(r"^.* (?:counted|late|alerts),.*$", result.stdout, re.MULTILINE)
    return [re.sub(r", [\d,]+ heartbeats", "", line) for line in said]


def test_files_standard_input_and_the_archive_come_to_the_same() -> None:
    everything = lines()
    wanted = results(call())
    assert len(wanted) == 3
    half = len(everything) // 2
    one, other = written("one.jsonl", everything[half:]), written("other.jsonl", everything[:half])
    assert results(call("--files", one, other)) == wanted
    assert results(call("--files", one, "--files", other)) == wanted
    assert results(call("--files", "-", stdin=b"\n".join(everything))) == wanted


def test_events_chosen_from_the_archive_with_sql_are_a_file_of_events() -> None:
    query = (
        "SELECT '1.0' AS specversion, id, source, type, strftime(time, '%Y-%m-%dT%H:%M:%S.%gZ') AS time, subject, data"
    )
    wanted = results(call())
    made = CliRunner().invoke(cli, ["archive", "sql", f"{query} FROM events", "--out", "some.json"])
    assert made.exit_code == 0, made.output
    assert results(call("--files", "some.json")) == wanted


def test_nothing_is_left_but_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    assert call("--files", written("all.jsonl", lines()), "--out", "out").exit_code == 0
    assert read_conditions(Path("out")).source == "all.jsonl"
    assert list(drafts.iterdir()) == []
    left = ["conditions.json", "incidents.jsonl", "kpis", "report.html", "summary.json"]
    assert sorted(path.name for path in Path("out").iterdir()) == left


def test_a_file_may_have_any_name_there_is() -> None:
    name = written(os.fsdecode(b"a\xff.jsonl"), [b"no event", *lines()])
    result = call("--files", name, "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("warning: a\\xdcff.jsonl:1: no event")
    assert read_conditions(Path("out")).source == "a\\xdcff.jsonl"


def test_a_folder_that_is_there_is_refused_before_anything_is_read() -> None:
    Path("out").mkdir()
    result = call("--files", written("some.jsonl", [b"no event", *lines()]), "--out", "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["daybook: out: is there already; name another folder"]


def test_odd_lines_are_named_and_counted() -> None:
    some = [b"no event", *lines(), *[b"{}"] * 15]
    result = call("--files", written("some.jsonl", some))
    said = result.stderr.splitlines()
    assert said[0].startswith("warning: some.jsonl:1: no event: malformed JSON")
    assert len(said) == 11
    assert said[-1] == "warning: 6 more lines that are no events"
    assert "16 that are none" in result.stdout


def test_a_day_is_whole_and_a_time_is_the_business_s() -> None:
    config = load_config(Path("daybook.yaml"), {})
    assert between(config, None, None) == EVER
    assert between(config, "2026-03-02", "2026-03-02") == (MONDAY, MONDAY + DAY_MS)
    assert between(config, "2026-03-02T12:00", "2026-03-02T11:30Z") == (NOON, NOON + HOUR_MS // 2)
    assert between(config, "2026-03-02T12:00+02:00", None) == (NOON - HOUR_MS, EVER[1])
    with pytest.raises(click.UsageError, match="ends before it begins"):
        between(config, "2026-03-02T12:00", "2026-03-02T11:00Z")


def test_a_time_of_the_archive_counts_record_by_record() -> None:
    def records(*arguments: str) -> int:
        result = call("--no-detection", *arguments)
        assert result.exit_code == 0, result.output
        return int(result.output.split()[0].replace(",", ""))

    before = records("--until", "2026-03-02T11:00Z")
    after = records("--since", "2026-03-02T11:00Z")
    assert before == sum(record.arrival < NOON for record in sent()) > 0
    assert after == sum(record.arrival >= NOON for record in sent()) > before
    assert records("--since", "2026-03-03", "--until", "2026-03-03") == sum(
        MONDAY + DAY_MS <= record.arrival < MONDAY + 2 * DAY_MS for record in sent()
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--files", "gone.jsonl"), "gone.jsonl: cannot be read (no such file or directory)"),
        (("--files", "some.jsonl", "gone.jsonl"), "gone.jsonl: cannot be read"),
        (("--files", "."), ".: is a folder (expected a file of events, one a line)"),
        (("--files", "empty.jsonl"), "empty.jsonl: there is no event in it"),
        (("--files", "daybook.yaml"), "daybook.yaml: no line of it is an event (line 1: malformed JSON"),
        (("--files", "some.jsonl", "--until", "2020-01-01"), "nothing happened in that time (what there is happened"),
        (("--files", "some.jsonl", "--kafka"), "--files and --kafka: a replay reads from one of them"),
        (("--files", "some.jsonl", "some.jsonl"), "--files some.jsonl: is there twice"),
        (("some.jsonl",), "some.jsonl: expected --files before files to replay"),
        (("--since", "2030-01-01"), "nothing arrived in that time (what there is arrived from 2026-03-0"),
        (("--since", "2026-03-02T23:59:59.999Z", "--until", "2026-03-03T00:00Z"), "nothing arrived in that time"),
        (("--since", "yesterday"), "--since yesterday: expected a day like 2026-10-01 or a time like"),
        (("--until", "0001-01-01T00:00"), "--until 0001-01-01T00:00: expected a day"),
        (("--since", "2026-03-03", "--until", "2026-03-02"), "ends before it begins"),
        (("--speed", "0x"), "'0x': expected max, or how many times faster than it happened, like 60x"),
        (("--speed", "fast"), "'fast': expected max, or how many times"),
        (("--speed", "60x", "--no-detection"), "--speed is for what is told, and with --no-detection nothing is"),
        (("--kafka",), "127.0.0.1:9: no Kafka broker answers there"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    written("some.jsonl", lines()[:50])
    written("empty.jsonl", [])
    result = call(*arguments, "--out", "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert not Path("out").exists()


def test_at_a_speed_the_same_comes_of_it() -> None:
    wanted, paced = call(), call("--speed", "100000000x")
    assert results(paced) == results(wanted)
    assert paced.stderr.endswith(" records at 1e+08x; Ctrl-C stops it\n")


@pytest.mark.parametrize("arguments", [(), ("--files", "all.jsonl")])
def test_an_interrupt_ends_it_with_nothing_half_written(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    written("all.jsonl", lines())
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    argv = [sys.executable, "-m", "streams.cli", "replay", "--speed", "1x", "--out", "out", *arguments]
    environment = {**os.environ, "TMPDIR": str(drafts)}
    before = {*tmp_path.iterdir()}
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stderr is not None
        assert running.stderr.readline().endswith("records at 1x; Ctrl-C stops it\n")
        running.send_signal(signal.SIGINT)
        assert running.stderr.read().strip() == "stopped; nothing was written"
    assert running.returncode == 130
    assert {*tmp_path.iterdir()} == before
    assert list(drafts.iterdir()) == []
