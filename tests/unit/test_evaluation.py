"""Series from files through a detector, and alerts against events."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectors.evaluation.events import judge, together
from streams.cli import cli
from streams.evaluation.detectors import CANDIDATES
from streams.evaluation.files import SeriesError, read_series

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


def test_times_are_read_in_the_forms_people_write(tmp_path: Path) -> None:
    rows = ["2026-01-01 00:00:00,1,0", "2026-01-01T00:05:00Z,,1", "1767226200,3.5,1", "2026/01/01 00:15,nan,0"]
    found = read_series(write(tmp_path / "a.csv", "\n".join(["Timestamp, Value ,label", *rows])), "a.csv")
    assert [time - found.times[0] for time in found.times] == [0, 300_000, 600_000, 900_000]
    assert found.values[::2] == [1.0, 3.5]
    assert math.isnan(found.values[1])
    assert math.isnan(found.values[3])
    assert found.events == [(1, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,value\n1,2\n", "a.csv:1: expected a head with timestamp and value, not 'time,value'"),
        ("timestamp,value\n2026-01-01,1\nyesterday,2\n", "a.csv:3: 'yesterday' is not a time"),
        ("timestamp,value\n2026-01-01,much\n", "a.csv:2: 'much' is not a number"),
        ("timestamp,value\n2026-01-02,1\n2026-01-01,1\n", "a.csv:3: '2026-01-01' is before the row above it"),
        ("timestamp,value,label\n2026-01-02,1,yes\n", r"a.csv:2: label 'yes' \(expected 0 or 1\)"),
        ("", "a.csv:1: expected a head"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SeriesError, match=f"^{message}"):
        read_series(write(tmp_path / "a.csv", text), "a.csv")


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


def test_a_file_that_cannot_be_read_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    spiked(tmp_path, "good.csv")
    write(tmp_path / "bad.csv", "timestamp,value\n2026-01-01,much\n")
    result = CliRunner().invoke(cli, ["evaluate", "series", str(tmp_path), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert "left out: bad.csv:2: 'much' is not a number" in result.output
    assert "good.csv" in result.output


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
