"""Grains as people cut their days: midnight of the business, clock changes included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from streams.kpis.definitions import Span
from streams.kpis.grid import DAY_MS, HOUR_MS, Grid

MINUTE_MS = 60_000
DAY = Span("1d", DAY_MS)
WEEK = Span("1w", 7 * DAY_MS)


def at(zone: str, *parts: int, fold: int = 0) -> int:
    """Epoch ms of a local time."""
    return round(datetime(*parts, fold=fold, tzinfo=ZoneInfo(zone)).timestamp() * 1000)  # type: ignore[misc, arg-type]


def hours_of_day(zone: str, *day: int) -> float:
    start, end = Grid(DAY, zone).around(at(zone, *day, 12))
    return (end - start) / HOUR_MS


def days(zone: str, year: int) -> list[tuple[int, int]]:
    """The grains of a year's days, walked from end to end."""
    grid, found = Grid(DAY, zone), []
    start, end = grid.around(at(zone, year, 1, 1, 12))
    while start < at(zone, year + 1, 1, 1):
        found.append((start, end))
        start, end = grid.around(end)
    return found


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 28), 24),
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        # The clock went from 24:00 to 01:00 and back from 24:00 to 23:00: there was no midnight in spring.
        ("America/Sao_Paulo", (2018, 11, 4), 23),
        ("America/Sao_Paulo", (2018, 2, 17), 25),
        ("America/Sao_Paulo", (2018, 2, 18), 24),
        # An hour is not the only step a clock changes by.
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", (2026, 10, 4), 23.5),
        # The clock goes back from 01:00 to midnight: midnight comes twice.
        ("America/Havana", (2025, 11, 2), 25),
        ("Asia/Kathmandu", (2026, 7, 1), 24),
        ("UTC", (2026, 3, 29), 24),
    ],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, day: tuple[int, int, int], hours: float) -> None:
    assert hours_of_day(zone, *day) == hours


def test_a_day_begins_at_midnight_of_the_business() -> None:
    start, _ = Grid(DAY, "Asia/Kathmandu").around(at("Asia/Kathmandu", 2026, 7, 1, 0, 0))
    assert start == at("UTC", 2026, 6, 30, 18, 15)


def test_a_day_without_midnight_begins_at_its_first_instant() -> None:
    start, _ = Grid(DAY, "America/Sao_Paulo").around(at("America/Sao_Paulo", 2018, 11, 4, 12))
    assert start == at("America/Sao_Paulo", 2018, 11, 4, 1) == at("UTC", 2018, 11, 4, 3)


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    start, _ = Grid(DAY, "America/Havana").around(at("America/Havana", 2025, 11, 2, 12))
    assert start == at("America/Havana", 2025, 11, 2, 0, fold=0)


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        ("Europe/Berlin", 2026),
        ("America/Sao_Paulo", 2018),
        ("Asia/Kathmandu", 2026),
        ("Australia/Lord_Howe", 2026),
        ("America/Havana", 2025),
        ("Asia/Beirut", 2025),
        # A country that went from one side of the date line to the other: it had no 30 December.
        ("Pacific/Apia", 2011),
    ],
)
def test_days_follow_each_other_without_gap_or_overlap(zone: str, year: int) -> None:
    grid, walked = Grid(DAY, zone), days(zone, year)
    assert all(before[1] == after[0] for before, after in pairwise(walked))
    assert len(walked) == (364 if zone == "Pacific/Apia" else 365)
    for start, end in walked:
        for instant in (start, (start + end) // 2, end - 1):
            assert grid.around(instant) == (start, end)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize("ms", [2 * HOUR_MS, 5 * HOUR_MS, 6 * HOUR_MS, 90 * MINUTE_MS, 12 * HOUR_MS])
def test_spans_below_a_day_start_anew_at_midnight_and_cover_it(zone: str, ms: int) -> None:
    grid, day = Grid(Span("part", ms), zone), Grid(DAY, zone)
    start = day.around(at(zone, 2018, 1, 1, 12))[0]
    stop = at(zone, 2019, 1, 1)
    while start < stop:
        midnight, next_midnight = day.around(start)
        begin = midnight
        while begin < next_midnight:
            first, last = grid.around(begin)
            assert first == begin
            assert last == min(begin + ms, next_midnight)
            assert grid.around(last - 1) == (first, last)
            begin = last
        start = next_midnight


@pytest.mark.parametrize("ms", [MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS])
def test_an_hour_and_what_divides_it_are_the_same_everywhere(ms: int) -> None:
    grid = Grid(Span("part", ms), "Asia/Kathmandu")
    for instant in (0, 1, ms - 1, ms, at("UTC", 2026, 3, 29, 1, 30), -1, -ms):
        assert grid.around(instant) == (instant // ms * ms, instant // ms * ms + ms)


@pytest.mark.parametrize("week_starts", range(7))
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"])
def test_weeks_begin_on_the_configured_day(zone: str, week_starts: int) -> None:
    grid = Grid(WEEK, zone, week_starts)
    start, end = grid.around(at(zone, 2018, 1, 10, 12))
    while start < at(zone, 2018, 12, 31):
        # One minute in, since a day may begin at 01:00.
        begin = datetime.fromtimestamp(start / 1000, ZoneInfo(zone)).date()
        assert begin.weekday() == week_starts
        assert datetime.fromtimestamp(end / 1000, ZoneInfo(zone)).date() - begin == timedelta(days=7)
        assert grid.around(end - 1) == (start, end)
        start, end = grid.around(end)


def test_a_week_with_a_clock_change_is_an_hour_shorter() -> None:
    start, end = Grid(WEEK, "Europe/Berlin").around(at("Europe/Berlin", 2026, 3, 25, 12))
    assert (end - start) / HOUR_MS == 7 * 24 - 1


@pytest.mark.parametrize("length", [2, 3, 14])
def test_several_days_are_cut_the_same_way_for_ever(length: int) -> None:
    grid = Grid(Span(f"{length}d", length * DAY_MS), "Europe/Berlin", week_starts=6)
    start, end = grid.around(at("Europe/Berlin", 2024, 12, 30, 12))
    for _ in range(400 // length):
        first = datetime.fromtimestamp(start / 1000, ZoneInfo("Europe/Berlin")).date()
        last = datetime.fromtimestamp(end / 1000, ZoneInfo("Europe/Berlin")).date()
        assert last - first == timedelta(days=length)
        assert grid.around(start) == grid.around(end - 1) == (start, end)
        start, end = grid.around(end)


@pytest.mark.parametrize("span", [DAY, WEEK, Span("6h", 6 * HOUR_MS), Span("5m", 5 * MINUTE_MS)])
def test_before_1970_is_no_different(span: Span) -> None:
    grid = Grid(span, "Europe/Berlin")
    for instant in (-1, -DAY_MS, at("Europe/Berlin", 1955, 5, 5, 5), at("Europe/Berlin", 1900, 1, 1)):
        start, end = grid.around(instant)
        assert start <= instant < end
        assert grid.around(end - 1) == (start, end)
        assert grid.around(start - 1)[1] == start


@pytest.mark.parametrize("instant", [-62_135_596_800_000, 253_402_300_799_999])
@pytest.mark.parametrize("span", [DAY, WEEK, Span("6h", 6 * HOUR_MS), Span("1h", HOUR_MS)])
def test_the_first_and_the_last_time_there_is_have_a_grain(span: Span, instant: int) -> None:
    start, end = Grid(span, "Pacific/Auckland").around(instant)
    assert start <= instant < end


def test_the_answer_does_not_depend_on_what_was_asked_before() -> None:
    asked = [at("Europe/Berlin", 2026, 3, 29, hour) for hour in (5, 0, 23, 1, 12, 4)]
    one = Grid(Span("6h", 6 * HOUR_MS), "Europe/Berlin")
    assert [one.around(ms) for ms in asked] == [Grid(one.span, "Europe/Berlin").around(ms) for ms in asked]


@pytest.mark.parametrize("zone", ["America/St_Johns", "America/Goose_Bay"])
def test_a_clock_set_back_across_midnight_leaves_no_instant_without_its_day(zone: str) -> None:
    # Until 2011 at 00:01 to 23:01 of the day before: that day's last hour came after the next one's first minute.
    grid = Grid(DAY, zone)
    instant = at(zone, 2010, 11, 6, 12)
    while instant < at(zone, 2010, 11, 8, 12):
        start, end = grid.around(instant)
        assert start <= instant < end
        instant += 7 * MINUTE_MS


def test_dates_are_counted_from_a_monday() -> None:
    # What the alignment of weeks rests on.
    assert date.fromordinal(1).weekday() == 0
    assert datetime(1970, 1, 1, tzinfo=UTC).weekday() == 3
