"""Series from files through a detector, and alerts against events."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectors.evaluation.candidate import Judged
from detectors.evaluation.events import judge, together
from streams.cli import cli
from streams.evaluation.detectors import CANDIDATES
from streams.evaluation.files import SeriesError, read_series, read_windows
from streams.evaluation.times import read_time

DAY = 86_400_000


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_alerts_are_counted_by_event() -> None:
    times = [day * DAY for day in range(29)]
    alerts = [row in (0, 2, 5, 6, 13, 20) for row in range(29)]
    found = judge(times, alerts, [(5, 8), (18, 22), (25, 26)], ignored=1)
    assert (found.events, found.found, found.false, found.delays) == (3, 2, 2, (0, 2))
    assert found.precision == 0.5
    assert found.recall == pytest.approx(2 / 3)
    assert found.false_a_week == pytest.approx(2 / (27 / 7))
    assert found.delay == 1.0
    both = together([found, judge(times, [False] * 29, [])])
    assert (both.events, both.false, both.weeks) == (3, 2, pytest.approx(27 / 7 + 4))


MINUTES_5 = 300_000


@pytest.mark.parametrize(
    ("step", "alerts", "false"),
    [
        (MINUTES_5, range(100, 150), 1),
        (MINUTES_5, (100, 172), 1),  # six hours apart
        (MINUTES_5, (100, 173), 2),
        (MINUTES_5, range(100, 100 + 288), 1),
        (MINUTES_5, range(100, 100 + 3 * 288), 3),  # what never stops, each day
        (DAY, (100, 101, 107), 1),  # with rows farther apart, by rows
        (DAY, (100, 107), 2),
        (DAY, range(100, 125), 2),
        (MINUTES_5, range(490, 540), 0),  # begun in the event, and gone on behind it
        (MINUTES_5, range(470, 540), 1),  # begun before it
    ],
)
def test_what_is_told_as_one_is_one_false_alarm(step: int, alerts: Sequence[int], false: int) -> None:
    times = [row * step for row in range(1_000)]
    outcome = judge(times, [row in alerts for row in range(1_000)], [(480, 500)])
    assert outcome.false == false
    assert outcome.found == any(480 <= row <= 500 for row in alerts)


def test_nothing_told_of_nothing_is_faultless() -> None:
    found = judge([0, DAY], [False, False], [])
    assert (found.precision, found.recall, found.delay) == (1.0, 1.0, None)


def test_series_are_read_with_what_is_missing_and_labelled(tmp_path: Path) -> None:
    rows = ["2026-01-01 00:00:00,1,0", "2026-01-01T00:05:00Z,,1", "1767226200,3.5,1", "2026/01/01 00:15,nan,0"]
    found = read_series(write(tmp_path / "a.csv", "\n".join(["Timestamp, Value ,label", *rows])), "a.csv")
    assert [time - found.times[0] for time in found.times] == [0, 300_000, 600_000, 900_000]
    assert found.values[::2] == [1.0, 3.5]
    assert math.isnan(found.values[1])
    assert math.isnan(found.values[3])
    assert found.events == [(1, 2)]
    assert found.remarks == ()


NEW_YEAR = 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("2026-01-01", 0),
        ("20260101", 0),
        ("2026-01-01 00:05", 5),
        ("2026-01-01  00:05:00", 5),
        ("2026/01/01 00:05", 5),
        ("20260101T000500Z", 5),
        ("2026-01-01 00:05 UTC", 5),
        ("2026-01-01 00:05:00.000 utc", 5),
        ("2026-01-01T00:05GMT", 5),
        ("2026-01-01T00:05:00,000Z", 5),
        ("2026-01-01 01:05+01:00", 5),
        ("2026-01-01 01:05:00 +0100", 5),
        ("2025-12-31T19:05:00-05", 5),
        ("1767225900", 5),
        ("1767225900.0", 5),
        ("1767225900000", 5),
        ("1767225900000000", 5),
        ("1767225900000000000", 5),
    ],
)
def test_times_are_read_in_the_forms_people_write(text: str, minutes: int) -> None:
    assert read_time(text) == NEW_YEAR + minutes * 60_000


def test_seconds_before_2001_and_their_fractions_are_read() -> None:
    assert read_time("978307200") == 978_307_200_000
    assert read_time("1767225600.25") == NEW_YEAR + 250
    assert read_time("2026-01-01 00:00:00.250999") == NEW_YEAR + 251


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "is not a time"),
        ("", "is not a time"),
        ("2026-02-30", "is not a time: day is out of range"),
        ("2026-01-01 25:00", "is not a time: hour must be in"),
        ("01/02/2026 10:00", "is not clear: the day or the month first"),
        ("31.12.26", "is not clear: the day or the month first"),
        ("2026-01-01 00:00 CET", "names a zone: 'CET' is not clear"),
        ("2026-01-01 00:00 Europe/Berlin", "names a zone: 'Europe/Berlin' is not clear"),
        ("2026-01-01 01:00 PM", "is not a time"),
        ("17", "is no date .*, and no time since 1970"),
        ("202601010005", "is no date .*, and no time since 1970"),
        ("-1767225600", "is not a time"),
        ("20261301", "is not a time: month must be in"),
        ("x" * 90, f"^'{'x' * 39}…' is not a time"),
    ],
)
def test_what_is_no_time_or_not_clear_is_told(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_time(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,value\n1,2\n", "a.csv:1: expected a head with timestamp and value, not 'time,value'"),
        ("timestamp;value\n2026-01-01;2\n", "a.csv:1: expected a head with timestamp and value, not 'timestamp;value'"),
        ("timestamp,value\n2026-01-01,much\n", r"a.csv:2: 'much' is not a number \(no row is left\)"),
        ("timestamp,value\n", "a.csv: no rows in it"),
        ("", "a.csv:1: expected a head"),
        ("t\0i\0m\0e\0", "a.csv: not UTF-8"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SeriesError, match=f"^{message}"):
        read_series(write(tmp_path / "a.csv", text), "a.csv")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,2,0", "'yesterday' is not a time"),
        ("2026-01-01 00:05,much,0", "'much' is not a number"),
        ("2026-01-01 00:05,1,yes", "label 'yes' (expected 0 or 1)"),
        ("2026-01-01 00:05,1,234,0", "4 fields (expected 3, as in the head)"),
        ("2026-01-01 00:05", "1 fields (expected 3, as in the head)"),
        ('2026-01-01 00:05,"1,0', "2 fields (expected 3, as in the head)"),
        ("2026-01-01 00:05,\udcff,0", "'\ufffd' is not a number"),
    ],
)
def test_a_row_that_makes_no_sense_costs_only_itself(tmp_path: Path, row: str, reason: str) -> None:
    text = f"timestamp,value,label\n2026-01-01,1,0\n{row}\n\n2026-01-01 00:10,3,1\n"
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = read_series(path, "a.csv")
    assert (found.values, found.events, found.lost_rows) == ([1.0, 3.0], [(1, 1)], 1)
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith(f"left out: a.csv:3: {reason}")


def test_the_first_rows_left_out_are_said_and_the_others_counted(tmp_path: Path) -> None:
    rows = ["timestamp,value", *("2026-01-01,?" for _ in range(1_234)), "2026-01-01,1"]
    found = read_series(write(tmp_path / "a.csv", "\n".join(rows)), "a.csv")
    assert found.lost_rows == 1_234
    assert [remark.partition(": '")[0] for remark in found.remarks[:3]] == [f"left out: a.csv:{n}" for n in (2, 3, 4)]
    assert found.remarks[3:] == ("left out: a.csv: 1,231 more rows",)


def test_rows_are_put_in_order_of_time_and_those_of_one_time_kept(tmp_path: Path) -> None:
    rows = ["2026-01-03,3,0", "2026-01-02,2,1", "2026-01-02,2.5,1", "2026-01-01,1,0"]
    found = read_series(write(tmp_path / "a.csv", "\n".join(["timestamp,value,label", *rows])), "a.csv")
    assert found.values == [1.0, 2.0, 2.5, 3.0]
    assert found.events == [(1, 2)]
    assert found.lost_rows == 0
    assert found.remarks == (
        "a.csv:3: before the row above it, one of 2: put in order of time",
        "a.csv:4: at the same time as another row: kept",
    )


def test_windows_that_make_no_sense_cost_only_themselves(tmp_path: Path) -> None:
    given = {
        "a.csv": [["2026-01-01", "2026-01-02"], ["soon", "later"], ["2026-01-02", "2026-01-01"], "2026"],
        "b.csv": 7,
        "c.csv": [["2026-01-01 00:00 UTC", 1_767_312_000]],
    }
    found = read_windows(write(tmp_path / "windows.json", json.dumps(given)))
    day = (NEW_YEAR, NEW_YEAR + DAY)
    assert found.of == {"a.csv": [day], "b.csv": None, "c.csv": [day]}
    assert found.lost_windows == 3
    assert found.remarks == (
        "left out: windows.json: a.csv: 'soon' is not a time (expected like 2026-01-31 12:05:00)",
        'left out: windows.json: a.csv: ["2026-01-02", "2026-01-01"] ends before it begins',
        'left out: windows.json: a.csv: "2026" (expected [from, to])',
        "left out: windows.json: b.csv: 7 (expected [[from, to], ...])",
    )


@pytest.mark.parametrize(("text", "reason"), [("[]", "not an object"), ("{", "Expecting property name")])
def test_windows_that_are_none_at_all_are_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SeriesError, match=f"windows.json: {reason}"):
        read_windows(write(tmp_path / "windows.json", text))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def spiked(folder: Path, name: str) -> None:
    """A saw-tooth every five minutes, with one spike."""
    begin = datetime(2026, 1, 1)
    rows = [f"{begin + at * timedelta(minutes=5)},{at % 7 + (at == 1_500) * 500}" for at in range(2_000)]
    write(folder / name, "\n".join(["timestamp,value", *rows]))


def test_a_folder_in_nabs_layout_is_scored_and_written(tmp_path: Path) -> None:
    spiked(tmp_path / "nab", "real/one.csv")
    write(tmp_path / "nab/windows.json", json.dumps({"real/one.csv": [["2026-01-06 04:55:00", "2026-01-06 07:00:00"]]}))
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["evaluate", "nab", str(tmp_path / "nab"), "--out", str(out), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "standard" in result.output
    rows = rows_of(out / "real/one.csv")
    assert list(rows[0]) == ["timestamp", "value", "expected_low", "expected_high", "surprise", "alert"]
    assert len(rows) == 2_000
    assert next(at for at, row in enumerate(rows) if row["alert"] == "1" and at >= 750) in range(1_500, 1_505)
    again = CliRunner().invoke(cli, ["evaluate", "nab", str(tmp_path / "nab"), "--jobs", "1"])
    assert again.output.splitlines()[-3:] == result.output.splitlines()[-3:], "the same, each time"


def test_what_makes_no_sense_is_left_out_and_the_rest_judged(tmp_path: Path) -> None:
    spiked(tmp_path, "good.csv")
    spiked(tmp_path, "row.csv")
    with (tmp_path / "row.csv").open("a") as file:
        file.write("\nsoon,1\n")
    write(tmp_path / "bad.csv", "timestamp,value\n2026-01-01,much\n")
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path), "--jobs", "1"])
    assert result.exit_code == 1, result.output
    assert "left out: bad.csv:2: 'much' is not a number" in result.output
    assert "left out: row.csv:2002: 'soon' is not a time" in result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["series", "good.csv", "row.csv"]
    assert result.output.splitlines()[-1] == "left out: 1 file, 1 row"


class Fails:
    """Cannot bear a 500."""

    def step(self, time: int, value: float) -> Judged:
        if value > 400:
            raise ZeroDivisionError("division\nby zero")
        return Judged(math.nan, math.nan, 0.0, False)


def test_a_detector_that_fails_on_a_file_goes_on_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CANDIDATES, "fails", Fails)
    spiked(tmp_path, "a.csv")
    write(tmp_path / "b.csv", "timestamp,value\n2026-01-01,1\n")
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path), "--jobs", "1", "--detector", "fails"])
    assert result.exit_code == 1, result.output
    expected = "left out: a.csv: fails failed at '2026-01-06 05:00:00': ZeroDivisionError: division by zero"
    assert expected in result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["series", "b.csv"]


class Dies:
    """As a process killed for its memory."""

    def step(self, time: int, value: float) -> Judged:
        os._exit(9)


def test_a_process_that_dies_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CANDIDATES, "dies", Dies)
    spiked(tmp_path, "a.csv")
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path), "--detector", "dies"])
    assert result.exit_code == 2, result.output
    assert "left out: a.csv: the process that judged it has died" in result.output
    assert result.output.splitlines()[-1].endswith("none of its 1 files could be judged")


def test_what_windows_and_files_do_not_share_is_said(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        spiked(tmp_path, name)
    window = ["2026-01-06 04:55:00", "2026-01-06 07:00:00"]
    given = {"a.csv": [window, ["2027-01-01", "2027-01-02"]], "b.csv": "none", "gone.csv": [window]}
    write(tmp_path / "windows.json", json.dumps(given))
    run = ["evaluate", "nab", str(tmp_path), "--jobs", "1"]
    result = CliRunner().invoke(cli, run)
    assert result.exit_code == 1, result.output
    for remark in (
        "left out: windows.json: gone.csv: no such file",
        'left out: windows.json: b.csv: "none" (expected [[from, to], ...])',
        "left out: c.csv has no entry in windows.json: judged, but not scored",
        "left out: a.csv: the window from 2027-01-01T00:00:00.000Z to 2027-01-02T00:00:00.000Z, which holds no row",
        "left out: 1 missing file, 1 window, 2 unscored files",
    ):
        assert result.output.count(remark) == 1, result.output
    write(tmp_path / "windows.json", json.dumps({"a.csv": [window]}))
    alone = CliRunner().invoke(cli, run)
    assert alone.stdout.splitlines()[-4:] == result.stdout.splitlines()[-4:], "what is not labelled is not scored"
    write(tmp_path / "windows.json", "{}")
    assert "has an entry for none of the files" in CliRunner().invoke(cli, run).output


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("in", "the folder that is read, whose files would be overwritten"),
        ("in/../in", "the folder that is read"),
        ("in/results", "lies in the other, and results would be taken for series"),
        (".", "lies in the other"),
        ("link", "the folder that is read"),
        ("file/results", "Not a directory"),
    ],
)
def test_results_are_kept_apart_from_what_is_read(tmp_path: Path, out: str, reason: str) -> None:
    spiked(tmp_path / "in", "a.csv")
    write(tmp_path / "file", "")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = (tmp_path / "in/a.csv").read_bytes()
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path / "in"), "--out", str(tmp_path / out)])
    assert result.exit_code == 2, result.output
    assert len(result.output.splitlines()) == 1
    assert reason in result.output
    assert (tmp_path / "in/a.csv").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a.csv"]


def test_results_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    spiked(tmp_path / "in", "a.csv")
    spiked(tmp_path / "in", "b.csv")
    (tmp_path / "out/a.csv").mkdir(parents=True)
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path / "in"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1, result.output
    assert "left out: a.csv: its results could not be written" in result.output
    assert len(rows_of(tmp_path / "out/b.csv")) == 2_000


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert "no CSV files in it" in run(cli, ["evaluate", "series", str(tmp_path)]).output
    assert "windows.json: not there" in run(cli, ["evaluate", "nab", str(tmp_path)]).output
    spiked(tmp_path, "good.csv")
    assert "no detector 'magic'" in run(cli, ["evaluate", "series", str(tmp_path), "--detector", "magic"]).output
    assert "river LODA" in run(cli, ["evaluate", "series", "--list-detectors"]).output


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_judges_every_row(name: str) -> None:
    candidate = CANDIDATES[name]()
    numbers = [*range(30), math.nan, *([5.0] * 120), 1e9, *range(30)]
    found = [candidate.step(at * 60_000, float(number)) for at, number in enumerate(numbers)]
    assert all(math.isfinite(one.surprise) for one in found)


def test_the_static_threshold_is_a_rolling_range() -> None:
    candidate = CANDIDATES["static threshold"]()
    usual = [candidate.step(at, float(at % 11)) for at in range(1_000)]
    assert all(row.surprise <= 0.0 for row in usual)
    assert not any(row.alert for row in usual)
    above = candidate.step(1_000, 15.0)
    assert (above.surprise, above.alert) == (0.5, True)
    below = candidate.step(1_001, -20.0)
    assert below.surprise == 2.0
    assert not below.alert, "quiet after the first"
    flat = CANDIDATES["static threshold"]()
    assert [flat.step(at, 3.0).surprise for at in range(200)][-1] < 0.0
    assert flat.step(200, 3.5).alert
