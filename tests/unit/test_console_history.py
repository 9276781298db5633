"""What the console keeps: nothing twice, nothing lost, no more than it is to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboards.console.history import History, HistoryError, Mark, Place
from streams.kpis.values import KpiValue
from tests.support.incidents import DAY, HOUR, T0, incident, then


def value(start: int = T0, **more: Any) -> KpiValue:
    given: dict[str, Any] = {
        "kpi": "on_time_ratio", "stat": "value", "slice": {}, "span": "1h", "rolling": False, "start": start,
        "end": start + HOUR, "value": 0.9, "weight": 10, "parts": (9, 10), "status": "final", "revision": 0,
        "unit": "ratio", "better": "higher", "expected": (0.8, 0.9, 1.0), "surprise": 0.3,
    }  # fmt: skip
    return KpiValue(**given | more)


@pytest.fixture
def history(tmp_path: Path) -> Any:
    made = History(tmp_path / "console" / "daybook.sqlite")
    yield made
    made.close()


def kept(history: History, **more: Any) -> list[KpiValue]:
    return history.grains(more.get("kpi", "on_time_ratio"), "value", more.get("slice_", {}), 0, 10 * T0)


def test_a_value_comes_back_as_it_was(history: History) -> None:
    one = value(alert=True, side=-1, why="9 of 10", slice={"region": "north", "carrier": "a"})
    history.take([one], [], {})
    assert kept(history, slice_={"carrier": "a", "region": "north"}) == [one]


def test_a_correction_keeps_what_was_expected_and_alerted_of(history: History) -> None:
    history.take([value(alert=True, side=-1, why="low", surprise=4.0)], [], {})
    correction = value(value=0.95, parts=(19, 20), status="corrected", revision=1, expected=None, surprise=0.0)
    history.take([correction], [], {})
    (found,) = kept(history)
    assert (found.value, found.parts, found.status, found.revision) == (0.95, (19, 20), "corrected", 1)
    assert (found.expected, found.alert, found.side, found.why) == ((0.8, 0.9, 1.0), True, -1, "low")
    assert found.surprise == 4.0


def test_an_older_revision_changes_nothing(history: History) -> None:
    history.take([value(value=0.95, revision=2)], [], {})
    history.take([value(value=0.5, revision=1)], [], {})
    assert [one.value for one in kept(history)] == [0.95]


def test_what_was_read_and_how_far_survive_a_restart_together(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    first = History(path)
    places = {("daybook.kpis.v1", 0): Place(17, "1-ab")}
    first.take([value()], [incident()], places)
    first.contact("i-1", "o-1", Mark("ann", T0))
    first.close()
    again = History(path)
    assert again.places() == places
    assert kept(again) == [value()]
    assert again.incidents() == [incident()]
    assert again.contacted("i-1") == {"o-1": Mark("ann", T0)}
    again.close()


def test_what_cannot_be_written_whole_is_not_written_at_all(history: History) -> None:
    history.take([value()], [], {("t", 0): Place(1, "")})
    with pytest.raises(HistoryError, match="cannot be written"):
        history.take(
            [value(start=T0 + 2 * HOUR), value(start=T0 + HOUR, weight=object())], [], {("t", 0): Place(2, "")}
        )
    assert history.places() == {("t", 0): Place(1, "")}
    assert [one.start for one in kept(history)] == [T0]


def test_all_revisions_of_an_incident_are_kept_and_the_newest_is_how_it_is(history: History) -> None:
    first = incident()
    second = then(first, "acknowledged", T0 + 3 * HOUR, by="ann", state="acknowledged", owner="ann")
    history.take([], [second, first], {})
    history.take([], [first], {})
    assert history.revisions("i-1") == [first, second]
    assert history.incidents() == [second]


def test_what_is_older_than_is_kept_goes(history: History) -> None:
    old, new = incident("old", until=T0 - DAY), incident("new")
    history.take([value(), value(start=T0 - 2 * DAY)], [old, new], {})
    history.contact("old", "o-1", Mark("ann", T0 - DAY))
    history.forget(T0 - HOUR)
    assert [one.start for one in kept(history)] == [T0]
    assert history.incidents() == [new]
    assert history.contacted("old") == {}


def test_of_a_topic_that_was_made_again_values_are_taken_anew_and_incidents_forgotten(history: History) -> None:
    history.take([value(revision=5, value=0.1)], [incident()], {("k", 0): Place(9, "x"), ("i", 0): Place(3, "y")})
    history.begin_anew("k", incidents=False)
    history.take([value(revision=0, value=0.9)], [], {})
    assert [one.value for one in kept(history)] == [0.9]
    assert history.places() == {("i", 0): Place(3, "y")}
    history.begin_anew("i", incidents=True)
    assert history.incidents() == []


def test_a_file_that_is_none_of_ours_is_told_of_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(b"no database, but long enough to be looked at " * 10)
    with pytest.raises(HistoryError, match=r"h\.sqlite: cannot be used"):
        History(path)


def test_slices_are_listed_the_total_first(history: History) -> None:
    history.take([value(slice={"region": "north"}), value(), value(slice={"carrier": "a", "region": "north"})], [], {})
    assert history.slices("on_time_ratio", "value") == [{}, {"region": "north"}, {"carrier": "a", "region": "north"}]
    assert history.newest_grain("on_time_ratio", "value") == (T0, T0 + HOUR)
    assert history.newest_grain("revenue", "value") is None


def test_a_series_that_was_not_written_takes_no_others_place(history: History) -> None:
    too_large = value(kpi="orders_placed", weight=1 << 70)
    with pytest.raises(HistoryError, match="cannot be written"):
        history.take([too_large], [], {})
    history.take([value(kpi="orders_placed", value=5.0), value(kpi="revenue", value=7.0)], [], {})
    assert [one.value for one in kept(history, kpi="orders_placed")] == [5.0]
    assert [one.value for one in kept(history, kpi="revenue")] == [7.0]


def test_of_a_topic_that_was_made_again_nothing_stays_judged(history: History) -> None:
    history.take([value(alert=True, side=-1, why="low", surprise=4.0)], [], {})
    history.begin_anew("daybook.kpis.v1", incidents=False)
    history.take([value(value=0.9, revision=0, expected=None, surprise=0.0)], [], {})
    (found,) = kept(history)
    assert (found.value, found.alert, found.why, found.expected, found.surprise) == (0.9, False, "", None, 0.0)
