"""A replay from an archive: the same values however it is fed, its results as a whole or not at all, errors by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from multiprocessing import active_children
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.incidents.incident import Incident
from streams.config import load_config
from streams.events.types import CalendarEntry, SourceHeartbeat
from streams.history.archive.files import ArchiveError
from streams.history.replay.conditions import read_conditions
from streams.history.replay.engine import Engine, coarse
from streams.history.replay.lane import OVER, Counts, Step, lane, side_by_side
from streams.history.replay.processes import steps_of
from streams.history.replay.results import Results, ResultsError, Summary, pairs_in, slice_text
from streams.history.replay.run import replay
from streams.history.replay.source import ReplayError, Source, missing, source_of
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import Record, records
from streams.kpis.definitions import Definitions, Span
from streams.kpis.values import KpiValue
from tests.support.archived import archived
from tests.support.oracle import Key
from tests.support.oracle import told as not_empty
from tests.support.pipeline import Pipeline

START = 1_772_406_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
CONFIG = load_config(env={})
FINE = CONFIG.definitions()


def simulated() -> Simulation:
    return Simulation(
        SimulatorSettings(start=START, end=START + 3 * DAY_MS, seed=2, orders_per_day=80, heartbeat=HOUR_MS)
    )


@cache
def sent() -> list[Record]:
    """What a small shop sends in three days to two partitions."""
    return list(records(simulated().arrivals(), 2))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """All of it, archived in files of half a day or so."""
    return archived(tmp_path / "archive", sent(), 2, most_bytes=50_000)


def finals(values: list[KpiValue]) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
    best: dict[Key, KpiValue] = {}
    for value in values:
        key = (value.kpi, value.stat, tuple(value.slice.items()), value.start)
        if key not in best or value.revision >= best[key].revision:
            best[key] = value
    return not_empty({key: (value.value, value.parts) for key, value in best.items()})


def stepped(source: Source, at_once: int, definitions: Definitions, told_every: int | None = None) -> Iterator[Step]:
    lanes = {
        number: lane(definitions, number, CONFIG.limits.event_bytes, source.logs(number, at_once), told_every)
        for number in range(source.partitions)
    }
    return side_by_side({number: steps.__next__ for number, steps in lanes.items()})


def replayed(
    source: Source, at_once: int, definitions: Definitions = FINE, told_every: int | None = None
) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
    engine = Engine(definitions, source.partitions)
    values = [value for step in stepped(source, at_once, definitions, told_every) for value in engine.take(step).values]
    assert engine.counts.records == source.records
    return finals(values + engine.finish().values)


def test_values_are_the_cores_in_pieces_of_whatever_size(archive: Path) -> None:
    pipeline = Pipeline(CONFIG.definitions())
    pipeline.feed(
        [event for _, event in simulated().arrivals() if not isinstance(event, CalendarEntry | SourceHeartbeat)]
    )
    pipeline.heartbeat(START + 3 * DAY_MS)
    pipeline.drain()
    wanted = not_empty(pipeline.finals())
    assert len(wanted) > 1_000
    source = source_of(archive)
    found = replayed(source, at_once=10_000)
    assert found == replayed(source, at_once=97)
    assert found == replayed(source, at_once=10_000, definitions=coarse(FINE)), "in panes however wide"
    assert found == replayed(source, at_once=10_000, told_every=HOUR_MS)
    # What is over by the last heartbeats in both.
    last = START + 3 * DAY_MS - 2 * HOUR_MS
    assert {key: one for key, one in found.items() if key[3] < last} == {
        key: one for key, one in wanted.items() if key[3] < last
    }


def test_panes_are_as_wide_as_grains_and_windows_allow() -> None:
    assert coarse(FINE).pane_ms == HOUR_MS
    assert coarse(msgspec.structs.replace(FINE, timezone="Asia/Kathmandu")).pane_ms == 15 * 60_000
    (first, *others) = FINE.kpis
    quick = msgspec.structs.replace(first, windows=(Span("5m", 300_000), *first.windows))
    assert coarse(msgspec.structs.replace(FINE, kpis=(quick, *others))).pane_ms == 300_000


def test_what_is_told_first_is_what_was_known_then(archive: Path) -> None:
    source, definitions = source_of(archive), coarse(FINE)
    engine = Engine(definitions, source.partitions)
    first: dict[Key, KpiValue] = {}
    told = 0
    for step in stepped(source, 10_000, definitions, HOUR_MS):
        values = engine.take(step).values
        told += bool(values)
        for value in values:
            first.setdefault((value.kpi, value.stat, tuple(value.slice.items()), value.start), value)
    assert told > 60, "hour by hour"
    assert {value.revision for value in first.values()} == {0}
    at_once = Engine(definitions, source.partitions)
    whole = [value for step in stepped(source, 10_000, definitions) for value in at_once.take(step).values]
    assert all(value.revision == 0 for value in whole), "nothing was known between"


def test_the_lane_that_is_furthest_behind_is_next(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.history.replay.lane.DRAIN_AFTER", 40)
    reached: dict[int, int] = {}
    steps = list(stepped(source_of(archive), 20, coarse(FINE)))
    for step in steps:
        assert len(reached) < 2 or reached[step.partition] == min(reached.values())
        reached[step.partition] = step.reached
    assert len(steps) > 20
    assert set(reached.values()) == {OVER}


def test_several_processes_tell_what_one_does(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, definitions, most = source_of(archive), coarse(FINE), CONFIG.limits.event_bytes
    alone = list(steps_of(definitions, source, most, processes=1))
    assert alone == list(steps_of(definitions, source, most, processes=2))
    assert {step.partition for step in alone} == {0, 1}


def test_what_is_damaged_is_named_from_another_process_too(archive: Path) -> None:
    path = sorted(archive.glob("topic=support/*/*.parquet"))[-1]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ArchiveError, match="damaged or cut off"):
        list(steps_of(FINE, source_of(archive), CONFIG.limits.event_bytes, processes=2))
    assert active_children() == []


def test_a_process_that_is_gone_is_no_end(archive: Path) -> None:
    steps = steps_of(FINE, source_of(archive), CONFIG.limits.event_bytes, processes=2)
    next(steps)
    for one in active_children():
        one.kill()
        one.join()
    with pytest.raises(ReplayError, match="ended before its work was done"):
        list(steps)


def test_results_are_written_for_other_programs(archive: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    out = tmp_path / "results"
    summary = replay(
        CONFIG, source_of(archive), out, progress=lambda done, of: progress.append((done, of)), origin="a year"
    )
    assert progress[-1][0] == progress[-1][1] == summary.counts.records
    table = pl.read_parquet(out / "kpis" / "*.parquet")
    assert len(table) == summary.values > 0
    assert {"orders_placed", "on_time_ratio"} <= set(table["kpi"])
    lines = (out / "incidents.jsonl").read_bytes().splitlines()
    assert [Incident.decode(line).kind for line in lines] == ["business"] * summary.incidents
    assert (out / "summary.json").exists()
    conditions = read_conditions(out)
    assert [kpi.name for kpi in conditions.kpis] == [kpi.name for kpi in CONFIG.kpis]
    assert (conditions.timezone, conditions.source, conditions.gaps) == ("Europe/Berlin", "a year", ())
    with pytest.raises(ResultsError, match="is there already"):
        replay(CONFIG, source_of(archive), out)


def test_a_folder_that_comes_to_be_meanwhile_is_left_as_it_is_and_said(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def write() -> None:
        with Results(out) as results:
            results.conclude(Summary(Counts(), 0, 0, 0, 0.0))
            out.mkdir()
            (out / "mine").touch()

    with pytest.raises(ResultsError, match=r"out: cannot be written .Directory not empty."):
        write()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/mine"]


def test_a_damaged_file_is_named_and_nothing_is_written(archive: Path, tmp_path: Path) -> None:
    path = sorted(archive.glob("topic=support/*/*.parquet"))[-1]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ArchiveError, match="damaged or cut off"):
        replay(CONFIG, source_of(archive), tmp_path / "results", detect=False)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["archive"]


def test_a_gap_is_told_and_a_time_without_events_too(archive: Path, tmp_path: Path) -> None:
    assert missing(source_of(archive)) == []
    sorted(archive.glob("topic=orders/*/*.000.*.parquet"))[1].unlink()
    (line,) = missing(source_of(archive))
    assert line.startswith("orders/0: offsets ")
    with pytest.raises(ReplayError, match="nothing arrived in that time"):
        source_of(archive, since=date(2030, 1, 1))
    with pytest.raises(ReplayError, match="no event is archived there"):
        source_of(tmp_path / "nowhere")


@given(st.dictionaries(st.sampled_from(["region", "carrier", "topic"]), st.text(max_size=8), max_size=3))
def test_a_slice_in_a_folder_is_read_as_it_was_whatever_its_values(slice_: dict[str, str]) -> None:
    assert pairs_in(slice_text(slice_)) == sorted(slice_.items())
