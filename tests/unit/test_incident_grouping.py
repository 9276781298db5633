"""Which alerts are one incident."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from detectors.incidents import lifecycle
from detectors.incidents.grouping import Incidents
from detectors.incidents.incident import Incident
from streams.config import load_config
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
    assert (found.since, found.last, found.state) == (2 * HOUR, 4 * HOUR, "open")
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


def test_orders_and_deliveries_are_two_incidents() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.step(hour_of("orders_placed", 4, alert="north", north=0.0))
    assert len(incidents.incidents) == 2


def test_what_is_for_the_better_is_none() -> None:
    incidents = Incidents(DEFINITIONS)
    assert incidents.step(hour_of("orders_placed", 4, alert="north", north=3.0)) == []


def test_it_is_over_when_nothing_is_off_any_more_and_goes_on_when_it_comes_again() -> None:
    incidents = Incidents(DEFINITIONS)
    incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    for hour in range(5, 10):
        assert incidents.step(hour_of("deliveries_completed", hour)) == []
    [over] = incidents.step(hour_of("deliveries_completed", 10))
    assert over.state == "resolved"
    [again] = incidents.step(hour_of("deliveries_completed", 20, alert="north", north=0.0))
    assert (again.id, again.state, again.since) == (over.id, "open", 4 * HOUR)
    assert [one.what for one in again.history] == ["opened", "resolved", "reopened"]
    for hour in range(21, 120):
        incidents.step(hour_of("deliveries_completed", hour))
    assert incidents.incidents == []


def test_what_people_did_is_kept_while_it_goes_on() -> None:
    incidents = Incidents(DEFINITIONS)
    [found] = incidents.step(hour_of("deliveries_completed", 4, alert="north", north=0.0))
    incidents.put(lifecycle.snooze(lifecycle.acknowledge(found, 5 * HOUR, "kim"), 5 * HOUR, "kim", 7 * HOUR))
    [asleep] = incidents.step(hour_of("deliveries_completed", 5, north=0.0))
    assert (asleep.state, asleep.last) == ("snoozed", 5 * HOUR)
    [awake] = incidents.step(hour_of("deliveries_completed", 6, north=0.0))
    assert (awake.state, awake.owner) == ("acknowledged", "kim")


def test_late_events_change_the_shares_and_not_the_judgement() -> None:
    incidents = Incidents(DEFINITIONS)
    for hour in (3, 4):
        incidents.step(hour_of("deliveries_completed", hour, alert="north" if hour == 4 else "", north=0.0))
    late = count("deliveries_completed", 3, 5.0, 25.0, slice_={"region": "north"}, status="corrected", surprise=0.0)
    incidents.step([late])
    [found] = incidents.step(hour_of("deliveries_completed", 5, north=0.0))
    assert found.since == 3 * HOUR
    assert found.shares["deliveries_completed"][0].off == -70.0


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
