"""The series book over time: from the first event on, through silence, by grains and in windows."""

from __future__ import annotations

from time import process_time

import pytest

from streams.kpis.sketch import bucket_of
from tests.support.footprint import footprint
from tests.support.shop import DAY, HOUR, MINUTE, T0
from tests.support.telling import NORTH, PANE, SOUTH, Book, brief, common, counting, lasting, placed, ratio, standing

LATE = T0 + 50 * MINUTE
"""In the first hour, and still to be corrected when it has passed."""


# Totals from the first event on; silence


def test_the_total_is_told_as_zero_from_the_first_event_on() -> None:
    book = Book(counting())
    assert brief(book.tell(until=T0 + 2 * HOUR, began=T0 + MINUTE)) == [(hour, (0,), "final", 0) for hour in (0, 1)]


def test_the_total_is_shown_as_zero_from_the_first_event_on() -> None:
    # "No ticket so far today" is what the first screen should say, not nothing.
    book = Book(standing())
    book.tell(until=T0 + 2 * MINUTE, began=T0 + MINUTE)
    now = book.current("now")
    assert now is not None
    assert now.parts == (0,)


def test_nothing_is_told_before_the_first_event() -> None:
    book = Book(counting())
    assert book.tell(until=T0 + 2 * HOUR) == []
    assert book.book.current() == []
    assert book.tell(placed(T0 + 2 * HOUR, 1), until=T0 + 2 * HOUR) == []
    assert brief(book.tell(until=T0 + 3 * HOUR)) == [(2, (1,), "final", 0)]


def test_a_silent_series_stops_and_resumes() -> None:
    book = Book(counting())
    book.tell(placed(T0, 1) | placed(T0, 1, NORTH), until=T0 + HOUR)
    silent = book.tell(until=T0 + 60 * DAY)
    assert max(value.end for value in silent) <= T0 + 36 * DAY
    assert book.tell(until=T0 + 61 * DAY) == []
    assert book.book.current() == []
    late = T0 + 61 * DAY + HOUR
    book.tell(placed(late, 2), until=late)
    resumed = book.tell(until=late + 2 * HOUR)
    assert [(v.start, v.slice, v.parts) for v in resumed] == [(late, {}, (2,)), (late + HOUR, {}, (0,))]


def test_how_often_the_book_is_told_decides_nothing_about_silence() -> None:
    # A replay takes in one go what came over months.
    cells = {0: placed(T0, 1, NORTH), 80: placed(T0 + 80 * DAY, 1, NORTH), 81: placed(T0 + 81 * DAY, 1)}
    daily, once = Book(counting()), Book(counting())
    values = [value for day in range(83) for value in daily.tell(cells.get(day), until=T0 + day * DAY)]
    at_once = once.tell(cells[0] | cells[80] | cells[81], until=T0 + 82 * DAY)
    assert {(value.series, value.start) for value in values} == {(value.series, value.start) for value in at_once}


def test_a_level_over_months_of_silence_is_told_without_crawling() -> None:
    def seconds(days: int) -> float:
        book = Book(standing())
        book.tell(placed(T0, 5), until=T0 + HOUR)
        began = process_time()
        assert len(book.tell(until=T0 + days * DAY)) == days * 24 - 1
        return process_time() - began

    # Six times as long may cost six times as much, not 36 times: no hour may add up all hours before it.
    # The best of a few: another process may take the caches away.
    assert min(seconds(240) for _ in range(3)) < 14 * min(seconds(40) for _ in range(5))


def test_a_slice_falls_silent_alone() -> None:
    book = Book(counting())
    book.tell(placed(T0, 1) | placed(T0, 1, NORTH), until=T0 + HOUR)
    for day in range(1, 50):
        book.tell(placed(T0 + day * DAY, 1), until=T0 + day * DAY + HOUR)
    values = book.tell(until=T0 + 51 * DAY)
    assert {len(value.slice) for value in values} == {0}


# Grains and windows


def test_days_follow_the_business_clock() -> None:
    # 29 March 2026 in Berlin has 23 hours.
    begin = 1_774_738_800_000
    book = Book(counting(**common("1d", DAY)), timezone="Europe/Berlin")
    values = book.tell(placed(begin, 1) | placed(begin + 23 * HOUR, 5), until=begin + 47 * HOUR)
    assert [((v.start - begin) // HOUR, (v.end - v.start) // HOUR, v.parts) for v in values] == [
        (0, 23, (1,)),
        (23, 24, (5,)),
    ]


def test_panes_before_1970_become_final_like_any_other() -> None:
    book = Book(counting())
    values = book.tell(placed(-3 * HOUR, 2) | placed(-PANE, 1) | placed(0, 4), until=HOUR)
    assert [(v.start // HOUR, v.parts[0]) for v in values] == [(-3, 2), (-2, 0), (-1, 1), (0, 4)]


def test_windows_hold_what_is_in_them_now() -> None:
    book = Book(counting())
    book.tell(placed(T0, 3) | placed(T0 + 30 * MINUTE, 2), until=T0 + 30 * MINUTE)

    def both() -> list[tuple[int, ...] | None]:
        values = [book.current(span) for span in ("1h", "24h")]
        return [None if value is None else value.parts for value in values]

    assert both() == [(5,), (5,)]
    book.tell(until=T0 + HOUR + MINUTE)
    assert both() == [(2,), (5,)]
    book.tell(placed(T0 + HOUR - MINUTE, 7), until=T0 + HOUR + MINUTE)
    assert both() == [(9,), (12,)]
    book.tell(until=T0 + 25 * HOUR)
    assert both() == [(0,), (0,)]


def test_a_ratio_of_nothing_has_no_value() -> None:
    book = Book(ratio())
    values = book.tell(
        {(0, (), 0, T0): 0, (1, (), 0, T0): 4, (0, (), 0, T0 + HOUR): 1, (1, (), 0, T0 + HOUR): 3}, until=T0 + 3 * HOUR
    )
    assert [(v.value, v.weight, v.parts) for v in values] == [(0.0, 4, (0, 4)), (1 / 3, 3, (1, 3)), (None, 0, (0, 0))]


def test_quantiles_are_of_all_partitions_together() -> None:
    book = Book(lasting(), partitions=2)
    book.tell({(0, (), bucket_of(1_000), T0): 6}, until=T0 + HOUR, partition=0)
    values = book.tell({(0, (), bucket_of(60_000), T0): 4}, until=T0 + HOUR, partition=1)
    assert [(v.stat, v.weight) for v in values] == [("p50", 10), ("p90", 10)]
    assert [v.value for v in values] == [pytest.approx(1, rel=0.01), pytest.approx(60, rel=0.01)]


def test_a_duration_that_is_taken_back_is_gone() -> None:
    book = Book(lasting())
    book.tell({(0, (), bucket_of(1_000), LATE): 1}, until=T0 + HOUR)
    values = book.tell({(0, (), bucket_of(1_000), LATE): 0, (0, (), bucket_of(2_000), LATE): 1})
    assert [(v.stat, v.weight, v.status) for v in values] == [("p50", 1, "corrected"), ("p90", 1, "corrected")]
    assert values[0].value == pytest.approx(2, rel=0.01)


def test_the_book_is_told_in_an_order_of_its_own() -> None:
    one, other = Book(counting()), Book(counting())
    cells = [placed(T0, 1), placed(T0, 2, SOUTH), placed(T0, 3, NORTH)]
    for cell in cells:
        one.tell(cell, until=T0)
    for cell in cells[::-1]:
        other.tell(cell, until=T0)
    assert one.tell(until=T0 + HOUR) == other.tell(until=T0 + HOUR)


def test_what_is_kept_does_not_grow_with_time() -> None:
    book = Book(standing())
    held = []
    for hour in range(600):
        start = T0 + hour * HOUR
        book.tell({(0, (), 0, start + minute * MINUTE): 1 - minute % 2 * 2 for minute in range(60)}, until=start + HOUR)
        held.append(footprint(book.book))
    assert max(held[300:]) <= 1.1 * max(held[:300])
