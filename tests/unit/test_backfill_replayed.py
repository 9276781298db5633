"""The gauges of a replay that was written to a folder: each grain from its end to the end of the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detectors.incidents.incident import Change
from streams.config import Config, load_config
from streams.history.backfill.folder import BackfillError
from streams.history.backfill.replayed import Replayed, windows_missing
from streams.history.lookback.runs import RunError
from streams.history.replay.lane import Counts
from streams.history.replay.results import Results, Summary
from streams.kpis.values import KpiValue
from tests.support.incidents import incident

START, HOUR, DAY = 1_772_406_000_000, 3_600_000, 86_400_000
CONFIG = load_config(env={})


def value(hour: int, of: float, **more: Any) -> KpiValue:
    """Of the orders of an hour."""
    begin = START + hour * HOUR
    settings: dict[str, Any] = {
        "kpi": "orders_placed", "stat": "value", "slice": {}, "span": "1h", "rolling": False, "start": begin,
        "end": begin + HOUR, "value": of, "weight": int(of), "parts": (int(of),), "status": "final", "revision": 0,
        "unit": "orders", "better": "higher",
    }  # fmt: skip
    return KpiValue(**settings | more)


def written(folder: Path, *values: KpiValue, incidents: Any = ()) -> Path:
    with Results(folder / "replayed") as results:
        results.put(values, incidents)
        results.conclude(Summary(Counts(), len(values), 0, 0, 1.0))
    return folder / "replayed"


def shown(replayed: Replayed, time: int, metric: str = "daybook_orders_placed") -> dict[str, float]:
    """What a metric is at a time, by its labels that are not empty."""
    return {
        ",".join(f"{name}={text}" for name, text in sample.labels.items() if text): sample.value
        for one in replayed.at(time)
        for sample in one.samples
        if sample.name == metric
    }


def read(config: Config, folder: Path) -> Replayed:
    replayed = Replayed(config, folder)
    assert list(replayed.read()) == list(range(1, replayed.days + 1))
    return replayed


def test_a_grain_is_shown_from_its_end_to_the_end_of_the_next(tmp_path: Path) -> None:
    replayed = read(CONFIG, written(tmp_path, value(0, 5), value(1, 7), value(30, 9)))
    assert (replayed.began, replayed.days) == (START, 2)
    minute = HOUR // 60
    for time, of in (
        (START + HOUR - minute, {}),
        (START + HOUR, {"window=1h": 5.0}),
        (START + 2 * HOUR - minute, {"window=1h": 5.0}),
        (START + 2 * HOUR, {"window=1h": 7.0}),
        (START + 3 * HOUR, {}),  # of the hour after there is nothing
        (START + 31 * HOUR, {"window=1h": 9.0}),
    ):
        assert shown(replayed, time) == of


def test_it_ends_with_the_last_grain_and_not_with_the_day(tmp_path: Path) -> None:
    replayed = Replayed(CONFIG, written(tmp_path, value(0, 5), value(25, 7)))
    assert [replayed.settled for _ in replayed.read()] == [START + DAY, START + 26 * HOUR]


def test_what_was_corrected_last_holds_whenever_it_was_told(tmp_path: Path) -> None:
    again = value(0, 6, status="corrected", revision=1), value(0, 8, status="corrected", revision=2)
    replayed = read(CONFIG, written(tmp_path, value(0, 5), value(1, 7), *again))
    assert shown(replayed, START + HOUR) == {"window=1h": 8.0}


def test_slices_and_levels_have_their_labels(tmp_path: Path) -> None:
    replayed = read(
        CONFIG,
        written(
            tmp_path,
            value(0, 5, slice={"channel": "web"}),
            value(0, 3, kpi="orders_open", slice={"region": "north"}),
        ),
    )
    assert shown(replayed, START + HOUR) == {"window=1h,channel=web": 5.0}
    assert shown(replayed, START + HOUR, "daybook_orders_open") == {"window=now,region=north": 3.0}


def test_what_was_expected_and_alerts_are_there_from_the_end_of_the_grain_on(tmp_path: Path) -> None:
    strange = value(0, 5, expected=(10.0, 20.0, 30.0), surprise=4.5, alert=True, side=-1)
    replayed = read(CONFIG, written(tmp_path, strange, value(1, 7)))
    assert shown(replayed, START + HOUR - 1, "daybook_kpi_alerts_total") == {}
    assert shown(replayed, START + HOUR, "daybook_kpi_alerts_total") == {"kpi=orders_placed": 1.0}
    expected = shown(replayed, START + HOUR, "daybook_kpi_expected")
    assert expected == {
        f"kpi=orders_placed,stat=value,bound={bound}": of
        for bound, of in (("low", 10.0), ("middle", 20.0), ("high", 30.0))
    }
    assert shown(replayed, START + HOUR, "daybook_kpi_surprise") == {"kpi=orders_placed,stat=value": 4.5}


def test_an_incident_is_counted_from_when_it_was_opened_to_when_it_was_over(tmp_path: Path) -> None:
    opened, over = START + 2 * HOUR, START + 9 * HOUR
    one = incident(since=START, state="resolved", history=(Change(opened, "opened"), Change(over, "resolved")))
    replayed = read(CONFIG, written(tmp_path, value(0, 5), value(20, 5), incidents=[one]))
    for time, count in ((opened - 1, 0), (opened, 1), (over - 1, 1), (over, 0)):
        assert sum(shown(replayed, time, "daybook_incidents").values()) == count


def test_it_is_said_which_windows_it_does_not_have() -> None:
    assert windows_missing(CONFIG) == ["24h"]


def test_a_folder_of_other_kpis_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, value(0, 5, kpi="parcels"))
    with pytest.raises(BackfillError, match=r"has values of parcels \(value\), which this configuration does not"):
        Replayed(CONFIG, folder)


def test_a_folder_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackfillError, match="there is no value in it"):
        Replayed(CONFIG, written(tmp_path))


def test_a_folder_that_no_replay_wrote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no folder that daybook replay --out wrote"):
        Replayed(CONFIG, tmp_path)
