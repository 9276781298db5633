"""What the console shows, without a browser: tiles, incidents, one KPI, its chart, and the HTML made of it."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from dashboards.console import chart, incident_view, kpi_view, markup
from dashboards.console.comparison import before
from dashboards.console.incident_view import Clock
from dashboards.console.tiles import Tile, groups, order, spark, tiles
from dashboards.console.watching import Endangered, endangered
from dashboards.console.words import usual
from detectors.incidents.incident import Case
from streams.config import load_config
from streams.kpis.values import KpiValue
from streams.runtime.status import read_samples
from streams.top.board import Board
from streams.top.catalog import Catalog
from streams.top.rows import Row
from tests.support.incidents import DAY, HOUR, T0, assessment, incident, symptom, then

BERLIN = Clock(ZoneInfo("Europe/Berlin"), T0 + 3 * HOUR)
EVIL = '<img src=x onerror="alert(1)">'


def value(start: int = T0, kpi: str = "on_time_ratio", **more: Any) -> KpiValue:
    given: dict[str, Any] = {
        "kpi": kpi, "stat": "value", "slice": {}, "span": "1h", "rolling": False, "start": start, "end": start + HOUR,
        "value": 0.9, "weight": 10, "parts": (9, 10), "status": "final", "revision": 0, "unit": "ratio",
        "better": "higher", "expected": (0.8, 0.9, 1.0), "surprise": 0.3,
    }  # fmt: skip
    return KpiValue(**given | more)


def board(*values: KpiValue) -> Board:
    made = Board()
    for one in values:
        made.apply(one)
    return made


def catalog() -> Catalog:
    return Catalog.from_config(load_config(None, {}))


def shown(*values: KpiValue, week: float | None = None) -> Tile:
    """The tile of the on time ratio: 90 % in 24 h, and what else is known."""
    rolling = value(span="24h", rolling=True, end=T0 + HOUR, start=T0 + HOUR - DAY)

    def week_before(row: Row) -> float | None:
        return week

    return tiles(board(rolling, *values), catalog(), week_before)["on_time_ratio"]


def test_a_tile_says_the_value_its_change_on_last_week_what_is_usual_and_the_goal() -> None:
    tile = shown(value(), week=0.95)
    assert (tile.value, tile.span) == ("90.0 %", "in 24 h")
    assert (tile.change, tile.tone) == ("-5.0 pp on the week before", "bad")
    assert tile.expected == "last 1h: 90.0 %, usual 80.0 % to 100.0 %"
    assert (tile.goal, tile.goal_met) == ("≥ 95.0 %", False)
    assert tile.said.startswith("On time ratio: 90.0 % in 24 h, -5.0 pp on the week before")


def test_without_last_week_a_tile_is_compared_with_the_day_before_and_without_that_with_nothing() -> None:
    hours = [value(T0 + HOUR - DAY - n * HOUR, parts=(1, 2), value=0.5) for n in range(1, 25)]
    assert shown(*hours).change == "+40.0 pp on the day before"
    assert shown().change == ""


def test_what_was_alerted_of_in_the_last_hour_is_strange_and_what_was_before_is_not() -> None:
    alert = {"alert": True, "surprise": 5.0, "side": -1, "why": "3 of 9"}
    assert shown(value(slice={"region": "north"}, **alert)).strange == "north: 3 of 9"
    assert shown(value(**alert), value(T0 + HOUR)).strange == ""


def test_what_an_open_incident_is_about_stays_strange_until_it_is_over() -> None:
    def strange(**more: Any) -> str:
        rolling = value(span="24h", rolling=True, end=T0 + HOUR, start=T0 + HOUR - DAY)
        made = tiles(board(rolling), catalog(), lambda _: None, [incident(**more)])
        return made["on_time_ratio"].strange

    assert strange() == "On time ratio lower than usual: region north"
    assert strange(state="resolved") == ""
    # What nobody was told of is none of its own troubles.
    assert strange(symptoms=(symptom(told=False),)) == ""


def test_strange_tiles_come_first_then_missed_goals() -> None:
    fine = shown(value(), week=0.9)
    strange = Tile(**{name: getattr(fine, name) for name in fine.__slots__} | {"strange": "why", "goal_met": True})
    met = Tile(**{name: getattr(fine, name) for name in fine.__slots__} | {"goal_met": True})
    assert order(["met", "missed", "strange"], {"met": met, "missed": fine, "strange": strange}) == [
        "strange", "missed", "met",
    ]  # fmt: skip


def test_every_kpi_of_the_configuration_has_its_place() -> None:
    config = load_config(None, {})
    placed = [name for names in groups(config.definitions()).values() for name in names]
    assert sorted(placed) == sorted(kpi.name for kpi in config.kpis)


def test_a_sparkline_has_gaps_where_nothing_is_known() -> None:
    assert spark([1.0, 2.0, None, 3.0]) == "M0.0 22.0 L33.3 12.0 M100.0 2.0"
    assert spark([None, 1.0]) == ""
    assert spark([5.0, 5.0]) == "M0.0 22.0 L100.0 22.0"


def test_last_week_is_made_of_all_its_hours_or_not_at_all() -> None:
    hours = [value(T0 + n * HOUR, parts=(n, 10), value=n / 10) for n in range(4)]
    assert before(hours, "ratio", T0, T0 + 4 * HOUR) == 6 / 40
    assert before(hours, "level", T0, T0 + 4 * HOUR) == 0.3
    assert before(hours[:2] + hours[3:], "ratio", T0, T0 + 4 * HOUR) is None
    assert before(hours[:3], "level", T0, T0 + 4 * HOUR) is None
    assert before(hours, "duration", T0, T0 + 4 * HOUR) is None


def test_bounds_of_a_count_are_no_half_orders() -> None:
    assert usual((43.47, 100.0, 213.4), "orders", "EUR") == "43 to 213"
    assert usual((0.114, 0.5, 0.9), "ratio", "EUR") == "11.4 % to 90.0 %"
    assert usual(None, "orders", "EUR") == ""


def test_the_worst_that_is_open_comes_first_and_says_who_looks_after_it() -> None:
    mild, grave = incident("mild", since=T0 + HOUR), incident("grave", severity="critical", assessment=assessment())
    over = then(incident("over", severity="critical", since=T0 + 2 * HOUR), "resolved", T0 + 3 * HOUR, state="resolved")
    found = incident_view.lines([over, mild, grave], BERLIN, "EUR")
    assert [line.id for line in found] == ["grave", "mild", "over"]
    assert found[0].facts == (
        "3 h old, since Tue 3 Nov 12:00", "open", "nobody looks after it",
        "41 orders worth € 3,120.00, 38 customers, 12 tickets",
    )  # fmt: skip
    owned = then(mild, "acknowledged", T0 + 2 * HOUR, by="ann", state="acknowledged", owner="ann")
    assert "looked after by ann" in incident_view.line(owned, BERLIN, "EUR").facts


def test_an_incident_says_where_why_and_what_it_costs() -> None:
    facts = dict(incident_view.facts(incident(assessment=assessment(complete=False)), BERLIN, "EUR"))
    assert facts["Where"] == "region north"
    assert facts["Kind of trouble"] == "parcels do not arrive"
    assert facts["Because"].startswith("62 % of the extra tickets")
    assert "not all of its events" in facts["Beware"]
    assert incident_view.shares(incident()) == [("on time ratio", "north 71%")]
    assert incident_view.symptoms(incident(), "EUR")[0][:5] == (
        "on_time_ratio", "On time ratio", "all", "60.0 %", "91.0 % to 97.0 %",
    )  # fmt: skip


def test_the_message_is_the_one_of_what_happened_last() -> None:
    one = incident()
    assert incident_view.news(one) == "opened"
    assert incident_view.news(then(one, "worsened", T0)) == "worsened"
    assert incident_view.news(then(one, "reopened", T0)) == "reopened"
    assert incident_view.news(then(one, "retracted", T0, state="retracted")) == "retracted"
    assert incident_view.news(then(one, "resolved", T0, state="resolved")) == "resolved"


def test_a_line_of_the_worklist_is_known_by_its_order_else_by_its_tickets() -> None:
    assert incident_view.case_name(Case(order="o-1", tickets=("t-1",))) == "o-1"
    assert incident_view.case_name(Case(order="", tickets=("t-1", "t-2"))) == "t-1 t-2"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("p90", {}, "7d", 0)),
        ({"stat": "p50", "range": "35d", "region": "north", "at": "123"}, ("p50", {"region": "north"}, "35d", 123)),
        ({"stat": "p99", "range": "1y", "planet": "mars", "at": "-1"}, ("p90", {}, "7d", 0)),
        ({"region": "north", "carrier": "a"}, ("p90", {}, "7d", 0)),  # no such slice is kept
        ({"at": "9" * 40}, ("p90", {}, "7d", 0)),
    ],
)
def test_an_address_that_makes_no_sense_is_answered_all_the_same(query: dict[str, str], expected: object) -> None:
    assert tuple(kpi_view.chosen(query, ["p50", "p90"], "p90", (("region",), ("carrier",)))) == expected


def test_an_hour_opened_says_of_what_it_is_made_the_total_first() -> None:
    rows = kpi_view.opened([value(slice={"region": "north"}), value(), value(stat="p90")], "value", "EUR")
    assert [row[:4] for row in rows] == [
        ({}, "all", "90.0 %", "9 of 10"), ({"region": "north"}, "north", "90.0 %", "9 of 10"),
    ]  # fmt: skip


def test_a_chart_has_the_band_the_alerts_and_the_goal_in_the_unit_shown() -> None:
    values = [
        value(),
        value(T0 + HOUR, value=0.5, alert=True, why="low"),
        value(T0 + 2 * HOUR, value=None, expected=None),
    ]
    options = chart.options(values, "ratio", "EUR", (0.95, None))
    low, band, line, alerts = options["series"]
    assert low["data"][:2] == [[T0, 80.0], [T0 + HOUR, 80.0]]
    assert band["data"] == [[T0, 20.0], [T0 + HOUR, 20.0], [T0 + 2 * HOUR, None]]
    assert line["data"] == [[T0, 90.0], [T0 + HOUR, 50.0], [T0 + 2 * HOUR, None]]
    assert line["markLine"]["data"] == [{"yAxis": 95.0, "name": "goal"}]
    assert alerts["data"] == [[T0 + HOUR, 50.0, "low"]]
    assert chart.in_words(values, "On time") == "On time: 2 values, 1 outside of what is usual, 1 alerted of"
    assert chart.in_words([], "On time") == "On time: nothing is known of that time"


def test_money_is_shown_in_the_currencys_own_major_units() -> None:
    assert [chart.axis("money", currency) for currency in ("EUR", "JPY")] == [("EUR", 0.01), ("JPY", 1.0)]


def test_the_forecast_is_that_of_the_worker_that_has_it() -> None:
    told = read_samples(
        'daybook_promises_endangered{kpi="on_time_ratio",bound="low"} 3\n'
        'daybook_promises_endangered{kpi="on_time_ratio",bound="expected"} 5\n'
        'daybook_promises_endangered{kpi="on_time_ratio",bound="high"} 9\n'
        'daybook_promises_overdue{kpi="on_time_ratio"} 2\n'
    )
    assert endangered([{}, told]) == (Endangered("on_time_ratio", 3.0, 5.0, 9.0, 2),)
    assert endangered([{}]) == ()


def test_nothing_that_somebody_wrote_becomes_markup() -> None:
    tile = shown(value(alert=True, why=EVIL, slice={"region": EVIL}))
    pieces = [
        markup.tile(tile),
        markup.facts([(EVIL, EVIL)]),
        markup.table(EVIL, [EVIL], [[EVIL, EVIL]]),
        markup.link(markup.address(f"/incidents/{EVIL}", note=EVIL), EVIL),
        markup.choices(EVIL, [("/", EVIL, True)]),
    ]
    for piece in pieces:
        assert isinstance(piece, Markup)
        assert "<img" not in piece
        assert not re.search(r'="[^"]*<', piece)


def test_what_is_good_or_bad_is_not_said_by_colour_alone() -> None:
    made = markup.tile(shown(value(alert=True, why="low"), week=0.95))
    assert "▲ Strange: low" in made
    assert "(worse)" in made
    assert "✗ goal ≥ 95.0 % missed" in made
