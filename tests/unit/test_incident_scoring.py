"""Alerts against incidents that are known, by hand."""

from __future__ import annotations

import pytest

from detectors.evaluation.episodes import begins
from detectors.evaluation.incidents import Alert, Known, Nature, Window, kpi_of, score, together, verdict

H = 3_600_000
WEEK = 168 * H
LATE, NORTH = "on_time_ratio@1h", "on_time_ratio{region=north}@1h"
ORDERS, TICKETS = "orders_placed@1h", "tickets_opened{topic=payment}@1h"
WATCHED = [LATE, NORTH, ORDERS, TICKETS]


def known(
    name: str = "outage",
    nature: Nature = "business",
    moves: dict[str, Window] | None = None,
    consequences: dict[str, Window] | None = None,
    traces: int | None = 10 * H,
    shows: int | None = 12 * H,
) -> Known:
    moves = {LATE: Window(10 * H, 30 * H)} if moves is None else moves
    return Known(name, "courier_outage", nature, 8 * H, 20 * H, traces, shows, moves, consequences or {})


@pytest.mark.parametrize(
    ("series", "name"),
    [
        (LATE, "on_time_ratio"),
        (NORTH, "on_time_ratio"),
        ("time_to_ship.p90@1h", "time_to_ship"),
        ("time_to_ship.p90{region=north}@1h", "time_to_ship"),
        ("orders_placed~24h", "orders_placed"),
    ],
)
def test_slices_and_statistics_are_of_one_kpi(series: str, name: str) -> None:
    assert kpi_of(series) == name


@pytest.mark.parametrize(("hour", "what"), [(9, "false"), (10, "true"), (29, "true"), (30, "false")])
def test_an_alert_is_true_from_the_first_trace_until_it_has_settled(hour: int, what: str) -> None:
    assert verdict(Alert(LATE, hour * H), [known()])[0] == what


def test_an_alert_on_a_series_that_was_not_moved_is_false_whatever_else_happens() -> None:
    assert verdict(Alert(ORDERS, 12 * H), [known()]) == ("false", [])


def test_what_nobody_said_would_move_is_a_consequence() -> None:
    one = known(consequences={TICKETS: Window(12 * H, 40 * H)})
    assert verdict(Alert(TICKETS, 12 * H), [one]) == ("consequence", [])


def test_what_was_announced_is_planned_also_in_its_consequences() -> None:
    one = known(nature="planned", moves={ORDERS: Window(0, WEEK)}, consequences={TICKETS: Window(0, WEEK)})
    assert verdict(Alert(ORDERS, H), [one]) == ("planned", [])
    assert verdict(Alert(TICKETS, H), [one]) == ("planned", [])


def test_true_goes_before_consequence_and_that_before_planned() -> None:
    planned = known("promotion", "planned", {LATE: Window(0, WEEK), TICKETS: Window(0, WEEK)})
    other = known("other", consequences={LATE: Window(0, WEEK), TICKETS: Window(0, WEEK)}, moves={})
    right = known("right")
    assert verdict(Alert(LATE, 12 * H), [planned, other, right]) == ("true", [right])
    assert verdict(Alert(TICKETS, 12 * H), [planned, other, right]) == ("consequence", [])


def test_an_alert_finds_all_incidents_that_it_is_about() -> None:
    one, two = known("one"), known("two")
    assert verdict(Alert(LATE, 12 * H), [one, two])[1] == [one, two]


def test_alerts_are_one_episode_for_six_hours_of_quiet_and_less_than_a_day() -> None:
    assert begins([0, 6 * H]) == [0]
    assert begins([0, 6 * H + 1]) == [0, 6 * H + 1]
    # What goes on all day is told of again a day later.
    assert begins(hour * H for hour in range(50)) == [0, 24 * H, 48 * H]
    assert begins([7 * H, 0]) == [0, 7 * H]
    assert begins([]) == []


def test_an_episode_is_of_all_slices_of_a_kpi_and_a_page_of_all_kpis() -> None:
    # 12:00 the ratio of the north (false), 13:00 the total (true), 14:00 orders (false), a week later orders again.
    alerts = [Alert(NORTH, 12 * H), Alert(LATE, 13 * H), Alert(ORDERS, 14 * H), Alert(ORDERS, 14 * H + WEEK)]
    found = score(alerts, [known()], WATCHED, 0, 2 * WEEK)
    # The first alert says what an episode is: the ratio's began with the north.
    assert found.episodes == {"false": 3}
    assert found.series_episodes == {"false": 3, "true": 1}
    assert found.pages == 2
    assert found.pages_per_week == 1.0
    # Three KPIs, four series, two weeks.
    assert (found.kpi_weeks, found.series_weeks) == (6.0, 8.0)
    assert found.false_per_kpi_week == 0.5
    assert found.false_per_series_week == 3 / 8


def test_of_alerts_at_once_the_best_says_what_the_episode_is() -> None:
    found = score([Alert(NORTH, 12 * H), Alert(LATE, 12 * H)], [known()], WATCHED, 0, WEEK)
    assert found.episodes == {"true": 1}


def test_precision_is_of_what_was_told_but_for_consequences() -> None:
    incidents = [
        known(consequences={TICKETS: Window(10 * H, 30 * H)}),
        known("promotion", "planned", {ORDERS: Window(50 * H, 60 * H)}),
    ]
    alerts = [Alert(LATE, 12 * H), Alert(TICKETS, 12 * H), Alert(ORDERS, 55 * H), Alert(ORDERS, 100 * H)]
    found = score(alerts, incidents, WATCHED, 0, WEEK)
    assert found.episodes == {"true": 1, "consequence": 1, "planned": 1, "false": 1}
    assert found.precision == pytest.approx(1 / 3)
    # Two of them wrong, three KPIs, one week.
    assert found.false_per_kpi_week == pytest.approx(2 / 3)


def test_delay_is_from_where_an_incident_showed_and_never_negative() -> None:
    early, late = known("early"), known("late", moves={ORDERS: Window(10 * H, 30 * H)})
    found = score([Alert(LATE, 11 * H), Alert(ORDERS, 15 * H)], [early, late], WATCHED, 0, WEEK)
    assert [(one.delay, one.delay_from_trace) for one in found.incidents] == [(0, H), (3 * H, 5 * H)]
    assert found.delay == 1.5 * H
    assert found.delay_from_trace == 3 * H


def test_the_first_true_alert_is_the_delay() -> None:
    found = score([Alert(LATE, hour * H) for hour in (20, 13, 25)], [known()], WATCHED, 0, WEEK)
    assert found.delay == H


def test_recall_is_of_what_could_be_seen_and_was_not_planned() -> None:
    incidents = [
        known("found"),
        known("missed", moves={ORDERS: Window(10 * H, 20 * H)}),
        known("too small", shows=None),
        known("promotion", "planned", {ORDERS: Window(50 * H, 60 * H)}),
    ]
    found = score([Alert(LATE, 12 * H)], incidents, WATCHED, 0, WEEK)
    assert [one.known.name for one in found.visible] == ["found", "missed"]
    assert found.recall == 0.5


def test_only_what_is_judged_counts() -> None:
    found = score([Alert(ORDERS, 0), Alert(ORDERS, 90 * H), Alert(ORDERS, WEEK)], [], WATCHED, 24 * H, WEEK)
    assert found.episodes == {"false": 1}
    assert found.weeks == pytest.approx(6 / 7)


def test_nothing_told_is_right_and_finds_nothing() -> None:
    quiet = score([], [known()], WATCHED, 0, WEEK)
    assert (quiet.precision, quiet.recall, quiet.delay, quiet.pages) == (1.0, 0.0, None, 0)
    assert score([], [], WATCHED, 0, WEEK).recall == 1.0


def test_several_businesses_are_counted_as_one() -> None:
    one = score([Alert(LATE, 12 * H)], [known()], WATCHED, 0, WEEK)
    other = score([Alert(ORDERS, 12 * H)], [known()], WATCHED, 0, 2 * WEEK)
    both = together([one, other])
    assert (both.recall, both.precision) == (0.5, 0.5)
    assert both.pages_per_week == pytest.approx(2 / 3)
    assert both.false_per_kpi_week == pytest.approx(1 / 9)
    assert together([]).precision == 1.0
