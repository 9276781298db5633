"""What nobody was told of is found again in history, explained, and caught by the smallest change of what is set."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from detectors.calendar.business import BusinessCalendar
from detectors.lookback.matching import Alert
from detectors.lookback.missed import caught, nearest
from detectors.lookback.rejudge import grains_of, rejudge
from detectors.lookback.smallest import changed, changes, smallest
from detectors.watch.judgement import Held, Judgement, SeriesJudgement, Waits
from detectors.watch.settings import DEFAULT, Settings
from streams.cli import cli
from streams.config import load_config
from streams.history.lookback.missed import missed, values_of
from streams.history.lookback.runs import alerts_of
from streams.history.replay.run import calendar_of, replay
from streams.history.replay.source import source_of
from streams.kpis.values import KpiValue
from tests.support.archived_shop import CONFIGURATION, DOWN, FAILING, shop_in
from tests.support.simulated import HOUR

UNTIL = FAILING + 10 * HOUR
BEGIN, END = "2026-03-31T10:00", "2026-03-31T20:00"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop_in(folder, "shop.yaml")
    return folder


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--config", str(folder / "shop.yaml"), *arguments], standalone_mode=False)


def test_a_kpi_judged_again_alerts_as_it_did(shop: Path) -> None:
    config, source = load_config(shop / "shop.yaml", {}), source_of(shop / "archive" / "daybook")
    replay(config, source, shop / "out", processes=1)
    grains = grains_of(values_of(config, source, "orders", lambda done: None))
    judgements: list[Judgement] = []
    calendar = calendar_of(config, source)
    alerts = rejudge(config.definitions(), "orders", grains, calendar, 1 / 3, DEFAULT, judgements.append)
    assert [one for one in alerts_of(shop / "out") if one.kpi == "orders"] == alerts != []
    assert [one.end for one in judgements if one.alert] == [one.end for one in alerts]
    for one in judgements:
        # What held nothing is as surprising as the strangest that could alert.
        free = [each.surprise for each in one.series if not each.held]
        assert not free or max(free) == pytest.approx(one.surprise, abs=1e-9)
        assert not one.alert or one.surprise >= one.threshold


def test_a_missed_incident_is_explained_and_caught(shop: Path) -> None:
    config, source = load_config(shop / "shop.yaml", {}), source_of(shop / "archive" / "daybook")
    tried: list[Settings] = []
    found = missed(config, source, "failures", FAILING, UNTIL, {}, tried=tried.append)
    assert found.alert is None
    assert found.nearest is not None
    assert found.nearest.reasons == ("least_cases",)
    assert found.nearest.cases < 80
    assert found.nearest.surprise > found.nearest.threshold
    assert found.changes is not None
    assert found.changes.keys() == {"least_cases"}
    assert found.then is not None
    assert FAILING < found.then.end <= UNTIL + HOUR
    before = config.alerts.kpis["failures"]
    sizes = [max(abs(math.log(_ratio(one, before, name))) for name in Settings.__struct_fields__) for one in tried]
    assert sizes == sorted(sizes), "the smallest first"


def _ratio(one: Settings, before: Settings, name: str) -> float:
    now, then = getattr(before, name), getattr(one, name)
    now = 1 / 3 if now is None else now
    then = 1 / 3 if then is None else then
    return then / now if now and then else 1.0


def test_it_is_written_and_then_nothing_is_missed(shop: Path) -> None:
    result = call(shop, "missed", BEGIN, END, "--kpi", "failures")
    assert result.exception is None, result.output
    assert "least_cases is 80" in result.output
    assert "would have caught it: alerts.kpis.failures: { least_cases: " in result.output
    assert (shop / "shop.yaml").read_text().startswith(CONFIGURATION), "nothing is written unasked"
    result = call(shop, "missed", BEGIN, END, "--kpi", "failures", "--apply")
    assert result.exception is None, result.output
    text = (shop / "shop.yaml").read_text()
    assert f"# found with daybook missed {BEGIN} {END}" in text
    assert "# agreed in spring" in text
    assert "# There are few." in text
    again = call(shop, "missed", BEGIN, END, "--kpi", "failures")
    assert "nothing was missed: told " in again.output, again.output


def test_what_was_told_is_said(shop: Path) -> None:
    config, source = load_config(shop / "shop.yaml", {}), source_of(shop / "archive" / "daybook")
    found = missed(config, source, "orders", DOWN, DOWN + 12 * HOUR, {})
    assert found.alert is not None
    assert found.changes is None
    found = missed(config, source, "orders", DOWN + 300 * 24 * HOUR, DOWN + 301 * 24 * HOUR, {})
    assert found.nearest is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((BEGIN, END, "--kpi", "failure"), "no such KPI"),
        ((BEGIN, END, "--kpi", "orders", "--slice", "region=north"), "no such dimension"),
        ((BEGIN, END, "--kpi", "orders", "--slice", "channel"), "expected like"),
        ((END, BEGIN, "--kpi", "orders"), "ends before it begins"),
        (("yesterday", END, "--kpi", "orders"), "expected like 2026-03-02T14:00"),
        (("2031-01-01", "2031-01-02", "--kpi", "orders"), "the archive has no value of orders"),
    ],
)
def test_mistakes_are_told_by_name(shop: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in str(call(shop, "missed", *arguments).exception)


def test_the_default_configuration_is_refused_before_anything_is_replayed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYBOOK_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(cli, ["missed", BEGIN, END, "--kpi", "orders_placed", "--apply"], standalone_mode=False)
    assert "comes with Daybook; copy it" in str(result.exception)


def test_changes_are_round_and_the_smallest_are_tried_first() -> None:
    found = changes(replace(DEFAULT, least_change=0.4), 0.37)
    assert [one.size for one in found] == sorted(one.size for one in found)
    assert all(one.size > 0.0 for one in found)
    assert {one.name for one in found} == set(Settings.__struct_fields__)
    for one in found:
        settings = changed(DEFAULT, [one])
        assert settings.cool_down >= HOUR
        assert settings.protect >= 1.0
    assert not [one for one in changes(DEFAULT, 0.37) if one.name == "least_change"], "there is nothing less than none"


def test_two_settings_are_changed_where_one_is_not_enough() -> None:
    def both(settings: Settings) -> bool:
        return settings.least_cases <= 1.5 and settings.cool_down <= 3 * HOUR

    found = smallest(DEFAULT, 0.37, both)
    assert found is not None
    assert sorted(one.name for one in found) == ["cool_down", "least_cases"]
    assert smallest(DEFAULT, 0.37, lambda settings: False) is None
    (one,) = smallest(DEFAULT, 0.37, lambda settings: settings.least_cases < 3.0) or ()
    assert one.value == 2.2, "three quarters of three, in two digits"


def value(hour: int, **slice_: str) -> KpiValue:
    return KpiValue(
        "orders",
        "value",
        slice_,
        "1h",
        False,
        hour * HOUR,
        (hour + 1) * HOUR,
        1.0,
        1,
        (1,),
        "final",
        0,
        "orders",
        "higher",
    )


@pytest.mark.parametrize(
    ("surprise", "held", "waits", "alert", "reasons"),
    [
        (2.0, "", "", False, ("threshold",)),
        (4.0, "least_change", "", False, ("least_change",)),
        (4.0, "", "cool_down", False, ("cool_down",)),
        (2.0, "holiday", "open", False, ("holiday", "threshold", "open")),
        (4.0, "", "", True, ("another",)),
    ],
)
def test_all_that_kept_it_from_alerting_is_named(
    surprise: float, held: Held, waits: Waits, alert: bool, reasons: tuple[str, ...]
) -> None:
    quiet = SeriesJudgement(value(3), 0.1, "", 9.0)
    north = SeriesJudgement(value(3, region="north"), surprise, held, 5.0)
    south = SeriesJudgement(value(3, region="south"), 9.0, "", 5.0)
    grain = Judgement(3 * HOUR, 4 * HOUR, 4.0, 3.0, waits, alert, [quiet, north, south])
    found = nearest([grain._replace(start=0, end=HOUR), grain], 3 * HOUR, 4 * HOUR, {"region": "north"})
    assert found == (north.value, surprise, 3.0, 5.0, reasons)


def test_a_watch_says_why_it_waits() -> None:
    judgements: list[Judgement] = []
    definitions, draws = load_config(env={}).definitions(), np.random.default_rng(3).poisson(20.0, 24 * 21)
    draws[-10:] = 0
    whole = replace(value(0), kpi="orders_placed")
    grains = [
        [replace(whole, start=hour * HOUR, end=(hour + 1) * HOUR, value=float(n), weight=int(n), parts=(int(n),))]
        for hour, n in enumerate(draws)
    ]
    alerts = rejudge(definitions, "orders_placed", grains, BusinessCalendar("UTC"), 0.5, DEFAULT, judgements.append)
    assert alerts
    after = [one for one in judgements if alerts[0].end <= one.start < alerts[0].end + 5 * HOUR]
    assert {one.waits for one in after} <= {"open", "cool_down"}
    assert after
    assert not any(one.alert for one in after)


def test_only_what_agrees_in_time_and_slice_catches() -> None:
    north = Alert(2 * HOUR, "orders", "value", (("region", "north"),), HOUR, 4.0)
    assert caught([north], 0, 2 * HOUR, {"region": "north"}) == north
    assert caught([north], 0, 2 * HOUR, {"channel": "web"}) == north
    assert caught([north], 0, 2 * HOUR, {"region": "south"}) is None
    assert caught([north], 0, HOUR, {}) is None
    assert caught([north], 2 * HOUR, 3 * HOUR, {}) is None
    assert nearest([], 0, HOUR, {}) is None
