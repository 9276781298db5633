"""Recordings of simulated shops: kept, found and read again, and what two of them say of an incident."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from detectors.evaluation.incidents import Window
from detectors.evaluation.watcher import Context, Seen
from streams.events.types import CalendarData
from streams.ingest.simulator import Label
from streams.kpis.values import KpiValue
from tests.evaluation import judged, recording, shop, shops, watched
from tests.evaluation.recording import Recording, Series
from tests.evaluation.trial import Trial, Watched, watch
from tests.evaluation.truth import known

H = 3_600_000
START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
GRAINS = 3 * 168
SERIES = [
    Series("orders_placed", "value", {}, "1h", "orders", "higher", 1),
    Series("orders_placed", "value", {"channel": "app"}, "1h", "orders", "higher", 1),
    Series("orders_placed", "value", {"channel": "web"}, "1h", "orders", "higher", 1),
    Series("on_time_ratio", "value", {}, "1h", "ratio", "higher", 2),
    Series("tickets_opened", "value", {"topic": "website"}, "1h", "tickets", "lower", 1),
]
TOTAL, APP, WEB, RATIO, TICKETS = range(5)


def quiet(size: int = 30, labels: list[Label] | None = None) -> Recording:
    """Every hour the same: 20 orders, of which 6 on the web; nine of ten parcels on time; a ticket."""
    value = np.repeat(np.array([[20.0], [14.0], [6.0], [0.9], [1.0]]), GRAINS, axis=1)
    weight = np.repeat(np.array([[20], [14], [6], [10], [1]]), GRAINS, axis=1)
    parts = np.zeros((len(SERIES), GRAINS, 2), dtype=np.int64)
    parts[:, :, 0] = weight
    parts[RATIO] = 9, 10
    starts = START + H * np.arange(GRAINS, dtype=np.int64)
    return Recording(
        size=size,
        seed=1,
        series=SERIES,
        starts=starts,
        ends=starts + H,
        told=np.ones((len(SERIES), GRAINS), dtype=np.bool_),
        value=value,
        weight=weight,
        parts=parts,
        labels=labels or [],
        touched=[0] * len(labels or []),
        calendar=[CalendarData(entry_id="x", kind="holiday", start="2026-03-09T00:00:00Z", end="2026-03-10T00:00:00Z")],
        events=1_234,
    )


def down(first: int, hours: int, channel: str = "web", effect: str | None = "") -> Label:
    """The website is down from a grain on."""
    start = np.datetime64(START + first * H, "ms")
    begin, end = f"{start}Z", f"{start + np.timedelta64(hours, 'h')}Z"
    return Label(
        name="web",
        kind="website_down",
        nature="business",
        start=begin,
        end=end,
        scope={"channel": [channel]},
        strength=1.0,
        kpis={"orders_placed": "down"},
        also={},
        orders=[],
        tickets=[],
        events=0,
        lost_orders=0,
        first_effect=begin if effect == "" else effect,
        last_effect=end,
    )


def less(record: Recording, row: int, first: int, hours: int, by: float) -> None:
    record.value[row, first : first + hours] -= by
    record.weight[row, first : first + hours] -= int(by)


def troubled(first: int = 340, hours: int = 4, by: float = 6.0) -> Recording:
    """Fewer orders on the web and in total."""
    found = quiet(labels=[down(first, hours)])
    for row in (TOTAL, WEB):
        less(found, row, first, hours, by)
    return found


def at(grain: int) -> int:
    return START + grain * H


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = troubled()
    written.told[APP, 7] = False
    written.value[RATIO, 8] = np.nan
    recording.save(tmp_path / "one.npz", written)
    read = recording.load(tmp_path / "one.npz")
    for name, here, there in zip(Recording._fields, written, read, strict=True):
        if isinstance(here, np.ndarray):
            assert here.dtype == there.dtype, name
            np.testing.assert_array_equal(here, there, name)
        else:
            assert here == there, name
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_a_recording_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.save(tmp_path / "one.npz", quiet())
    monkeypatch.setattr(recording, "FORMAT", recording.FORMAT + 1)
    with pytest.raises(ValueError, match=r"one\.npz: a recording of format 1, not 2"):
        recording.load(tmp_path / "one.npz")


def test_a_recording_tells_its_values_grain_by_grain() -> None:
    record = quiet()
    record.told[APP, 0] = False
    record.value[RATIO, 0] = np.nan
    steps = list(record.steps())
    assert len(steps) == GRAINS
    assert [(one.series, one.value, one.parts) for one in steps[0]] == [
        ("orders_placed@1h", 20.0, (20,)),
        ("orders_placed{channel=web}@1h", 6.0, (6,)),
        ("on_time_ratio@1h", None, (9, 10)),
        ("tickets_opened{topic=website}@1h", 1.0, (1,)),
    ]
    assert (steps[1][0].start, steps[1][0].end, steps[1][0].status) == (at(1), at(2), "final")
    assert [series.name for series in record.series][WEB] == "orders_placed{channel=web}@1h"
    assert record.row("orders_placed", channel="web") == WEB
    with pytest.raises(KeyError):
        record.row("orders_placed", channel="phone")


def test_of_a_shop_the_newest_recording_will_do_if_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recording.CACHE_VARIABLE, str(tmp_path))
    assert recording.find(30, 1, True, stale=True) is None
    for number, name in enumerate(("30-001-incidents-b.npz", "30-001-incidents-a.npz", "30-001-usual-c.npz")):
        recording.save(tmp_path / name, quiet())
        os.utime(tmp_path / name, (number, number))
    assert recording.find(30, 1, True) is None
    assert recording.find(30, 1, True, stale=True) == tmp_path / "30-001-incidents-a.npz"
    assert recording.find(300, 1, True, stale=True) is None
    exact = recording.path_of(30, 1, True, recording.definitions())
    recording.save(exact, quiet())
    assert recording.find(30, 1, True) == recording.find(30, 1, True, stale=True) == exact
    # Only of the one shop there are both.
    assert watched.recorded([30, 300], [1, 2], stale=True) == [
        watched.Shop(30, 1, exact, tmp_path / "30-001-usual-c.npz")
    ]
    assert watched.recorded([30], [1]) == []


def test_an_incident_shows_where_it_adds_up_and_moves_what_is_in_its_scope() -> None:
    (one,) = known(troubled(), quiet(), recording.definitions())
    # No order of the web for four hours; those that count are told of until an hour after.
    window = Window(at(340), at(345))
    assert one.moves == {"orders_placed@1h": window, "orders_placed{channel=web}@1h": window}
    assert one.consequences == {}
    assert (one.kind, one.nature, one.start, one.end) == ("website_down", "business", at(340), at(344))
    assert one.traces == at(340)
    # 6 orders are 2.4 times what 6 vary by (√6), 12 are 3.5 times what 12 do.
    assert one.shows == at(341)


def test_what_nobody_said_would_move_is_a_consequence_if_it_moved_much() -> None:
    record = troubled()
    record.value[TICKETS, 342] = 6.0
    record.value[APP, 341] -= 1.0
    (one,) = known(record, quiet(), recording.definitions())
    # Three days for what follows; one order of fourteen is nothing.
    assert one.consequences == {"tickets_opened{topic=website}@1h": Window(at(342), at(344 + 72))}


def test_an_incident_too_small_leaves_a_trace_and_does_not_show() -> None:
    (one,) = known(troubled(hours=1, by=2.0), quiet(), recording.definitions())
    assert (one.traces, one.shows) == (at(340), None)


def test_an_incident_without_effect_moves_nothing() -> None:
    record = quiet(labels=[down(340, 4, effect=None)])
    (one,) = known(record, quiet(), recording.definitions())
    assert (one.moves, one.traces, one.shows) == ({}, None, None)


def test_shops_of_other_weeks_are_not_compared() -> None:
    other = quiet()
    with pytest.raises(ValueError, match="not of the same weeks"):
        known(troubled(), other._replace(starts=other.starts + H), recording.definitions())


class Loud:
    """Tells of every hour without an order on the web."""

    def __init__(self, context: Context) -> None:
        assert [entry.entry_id for entry in context.calendar] == ["x"]

    def step(self, values: list[KpiValue]) -> list[Seen]:
        return [Seen(one.series, one.start, 2.0, True) for one in values if one.value == 0.0]


def test_what_was_said_is_written_down_kept_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "LEARNING_WEEKS", 2)
    record, usual = troubled(), quiet()
    usual.value[WEB, 400] = 0.0
    pair = []
    for number, one in enumerate((record, usual)):
        watched.save(tmp_path / f"{number}.npz", watch(one, Loud, 3.0))  # type: ignore[arg-type]
        pair.append(watched.load(tmp_path / f"{number}.npz"))
    assert [np.argwhere(one.alert).tolist() for one in pair] == [
        [[WEB, 340], [WEB, 341], [WEB, 342], [WEB, 343]],
        [[WEB, 400]],
    ]
    assert pair[0].surprise[WEB, 340] == 2.0
    assert pair[0].points == GRAINS * len(SERIES)
    names = [series.name for series in SERIES]
    trial = Trial(30, 1, names, record.starts, known(record, quiet(), recording.definitions()), *pair, names)
    with_, without = trial.scores()
    assert (with_.recall, with_.precision, with_.delay, with_.pages) == (1.0, 1.0, 0.0, 1)
    assert without.episodes == {"false": 1}
    # Two series, five hours of a week.
    assert trial.by_chance == pytest.approx(2 * 5 / (len(SERIES) * 168))
    assert trial.scores(3.0)[0].recall == 0.0
    assert [alert.time for alert in trial.alerts(False)] == [at(400)]


def test_what_a_watcher_said_is_named_by_recording_watcher_and_contract(tmp_path: Path) -> None:
    paths = {
        watched.path_of(tmp_path / f"{name}.npz", watcher, pages)
        for name in ("a", "b")
        for watcher in ("daybook", "seasonal")
        for pages in (3.0, 5.0)
    }
    assert len(paths) == 8
    assert {path.parent for path in paths} == {tmp_path / "watched"}


def test_watched_is_empty_where_nothing_was_said() -> None:
    said = watch(quiet(), Loud, 3.0)  # type: ignore[arg-type]
    assert isinstance(said, Watched)
    assert not said.alert.any()


def test_tables_of_a_watcher_count_what_was_found_and_what_was_false() -> None:
    names = [series.name for series in SERIES]
    record, usual = troubled(), quiet()
    usual.value[WEB, 400] = 0.0
    pair = [watch(one, Loud, 3.0) for one in (record, usual)]  # type: ignore[arg-type]
    trials = [
        Trial(size, 1, names, record.starts, known(record, quiet(), recording.definitions()), *pair, names)
        for size in (30, 300)
    ]
    found = shops.outcomes(shops.OURS, trials)
    assert [(one.size, len(one.troubled), one.with_.recall) for one in found] == [
        (30, 1, 1.0),
        (300, 1, 1.0),
        (None, 2, 1.0),
    ]
    assert "| website_down" in shops.by_kind(found)
    assert "1 of 1" in shops.by_kind(found)
    (row,) = [line for line in shops.wrong_by_kpi(trials).splitlines() if "orders_placed" in line]
    # Four hours each with incidents, one without.
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["8", "0", "0", "0", "2"]
    # At the one score it has, it has as many false alarms as itself.
    fair = shops.at_rate_of(found[0], "other", trials[:1])
    assert (fair.threshold, fair.with_.recall) == (2.0, 1.0)


def test_what_was_judged_of_a_recording_is_read_hour_by_hour_and_kept(tmp_path: Path) -> None:
    recording.save(tmp_path / "one.npz", quiet())
    path = judged.make(tmp_path / "one.npz")
    hours = list(judged.hours(path))
    assert [len(hour) for hour in hours] == [len(SERIES)] * GRAINS
    assert [(one.series, one.start) for one in hours[7]] == [(series.name, at(7)) for series in SERIES]
    assert hours[-1][TOTAL].expected is not None
    before = path.stat().st_mtime_ns
    assert judged.make(tmp_path / "one.npz") == path
    assert path.stat().st_mtime_ns == before
