"""Which alerts are one incident."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.grouping import MOST_JOINED, Incidents
from detectors.incidents.incident import Incident
from streams.config import load_config
from streams.errors import ContractError
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue

HOUR = 3_600_000
DEFINITIONS = load_config(env={}).definitions()
KPIS = {kpi.name: kpi for kpi in DEFINITIONS.kpis}
REGIONS = {"north": 25.0, "south": 75.0}


def count(kpi: str, hour: int, value: float, expected: float, **given: Any) -> KpiValue:
    """A judged count; where it is far off, it is strange."""
    off = value - expected
    return KpiValue(
        kpi=kpi,
        stat="value",
        slice=given.pop("slice_", {}),
        span="1h",
        rolling=False,
        start=hour * HOUR,
        end=(hour + 1) * HOUR,
        value=value,
        weight=int(value),
        parts=(int(value),),
        status=given.pop("status", "final"),
        revision=given.pop("revision", 0),
        unit=KPIS[kpi].unit,
        better=KPIS[kpi].better,
        expected=(0.5 * expected, expected, 1.5 * expected),
        surprise=given.pop("surprise", 5.0 if abs(off) > 0.5 * expected else 0.3),
        side=(off > 0) - (off < 0),
        **given,
    )


def hour_of(kpi: str, hour: int, alert: str = "", **factors: float) -> list[KpiValue]:
    """All regions of a KPI, each at a factor of what is usual; ``alert`` names the one that is told of."""
    slices = {name: usual * factors.get(name, 1.0) for name, usual in REGIONS.items()}
    found = [count(kpi, hour, sum(slices.values()), 100.0)]
    for name, value in slices.items():
        found.append(count(kpi, hour, value, REGIONS[name], slice_={"region": name}, alert=name == alert))
    return found


def live(incidents: Incidents) -> list[Incident]:
    return [one for one in incidents.incidents if one.live]


def test_what_is_usual_is_no_incident() -> None:
    incidents = Incidents(DEFINITIONS)
    assert [incidents.step(hour_of("orders_placed", hour)) for hour in range(20)] == [[]] * 20
    assert incidents.step([]) == []


def test_an_alert_is_an_incident_that_says_since_when_and_whom_it_is_about() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in (0, 1):
        incidents.step(hour_of("deliveries_completed", hour))
    for hour in (2, 3):
        assert incidents.step(hour_of("deliveries_completed", hour, north=0.0)) == []
    [found] = incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    assert (found.since, found.until, found.state) == (2 * HOUR, 5 * HOUR, "open")
    assert found.scope == {"region": "north"}
    assert found.title == "Deliveries completed fewer than usual: region north"
    assert found.shares["deliveries_completed"][0].off == -75.0
    assert found.history[0].at == 5 * HOUR


def test_what_trouble_leads_to_joins_and_another_slice_does_not() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.step(hour_of("tickets_opened", 6, alert="north", north=3.0))
    incidents.step(hour_of("tickets_opened", 7, alert="south", south=3.0))
    north, south = incidents.incidents
    assert {one.kpi for one in north.symptoms} == {"deliveries_completed", "tickets_opened"}
    assert [one.what for one in north.history] == ["opened", "joined"]
    assert south.scope == {"region": "south"}


@pytest.mark.parametrize(("hour", "incidents_"), [(4, 1), (8, 2)])
def test_orders_and_deliveries_are_two_incidents_unless_they_are_off_at_the_same_time(
    hour: int, incidents_: int
) -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.step(hour_of("orders_placed", hour, alert="north", north=0.0))
    assert len(incidents.incidents) == incidents_


def test_what_is_for_the_better_does_not_join() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    assert incidents.step(hour_of("tickets_opened", 4, north=0.1)) == []


def test_it_is_over_when_nothing_is_off_any_more_and_goes_on_when_it_comes_again() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    for hour in range(5, 10):
        assert [one.state for one in incidents.step(hour_of("deliveries_completed", hour))] == ["open"]
    [over] = incidents.step(hour_of("deliveries_completed", 10))
    assert (over.state, over.calm) == ("resolved", 6)
    [again] = incidents.step(hour_of("deliveries_completed", 20, alert="north", north=0.0))
    assert (again.id, again.state, again.since) == (over.id, "open", 4 * HOUR)
    assert [one.what for one in again.history] == ["opened", "resolved", "reopened"]
    for hour in range(21, 200):
        incidents.step(hour_of("deliveries_completed", hour))
    assert incidents.incidents == []


def test_what_comes_again_and_is_over_within_one_step_is_told_of() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    (over,) = incidents.step([value for hour in range(5, 11) for value in hour_of("deliveries_completed", hour)])
    assert over.state == "resolved"
    again = hour_of("deliveries_completed", 20, alert="north", north=0.0)
    later = [value for hour in range(21, 200) for value in hour_of("deliveries_completed", hour)]
    (told,) = incidents.step([*again, *later])
    assert told.id == over.id
    assert told.revision > over.revision
    assert [one.what for one in told.history] == ["opened", "resolved", "reopened", "resolved"]


def test_hours_that_are_not_judged_do_not_end_it() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    for hour in range(5, 30):
        incidents.step([replace(one, surprise=0.0) for one in hour_of("deliveries_completed", hour)])
    assert [one.state for one in incidents.incidents] == ["open"]
    for hour in range(30, 33):
        incidents.step(hour_of("deliveries_completed", hour))
    assert [one.state for one in incidents.incidents] == ["resolved"]


def test_what_people_did_is_kept_while_it_goes_on() -> None:
    incidents = Incidents(DEFINITIONS)
    [found] = incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.change(found.id, lambda one: lifecycle.acknowledge(one, 5 * HOUR, "kim"))
    incidents.change(found.id, lambda one: lifecycle.snooze(one, 5 * HOUR, "kim", 7 * HOUR))
    [asleep] = incidents.step(hour_of("deliveries_completed", 5, north=0.0))
    assert (asleep.state, asleep.until) == ("snoozed", 6 * HOUR)
    [awake] = incidents.step(hour_of("deliveries_completed", 6, north=0.0))
    assert (awake.state, awake.owner) == ("acknowledged", "kim")
    with pytest.raises(ContractError, match="no incident nonsense"):
        incidents.change("nonsense", lambda one: one)


def test_whatever_changes_is_a_revision() -> None:
    incidents, revision = Incidents(DEFINITIONS), -1
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    for hour in range(5, 9):
        north = [replace(one, surprise=one.surprise + hour) for one in hour_of("deliveries_completed", hour, north=0.0)]
        [found] = incidents.step(north)
        assert found.revision > revision
        revision = found.revision
    assert found.severity == "critical"
    assert [one.what for one in found.history] == ["opened", "worsened"]


def test_late_events_change_the_shares_and_not_the_judgement() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in (3, 4):
        incidents.step(hour_of("deliveries_completed", hour, alert="north" if hour == 4 else "", north=0.0))
    late = count("deliveries_completed", 3, 5.0, 25.0, slice_={"region": "north"}, status="corrected")
    incidents.step([replace(late, expected=None, surprise=0.0, side=0)])
    [found] = incidents.step(hour_of("deliveries_completed", 5, alert="north", north=0.0))
    assert found.shares["deliveries_completed"][0].off == -70.0


def test_what_is_strange_alone_is_no_incident_and_joins_one() -> None:
    incidents = Incidents(DEFINITIONS)
    assert incidents.step(hour_of("tickets_opened", 3, north=3.0)) == []
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    faint = [replace(one, surprise=min(one.surprise, 4.0)) for one in hour_of("tickets_opened", 5, north=3.0)]
    incidents.step(faint)
    assert {one.kpi for one in incidents.incidents[0].symptoms} == {"deliveries_completed"}
    incidents.step(hour_of("tickets_opened", 6, north=3.0))
    assert {one.kpi for one in incidents.incidents[0].symptoms} == {"deliveries_completed", "tickets_opened"}


def test_an_alert_counts_however_strange_and_on_whatever_side() -> None:
    incidents = Incidents(DEFINITIONS)
    mild = [replace(one, surprise=1.5, side=1) for one in hour_of("orders_placed", 4, alert="north", north=0.2)]
    assert len(incidents.step(mild)) == 1


def test_what_begins_long_after_is_another_incident_unless_the_first_leads_to_it() -> None:
    """Parcels come late a day after the carrier stood still; a carrier does not stand still for a late parcel."""
    late = {"deliveries_completed": "tickets_opened", "tickets_opened": "deliveries_completed"}
    for first, second in late.items():
        factor = {"deliveries_completed": 0.0, "tickets_opened": 3.0}
        incidents = Incidents(DEFINITIONS)
        incidents.step(hour_of(first, 4, alert="north", north=factor[first]))
        incidents.step(hour_of(second, 30, alert="north", north=factor[second]))
        assert len(incidents.incidents) == (1 if first == "deliveries_completed" else 2)


def test_very_many_series_do_not_make_an_incident_large() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in range(4, 8):
        values = [count("tickets_opened", hour, 900.0, 300.0, alert=hour == 4)]
        values += [count("tickets_opened", hour, 3.0, 1.0, slice_={"topic": f"t{n}"}) for n in range(300)]
        incidents.step(values)
    [found] = incidents.incidents
    assert len(found.symptoms) == 1 + MOST_JOINED
    assert len(found.history) == 1
    assert len(found.encode()) < 10_000


def test_a_day_and_an_hour_are_compared_by_where_they_end() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 40, alert="north", north=0.0))
    day = [
        replace(one, start=24 * HOUR, end=48 * HOUR, span="1d")
        for one in hour_of("tickets_opened", 0, alert="north", north=3.0)
    ]
    [found] = incidents.step(day)
    assert (found.since, found.until, found.state) == (24 * HOUR, 48 * HOUR, "open")
    [same] = incidents.step(hour_of("deliveries_completed", 49, alert="north", north=0.0))
    assert same.id == found.id


def test_a_restart_in_between_changes_nothing() -> None:
    one, other = Incidents(DEFINITIONS), Incidents(DEFINITIONS)
    for hour in range(30):
        values = [
            *(
                [hour_of("deliveries_completed", hour, alert="north" if hour == 4 else "", north=0.0)]
                if hour < 8
                else []
            ),
            hour_of(
                "tickets_opened", hour, alert="north" if hour == 6 else "", north=3.0 if hour in (5, 6, 7) else 1.0
            ),
        ]
        for batch in values:
            assert one.step(batch) == other.step(batch)
        restored = Incidents(DEFINITIONS)
        restored.load(unpack(pack(other.state())))
        other = restored
    assert one.incidents == other.incidents != []


def test_a_kpi_that_is_none_any_more_is_passed_over() -> None:
    before, after = Incidents(DEFINITIONS), Incidents(replace(DEFINITIONS, kpis=(KPIS["tickets_opened"],)))
    before.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    after.load(unpack(pack(before.state())))
    assert after.step(hour_of("deliveries_completed", 5, alert="north", north=0.0)) == []
    [new] = after.step(hour_of("tickets_opened", 5, alert="north", north=3.0))
    assert len(after.incidents) == 2
    assert new.symptoms[0].kpi == "tickets_opened"


def test_an_incident_of_which_one_kpi_is_none_any_more_goes_on() -> None:
    before, after = Incidents(DEFINITIONS), Incidents(replace(DEFINITIONS, kpis=(KPIS["tickets_opened"],)))
    before.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    before.step(hour_of("tickets_opened", 6, alert="north", north=3.0))
    after.load(unpack(pack(before.state())))
    [found] = after.step(hour_of("tickets_opened", 20, alert="north", north=3.0))
    assert [one.kpi for one in found.symptoms] == ["deliveries_completed", "tickets_opened"]


def strange(values: list[KpiValue], surprise: float) -> list[KpiValue]:
    """As strange as that, where they are strange at all."""
    return [replace(one, surprise=surprise if one.surprise > 1.0 else one.surprise) for one in values]


def test_stronger_evidence_decides_anew_whom_and_what_it_is_about() -> None:
    """That the south's parcels did not leave was a false alarm: none arrive anywhere."""
    incidents = Incidents(DEFINITIONS)
    [first] = incidents.step(strange(hour_of("deliveries_dispatched", 4, alert="south", south=0.3), 2.9))
    assert (first.cause, first.scope) == ("dispatch", {"region": "south"})
    late = strange(hour_of("deliveries_completed", 5, alert="", north=0.0, south=0.0), 12.0)
    [found] = incidents.step([replace(one, alert=not one.slice) for one in late])
    assert found.id == first.id
    assert (found.cause, found.scope) == ("delivery", {})
    assert found.title == "Deliveries completed fewer than usual"
    assert [one.what for one in found.history] == ["opened", "joined", "worsened", "explained"]


def test_another_slice_is_another_incident_however_near() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.step(hour_of("deliveries_dispatched", 5, alert="south", south=0.0))
    assert [one.scope for one in incidents.incidents] == [{"region": "north"}, {"region": "south"}]


def test_two_that_turn_out_to_be_one_become_one() -> None:
    """Customers wait for an answer, and nobody knows why until it shows that they write more, about late parcels."""
    incidents = Incidents(DEFINITIONS)
    [parcels] = incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    [desk] = incidents.step(hour_of("tickets_answered", 20, alert="north", north=0.0))
    incidents.change(desk.id, lambda one: lifecycle.acknowledge(one, 21 * HOUR, "kim"))
    assert incidents.incidents[0].live
    changed = {one.id: one for one in incidents.step(hour_of("tickets_opened", 21, alert="north", north=3.0))}
    kept, gone = changed[parcels.id], changed[desk.id]
    assert (gone.state, gone.merged_into, kept.state, kept.owner) == ("merged", parcels.id, "open", "kim")
    assert {one.kpi for one in kept.symptoms} == {"deliveries_completed", "tickets_answered", "tickets_opened"}
    assert (kept.cause, kept.scope) == ("delivery", {"region": "north"})


def late_for(hour: int, north: float) -> list[KpiValue]:
    """What became of the parcels of the north, an hour later."""
    late = count("deliveries_completed", hour, north, 25.0, slice_={"region": "north"}, status="corrected", revision=1)
    return [replace(late, expected=None, surprise=0.0, side=0)]


def test_late_events_that_take_back_all_it_rests_on_retract_it() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    assert incidents.step(late_for(4, 5.0)) == []
    [found] = incidents.step(late_for(4, 24.0))
    assert found.state == "retracted"
    assert found.history[-1].note == "deliveries_completed: 0 was told of; with what came late it is 24"
    assert found.symptoms[0].value == 0.0
    [new] = incidents.step(hour_of("deliveries_completed", 6, alert="north", north=0.0))
    assert (new.id, new.state) == ("deliveries_completed-19700101T0700", "open")


def test_late_events_that_take_back_one_of_several_alerts_amend_it() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(strange(hour_of("deliveries_completed", 4, alert="north", north=0.0), 7.0))
    incidents.step(hour_of("tickets_opened", 4, alert="north", north=3.0))
    [found] = incidents.step(late_for(4, 24.0))
    assert (found.state, found.severity, found.cause) == ("open", "warning", "")
    assert found.title == "Tickets opened more than usual: region north"
    assert [one.kpi for one in found.symptoms if one.told] == ["tickets_opened"]
    assert "with what came late it is 24" in " ".join(one.note for one in found.history)


def test_an_alert_in_another_hour_keeps_what_late_events_take_from_one() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in (4, 5):
        incidents.step(hour_of("deliveries_completed", hour, alert="north", north=0.0))
    incidents.step(late_for(4, 24.0))
    assert [one.state for one in incidents.incidents] == ["open"]
    incidents.step(late_for(5, 24.0))
    assert [one.state for one in incidents.incidents] == ["retracted"]


def test_what_is_told_again_changes_nothing_whatever_people_have_done_meanwhile() -> None:
    incidents = Incidents(DEFINITIONS)
    first = hour_of("orders_placed", 10, alert="north", north=0.0)
    (one,) = incidents.step(first)
    incidents.change(one.id, lambda of: lifecycle.resolve(of, 11 * HOUR, "Ada"))
    assert incidents.step(first) == []  # a worker that takes over tells its last step again
    incidents.change(one.id, lambda of: lifecycle.reopen(of, 12 * HOUR, "Ada"))
    for hour in range(11, 11 + 200):
        incidents.step(hour_of("orders_placed", hour))
    assert incidents.incidents == []  # over and let go long ago
    assert incidents.step(first) == []
    assert incidents.incidents == []


def test_what_ends_within_a_step_is_told_of_before_it_is_forgotten() -> None:
    incidents = Incidents(DEFINITIONS)
    (one,) = incidents.step(hour_of("orders_placed", 10, alert="north", north=0.0))
    days = [value for hour in range(11, 11 + 300) for value in hour_of("orders_placed", hour)]
    (ended,) = incidents.step(days)
    assert (ended.id, ended.state) == (one.id, "resolved")


def parcels(hour: int, hamburg: float = 60.0, munich: float = 60.0, region: str = "") -> list[KpiValue]:
    """What leaves two warehouses in an hour, for a ``region`` late for long and told of."""
    slices = {"hamburg": hamburg, "munich": munich}
    found = [
        count("deliveries_dispatched", hour, value, 60.0, slice_={"warehouse": name}, surprise=0.9)
        for name, value in slices.items()
    ]
    found.append(count("deliveries_dispatched", hour, hamburg + munich, 120.0, surprise=0.9))
    late = 90_000.0 if region else 30_000.0
    for slice_ in ({}, {"region": "north"}):
        told = bool(region) and slice_ == {"region": region}
        one = count("time_to_ship", hour, late, 30_000.0, slice_=slice_, alert=told)
        found.append(replace(one, stat="p50", weight=20))
    return found


def test_a_warehouse_that_sent_less_than_its_share_is_where_it_began_though_nobody_was_told_of_that() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in range(30):
        stands_still = 6 <= hour < 12
        assert incidents.step(parcels(hour, hamburg=10.0 if stands_still else 60.0)) == []
    [found] = incidents.step(parcels(30, region="north"))
    assert (found.cause, found.scope) == ("dispatch", {"warehouse": "hamburg"})
    assert found.title == "Time to ship higher than usual: warehouse hamburg"
    [again] = _restarted(incidents).step(parcels(31, region="north"))
    assert again.scope == {"warehouse": "hamburg"}


def test_where_all_warehouses_sent_less_alike_none_is_named() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in range(30):
        level = 10.0 if 6 <= hour < 12 else 60.0
        incidents.step(parcels(hour, level, level))
    [found] = incidents.step(parcels(30, region="north"))
    assert (found.cause, found.scope) == ("dispatch", {})


def test_carriers_that_fall_one_after_the_other_are_two_incidents() -> None:
    """Parcels of the first are late for days, and late ones of the second are of the second."""
    incidents = Incidents(DEFINITIONS)
    for hour in range(60):
        incidents.step(carriers(hour, **({"post": 0.0} if 4 <= hour < 10 else {"ups": 0.0} if hour >= 50 else {})))
    assert [one.scope for one in incidents.incidents] == [{"carrier": "post"}, {"carrier": "ups"}]


def carriers(hour: int, **factors: float) -> list[KpiValue]:
    """What two carriers bring, each at a factor of what is usual; one that brings little is told of after two hours."""
    slices = {name: 50.0 * factors.get(name, 1.0) for name in ("post", "ups")}
    found = [count("deliveries_completed", hour, sum(slices.values()), 100.0)]
    for name, value in slices.items():
        told = name in factors and hour % 4 == 3
        found.append(count("deliveries_completed", hour, value, 50.0, slice_={"carrier": name}, alert=told))
    return found


def _restarted(incidents: Incidents) -> Incidents:
    """As another worker goes on with them."""
    found = Incidents(DEFINITIONS)
    found.load(unpack(pack(incidents.state())))
    return found
