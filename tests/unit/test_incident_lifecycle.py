"""What may become of an incident."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.incident import Change, Incident, Symptom
from streams.errors import ContractError

HOUR = 3_600_000


def symptom(kpi: str = "orders_placed", start: int = 0) -> Symptom:
    return Symptom(
        kpi, "value", {}, start, start + HOUR, 1.0, (5.0, 10.0, 15.0), 4.0, -1, "orders", True, "1 instead of 10"
    )


def incident(name: str = "a", *symptoms: Symptom) -> Incident:
    given = symptoms or (symptom(),)
    return Incident(
        id=name,
        kind="business",
        state="open",
        severity="warning",
        title="Orders placed fewer than usual",
        since=min(one.since for one in given),
        until=max(one.until for one in given),
        cause_until=max(one.until for one in given),
        symptoms=given,
        scope={},
        shares={},
        history=(Change(HOUR, "opened"),),
    )


def test_who_acknowledges_it_is_its_owner() -> None:
    found = lifecycle.acknowledge(incident(), 2 * HOUR, "kim", "calling the carrier")
    assert (found.state, found.owner, found.revision) == ("acknowledged", "kim", 1)
    assert found.history[-1] == Change(2 * HOUR, "acknowledged", "kim", "calling the carrier")


def test_a_snoozed_one_wakes_in_time_and_keeps_its_owner() -> None:
    owned = lifecycle.acknowledge(incident(), HOUR, "kim")
    asleep = lifecycle.snooze(owned, HOUR, "kim", until=5 * HOUR)
    assert lifecycle.wake(asleep, 4 * HOUR) is asleep
    awake = lifecycle.wake(asleep, 5 * HOUR)
    assert (awake.state, awake.owner, awake.snoozed_until) == ("acknowledged", "kim", 0)
    assert lifecycle.wake(lifecycle.snooze(incident(), HOUR, "kim", 2 * HOUR), 2 * HOUR).state == "open"
    with pytest.raises(ContractError, match="passed"):
        lifecycle.snooze(owned, 6 * HOUR, "kim", until=5 * HOUR)


def test_what_was_not_over_goes_on() -> None:
    over = lifecycle.resolve(incident(), 2 * HOUR)
    assert not over.live
    again = lifecycle.reopen(over, 3 * HOUR)
    assert again.state == "open"
    assert [change.what for change in again.history] == ["opened", "resolved", "reopened"]


def test_a_snooze_goes_on_though_it_was_over_for_a_while() -> None:
    asleep = lifecycle.snooze(incident(), HOUR, "kim", until=72 * HOUR)
    over = lifecycle.resolve(asleep, 9 * HOUR)
    assert lifecycle.reopen(over, 20 * HOUR).state == "snoozed"
    assert lifecycle.reopen(over, 73 * HOUR).state == "open"


@pytest.mark.parametrize("state", ["resolved", "retracted", "merged"])
def test_what_is_over_is_not_acknowledged(state: str) -> None:
    over = replace(incident(), state=state, merged_into="b")
    with pytest.raises(ContractError, match=f"is {state}" if state != "merged" else "is part of b now"):
        lifecycle.acknowledge(over, HOUR, "kim")
    with pytest.raises(ContractError, match=f"is {state}" if state != "merged" else "is part of b now"):
        lifecycle.snooze(over, HOUR, "kim", 2 * HOUR)


def test_a_false_alarm_can_be_taken_back_later_and_again() -> None:
    gone = lifecycle.retract(lifecycle.resolve(incident(), HOUR), 9 * HOUR, "kim", "stocktaking")
    assert gone.state == "retracted"
    with pytest.raises(ContractError, match="retracted"):
        lifecycle.retract(gone, 10 * HOUR)
    assert lifecycle.reopen(gone, 10 * HOUR).state == "open"


def test_of_two_that_are_one_the_one_that_goes_on_knows_all() -> None:
    one = incident("a", symptom("orders_placed", HOUR))
    other = lifecycle.acknowledge(incident("b", symptom("orders_placed", 0), symptom("revenue", 5 * HOUR)), HOUR, "kim")
    gone, kept = lifecycle.merge(other, one, 6 * HOUR)
    assert (gone.state, gone.merged_into, gone.live) == ("merged", "a", False)
    assert (kept.since, kept.until, kept.owner) == (0, 6 * HOUR, "kim")
    assert [known.kpi for known in kept.symptoms] == ["orders_placed", "revenue"]
    assert (kept.symptoms[0].since, kept.symptoms[0].until) == (0, 2 * HOUR)


def test_what_is_merged_is_as_bad_as_the_worse() -> None:
    bad = replace(symptom("revenue"), surprise=7.0)
    _, kept = lifecycle.merge(incident("b", bad), incident("a"), 6 * HOUR)
    assert kept.severity == "critical"


def test_the_record_of_an_incident_is_read_as_it_was_written() -> None:
    found = lifecycle.acknowledge(incident(), 2 * HOUR, "kim")
    assert Incident.decode(found.encode()) == found


def test_who_says_that_it_is_not_over_hears_of_it_again() -> None:
    snoozed = lifecycle.snooze(incident(), 10, "ada", 1_000)
    over = lifecycle.resolve(snoozed, 20)
    assert lifecycle.reopen(over, 30).state == "snoozed"
    assert lifecycle.reopen(over, 30, by="ada").state == "open"
