"""What a message says."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.incidents.attribution import Share
from detectors.notification.message import News
from detectors.notification.text import LONGEST, Text
from tests.support.incidents import HOUR, T0, assessment, incident, symptom, then

TEXT = Text("EUR", "Europe/Berlin", "http://127.0.0.1:8080/incidents/{id}", "https://example.org/runbook.md")
PLAIN = Text("EUR", "Europe/Berlin")


def test_it_says_what_how_much_since_when_for_whom_and_what_to_do() -> None:
    words = TEXT.words(incident(assessment=assessment()), "opened", worklist=44)
    assert words.title == "On time ratio lower than usual: region north"
    assert words.body.splitlines() == [
        "On time ratio 60.0 % instead of 94.0 % (91.0 % to 97.0 % is usual).",
        "Since Tue 3 Nov 12:00.",
        "north carries 71 % of the shortfall.",
        "Hits 41 orders of 38 customers, worth € 3,120.00, and 12 tickets.",
        "On the worklist: 44.",
        "62 % of the extra tickets are about orders late in north.",
    ]
    assert words.impact == "Hits 41 orders of 38 customers, worth € 3,120.00, and 12 tickets"
    assert words.link == "http://127.0.0.1:8080/incidents/i-1"
    assert words.runbook == "https://example.org/runbook.md#delivery"


def test_what_is_not_known_or_not_configured_is_left_out() -> None:
    words = PLAIN.words(incident(shares={}, cause=""), "opened")
    assert words.body.splitlines() == [
        "On time ratio 60.0 % instead of 94.0 % (91.0 % to 97.0 % is usual).",
        "Since Tue 3 Nov 12:00.",
    ]
    assert (words.impact, words.link, words.runbook) == ("", "", "")
    assert TEXT.words(incident(cause=""), "opened").runbook == "https://example.org/runbook.md#daybookincident"


def test_an_incident_of_the_data_says_so_and_leads_to_the_feed() -> None:
    words = TEXT.words(incident(kind="pipeline", severity="critical"), "opened")
    assert words.title == "Critical: Data at fault: On time ratio lower than usual: region north"
    assert words.body.startswith("The data are at fault, not the business")
    assert words.runbook.endswith("#feed")


def test_what_has_become_worse_begins_again_or_is_over_says_so() -> None:
    critical = then(incident(), "worsened", T0 + 3 * HOUR, severity="critical")
    assert TEXT.title(critical, "worsened").startswith("Worse: now critical: On time")
    over = then(incident(), "resolved", T0 + 8 * HOUR, state="resolved", note="as usual again")
    words = TEXT.words(over, "resolved")
    assert words.title == "Over: On time ratio lower than usual: region north"
    assert words.body.splitlines()[:2] == ["Tue 3 Nov 12:00 to 14:00, 2.0 h.", "As usual again."]
    assert words.runbook == ""
    again = then(over, "reopened", T0 + 24 * HOUR, state="open")
    assert "Since Tue 3 Nov 12:00, again since Wed 4 Nov 12:00." in TEXT.words(again, "reopened").body


def test_a_false_alarm_says_who_says_so_and_no_impact() -> None:
    gone = then(incident(assessment=assessment()), "retracted", T0, state="retracted", by="kim", note="a test order")
    assert TEXT.words(gone, "retracted", 44).body.splitlines() == ["A test order.", "Said by kim."]
    late = then(incident(), "retracted", T0, state="retracted")
    assert TEXT.words(late, "retracted").body == "Events that came late say that there was nothing."


def test_money_durations_and_counts_are_told_as_people_write_them() -> None:
    money = symptom("revenue", unit="money", value=120_000.0, expected=(300_000.0, 412_345.0, 500_000.0))
    long = symptom(
        "time_to_ship", stat="p90", surprise=9.0, unit="seconds", value=180_000.0, expected=(3600.0, 7200.0, 10_800.0)
    )
    few = symptom("orders_placed", unit="orders", value=0.0, expected=(4.26, 9.0, 21.4))
    body = PLAIN.words(incident(symptoms=(money, long, few)), "opened").body.splitlines()
    assert body[1] == "Revenue € 1,200.00 instead of € 4,123.45 (€ 3,000.00 to € 5,000.00 is usual)."
    assert body[0] == "Time to ship (p90) 2.1 d instead of 2.0 h (1.0 h to 3.0 h is usual)."
    assert body[2] == "Orders placed 0 instead of 9 (4.3 to 21 is usual)."


def test_the_share_is_that_of_the_narrowest_slice_that_explains_it() -> None:
    shares = [
        Share({"region": "north"}, 0.9, 0.2, -30.0, 30.0, 0.9),
        Share({"carrier": "postbird", "region": "north"}, 0.8, 0.1, -28.0, 28.0, 0.9),
        Share({"carrier": "other", "region": "north"}, 0.95, 0.1, -28.0, 28.0, 0.0),
    ]
    scope = {"region": "north", "carrier": "postbird"}
    body = PLAIN.words(incident(scope=scope, shares={"on_time_ratio": shares}), "opened").body
    assert "postbird, north carries 80 % of the shortfall." in body


def test_an_impact_that_may_be_larger_says_at_least() -> None:
    found = assessment(customers=0, amount=0, tickets=0, orders=1, complete=False)
    assert PLAIN.impact(incident(assessment=found)) == "Hits at least 1 order"


@pytest.mark.parametrize("news", ["opened", "worsened", "reopened", "resolved", "retracted"])
def test_it_is_short_enough_for_a_phone_however_much_there_is_to_say(news: str) -> None:
    many = tuple(symptom(f"kpi_{number}_" + "x" * 80, slice={"region": "n" * 60}) for number in range(9))
    wordy = incident(
        title="t" * 400, symptoms=many, assessment=assessment(explanation="because " * 90), kind="pipeline"
    )
    words = TEXT.words(then(wordy, news, T0, note="n" * 700), news, 9)  # type: ignore[arg-type]
    assert len(words.title) + 1 + len(words.body) <= LONGEST
    assert words.body


def test_several_incidents_are_a_line_each_as_far_as_there_is_room() -> None:
    title, body = PLAIN.digest([PLAIN.line(incident(), "opened")] * 3, quiet=False)
    assert title == "3 more incidents"
    assert body.splitlines()[0] == "On time ratio lower than usual: region north (Tue 3 Nov 12:00 to 14:00)"
    title, body = PLAIN.digest(["x" * 100] * 20, quiet=True)
    assert title == "In quiet hours: 20 incidents, over by now"
    assert body.splitlines()[-1] == "… and 15 more"


@given(
    values=st.tuples(*[st.floats()] * 4),
    unit=st.sampled_from(["ratio", "seconds", "money", "score", "orders"]),
    there=st.booleans(),
    news=st.sampled_from(get_args(News)),
)
def test_there_is_something_to_say_of_any_incident(
    values: tuple[float, ...], unit: str, there: bool, news: News
) -> None:
    one = symptom(unit=unit, value=values[0], expected=values[1:])
    words = PLAIN.words(incident(title="", symptoms=(one,) * there), news)
    assert words.body
    assert "i-1" in words.title
    assert len(words.title) + 1 + len(words.body) <= LONGEST
