"""Tuning by what teams said of incidents."""

from __future__ import annotations

from typing import Any

from detectors.incidents.feedback import Feedback
from detectors.tuning.course import Label
from detectors.tuning.feedback import labels_from
from tests.support.incidents import HOUR, T0, incident, symptom

KPI = "on_time_ratio"
AFTER = T0 + 2 * HOUR


def said(what: Any, at: int = 1, **more: Any) -> Feedback:
    given = {"id": f"{what}-{at}", "at": T0 + at * HOUR, "by": "ada", "what": what, "kpis": (KPI,)}
    return Feedback(**given | ({} if what == "missed" else {"incident": "i-1"}) | more)


def of(*feedback: Feedback, kpi: str = KPI, since: int = 0, until: int = T0 + 1_000 * HOUR) -> Any:
    found, beside = labels_from(feedback, {"i-1": incident()}, kpi, since, until)
    return found, list(beside.false), list(beside.unsaid)


def test_what_was_confirmed_and_what_was_missed_is_to_be_found() -> None:
    missed = said("missed", since=T0 - 9 * HOUR, until=T0 - 3 * HOUR)
    assert of(said("confirmed"), missed) == (
        [Label(T0 - 9 * HOUR, T0 - 3 * HOUR, "missed"), Label(T0, AFTER, "confirmed")],
        [],
        [],
    )
    assert of(said("confirmed"), missed, kpi="revenue") == ([], [], [])


def test_a_false_alarm_is_none_and_what_is_expected_is_none_for_as_long() -> None:
    assert of(said("false_alarm")) == ([], [Label(T0, AFTER, "false_alarm")], [])
    assert of(said("expected", until=T0 + 48 * HOUR)) == ([], [Label(T0, T0 + 48 * HOUR, "expected")], [])


def test_of_what_nobody_has_judged_an_alert_is_neither_right_nor_wrong() -> None:
    assert of() == ([], [], [Label(T0, AFTER)])
    assert of(said("acknowledged")) == ([], [], [Label(T0, AFTER)])
    beside = incident(symptoms=(symptom(told=False),))
    assert labels_from([], {"i-1": beside}, KPI, 0, AFTER)[1].unsaid == [], "nobody was told of the KPI"


def test_what_was_said_last_holds_whatever_comes_first() -> None:
    wrong, right = said("false_alarm", at=3), said("confirmed", at=5)
    assert of(right, wrong) == of(wrong, right) == ([Label(T0, AFTER, "confirmed")], [], [])


def test_what_lies_outside_of_history_or_of_what_is_kept_is_left_out() -> None:
    assert of(said("confirmed"), since=T0 + HOUR) == ([], [], [])
    assert of(said("confirmed"), until=T0 + HOUR) == ([], [], [])
    assert of(said("confirmed", incident="i-2")) == ([], [], [Label(T0, AFTER)])
