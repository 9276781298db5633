"""The terminal table: human units, trends, comparisons, the choice of rows, and a picture that fits."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from streams.kpis import units
from streams.kpis.values import KpiValue, Status
from streams.top.board import Board, Grains, Window, comparable
from streams.top.catalog import Catalog, Goal, Kpi
from streams.top.render import Header, Screen
from streams.top.rows import SLICES_SHOWN, Choice, Row, build
from streams.top.screen import View
from streams.top.spark import spark

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 1_780_056_000_000


def kpi_value(
    kpi: str = "orders_placed",
    value: float | None = 5.0,
    *,
    parts: tuple[int, ...] | None = None,
    end: int = NOON,
    length: int = HOUR,
    rolling: bool = False,
    stat: str = "value",
    slice: dict[str, str] | None = None,
    unit: str = "orders",
    better: str = "higher",
    weight: int = 1,
    revision: int = 0,
    status: Status = "final",
) -> KpiValue:
    return KpiValue(
        kpi=kpi,
        stat=stat,
        slice=slice or {},
        span=units.span(length).replace(" ", ""),
        rolling=rolling,
        start=end - length,
        end=end,
        value=value,
        weight=weight,
        parts=(int(value or 0),) if parts is None else parts,
        status=status,
        revision=revision,
        unit=unit,
        better=better,
    )


def board_of(*values: KpiValue) -> Board:
    board = Board()
    for value in values:
        board.apply(value)
    return board


def only(rows: list[Row]) -> Row:
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (123450, "money", "€ 1,234.50"),
        (0.931, "ratio", "93.1 %"),
        (0.25, "seconds", "250 ms"),
        (45, "seconds", "45.0 s"),
        (59.97, "seconds", "1.0 min"),
        (3599, "seconds", "1.0 h"),
        (4320, "seconds", "1.2 h"),
        (36 * 3600, "seconds", "36.0 h"),
        (3.4 * 86400, "seconds", "3.4 d"),
        (1234, "orders", "1,234"),
        (4.321, "score", "4.32"),
        (None, "money", "–"),
    ],
)
def test_values_read_as_people_write_them(value: float | None, unit: str, text: str) -> None:
    assert units.human(value, unit) == text


@pytest.mark.parametrize(
    ("currency", "text"),
    [("USD", "$ 1,234.00"), ("JPY", "¥ 123,400"), ("KWD", "KWD 123.400"), ("CHF", "CHF 1,234.00")],
)
def test_money_follows_its_currency(currency: str, text: str) -> None:
    assert units.money(123400, currency) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(10_000, "10 s"), (300_000, "5 min"), (HOUR, "1 h"), (DAY, "24 h"), (7 * DAY, "7 d"), (14 * DAY, "2 w")],
)
def test_spans_are_named_by_their_largest_unit(ms: int, text: str) -> None:
    assert units.span(ms) == text


@pytest.mark.parametrize(
    ("value", "before", "unit", "text"),
    [
        (110, 100, "orders", "+10 %"),
        (0.95, 0.93, "ratio", "+2.0 pp"),
        (100, 100, "orders", "="),
        (5, 0, "orders", "new"),
        (0, 0, "orders", "="),
        (5000, 1, "orders", "> 999 %"),
        (None, 3, "orders", "–"),
        (3, None, "orders", "–"),
    ],
)
def test_changes_are_relative_and_points_for_ratios(
    value: float | None, before: float | None, unit: str, text: str
) -> None:
    assert units.change(value, before, unit) == text


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ([0, 6, 14], "▁▄█"),
        ([1000, 1010], "▁█"),  # a small change in a large number is still seen
        ([0, None, 8], "▁·█"),
        ([5, 5], "▄▄"),
        ([0, 0], "▁▁"),
        ([None], "·"),
        ([], ""),
    ],
)
def test_sparklines(points: list[float | None], text: str) -> None:
    assert spark(points) == text


def test_the_comparable_period_is_the_same_time_of_an_earlier_day() -> None:
    assert [comparable(span) for span in (HOUR, DAY, 7 * DAY, 36 * HOUR)] == [DAY, DAY, 7 * DAY, 2 * DAY]


def test_a_higher_revision_replaces_and_a_lower_one_does_not() -> None:
    grains = Grains(10)
    for revision, value in ((0, 5.0), (2, 7.0), (1, 6.0)):
        grains.add(kpi_value(value=value, revision=revision, status="corrected" if revision else "final"))
    grains.add(kpi_value(value=8.0, revision=2, status="provisional"))
    assert grains.trend(10) == [7.0]


def test_what_is_read_later_but_said_earlier_does_not_replace_what_is_newer() -> None:
    grains = Grains(10)
    grains.add(kpi_value(value=5.0, status="provisional"))
    grains.add(kpi_value(value=4.0, status="provisional"), old=True)
    assert grains.trend(10) == [5.0]
    grains.add(kpi_value(value=6.0, status="provisional"))
    assert grains.trend(10) == [6.0]


def test_a_board_does_not_depend_on_the_order_of_grains() -> None:
    values = [kpi_value(value=float(n), end=NOON + n * HOUR) for n in range(4)]
    trends = set()
    for order in itertools.permutations(values):
        grains = Grains(3)
        for value in order:
            grains.add(value)
        trends.add(tuple(grains.trend(9)))
    assert trends == {(1.0, 2.0, 3.0)}


def test_a_missing_grain_is_a_gap_in_the_trend() -> None:
    grains = Grains(10)
    for n in (0, 1, 4):
        grains.add(kpi_value(value=float(n), end=NOON + n * HOUR))
    assert grains.trend(10) == [0.0, 1.0, None, None, 4.0]
    assert grains.trend(2) == [None, 4.0]


def test_a_windows_past_is_bounded_and_found_again() -> None:
    window = Window(HOUR)
    for step in range(3 * 24 * 60):
        window.add(kpi_value(value=float(step), end=NOON + step * 60_000, rolling=True))
    assert len(window.past) < 110
    newest = 3 * 24 * 60 - 1
    before = window.before(DAY)
    assert before is not None
    assert before == pytest.approx(newest - 24 * 60, abs=15)


def test_an_older_window_value_does_not_replace_the_newest() -> None:
    board = board_of(kpi_value(value=9.0, rolling=True), kpi_value(value=1.0, end=NOON - 60_000, rolling=True))
    assert only(build(board, Catalog(), Choice())).value == 9.0


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [("count", (2,), 48.0), ("sum", (500, 2), 12_000.0), ("ratio", (1, 2), 0.5), ("mean", (9, 2), 4.5)],
)
def test_the_change_is_made_of_the_grains_where_the_window_has_no_past(
    kind: str, parts: tuple[int, ...], expected: float
) -> None:
    catalog = Catalog(kpis={"it": Kpi("it", kind=kind)})
    grains = [kpi_value("it", 0.0, parts=parts, end=NOON - n * HOUR) for n in range(48)]
    board = board_of(*grains, kpi_value("it", 1e9, length=DAY, rolling=True))
    row = only(build(board, catalog, Choice()))
    assert row.previous == expected
    assert row.improvement == 1


def test_there_is_no_change_where_a_grain_of_the_period_is_missing() -> None:
    catalog = Catalog(kpis={"orders_placed": Kpi("orders_placed", kind="count")})
    grains = [kpi_value(value=2.0, end=NOON - n * HOUR) for n in range(48) if n != 30]
    board = board_of(*grains, kpi_value(value=50.0, length=DAY, rolling=True))
    assert only(build(board, catalog, Choice())).previous is None


def test_a_level_is_compared_with_the_level_then() -> None:
    catalog = Catalog(kpis={"orders_open": Kpi("orders_open", kind="level")})
    grains = [kpi_value("orders_open", 100.0 + n, end=NOON - n * HOUR) for n in range(48)]
    now = kpi_value("orders_open", 90.0, length=0, rolling=True)
    row = only(build(board_of(*grains, now), catalog, Choice()))
    assert (row.value, row.previous) == (90.0, 124.0)


def test_quantiles_are_never_added_up_but_one_grain_stands_for_its_own_length() -> None:
    catalog = Catalog(kpis={"time_to_ship": Kpi("time_to_ship", kind="duration")})
    grains = [kpi_value("time_to_ship", 60.0 + n, stat="p50", end=NOON - n * HOUR) for n in range(48)]
    windows = [kpi_value("time_to_ship", 60.0, stat="p50", length=n, rolling=True) for n in (HOUR, DAY)]
    rows = build(board_of(*grains, *windows), catalog, Choice(window=0))
    assert [row.previous for row in rows] == [84.0, None]


def test_a_grain_that_still_goes_on_is_left_out_of_a_trend_of_amounts() -> None:
    catalog = Catalog(kpis={"orders": Kpi("orders", kind="count"), "on_time": Kpi("on_time", kind="ratio")})
    board = Board()
    for name in catalog.kpis:
        board.apply(kpi_value(name, 8.0, end=NOON - HOUR))
        board.apply(kpi_value(name, 1.0, status="provisional"))
        board.apply(kpi_value(name, 1.0, rolling=True))
    assert [row.trend for row in build(board, catalog, Choice())] == [[8.0], [8.0, 1.0]]


def test_rows_follow_the_configuration_and_the_unknown_come_last() -> None:
    catalog = Catalog(kpis={name: Kpi(name) for name in ("revenue", "orders_placed")})
    names = ("another", "orders_placed", "revenue")
    board = board_of(*(kpi_value(name, rolling=True) for name in names))
    assert [row.kpi.name for row in build(board, catalog, Choice())] == [
        "revenue",
        "orders_placed",
        "another",
    ]


def test_each_kpi_shows_its_longest_window_up_to_a_day_unless_told_otherwise() -> None:
    lengths = (HOUR, DAY, 7 * DAY)
    board = board_of(*(kpi_value("revenue", float(length), length=length, rolling=True) for length in lengths))
    row = only(build(board, Catalog(), Choice()))
    assert (row.window, row.other) == (DAY, (7 * DAY, 7.0 * DAY))
    row = only(build(board, Catalog(), Choice(window=7 * DAY)))
    assert (row.window, row.other) == (7 * DAY, (HOUR, float(HOUR)))
    assert [row.window for row in build(board, Catalog(), Choice(window=0))] == list(lengths)


def test_a_level_nothing_has_entered_is_at_zero_and_all_else_is_unknown() -> None:
    catalog = Catalog(
        kpis={
            "orders_overdue": Kpi("orders_overdue", kind="level", goal=Goal(max=10)),
            "satisfaction": Kpi("satisfaction", kind="mean"),
        }
    )
    assert build(Board(), catalog, Choice()) == []
    rows = build(board_of(kpi_value(rolling=True)), catalog, Choice())
    assert [(row.kpi.name, row.value, row.met) for row in rows[:2]] == [
        ("orders_overdue", 0.0, True),
        ("satisfaction", None, None),
    ]


def test_a_filter_keeps_what_it_names() -> None:
    board = board_of(*(kpi_value(name, rolling=True) for name in ("revenue", "orders_placed", "orders_open")))
    rows = build(board, Catalog(), Choice(kpis=("orders_open", "revenue")))
    assert [row.kpi.name for row in rows] == ["orders_open", "revenue"]


def test_slices_come_by_weight_and_other_last_and_the_rest_is_counted() -> None:
    regions = [f"r{n}" for n in range(12)]
    board = board_of(
        kpi_value(rolling=True, weight=99),
        kpi_value("sliceless", rolling=True),
        kpi_value(rolling=True, slice={"region": "other"}, weight=90),
        kpi_value(rolling=True, slice={"region": "r1", "channel": "web"}, weight=80),
        *(kpi_value(rolling=True, slice={"region": name}, weight=n) for n, name in enumerate(regions)),
    )
    rows = build(board, Catalog(), Choice(by=("region",)))
    shown = [dict(row.slice).get("region") for row in rows]
    assert shown == [None, *reversed(regions[-SLICES_SHOWN:])]
    assert [row.folded for row in rows] == [0] * SLICES_SHOWN + [13 - SLICES_SHOWN]


def test_combined_slices_are_found_whatever_the_order_of_the_dimensions() -> None:
    key = {"region": "north", "channel": "web"}
    board = board_of(kpi_value(rolling=True), kpi_value(rolling=True, slice=key))
    for by in (("region", "channel"), ("channel", "region")):
        assert dict(build(board, Catalog(), Choice(by=by))[1].slice) == key


def test_goals_are_inclusive_and_unknown_without_a_value() -> None:
    goal = Goal(min=0.95)
    assert [goal.met(value) for value in (0.95, 0.949, None)] == [True, False, None]
    assert Goal(max=86400).text("seconds", "EUR") == "≤ 24.0 h"


def picture(width: int, height: int = 40, rows: int = 30, whole: bool = False) -> str:
    catalog = Catalog(
        "Acme",
        "EUR",
        {
            f"kpi_{n:02}": Kpi(f"kpi_{n:02}", "What it says " * 5, goal=Goal(min=1), goal_stat="p50")
            for n in range(rows)
        },
    )
    board = Board()
    for n in range(rows):
        for stat in ("p50", "p90"):
            board.apply(kpi_value(f"kpi_{n:02}", 12345678.0, unit="money", stat=stat, rolling=True))
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=True, color_system=None)
    header = Header("Daybook · Acme", "12:00:00", "event time 5 s behind", ["3 late"], ["the worker is starting again"])
    console.print(Screen(header, build(board, catalog, Choice()), catalog, footer=["broker running"], whole=whole))
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140, 200])
def test_the_picture_fits_any_width(width: int) -> None:
    lines = picture(width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "€ 123,456.78" in picture(width)


@pytest.mark.parametrize("height", [12, 24, 40, 60])
def test_the_picture_fits_any_height_and_says_what_is_missing(height: int) -> None:
    text = picture(100, height)
    assert len(text.splitlines()) <= height
    assert "more rows" in text


def test_quantiles_without_a_goal_give_way_first() -> None:
    text = picture(100, height=40)
    assert text.count("median") == 30
    assert text.count("p90") < 5


def test_printed_once_nothing_is_left_out() -> None:
    text = picture(100, height=10, whole=True)
    assert text.count("median") == text.count("p90") == 30
    assert "more rows" not in text


@pytest.mark.parametrize(
    ("behind", "text"),
    [(12_000, "event time 12 s behind"), (3 * 3_600_000, "event time 3 h behind"), (10 * DAY, "event time ")],
)
def test_event_time_is_told_by_its_distance_or_by_its_date_where_that_is_long_ago(behind: int, text: str) -> None:
    view = View(Board(), Catalog(), Choice(), "Europe/Berlin", behind=lambda: behind)
    told = view.screen().header.event_time
    assert told.startswith(text)
    assert ("behind" in told) == (behind < 2 * DAY)


def test_an_empty_board_says_so() -> None:
    file = io.StringIO()
    Console(file=file, width=80).print(Screen(Header("Daybook"), [], Catalog()))
    assert "no KPI values yet" in file.getvalue()
