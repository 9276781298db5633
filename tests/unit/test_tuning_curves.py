"""Recall against false alarms: numbers and plots of what tuning has found."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from detectors.tuning.choice import verdict
from detectors.tuning.course import score
from detectors.watch.settings import DEFAULT, Settings
from streams.cli import cli
from streams.history.tuning.curves import FACTORS, Curve, curves
from streams.history.tuning.parts import Prepared, prepared
from streams.history.tuning.search import Tried, Tuned
from tests.support.tuning import OUTAGES, SHARE, history, orders, replayed

DEAF = Settings(least_cases=1e6)


@pytest.fixture(scope="module")
def material() -> Prepared:
    return prepared(history(orders(20)), 1)


@pytest.fixture(scope="module")
def lines(material: Prepared) -> list[Curve]:
    none = score([], material.history.labels, *material.parts[1:])
    deaf, default = Tried(DEAF, none, None), Tried(DEFAULT, none, None)
    found = Tuned("orders_placed", deaf, default, default, verdict(none, none), 0, 1)
    return curves(found, material, SHARE)


def test_settings_that_are_the_same_are_one_curve(lines: list[Curve]) -> None:
    assert [line.names for line in lines] == [("as it is",), ("by default", "proposed")]


def test_told_more_often_one_finds_more_and_is_wrong_more_often(lines: list[Curve]) -> None:
    deaf, default = lines
    assert {point.score.recall for point in deaf.points} == {0.0}
    rates = [point.per_week for point in default.points]
    assert rates == sorted(rates)
    assert len(rates) == len(FACTORS)
    first, last = default.points[0].score, default.points[-1].score
    assert first.recall < last.recall
    assert first.false <= last.false
    assert last.recall > 0.4


def test_what_is_given_is_what_the_alerts_are(material: Prepared, lines: list[Curve]) -> None:
    given = lines[1].given
    assert given.per_week == SHARE
    told = [at for at, _ in lines[1].alerts]
    first = score(told, material.history.labels, *material.parts[1:])
    assert first.found == {number for number in given.score.found if number < first.labels}
    assert sum(what == "false" for _, what in lines[1].alerts) == first.false <= given.score.false


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def argv(folder: Path, out: Path, labels: Path) -> list[str]:
    labels.write_text("since,until\n" + "\n".join(OUTAGES) + "\n")
    shared = ["--kpi", "orders_placed", "--from", str(folder), "--trials", "2", "--labels", str(labels)]
    return ["tune", *shared, "--out", str(out)]


def test_a_folder_gets_numbers_and_plots(tmp_path: Path) -> None:
    folder, out = replayed(tmp_path / "year"), tmp_path / "out"
    told = CliRunner().invoke(cli, argv(folder, out, tmp_path / "labels.csv"))
    assert told.exit_code == 0, told.output
    names = [f"orders_placed.{end}" for end in ("alerts.csv", "alerts.png", "curve.csv", "curve.png", "json")]
    assert sorted(path.name for path in out.iterdir()) == names
    found = json.loads((out / "orders_placed.json").read_text())
    assert (found["kpi"], found["said"]) == ("orders_placed", 16)
    assert found["settings"]["as it is"]["reported"]["labels"] == 5, "few, but there is no room for trouble beside"
    rows = table(out / "orders_placed.curve.csv")
    for name, settings in found["settings"].items():
        (given,) = (row for row in rows if name in row["settings"].split(" = ") and row["given"] == "1")
        assert float(given["recall"]) == settings["reported"]["recall"]
        assert float(given["false_a_week"]) == settings["reported"]["false_a_week"]
    assert "found" in {row["what"] for row in table(out / "orders_placed.alerts.csv")}
    for name in ("curve", "alerts"):
        assert (out / f"orders_placed.{name}.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_are_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    folder, out = replayed(tmp_path / "year"), tmp_path / "out"
    told = CliRunner().invoke(cli, argv(folder, out, tmp_path / "labels.csv"))
    assert told.exit_code == 0, told.output
    assert "warning: there are no plots without matplotlib (pip install 'daybook[plots]')" in told.output
    assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".csv", ".json"]
