"""Which messages are due: one for each piece of news, none that is out of date, none lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from detectors.notification.holds import ASSESSED_WITHIN_MS, Held, Window
from detectors.notification.message import GivenUp
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from tests.support.incidents import DAY, HOUR, MINUTE, T0, assessment, incident, then

NOW = T0 + 2 * HOUR + MINUTE
NIGHT = T0 + 11 * HOUR  # 23:00
MORNING = T0 + 19 * HOUR  # 7:00
KNOWN = {"assessment": assessment()}


def notices(*channels: str, **more: Any) -> Notices:
    quiet = QuietHours([[(1320, 1860)]] * 7, "Europe/Berlin")
    settings = Settings(channels=channels or ("phone",), **more)
    return Notices(settings, Text("EUR", "Europe/Berlin"), quiet)


def tell(of: Notices, now: int) -> list[str]:
    """Send all that is due; the ids."""
    found = of.due(now)
    for one in found:
        of.told(one.id, one.channel, now)
    return [one.id for one in found]


def test_each_piece_of_news_is_told_once() -> None:
    of, one = notices(), incident(**KNOWN)
    of.news([one], NOW)
    assert tell(of, NOW) == ["i-1/opened/1"]
    for what, more, expected in [
        ("explained", {}, []),
        ("acknowledged", {"state": "acknowledged", "owner": "kim"}, []),
        ("worsened", {"severity": "critical"}, ["i-1/worsened/critical"]),
        ("resolved", {"state": "resolved"}, ["i-1/resolved/1"]),
        ("reopened", {"state": "open"}, ["i-1/reopened/1"]),
        ("resolved", {"state": "resolved"}, ["i-1/resolved/2"]),
        ("retracted", {"state": "retracted"}, ["i-1/retracted/1"]),
    ]:
        one = then(one, what, NOW, **more)
        of.news([one], NOW)
        assert tell(of, NOW) == expected
        assert tell(of, NOW + 1) == []


def test_every_channel_is_told() -> None:
    of = notices("phone", "hook")
    of.news([incident(**KNOWN)], NOW)
    assert {(one.channel, one.id) for one in of.due(NOW)} == {("phone", "i-1/opened/1"), ("hook", "i-1/opened/1")}


def test_a_new_one_waits_for_its_impact_but_not_for_long() -> None:
    of = notices()
    of.news([incident()], NOW)
    assert tell(of, NOW) == []
    assert of.held(NOW) == [Held("i-1", "waits for its impact", NOW + ASSESSED_WITHIN_MS)]
    assert tell(of, NOW + ASSESSED_WITHIN_MS) == ["i-1/opened/1"]
    of.news([incident("i-2")], NOW)
    of.news([incident("i-2", revision=1, **KNOWN)], NOW + 1000)
    (message,) = of.due(NOW + 1000)
    assert "41 orders" in message.body
    assert "On the worklist: 44." in message.body


def test_what_is_older_than_a_day_was_imported_and_is_told_to_nobody() -> None:
    of = notices()
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved"), incident("i-2", **KNOWN)], NOW + DAY)
    assert tell(of, NOW + DAY) == []
    assert (of.passed_over, of.held(NOW + DAY)) == (1, [Held("i-2", "too old", None)])
    # It goes on, and what is read catches up with the clock.
    of.news([incident("i-2", until=NOW + DAY, revision=1, **KNOWN)], NOW + DAY)
    assert tell(of, NOW + DAY) == ["i-2/opened/1"]


def test_what_was_told_is_told_to_be_over_however_long_that_took() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    tell(of, NOW)
    of.news([then(incident(**KNOWN), "resolved", NOW + 4 * DAY, state="resolved")], NOW + 4 * DAY)
    assert tell(of, NOW + 4 * DAY) == ["i-1/resolved/1"]


def test_what_nobody_was_told_of_is_not_told_to_be_over() -> None:
    of = notices()
    of.news([incident()], NOW)
    of.news([then(incident(), "resolved", NOW, state="resolved")], NOW)
    assert tell(of, NOW + MINUTE) == []
    of.news([then(incident("i-2"), "retracted", NOW, state="retracted")], NOW)
    assert tell(of, NOW + MINUTE) == []


def test_a_merged_one_is_silent() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    tell(of, NOW)
    of.news([then(incident(**KNOWN), "merged", NOW, state="merged", merged_into="i-0")], NOW)
    assert tell(of, NOW) == []


def test_a_snoozed_one_is_silent_until_it_wakes_or_becomes_critical() -> None:
    of, asleep = notices(), then(incident(**KNOWN), "snoozed", NOW, state="snoozed", snoozed_until=NOW + HOUR)
    of.news([asleep], NOW)
    assert tell(of, NOW) == []
    assert of.held(NOW) == [Held("i-1", "snoozed", NOW + HOUR)]
    of.news([then(asleep, "woken", NOW + HOUR, state="open")], NOW + HOUR)
    assert tell(of, NOW + HOUR) == ["i-1/opened/1"]
    asleep = replace(asleep, id="i-2")
    of.news([incident("i-2", **KNOWN)], NOW)
    assert tell(of, NOW) == ["i-2/opened/1"]
    of.news([asleep], NOW)
    of.news([then(asleep, "worsened", NOW, severity="critical")], NOW)
    assert tell(of, NOW) == ["i-2/worsened/critical"]


def test_one_that_was_critical_before_it_was_snoozed_stays_silent() -> None:
    of = notices()
    worse = then(incident(**KNOWN), "worsened", NOW, severity="critical")
    of.news([then(worse, "snoozed", NOW, state="snoozed", snoozed_until=NOW + HOUR)], NOW)
    assert tell(of, NOW) == []


def test_quiet_hours_hold_warnings_back_and_let_critical_ones_through() -> None:
    of = notices()
    of.news([incident(until=NIGHT, **KNOWN), incident("i-2", until=NIGHT, severity="critical", **KNOWN)], NIGHT)
    assert tell(of, NIGHT) == ["i-2/opened/1"]
    assert of.held(NIGHT) == [Held("i-1", "quiet hours", MORNING)]
    assert tell(of, MORNING - 1) == []
    assert tell(of, MORNING) == ["i-1/opened/1"]


def test_what_came_and_went_in_quiet_hours_is_one_message_in_the_morning_and_false_alarms_none() -> None:
    of = notices()
    night = [incident(name, until=NIGHT, **KNOWN) for name in ("i-1", "i-2", "i-3")]
    of.news(night, NIGHT)
    assert tell(of, NIGHT) == []
    of.news([then(one, "resolved", NIGHT + HOUR, state="resolved") for one in night[:2]], NIGHT + HOUR)
    of.news([then(night[2], "retracted", NIGHT + HOUR, state="retracted")], NIGHT + HOUR)
    assert tell(of, NIGHT + HOUR) == []
    (message,) = of.due(MORNING)
    assert (message.news, message.incidents) == ("digest", ("i-1", "i-2"))
    assert message.title == "In quiet hours: 2 incidents, over by now"
    of.told(message.id, message.channel, MORNING)
    assert tell(of, MORNING + 1) == []


def test_maintenance_holds_back_what_lies_within_it() -> None:
    window = Window(NOW - HOUR, NOW + HOUR, {"region": ("north", "west")})
    of = notices()
    of.news([incident(**KNOWN), incident("i-2", scope={"region": "south"}, **KNOWN)], NOW)
    found = of.due(NOW, [window])
    assert [one.id for one in found] == ["i-2/opened/1"]
    assert of.held(NOW, [window])[0] == Held("i-1", "maintenance", window.end)
    assert [one.id for one in of.due(window.end, [window])] == ["i-1/opened/1"]


def test_nobody_is_told_of_what_was_off_only_during_maintenance() -> None:
    window = Window(T0 - HOUR, T0 + 3 * HOUR)
    of = notices()
    of.news([incident(**KNOWN)], window.end + HOUR)
    assert of.due(window.end + HOUR, [window]) == []
    of.news([incident(until=window.end + HOUR, revision=1, **KNOWN)], window.end + HOUR)
    assert len(of.due(window.end + HOUR, [window])) == 1


def test_what_fails_is_tried_again_under_the_same_id_and_later_each_time() -> None:
    of, now = notices(), NOW
    of.news([incident(**KNOWN)], now)
    (first,) = of.due(now)
    waits = []
    for _ in range(4):
        of.failed(first.id, "phone", now, "HTTP 503", permanent=False)
        (held,) = of.held(now)
        assert held.why == "not delivered to phone: HTTP 503"
        assert held.until is not None
        assert of.due(held.until - 1) == []
        waits.append(held.until - now)
        now = held.until
        assert [one.id for one in of.due(now)] == [first.id]
    assert waits == sorted(waits)
    of.told(first.id, "phone", now)
    assert tell(of, now + DAY) == []


def test_what_cannot_be_delivered_for_a_day_is_given_up_for_all_to_see() -> None:
    of, now = notices(), NOW
    of.news([incident(severity="critical", **KNOWN)], now)  # no quiet hours
    while found := of.due(now):
        of.failed(found[0].id, "phone", now, "HTTP 503", permanent=False)
        now = next((one.until or 0 for one in of.held(now)), now)
    assert [(one.id, one.channel, one.error) for one in of.lost] == [("i-1/opened/1", "phone", "HTTP 503")]
    assert now - NOW + HOUR >= DAY
    of.news([then(incident(**KNOWN), "resolved", now, state="resolved")], now)
    assert tell(of, now) == []


def test_what_is_refused_is_given_up_at_once_and_what_comes_later_is_tried() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    of.failed(message.id, "phone", NOW, "HTTP 401", permanent=True)
    assert of.lost == [GivenUp("i-1/opened/1", "phone", NOW, "HTTP 401")]
    of.news([then(incident(**KNOWN), "worsened", NOW, severity="critical")], NOW)
    assert tell(of, NOW) == ["i-1/worsened/critical"]


def test_what_has_failed_and_is_out_of_date_is_not_sent_any_more() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    of.failed(message.id, "phone", NOW, "refused", permanent=False)
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved")], NOW)
    assert tell(of, NOW + HOUR) == []
    assert of.pending("phone") == 0


def test_what_may_have_arrived_before_a_crash_is_sent_again_and_then_told_to_be_over() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    over = then(incident(**KNOWN), "resolved", NOW, state="resolved")
    of.news([over], NOW)
    again = notices()
    again.load(json.loads(json.dumps(of.state())))
    again.resume()
    assert tell(again, NOW + 1) == [message.id]
    assert tell(again, NOW + 2) == ["i-1/resolved/1"]


def test_more_than_a_channel_takes_is_one_message() -> None:
    of = notices(per_hour=3)
    many = [incident(f"i-{number}", since=T0 + number, **KNOWN) for number in range(9)]
    of.news([*many[:8], replace(many[8], severity="critical")], NOW)
    found = of.due(NOW)
    assert [one.id for one in found[:2]] == ["i-8/opened/1", "i-0/opened/1"]
    assert (found[2].news, len(found), len(found[2].incidents), found[2].title) == ("digest", 3, 7, "7 more incidents")
    for one in found:
        of.told(one.id, one.channel, NOW)
    of.news([incident("i-10", **KNOWN)], NOW)
    assert of.due(NOW) == []
    (held,) = of.held(NOW)
    assert (held.why, held.until) == ("rate limit of phone", NOW + 20 * MINUTE)
    assert tell(of, NOW + 20 * MINUTE) == ["i-10/opened/1"]


def test_a_channel_that_is_new_hears_what_is_wrong_now() -> None:
    of = notices("phone")
    of.news([incident(**KNOWN)], NOW)
    tell(of, NOW)
    more = notices("phone", "hook")
    more.load(json.loads(json.dumps(of.state())))
    more.resume()
    assert [(one.channel, one.id) for one in more.due(NOW)] == [("hook", "i-1/opened/1")]


def test_nothing_is_kept_of_what_nobody_can_ask_for_any_more() -> None:
    of = notices()
    of.news([then(incident(str(number)), "retracted", NOW, state="retracted") for number in range(100)], NOW)
    of.news([incident(**KNOWN)], NOW)
    tell(of, NOW)
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved")], NOW)
    tell(of, NOW)
    assert len(of.state()["ledgers"]) == 1
    tell(of, NOW + 8 * DAY)
    assert of.state()["ledgers"] == []


def test_an_older_revision_changes_nothing() -> None:
    of = notices()
    over = then(incident(**KNOWN), "resolved", NOW, state="resolved")
    of.news([over], NOW)
    of.news([incident(**KNOWN)], NOW)
    assert tell(of, NOW) == []


@pytest.mark.parametrize("call", ["told", "failed"])
def test_news_of_a_message_that_is_not_known_is_passed_over(call: str) -> None:
    of = notices()
    of.told("x", "phone", NOW) if call == "told" else of.failed("x", "phone", NOW, "", True)
    assert (of.lost, of.pending("phone")) == ([], 0)
