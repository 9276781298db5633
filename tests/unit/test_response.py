"""Incidents of both kinds, what people and events say of them, and what follows for calendar and messages."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from detectors.incidents.feedback import Feedback
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment, Incident
from detectors.notification.holds import Window
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from detectors.response.inputs import Delivered, Inputs
from detectors.response.response import Response
from streams.config import load_config
from streams.errors import ContractError
from streams.events.times import format_time, parse_time
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue
from tests.support.judging import MONDAY, final

MINUTE, HOUR = 60_000, 3_600_000
DEFINITIONS = load_config(env={}).definitions()


def response() -> Response:
    """With one channel, and no quiet hours."""
    notices = Notices(Settings(channels=("mail",)), Text("EUR", "UTC"), QuietHours(None, "UTC"))
    return Response(DEFINITIONS, notices)


def strange(kpi: str, hour: int, **more: Any) -> KpiValue:
    """A value far below what is expected, and alerted of."""
    fields: dict[str, Any] = {"expected": (50.0, 100.0, 150.0), "surprise": 5.0, "side": -1, "alert": True}
    return final(kpi, hour, 3.0, **(fields | more))


def at(hour: float) -> int:
    return MONDAY + int(hour * HOUR)


def values(*of: KpiValue) -> Inputs:
    """No others of their hour are to come."""
    return Inputs(at=max(one.end for one in of), values=of, late=True)


def silent(since: float, until: float, carrier: str = "postbird") -> FeedTrouble:
    return FeedTrouble(f"/carrier/{carrier}", "silent", at(since), at(until), (1,), {"carrier": carrier}, 60_000)


def heard(hour: float, *troubles: FeedTrouble) -> Inputs:
    return Inputs(at=at(hour), troubles=troubles, heard=at(hour))


def only(told: Response) -> Incident:
    (one,) = told.incidents
    return one


def said(what: Any, incident: str, hour: float, **more: Any) -> Inputs:
    feedback = Feedback(id=f"{what}-{hour}", at=at(hour), by="Ada", what=what, incident=incident, **more)
    return Inputs(at=at(hour), feedback=(feedback,))


# -- quiet business or broken pipeline ---------------------------------------------------------------------------


def test_a_silent_feed_is_a_pipeline_incident_and_the_calendar_protects_what_it_is_about() -> None:
    over = response()
    outcome = over.step(heard(10.2, silent(10, 10.2)))
    one = only(over)
    assert (one.kind, one.cause, one.state, one.scope) == ("pipeline", "feed", "open", {"carrier": "postbird"})
    assert one.title == "Nothing comes from /carrier/postbird: its feed is broken"
    assert one.history[0].note == "no event and no heartbeat for 12.0 min, where there is one every 1.0 min"
    (entry,) = outcome.calendar
    assert (entry.entry_id, entry.kind, entry.scope) == (one.id, "outage", {"carrier": ["postbird"]})
    assert parse_time(entry.start) == at(10)
    assert parse_time(entry.end) > at(24)
    over.step(heard(13, silent(10, 13)))
    assert over.incidents == [one]  # nothing new
    outcome = over.step(heard(13.2))
    assert only(over).state == "resolved"
    assert parse_time(outcome.calendar[0].end) == at(13) + 1


def test_what_kpis_show_of_a_broken_feed_is_put_down_to_it_and_to_nothing_else() -> None:
    over = response()
    over.step(heard(10.2, silent(10, 10.2)))
    over.step(values(strange("deliveries_completed", 10), strange("tickets_answered", 10)))
    business, pipeline = sorted(over.incidents, key=lambda one: one.kind)
    assert business.symptoms[0].kpi == "tickets_answered"
    assert [change.what for change in pipeline.history] == ["opened", "joined"]
    assert "deliveries_completed" in pipeline.history[1].note


def test_another_carriers_trouble_is_no_matter_of_the_feed() -> None:
    over = response()
    over.step(heard(10.2, silent(10, 10.2)))
    over.step(values(strange("deliveries_completed", 10, slice={"carrier": "parcelfox"})))
    assert sorted(one.kind for one in over.incidents) == ["business", "pipeline"]


def test_an_incident_that_began_before_the_feed_was_known_to_be_broken_is_put_down_to_it() -> None:
    over = response()
    over.step(values(strange("deliveries_completed", 10)))
    outcome = over.step(heard(11.2, silent(10.1, 11.2)))
    business = next(one for one in outcome.changed if one.kind == "business")
    pipeline = next(one for one in outcome.changed if one.kind == "pipeline")
    assert business.state == "retracted"
    assert business.history[-1].note == f"put down to {pipeline.id}"


def test_a_feed_that_breaks_again_at_once_is_the_same_incident() -> None:
    over = response()
    over.step(heard(10.2, silent(10, 10.2)))
    over.step(heard(10.3))
    assert only(over).state == "resolved"
    over.step(heard(10.4, silent(10.25, 10.4)))
    assert [change.what for change in only(over).history] == ["opened", "resolved", "reopened"]


def test_who_says_that_a_feed_is_whole_again_is_not_contradicted_by_the_next_report() -> None:
    over = response()
    over.step(heard(10.2, silent(10, 10.2)))
    over.step(said("resolved", only(over).id, 10.3))
    assert over.step(heard(10.4, silent(10, 10.4))).changed == []
    assert only(over).state == "resolved"


def test_sources_that_are_written_alike_have_incidents_of_their_own() -> None:
    over = response()
    names = ("/carrier/a", "/carrier-a", "carrier/a?x=1", "/Träger/ä")
    over.step(heard(10.2, *(replace(silent(10, 10.2), source=name) for name in names)))
    ids = {one.id for one in over.incidents}
    assert len(ids) == len(names)
    assert all(name.isascii() and "/" not in name and "?" not in name for name in ids)


# -- what people say ---------------------------------------------------------------------------------------------


def test_people_change_incidents_of_either_kind() -> None:
    over = response()
    over.step(values(strange("orders_placed", 10)))
    over.step(heard(11, silent(10.5, 11)))
    for one in over.incidents:
        over.step(said("acknowledged", one.id, 11.5))
        over.step(said("confirmed", one.id, 11.6, note="it was"))
    for one in over.incidents:
        assert (one.state, one.owner) == ("acknowledged", "Ada")
        assert (one.history[-1].what, one.history[-1].note) == ("confirmed", "it was")


def test_what_cannot_be_is_refused_with_a_reason() -> None:
    over = response()
    outcome = over.step(said("acknowledged", "nothing-20240101T0000", 1))
    assert [one.reason for one in outcome.refused] == [
        "there is no incident nothing-20240101T0000, or it was over long ago"
    ]
    over.step(values(strange("orders_placed", 10)))
    over.step(said("false_alarm", only(over).id, 11))
    assert only(over).state == "retracted"
    assert only(over).history[-1].note == "false alarm"
    outcome = over.step(said("acknowledged", only(over).id, 12))
    assert "is retracted, it cannot be acknowledged" in outcome.refused[0].reason


def test_what_was_expected_is_over_and_in_the_calendar() -> None:
    over = response()
    over.step(values(strange("orders_placed", 10)))
    outcome = over.step(said("expected", only(over).id, 11, until=at(48), note="stocktaking"))
    assert only(over).state == "resolved"
    (entry,) = outcome.calendar
    assert (entry.kind, entry.title) == ("maintenance", "Expected, says Ada: stocktaking")
    assert (entry.start, entry.end) == (format_time(at(10)), format_time(at(48)))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"what": "acknowledged"}, "'incident' is missing"),
        ({"what": "snoozed", "incident": "a", "until": 5}, "'until' must lie after 'at'"),
        ({"what": "missed", "incident": "a"}, "'kpis', and a 'since' before its 'until'"),
        ({"what": "shrugged", "incident": "a"}, "Invalid enum value 'shrugged'"),
        ({"what": "resolved", "incident": 7}, r"\$.incident"),
        ({"what": "expected", "incident": "a", "until": 10**18}, "before the year 2100"),
        ({"what": "resolved", "incident": "a", "note": "x" * 2_001}, "2,000 characters at most"),
    ],
)
def test_feedback_that_makes_no_sense_is_an_error_that_says_what(fields: dict[str, Any], wrong: str) -> None:
    import json

    with pytest.raises(ContractError, match=wrong):
        Feedback.decode(json.dumps({"id": "1", "at": 10, "by": "Ada", **fields}).encode())


# -- values that wait for others --------------------------------------------------------------------------------


def test_values_of_an_hour_wait_for_all_kpis_and_not_for_ever() -> None:
    over = response()
    first = replace(values(strange("orders_placed", 10)), late=False)
    assert over.step(first).changed == []  # of the others nothing is known yet
    assert over.waiting == 1
    assert len(over.step(Inputs(at=at(11), late=True)).changed) == 1
    usual = [final(kpi, 11, 100.0, expected=(50.0, 100.0, 150.0)) for kpi in ("orders_placed", "revenue")]
    over.step(values(*usual))
    # Of the next hour one comes first, and days of it: it is not looked at before the other one has come as far.
    ahead = [final("orders_placed", hour, 100.0, expected=(50.0, 100.0, 150.0)) for hour in range(12, 60)]
    over.step(replace(values(*ahead), late=False))
    assert over.waiting == 48
    behind = replace(values(strange("revenue", 12, alert=True)), late=False)
    (changed,) = over.step(behind).changed
    assert {symptom.kpi for symptom in changed.symptoms} == {"orders_placed", "revenue"}
    assert over.waiting == 47  # the hour that is whole now is gone


# -- what events say, and messages ---------------------------------------------------------------------------------


def test_an_assessment_is_news_where_it_says_something_else() -> None:
    over = response()
    over.step(values(strange("orders_placed", 10)))
    told = Assessment(at(11), 4, 1, 3, 9_900, "", ())
    name = only(over).id
    assert over.step(Inputs(at=at(11), assessments={name: told})).changed[0].assessment == told
    assert over.step(Inputs(at=at(11.1), assessments={name: replace(told, at=at(11.1))})).changed == []
    assert over.step(Inputs(at=at(11.2), assessments={"gone": told})).changed == []
    more = replace(told, at=at(11.3), orders=5)
    assert over.step(Inputs(at=at(11.3), assessments={name: more})).changed[0].revision == only(over).revision
    # One that was made before another is no news.
    assert over.step(Inputs(at=at(11.4), assessments={name: told})).changed == []


def test_what_is_opened_is_to_be_sent_and_what_became_of_it_is_taken_in() -> None:
    over = response()
    assert not over.restless()
    opened = values(strange("orders_placed", 10))
    assert over.step(opened).messages == []  # it waits for what events say
    assert over.restless()
    assert [one.why for one in over.notices.held(opened.at)] == ["waits for its impact"]
    (message,) = over.step(Inputs(at=opened.at + MINUTE)).messages
    assert (message.channel, message.news, message.incidents) == ("mail", "opened", (only(over).id,))
    assert over.step(Inputs(at=opened.at + 2 * MINUTE)).messages == []  # it is on its way
    over.step(Inputs(at=opened.at + 3 * MINUTE, delivered=(Delivered(message.id, "mail"),)))
    assert not over.notices.busy


def test_what_was_on_its_way_is_sent_again_by_whoever_takes_over_and_nothing_that_arrived() -> None:
    over = response()
    over.step(values(strange("orders_placed", 10)))
    (first,) = over.step(Inputs(at=at(11.1))).messages
    (again,) = over.step(Inputs(at=at(11.2), resumed=True)).messages
    assert again.id == first.id
    over.step(Inputs(at=at(11.3), delivered=(Delivered(first.id, "mail"),)))
    assert over.step(Inputs(at=at(11.4), resumed=True)).messages == []


def test_maintenance_that_is_announced_holds_messages_back_until_it_is_withdrawn() -> None:
    over = response()
    window = Window(at(9), at(20))
    opened = values(strange("orders_placed", 10))
    over.step(replace(opened, maintenance=(window,)))
    assert over.step(Inputs(at=at(12))).messages == []
    assert [(one.why, one.until) for one in over.notices.held(at(12), over.maintenance)] == [("maintenance", at(20))]
    assert len(over.step(Inputs(at=at(12.1), maintenance=())).messages) == 1


def test_a_response_goes_on_from_its_state_and_steps_from_their_bytes() -> None:
    steps = [
        values(strange("orders_placed", 10)),
        heard(11, silent(10.5, 11)),
        said("acknowledged", "orders_placed-20240101T1100", 11.5),
        values(strange("orders_placed", 11), strange("deliveries_completed", 11)),
        heard(12, silent(10.5, 12)),
        heard(13),
        Inputs(at=at(13.1), maintenance=(Window(at(14), at(15)),), resumed=True),
        values(*(final("orders_placed", hour, 100.0, expected=(50.0, 100.0, 150.0)) for hour in range(12, 24))),
    ]
    straight = response()
    outcomes = [straight.step(step) for step in steps]
    for cut in range(len(steps)):
        again = response()
        for step in steps[:cut]:
            again.step(Inputs.decode(step.encode()))
        successor = response()
        successor.load(unpack(pack(again.state())))
        assert [successor.step(Inputs.decode(step.encode())) for step in steps[cut:]] == outcomes[cut:]
        assert successor.state() == straight.state()


def test_feedback_that_is_nested_without_end_is_an_error_like_any_other() -> None:
    with pytest.raises(ContractError, match="no feedback"):
        Feedback.decode(b'{"id":"1","at":1,"by":"","what":"resolved","incident":"a","x":' + b"[" * 100_000)


def test_a_snooze_ends_by_the_wall_clock() -> None:
    over = response()
    over.step(values(strange("orders_placed", 10)))
    over.step(said("snoozed", only(over).id, 11, until=at(11.5)))
    assert over.step(Inputs(at=at(11.4))).changed == []
    (woken,) = over.step(Inputs(at=at(11.5))).changed
    assert (woken.state, woken.history[-1].what) == ("open", "woken")
