"""Incidents as Alertmanager's alerts: kept alive, known by labels that do not change, ended."""

from __future__ import annotations

import json

from msgspec.structs import replace

from detectors.notification.alerts import ALIVE_MS, EVERY_MS, REFUSED_MS
from detectors.notification.message import Alert, GivenUp, Message
from detectors.notification.notices import Notices, Settings
from detectors.notification.quiet import QuietHours
from detectors.notification.text import Text
from tests.support.incidents import HOUR, MINUTE, T0, assessment, incident, then

NOW = T0 + 2 * HOUR
KNOWN = {"assessment": assessment()}
LABELS = {
    "alertname": "DaybookIncident", "incident": "i-1", "kpi": "on_time_ratio", "severity": "warning",
    "kind": "business", "region": "north",
}  # fmt: skip


def notices() -> Notices:
    text = Text("EUR", "Europe/Berlin", "http://127.0.0.1:8080/incidents/{id}", "runbook.md")
    # Its quiet hours are Alertmanager's own.
    quiet = QuietHours([[(0, 1440)]] * 7, "Europe/Berlin")
    return Notices(Settings(alertmanager="alertmanager"), text, quiet)


def post(of: Notices, now: int) -> list[Alert]:
    found = of.due(now)
    for one in found:
        of.told(one.id, one.channel, now)
    return alerts(found)


def alerts(found: list[Message]) -> list[Alert]:
    assert all(one.news == "alert" for one in found)
    return [one.alert for one in found if one.alert is not None]


def test_it_says_what_a_message_says() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (alert,) = post(of, NOW)
    assert alert.labels == LABELS
    assert (alert.starts_at, alert.ends_at) == (T0, NOW + ALIVE_MS)
    assert alert.link == "http://127.0.0.1:8080/incidents/i-1"
    body = alert.annotations.pop("description")
    assert "On the worklist: 44." in body
    assert alert.annotations == {
        "summary": "On time ratio lower than usual: region north",
        "impact": "Hits 41 orders of 38 customers, worth € 3,120.00, and 12 tickets",
        "runbook_url": "runbook.md#delivery",
        "link": "http://127.0.0.1:8080/incidents/i-1",
    }


def test_it_is_posted_again_every_minute_until_it_is_over() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    assert len(post(of, NOW)) == 1
    assert post(of, NOW + EVERY_MS - 1) == []
    (again,) = post(of, NOW + EVERY_MS)
    assert again.ends_at == NOW + EVERY_MS + ALIVE_MS
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved")], NOW + EVERY_MS + 1000)
    (over,) = post(of, NOW + EVERY_MS + 1000)
    assert (over.labels, over.ends_at) == (LABELS, NOW + EVERY_MS + 1000)
    assert over.annotations["summary"].startswith("Over: ")
    assert post(of, NOW + HOUR) == []


def test_what_is_learned_of_it_changes_no_label() -> None:
    of, one = notices(), incident(**KNOWN)
    of.news([one], NOW)
    post(of, NOW)
    found = then(one, "explained", NOW, scope={"carrier": "postbird"}, title="All is other")
    of.news([then(found, "acknowledged", NOW, state="acknowledged", owner="kim")], NOW)
    (again,) = post(of, NOW + EVERY_MS)
    assert again.labels == LABELS
    assert (again.annotations["acknowledged"], again.annotations["owner"]) == ("true", "kim")
    assert again.annotations["summary"] == "All is other"


def test_one_that_becomes_critical_is_another_alert_and_the_first_ends() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    post(of, NOW)
    of.news([then(incident(**KNOWN), "worsened", NOW, severity="critical")], NOW + MINUTE)
    found = {one.labels["severity"]: one for one in post(of, NOW + MINUTE)}
    assert found["warning"].ends_at == NOW + MINUTE
    assert found["warning"].annotations["summary"].startswith("Now critical: ")
    assert found["critical"].ends_at == NOW + MINUTE + ALIVE_MS
    assert [one.labels["severity"] for one in post(of, NOW + 2 * MINUTE)] == ["critical"]
    of.news([incident(severity="warning", revision=5, **KNOWN)], NOW + 3 * MINUTE)
    assert [one.labels["severity"] for one in post(of, NOW + 3 * MINUTE)] == ["critical"]


def test_a_snoozed_one_ends_and_says_so_and_begins_again_when_it_wakes() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    post(of, NOW)
    asleep = then(incident(**KNOWN), "snoozed", NOW, state="snoozed", snoozed_until=NOW + HOUR)
    of.news([asleep], NOW + 1)
    (over,) = post(of, NOW + 1)
    assert (over.ends_at, over.annotations["summary"]) == (
        NOW + 1,
        "Snoozed until Tue 3 Nov 15:00: On time ratio lower than usual: region north",
    )
    assert post(of, NOW + 30 * MINUTE) == []
    of.news([then(asleep, "woken", NOW + HOUR, state="open")], NOW + HOUR)
    (again,) = post(of, NOW + HOUR)
    assert (again.labels, again.starts_at) == (LABELS, NOW + HOUR)


def test_a_merged_one_ends_and_says_where_it_went() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    post(of, NOW)
    of.news([then(incident(**KNOWN), "merged", NOW, state="merged", merged_into="i-0")], NOW)
    (over,) = post(of, NOW + 1)
    assert over.annotations["summary"].startswith("Part of i-0 now: ")


def test_what_came_and_went_before_it_was_posted_is_not() -> None:
    of = notices()
    of.news([incident()], NOW)
    assert post(of, NOW) == []
    of.news([then(incident(), "resolved", NOW, state="resolved")], NOW)
    assert post(of, NOW + MINUTE) == []


def test_one_that_fails_is_tried_again_within_the_minute_and_once_refused_later() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    assert of.pending("alertmanager") == 1
    of.failed(message.id, "alertmanager", NOW, "HTTP 500", permanent=False)
    assert of.held(NOW)[0].why == "not delivered to alertmanager: HTTP 500"
    assert len(of.due(NOW + EVERY_MS)) == 1
    of.failed(message.id, "alertmanager", NOW, "HTTP 400", permanent=True)
    assert of.due(NOW + REFUSED_MS - 1) == []
    assert len(post(of, NOW + REFUSED_MS)) == 1
    assert of.pending("alertmanager") == 0


def test_the_end_of_one_that_is_on_its_way_follows_it() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved")], NOW + 1)
    assert of.due(NOW + 1) == []
    of.told(message.id, message.channel, NOW + 2)
    (over,) = post(of, NOW + 2)
    assert over.ends_at == NOW + 1
    assert of.due(NOW + HOUR) == []


def test_one_that_begins_again_while_its_end_is_on_its_way_is_posted_after_it() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    post(of, NOW)
    over = then(incident(**KNOWN), "resolved", NOW, state="resolved")
    of.news([over], NOW + 1)
    (message,) = of.due(NOW + 1)
    of.news([then(over, "reopened", NOW + 2, state="open")], NOW + 2)
    assert of.due(NOW + 2) == []
    of.told(message.id, message.channel, NOW + 3)
    (again,) = post(of, NOW + 3)
    assert (again.labels, again.ends_at) == (LABELS, NOW + 3 + ALIVE_MS)


def test_what_came_and_went_while_nobody_answered_is_given_up_for_all_to_see() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    (message,) = of.due(NOW)
    of.failed(message.id, message.channel, NOW, "no answer", permanent=False)
    of.news([then(incident(**KNOWN), "resolved", NOW, state="resolved")], NOW)
    (message,) = of.due(NOW + 1)
    of.failed(message.id, message.channel, NOW + 1, "no answer", permanent=False)
    assert of.due(NOW + ALIVE_MS + HOUR) == []
    assert of.lost == [GivenUp(message.id, "alertmanager", NOW + ALIVE_MS + HOUR, "no answer")]


def test_after_a_restart_all_are_posted_at_once_with_the_same_labels() -> None:
    of = notices()
    of.news([incident(**KNOWN)], NOW)
    of.due(NOW)
    again = notices()
    again.load(json.loads(json.dumps(of.state())))
    again.resume()
    again.news([replace(incident(**KNOWN), scope={}, revision=3)], NOW + 1)
    assert [one.labels for one in post(again, NOW + 1)] == [LABELS]


def test_a_dimension_cannot_take_the_place_of_a_label_of_ours() -> None:
    of = notices()
    of.news([incident(scope={"severity": "none", "queue": ""}, **KNOWN)], NOW)
    (alert,) = post(of, NOW)
    assert alert.labels == {name: value for name, value in LABELS.items() if name != "region"}
