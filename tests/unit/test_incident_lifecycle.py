"""What may become of an incident."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.incident import Change, Incident, Symptom
from streams.errors import ContractError

HOUR = 3_600_000


def symptom(kpi: str = "orders_placed", start: int = 0) -> Symptom:
    return Symptom(kpi, "value", {}, start, start, 1.0, (5.0, 10.0, 15.0), 4.0, -1, "orders", True, "1 instead of 10")


def incident(name: str = "a", *symptoms: Symptom) -> Incident:
    given = symptoms or (symptom(),)
    return Incident(
        id=name,
        kind="business",
        state="open",
        severity="warning",
        title="Orders placed fewer than usual",
        since=min(one.since for one in given),
        last=max(one.last for one in given),
        span=HOUR,
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


@pytest.mark.parametrize("state", ["resolved", "retracted", "merged"])
def test_what_is_over_is_not_acknowledged(state: str) -> None:
    over = replace(incident(), state=state)
    with pytest.raises(ContractError, match=f"is {state}"):
        lifecycle.acknowledge(over, HOUR, "kim")
    with pytest.raises(ContractError, match=f"is {state}"):
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
    assert (kept.since, kept.last, kept.owner) == (0, 5 * HOUR, "kim")
    assert [known.kpi for known in kept.symptoms] == ["orders_placed", "revenue"]


def test_the_record_of_an_incident_is_read_as_it_was_written() -> None:
    found = lifecycle.acknowledge(incident(), 2 * HOUR, "kim")
    assert Incident.decode(found.encode()) == found
