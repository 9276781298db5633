"""The gauges of history are what a worker shows: by the same names and labels, each window at its end."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from detectors.incidents.incident import Incident
from streams.config import load_config
from streams.history.backfill.gauges import Gauges
from streams.history.backfill.openmetrics import Samples
from streams.history.replay.engine import coarse
from streams.history.replay.lane import Step
from streams.history.replay.processes import steps_of
from streams.history.replay.run import engine_of
from streams.history.replay.source import source_of
from streams.ingest.simulator import Simulation, SimulatorSettings
from streams.ingest.simulator.send import Record, records
from streams.kpis.values import KpiValue
from streams.runtime.metrics import Metrics
from tests.support.archived import archived

START = 1_772_406_000_000
HOUR, DAY, STEP = 3_600_000, 86_400_000, 20 * 60_000
CONFIG = load_config(env={})
Series = tuple[str, frozenset[tuple[str, str]]]
Lived = tuple[list[KpiValue], dict[int, dict[Series, float]], list[Incident]]


@cache
def sent() -> list[Record]:
    settings = SimulatorSettings(start=START, end=START + 3 * DAY, seed=2, orders_per_day=80, heartbeat=HOUR)
    return list(records(Simulation(settings).arrivals(), 2))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived(tmp_path_factory.mktemp("archive"), sent(), 2, most_bytes=50_000)


@pytest.fixture(scope="module")
def lived(archive: Path) -> Lived:
    """What a replay makes final, and what the gauges show at each time."""
    source = source_of(archive)
    engine = engine_of(CONFIG, source, step_ms=STEP)
    gauges = Gauges(CONFIG, engine.definitions, source.partitions)
    finals: list[KpiValue] = []
    incidents: list[Incident] = []
    shown: dict[int, dict[Series, float]] = {}
    time = START

    def look() -> None:
        nonlocal time
        while gauges.settled is not None and time + STEP <= gauges.settled:
            time += STEP
            shown[time] = {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for metric in gauges.at(time)
                for sample in metric.samples
            }

    def taken(step: Step) -> None:
        news = engine.take(step)
        finals.extend(news.values)
        incidents.extend(news.incidents)
        gauges.take(step.partials, news)

    for step in steps_of(engine.definitions, source, CONFIG.limits.event_bytes, HOUR):
        taken(step)
        look()
    gauges.end()
    look()
    return finals, shown, incidents


def held(values: list[KpiValue]) -> list[KpiValue]:
    """Of each series and start the value that holds at last."""
    last = {(value.series, value.start): value for value in values}
    return list(last.values())


def series(value: KpiValue, window: str) -> Series:
    """The series the live exporter shows a value as."""
    rolling = KpiValue(
        **{name: getattr(value, name) for name in value.__struct_fields__} | {"rolling": True, "span": window}
    )
    metrics = Metrics(CollectorRegistry(), [kpi for kpi in CONFIG.kpis if kpi.name == value.kpi])
    metrics.kpis.tell({value.kpi: [rolling]})
    ((sample,),) = [metric.samples for metric in metrics.kpis.collect()]
    return sample.name, frozenset(sample.labels.items())


def test_a_window_as_long_as_a_grain_is_at_its_end_what_the_grain_became(lived: Lived) -> None:
    finals, shown, _ = lived
    levels = {kpi.name for kpi in CONFIG.kpis if kpi.kind == "level"}
    windows = {kpi.name: {span.text for span in kpi.windows} for kpi in CONFIG.kpis}
    compared = defaultdict[str, int](int)
    for value in held(finals)[::7]:
        if value.value is None or value.end not in shown or value.weight == 0:
            continue
        level = value.kpi in levels
        if level or value.span in windows[value.kpi]:
            assert shown[value.end][series(value, "now" if level else value.span)] == value.value, value
            compared[value.kpi] += 1
    assert len(compared) > 20
    assert sum(compared.values()) > 300


def test_a_longer_window_is_the_sum_of_its_grains(lived: Lived) -> None:
    finals, shown, _ = lived
    placed = {value.end: value for value in held(finals) if value.series == "orders_placed@1h"}
    for end in range(START + DAY, START + 3 * DAY, 5 * HOUR):
        within = [placed[at] for at in range(end - DAY + HOUR, end + HOUR, HOUR)]
        assert shown[end][series(placed[end], "24h")] == sum(value.value or 0 for value in within)


def test_what_was_expected_is_shown_from_the_end_of_its_grain_to_the_end_of_the_next(lived: Lived) -> None:
    finals, shown, _ = lived
    judged = [one for one in finals if one.series == "orders_placed@1h" and one.status == "final" and one.expected]
    assert len(judged) > 24
    for value in judged:
        assert value.expected is not None
        labels = {("kpi", "orders_placed"), ("stat", "value"), ("slice", ""), ("bound", "middle")}
        for time in range(value.end, value.end + HOUR, STEP):
            if time in shown:
                assert shown[time]["daybook_kpi_expected", frozenset(labels)] == value.expected[1]


def test_incidents_are_counted_while_they_are_not_over(lived: Lived) -> None:
    _, shown, incidents = lived
    last = {one.id: one for one in incidents}.values()
    counts = {
        at: sum(of for (name, _), of in all_.items() if name == "daybook_incidents") for at, all_ in shown.items()
    }
    assert counts[max(counts)] == sum(one.live for one in last)
    assert counts[START + HOUR] == 0
    for at in (one.since for one in last):
        assert counts[min(time for time in counts if time >= at + 6 * HOUR)] > 0


def test_goals_and_what_runs_are_shown_throughout(lived: Lived) -> None:
    _, shown, _ = lived
    for at in shown.values():
        names = {name for name, _ in at}
        assert {"daybook_kpi_goal", "daybook_build_info", "daybook_incidents"} <= names


def test_panes_divide_the_step_and_the_hour() -> None:
    panes = [coarse(CONFIG.definitions(), step).pane_ms for step in (0, 4 * 60_000, 7 * 60_000)]
    assert panes == [HOUR, 4 * 60_000, 60_000]


def test_samples_are_grouped_by_series_and_metric_with_the_labels_of_a_scrape(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), CONFIG.kpis, "1.2.3")
    samples = Samples({"job": 'the "shop"', "instance": "backfill"})
    for time in (60_000, 61_500):
        samples.add([*metrics.build.collect(), *metrics.goal.collect()], time)
    assert samples.last == 61_500
    assert samples.count == 2 * samples.series > 2
    samples.write(tmp_path / "text")
    lines = (tmp_path / "text").read_text().splitlines()
    assert lines[0] == "# TYPE daybook_build_info gauge"
    assert lines[1].startswith('daybook_build_info{version="1.2.3",python=')
    assert lines[1].endswith(',job="the \\"shop\\"",instance="backfill"} 1.0 60')
    assert lines[2] == lines[1].removesuffix("60") + "61.500"
    assert lines[-1] == "# EOF"
    assert not any('=""' in line for line in lines)
    assert (samples.count, samples.series) == (0, 0)
