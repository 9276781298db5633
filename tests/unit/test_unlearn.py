"""A week that was not normal is taken back: what it taught hid the next outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detectors.calendar.occasions import occasion_of
from streams.cli import cli
from streams.config import load_config
from streams.events.codec import decode_calendar, encode
from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.history.lookback.judging import judged
from streams.history.lookback.unlearn import entry_of, unlearn
from streams.history.replay.source import source_of
from streams.ingest.simulator import Incident
from tests.support.archived_shop import START, shop_in
from tests.support.simulated import DAY, HOUR

SLOW, DOWN = START + 16 * DAY, START + 26 * DAY + 10 * HOUR
WEEK = ("2026-03-18", "2026-03-25")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Down to a quarter for a week, which is learned in the end; three days after it, again for eight hours."""
    folder = tmp_path_factory.mktemp("shop")
    incidents = [
        Incident(kind="website_down", start=SLOW, duration=7 * DAY, strength=0.75),
        Incident(kind="website_down", start=DOWN, duration=8 * HOUR, strength=0.75),
    ]
    shop_in(folder, "shop.yaml", incidents)
    return folder


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, ["--config", str(folder / "shop.yaml"), "unlearn", *arguments], standalone_mode=False
    )


def test_the_next_outage_is_told_of_once_the_week_is_unlearned(shop: Path) -> None:
    config, source = load_config(shop / "shop.yaml", {}), source_of(shop / "archive" / "daybook")
    entry = entry_of(SLOW, SLOW + 7 * DAY, {}, "Not normal", DOWN)
    found = unlearn(config, source, entry)
    assert {pair.kind for pair in found.during} == {"disappears"}
    appears = [pair.after for pair in found.later if pair.after is not None and pair.kind == "appears"]
    assert {one.kpi for one in appears} == {"orders", "paid"}
    assert all(DOWN < one.end <= DOWN + 8 * HOUR for one in appears)


def test_a_replay_of_an_archive_that_has_the_entry_honours_it(shop: Path) -> None:
    config, folder = load_config(shop / "shop.yaml", {}), shop / "archive" / "daybook"
    entry = entry_of(SLOW, SLOW + 7 * DAY, {}, "Not normal", DOWN)
    masked = judged(config, source_of(folder), [occasion_of(entry.data)])
    writer = Writer(folder, most_bytes=1_000_000)
    log = Log("calendar", 7, "20260401T000000")
    writer.add(log, [(0, DOWN + DAY, entry.subject.encode(), encode(entry))])
    writer.flush()
    try:
        assert judged(config, source_of(folder)).alerts == masked.alerts != []
    finally:
        for path in folder.glob("topic=calendar/*/20260401T000000.007.*"):
            path.unlink()


def test_what_changes_is_said(shop: Path) -> None:
    result = call(shop, *WEEK)
    assert result.exception is None, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("alerts of that time of which nobody is told then: ")
    assert [line for line in lines if "+ appears" in line and "Sat 2026-03-28" in line]
    assert lines[-1] == "said on the calendar topic with --apply"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("2026-03-18", "2026-03-25", "2026-03-26"), "expected the id of an INCIDENT, or FROM and TO"),
        (tuple(reversed(WEEK)), "ends before it begins"),
        ((*WEEK, "--slice", "region=north"), "no such dimension"),
        ((*WEEK, "--from", "."), "--from belongs to an INCIDENT"),
    ],
)
def test_mistakes_are_told_by_name(shop: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in str(call(shop, *arguments).exception)


def test_the_entry_is_one_of_the_calendar_and_saying_it_again_is_no_other() -> None:
    entry = entry_of(SLOW, SLOW + DAY, {"channel": "web"}, "Not normal", DOWN)
    occasion = occasion_of(decode_calendar(encode(entry)).data)
    assert (occasion.start, occasion.end, occasion.scope) == (SLOW, SLOW + DAY, {"channel": frozenset({"web"})})
    assert occasion.kind == "outage", "neither alerts nor teaches"
    again = entry_of(SLOW, SLOW + DAY, {"channel": "web"}, "Not normal", DOWN + 5)
    assert (again.subject, again.data.entry_id) == (entry.subject, entry.data.entry_id)
    assert again.id != entry.id
    assert entry_of(SLOW, SLOW + DAY, {}, "", DOWN).data.entry_id != entry.data.entry_id
