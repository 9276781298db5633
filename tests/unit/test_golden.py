"""Golden incidents: kept with their events, found again, and a worsened configuration fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detectors.lookback.golden import About, Expected, Outcome, failures, outcome
from detectors.lookback.matching import Alert
from streams.cli import cli
from streams.config import load_config
from streams.history.lookback.runs import incidents_of
from streams.history.replay.run import replay
from streams.history.replay.source import source_of
from tests.support.archived_shop import shop_in
from tests.support.simulated import HOUR


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With an archive, what was replayed of it, and the incident of the day on which the shop was down."""
    folder = tmp_path_factory.mktemp("shop")
    text = shop_in(folder, "shop.yaml")
    deaf = "kpis:\n    orders: { least_cases: 5000 }\n    paid: { least_cases: 5000 }\n"
    (folder / "deaf.yaml").write_text(text.replace("kpis:\n", deaf, 1))
    (folder / "loud.yaml").write_text(text.replace("per_week: 1 ", "per_week: 30 "))
    replay(
        load_config(folder / "shop.yaml", {}), source_of(folder / "archive" / "daybook"), folder / "out", processes=1
    )
    result = call(folder, "shop.yaml", "add", "paid", "--from", str(folder / "out"))
    assert result.exception is None, result.output
    assert "the archive begins on" in result.output, "four weeks and a half is less than what is kept"
    return folder


def call(folder: Path, config: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(folder / config), "golden", *arguments], standalone_mode=False)


def test_an_incident_is_found_again(shop: Path) -> None:
    result = call(shop, "shop.yaml", "check")
    assert result.return_value == 0, result.output
    assert "1 checked, 0 failed" in result.output
    listed = call(shop, "shop.yaml", "ls")
    assert "paid-20260326T1000" in listed.output


def test_a_configuration_that_does_not_find_it_fails(shop: Path) -> None:
    result = call(shop, "deaf.yaml", "check")
    assert result.return_value == 1, result.output
    assert "FAILED  paid-20260326T1000" in result.output
    assert "lost: no alert of " in result.output


def test_a_configuration_with_more_false_alarms_fails(shop: Path) -> None:
    result = call(shop, "loud.yaml", "check", "--json")
    assert result.return_value == 1, result.output
    (said,) = map(json.loads, result.output.splitlines())
    assert "false alarms" in [line.partition(":")[0] for line in said["failures"]]
    assert said["alert"]["kpi"] in ("orders", "paid")
    assert len(said["others"]) > 0


def test_mistakes_are_told_and_nothing_is_written_half(shop: Path, tmp_path: Path) -> None:
    out, place = str(shop / "out"), str(tmp_path / "golden")
    for config, words, says in (
        ("shop.yaml", ("add", "nothing", "--from", out), "there is no such incident"),
        ("shop.yaml", ("add", "paid", "--from", str(shop)), "incidents.jsonl: cannot be read"),
        ("deaf.yaml", ("add", "paid", "--from", out), "is not found in a replay of its events"),
        ("shop.yaml", ("add", "paid", "--from", out, "--within", "5m"), "later: told "),
        ("shop.yaml", ("check",), "there are no golden incidents"),
        ("shop.yaml", ("check", "nothing"), "no such golden incident"),
        ("shop.yaml", ("rm", "../golden"), "is no id of an incident"),
    ):
        result = call(shop, config, *words, "--golden", place)
        assert says in str(result.exception), (words, result.output, result.exception)
        assert not list(Path(place).glob("*")), words
    again = call(shop, "shop.yaml", "add", "paid", "--from", out)
    assert "is there already" in str(again.exception)


def test_what_is_removed_is_gone_with_its_events(shop: Path, tmp_path: Path) -> None:
    place = tmp_path / "golden"
    call(shop, "shop.yaml", "add", "paid", "--from", str(shop / "out"), "--golden", str(place), "--before", "3w")
    assert list(place.glob("*/events/topic=orders/date=*/*.parquet"))
    assert not list(place.glob("*/events/topic=orders/date=2026-03-01/*")), "no more than was asked for"
    call(shop, "shop.yaml", "rm", "paid-20260326T1000", "--golden", str(place))
    assert list(place.iterdir()) == []


def test_what_is_missing_of_the_events_is_told(shop: Path, tmp_path: Path) -> None:
    place = tmp_path / "golden"
    call(shop, "shop.yaml", "add", "paid", "--from", str(shop / "out"), "--golden", str(place))
    sorted(place.glob("*/events/topic=deliveries/*/*.001.*.parquet"))[3].unlink()
    result = call(shop, "shop.yaml", "check", "--golden", str(place))
    assert "warning: paid-20260326T1000: deliveries/1: offsets " in result.output
    for path in place.glob("*/events/topic=*/*/*.parquet"):
        path.unlink()
    assert "no event is archived there" in str(call(shop, "shop.yaml", "check", "--golden", str(place)).exception)


def test_worse_is_lost_later_another_cause_or_more_alarms(shop: Path) -> None:
    (one,) = (one for one in incidents_of(shop / "out") if one.id.startswith("paid"))
    about = About.of(one)
    end = about.since + 2 * HOUR
    alert = Alert(end, about.kpis[0], "value", (), end - HOUR, 4.0)
    other = alert._replace(end=about.since - HOUR, start=about.since - 2 * HOUR)
    found = outcome(about, [alert, other], [one])
    assert (found.alert, found.others) == (alert, [other])
    assert found.cause == one.cause
    assert failures(about, Expected(2 * HOUR, one.cause, 1), found) == []
    for expected, what in (
        (Expected(HOUR, one.cause, 1), "later"),
        (Expected(2 * HOUR, "support", 1), "cause"),
        (Expected(2 * HOUR, one.cause, 0), "false alarms"),
    ):
        assert [line.partition(":")[0] for line in failures(about, expected, found)] == [what]
    lost = Outcome(None, None, [])
    assert [line.partition(":")[0] for line in failures(about, Expected(HOUR, "", 0), lost)] == ["lost"]
    assert not about.told(alert._replace(kpi="failures"))
