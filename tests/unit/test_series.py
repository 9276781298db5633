"""The series book: partials merged, grains closed and corrected, levels standing."""

from __future__ import annotations

import pytest

from streams.errors import ContractError
from streams.kpis.book import SeriesBook
from streams.kpis.partials import Partial
from tests.support.shop import DAY, HOUR, MINUTE, T0, definitions
from tests.support.telling import NORTH, PANE, SOUTH, Book, brief, counting, placed, standing

LATENESS = 15 * MINUTE
LATE = T0 + 50 * MINUTE
"""In the first hour, and still to be corrected when it has passed."""


# Provisional, final, corrected


def test_a_grain_is_final_once_the_watermark_has_passed_it_not_before() -> None:
    book = Book(counting())
    assert book.tell(placed(T0, 3), until=T0 + HOUR - 1) == []
    assert brief(book.tell(until=T0 + HOUR)) == [(0, (3,), "final", 0)]
    assert book.tell(until=T0 + HOUR + 1) == []


def test_until_then_its_value_is_provisional() -> None:
    book = Book(counting())
    book.tell(placed(T0 + MINUTE, 3), until=T0 + MINUTE)
    grain = [value for value in book.book.current() if not value.rolling]
    assert [(v.start, v.end, v.parts, v.status, v.revision) for v in grain] == [(T0, T0 + HOUR, (3,), "provisional", 0)]
    rolling = book.current("24h")
    assert rolling is not None
    assert (rolling.parts, rolling.status, rolling.rolling) == ((3,), "provisional", True)
    assert rolling.end - rolling.start == DAY


def test_a_late_change_corrects_with_the_next_revision() -> None:
    book = Book(counting())
    book.tell(placed(LATE, 3), until=T0 + HOUR)
    assert brief(book.tell(placed(LATE, 4))) == [(0, (4,), "corrected", 1)]
    assert brief(book.tell(placed(LATE + MINUTE, 2))) == [(0, (6,), "corrected", 2)]
    assert brief(book.tell(placed(LATE, 3))) == [(0, (5,), "corrected", 3)]


def test_a_correction_tells_only_the_series_it_concerns() -> None:
    book = Book(counting())
    book.tell(placed(LATE, 2) | placed(LATE, 1, NORTH) | placed(LATE, 1, SOUTH), until=T0 + HOUR)
    told_of = book.tell(placed(LATE, 3) | placed(LATE, 2, NORTH))
    assert [(v.slice, v.parts, v.revision) for v in told_of] == [({}, (3,), 1), ({"region": "north"}, (2,), 1)]


def test_a_slice_first_heard_of_late_is_final_first_and_has_all_grains_since() -> None:
    book = Book(counting(), allowed_lateness_ms=3 * HOUR)
    book.tell(placed(T0, 2) | placed(T0 + HOUR, 1), until=T0 + 2 * HOUR)
    told_of = book.tell(placed(T0, 1, NORTH))
    assert [((v.start - T0) // HOUR, v.slice, v.parts, v.status) for v in told_of] == [
        (0, {"region": "north"}, (1,), "final"),
        (1, {"region": "north"}, (0,), "final"),
    ]


def test_a_slice_that_has_nothing_after_all_is_shown_as_empty_and_told_of_as_nothing() -> None:
    book = Book(counting())
    book.tell(placed(T0 + MINUTE, 3) | placed(T0 + MINUTE, 1, NORTH), until=T0 + MINUTE)
    told_of = book.tell(placed(T0 + MINUTE, 0, NORTH) | placed(T0 + MINUTE, 1, SOUTH), until=T0 + HOUR)
    assert [(value.slice, value.parts) for value in told_of] == [({}, (3,)), ({"region": "south"}, (1,))]
    # What was told of it before it was known better is taken back.
    shown = {tuple(value.slice.values()): value.parts for value in book.book.current() if value.span == "24h"}
    assert shown == {(): (3,), ("north",): (0,), ("south",): (1,)}
    assert {tuple(value.slice.values()) for value in book.tell(until=T0 + 2 * HOUR)} == {(), ("south",)}


def test_what_comes_to_the_same_is_no_correction() -> None:
    book = Book(counting())
    book.tell(placed(LATE, 3), until=T0 + HOUR)
    assert book.tell(placed(LATE, 3)) == []


def test_several_grains_may_become_final_at_once() -> None:
    book = Book(counting())
    values = book.tell(placed(T0, 1) | placed(T0 + 3 * HOUR, 2), until=T0 + 5 * HOUR)
    assert brief(values) == [(hour, (parts,), "final", 0) for hour, parts in enumerate([1, 0, 0, 2, 0])]


def test_the_watermark_may_jump_a_year_and_the_silence_is_told_once() -> None:
    book = Book(counting())
    values = book.tell(placed(T0, 1), until=T0 + 365 * DAY)
    hours = [value.start for value in values]
    assert hours == sorted(set(hours))
    assert 35 * 24 <= len(hours) <= 36 * 24


# Repeats, order, sealing


def test_a_partial_that_is_repeated_changes_nothing() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3), until=T0 + HOUR, sequence=7)
    assert book.tell(placed(T0, 3), until=T0 + HOUR, sequence=7) == []
    rolling = book.current("24h")
    assert rolling is not None
    assert rolling.parts == (3,)
    assert book.book.stale == 0


def test_an_older_partial_is_passed_over_and_counted() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3), until=T0 + HOUR, sequence=7)
    assert book.tell(placed(T0, 1), until=T0 + 9 * HOUR, sequence=6) == []
    assert book.book.stale == 1
    assert book.book.watermark("orders") == T0 + HOUR


def test_a_topic_that_was_made_again_makes_no_partial_older() -> None:
    book = SeriesBook(definitions(counting()), 1)
    book.apply(Partial("orders", 0, (5, 5, 5), T0, T0, False, [], b"", sequence=1))
    book.apply(Partial("orders", 0, (9, 4, 9), T0, T0 + HOUR, False, [], b"", sequence=2))
    assert book.stale == 0
    assert book.watermark("orders") == T0 + HOUR


def test_partials_made_under_another_plan_are_passed_over() -> None:
    book = SeriesBook(definitions(counting()), 1, "today")
    for plan in ("yesterday", "today", "tomorrow"):
        book.apply(Partial("orders", 0, (1, 1, 1), T0, T0 + len(plan), False, [], b"", plan=plan))
    assert book.watermark("orders") == T0 + len("today")


def test_sealed_panes_ignore_what_comes_too_late() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3), until=T0 + HOUR + LATENESS + PANE)
    assert book.tell(placed(T0, 9)) == []
    assert book.book.sealed_cells == 1
    # The last pane that can still change.
    assert brief(book.tell(placed(T0 + HOUR + PANE, 1), until=T0 + 2 * HOUR)) == [(1, (1,), "final", 0)]
    assert book.book.sealed_cells == 1


def test_a_pane_is_open_as_long_as_the_lateness_reaches_into_it() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3), until=T0 + HOUR)
    book.tell(until=T0 + LATENESS + PANE - 1 + HOUR - PANE)
    assert brief(book.tell(placed(T0 + HOUR - PANE, 1))) == [(0, (4,), "corrected", 1)]
    book.tell(until=T0 + HOUR + LATENESS)
    assert book.tell(placed(T0 + HOUR - PANE, 2)) == []
    assert book.book.sealed_cells == 1


def test_a_repeat_of_everything_after_sealing_changes_nothing() -> None:
    book = Book(standing())
    cells = placed(T0, 3) | placed(T0 + 2 * HOUR, -1)
    book.tell(cells, until=T0 + 5 * HOUR)
    assert book.tell(cells, until=T0 + 5 * HOUR) == []
    assert brief(book.tell(until=T0 + 6 * HOUR)) == [(5, (2,), "final", 0)]


def test_a_partial_of_an_unknown_kpi_is_passed_over() -> None:
    book = Book(counting())
    book.book.apply(Partial("removed_yesterday", 0, (1, 1, 1), T0, T0, False, [], b""))
    assert book.book.advance() == []


# Partitions


def test_partitions_are_added_up_and_the_slowest_decides() -> None:
    book = Book(counting(), partitions=2)
    assert book.tell(placed(T0, 3), until=T0 + 5 * HOUR, partition=0) == []
    assert brief(book.tell(placed(T0, 4), until=T0 + HOUR, partition=1)) == [(0, (7,), "final", 0)]


def test_each_partition_replaces_its_own_sums_only() -> None:
    book = Book(counting(), partitions=2)
    book.tell(placed(T0, 3), until=T0, partition=0)
    book.tell(placed(T0, 4), until=T0, partition=1)
    book.tell(placed(T0, 5), until=T0, partition=0)
    value = book.current("1h")
    assert value is not None
    assert value.parts == (9,)


def test_an_idle_partition_does_not_hold_back_the_others() -> None:
    book = Book(counting(), partitions=2)
    book.tell(partition=1, idle=True)
    assert brief(book.tell(placed(T0, 3), until=T0 + HOUR, partition=0)) == [(0, (3,), "final", 0)]


def test_a_partition_that_never_spoke_holds_back() -> None:
    book = Book(counting(), partitions=2)
    assert book.tell(placed(T0, 3), until=T0 + HOUR, partition=0) == []


def test_a_partition_that_wakes_with_older_events_takes_nothing_back() -> None:
    # It begins hours before all that was told and sealed: what was final stays what it was.
    book = Book(counting(), partitions=2)
    book.tell(partition=1, idle=True)
    first = book.tell(placed(T0, 3), until=T0 + 5 * HOUR, partition=0, began=T0)
    assert brief(first)[0] == (0, (3,), "final", 0)
    again = book.tell(placed(T0 - 2 * HOUR, 1), until=T0 + 5 * HOUR, partition=1, began=T0 - 2 * HOUR)
    known = {(value.series, value.start) for value in first}
    assert not [value for value in again if (value.series, value.start) in known]


def test_a_partition_whose_watermark_falls_back_counts_nothing_twice() -> None:
    # A kernel that was rebuilt does not know which topics were idle.
    book = Book(standing())
    many = {place: 1 for pane in range(6_000) for place in placed(T0 + pane * PANE, 1)}
    book.tell(many, until=T0 + 20 * HOUR)
    book.tell(until=T0)
    book.tell(many)
    now = book.current("now")
    assert now is not None
    assert now.parts == (6_000,)


def test_a_slice_that_wakes_too_late_is_told_of_together_with_the_total() -> None:
    book = Book(standing(), partitions=2)
    book.tell(partition=1, idle=True)
    book.tell(placed(T0, 3), until=T0 + 5 * HOUR, partition=0, began=T0)
    values = book.tell(placed(T0, 1) | placed(T0, 1, NORTH), until=T0 + 5 * HOUR, partition=1, began=T0)
    # The fourth hour can still be corrected.
    assert [((v.start - T0) // HOUR, v.slice, v.parts, v.status) for v in values] == [
        (4, {}, (4,), "corrected"),
        (4, {"region": "north"}, (1,), "final"),
    ]


# Levels


def test_a_level_is_what_it_stands_at_when_the_grain_ends() -> None:
    book = Book(standing())
    values = book.tell(placed(T0, 5) | placed(T0 + HOUR, -2) | placed(T0 + 3 * HOUR, 1), until=T0 + 5 * HOUR)
    assert [parts for _, parts, _, _ in brief(values)] == [(5,), (3,), (3,), (4,), (4,)]
    now = book.current("now")
    assert now is not None
    assert (now.parts, now.rolling, now.value, now.weight) == ((4,), True, 4.0, 4)


def test_a_late_change_of_a_level_corrects_every_grain_since() -> None:
    book = Book(standing(), allowed_lateness_ms=4 * HOUR)
    book.tell(placed(T0, 5) | placed(T0 + HOUR, -2), until=T0 + 3 * HOUR)
    assert brief(book.tell(placed(T0 + MINUTE, 1))) == [
        (hour, (parts,), "corrected", 1) for hour, parts in enumerate([6, 4, 4])
    ]


def test_a_level_keeps_what_it_stood_at_when_its_grains_are_sealed() -> None:
    book = Book(standing())
    book.tell(placed(T0, 5), until=T0 + 100 * HOUR)
    assert brief(book.tell(placed(T0 + 100 * HOUR, -1), until=T0 + 101 * HOUR)) == [(100, (4,), "final", 0)]


def test_a_level_that_is_not_zero_is_told_of_however_long_it_is_silent() -> None:
    book = Book(standing())
    book.tell(placed(T0, 5), until=T0 + HOUR)
    values = book.tell(until=T0 + 50 * DAY)
    assert len(values) == 50 * 24 - 1
    assert {value.parts for value in values} == {(5,)}


# Partials on the wire


@pytest.mark.parametrize("raw", [b"", b"\x00", b"{}", b"\xff" * 50])
def test_bytes_that_are_no_partial_are_a_contract_error(raw: bytes) -> None:
    with pytest.raises(ContractError, match="not a partial"):
        Partial.decode(raw)


def test_cells_cut_short_are_a_contract_error() -> None:
    whole = Partial("orders", 0, (1, 1, 1), T0, T0, False, [[]], b"\x00" * 40)
    assert Partial.decode(whole.encode()) == whole
    cut = Partial("orders", 0, (1, 1, 1), T0, T0, False, [[]], b"\x00" * 39)
    with pytest.raises(ContractError, match="39 bytes"):
        Partial.decode(cut.encode())
