"""A replay in step with the clock: an hour takes its time, what is told comes in order, the results are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import polars as pl
import pytest
from msgspec.structs import replace as with_

from detectors.incidents.incident import Change
from detectors.lookback.matching import Alert
from streams.cli.pacing import Speed, line_of
from streams.config import Config, load_config
from streams.history.replay.engine import News
from streams.history.replay.pace import TICK_S, Pace, paced
from streams.history.replay.run import replay
from streams.history.replay.source import Source, source_of
from streams.history.replay.telling import Happening, Teller, Turn
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import records
from tests.support.archived import archived
from tests.support.archived_shop import DOWN, END, START, USUAL, shop_in
from tests.support.incidents import incident
from tests.unit.test_replay_archive import HOUR_MS


class Clock:
    """Moved by whoever waits."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        assert 0 < seconds <= TICK_S
        self.seconds += seconds


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Source]:
    folder = tmp_path_factory.mktemp("shop")
    shop_in(folder, "shop.yaml")
    return load_config(folder / "shop.yaml", {}), source_of(folder / "archive" / "daybook")


def test_an_hour_takes_so_much_less_than_an_hour() -> None:
    clock, ticks = Clock(), list[int]()
    pace = Pace(60, clock, ticks.append)
    pace.wait(START)
    assert clock.seconds == 1_000.0
    pace.wait(START + HOUR_MS)
    assert clock.seconds == pytest.approx(1_060.0)
    assert len(ticks) > 200
    assert ticks == sorted(ticks)
    assert ticks[-1] == START + HOUR_MS


def test_what_is_behind_catches_up_and_what_has_passed_is_not_waited_for() -> None:
    clock = Clock()
    pace = Pace(3_600, clock)
    pace.wait(START)
    clock.seconds += 1.5
    pace.wait(START + HOUR_MS)
    assert clock.seconds == 1_001.5
    pace.wait(START + 2 * HOUR_MS)
    assert clock.seconds == pytest.approx(1_002.0)
    pace.wait(START)
    assert clock.seconds == pytest.approx(1_002.0)


def test_what_comes_of_it_is_the_same_and_is_told_when_its_time_has_come(
    shop: tuple[Config, Source], tmp_path: Path
) -> None:
    config, source = shop
    clock, told = Clock(), list[tuple[float, Happening]]()

    def through(whole: Iterator[News]) -> Iterator[News]:
        return paced(whole, Pace(3_600, clock), lambda one: told.append((clock.seconds, one)))

    usual = replay(config, source, tmp_path / "usual")
    slow = replay(config, source, tmp_path / "slow", processes=1, through=through)
    assert slow.counts == usual.counts
    assert (tmp_path / "slow/incidents.jsonl").read_bytes() == (tmp_path / "usual/incidents.jsonl").read_bytes()
    assert pl.read_parquet(tmp_path / "slow/kpis/*").equals(pl.read_parquet(tmp_path / "usual/kpis/*"))
    hours = (END - START) / HOUR_MS
    assert clock.seconds - 1_000.0 == pytest.approx(hours, abs=3)
    alerts = [one for _, one in told if isinstance(one.about, Alert)]
    assert len(alerts) == slow.alerts > 0
    opened = [one for _, one in told if isinstance(one.about, Turn) and one.about.change.what == "opened"]
    assert len(opened) == slow.incidents > 0
    assert [one.at for _, one in told] == sorted(one.at for _, one in told)
    begun = {round(at - one.at / HOUR_MS, 3) for at, one in told}
    assert len(begun) == 1, "an hour takes a second"
    down = next(one for one in opened if DOWN <= one.at <= DOWN + 12 * HOUR_MS)
    said = "Thu 2026-03-26 11:00  opened       paid-20260326T1000: Paid fewer than usual"
    assert line_of(config, down).plain == said
    assert all(line_of(config, one).plain[22:35] == "alert        " for one in alerts)


def test_history_that_arrived_at_once_is_told_hour_by_hour_all_the_same(
    shop: tuple[Config, Source], tmp_path: Path
) -> None:
    config, _ = shop
    settings = SimulatorSettings(start=START, end=END + HOUR_MS, seed=5, orders_per_day=240, heartbeat=HOUR_MS)
    settings = with_(settings, incidents=list(USUAL))
    imported = [record._replace(arrival=END + HOUR_MS) for record in records(Simulation(settings).arrivals(), 2)]
    source = source_of(archived(tmp_path / "imported", imported, 2, most_bytes=2_000_000))
    clock, told = Clock(), list[tuple[float, Happening]]()

    def through(whole: Iterator[News]) -> Iterator[News]:
        return paced(whole, Pace(3_600, clock), lambda one: told.append((clock.seconds, one)))

    summary = replay(config, source, processes=1, through=through)
    assert sum(isinstance(one.about, Alert) for _, one in told) == summary.alerts > 0
    assert len({round(at - one.at / HOUR_MS, 3) for at, one in told}) == 1, "an hour takes a second"
    assert clock.seconds - 1_000.0 == pytest.approx((END - START) / HOUR_MS, abs=3)


def test_a_change_is_told_once() -> None:
    one = incident()
    (opened,) = one.history
    joined, resolved = Change(opened.at, "joined", note="early"), Change(opened.at + HOUR_MS, "resolved")
    teller = Teller()

    def changes(*history: Change) -> list[str]:
        happenings = teller.happenings(News([], [with_(one, history=history)]))
        return [each.about.change.what for each in happenings if isinstance(each.about, Turn)]

    assert changes(opened) == ["opened"]
    assert changes(opened) == []
    assert changes(opened, joined, resolved) == ["joined", "resolved"]


def test_a_line_says_when_what_and_no_more_than_its_alert_does(shop: tuple[Config, Source]) -> None:
    config, _ = shop
    change = Change(START + HOUR_MS, "joined", note="orders: none for 3 h, where 20 are usual")
    one = incident(title="Paid\x1b[2J fewer")
    line = line_of(config, Happening(change.at, Turn(one, change))).plain
    assert line == f"Mon 2026-03-02 01:00  joined       {one.id}: Paid\\x1b[2J fewer (orders)"


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("60x", 60.0), ("1x", 1.0), ("0.5x", 0.5), ("3600", 3_600.0)]
)
def test_a_speed_is_how_many_times_faster(text: str, speed: float | None) -> None:
    assert Speed().convert(text, None, None) == speed


@pytest.mark.parametrize("text", ["0x", "0", "fast", "-1x", "1e3x", "x", "", "60 x", "٣x", "9999999999x"])
def test_what_is_no_speed_is_said(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected max, or how many times faster than it happened, like 60x"):
        Speed().convert(text, None, None)
