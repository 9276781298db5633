"""Casework: worklists, what they cost and why, on simulated shops and on a handful of events."""

from __future__ import annotations

from functools import cache

import pytest
from msgspec.structs import replace

from detectors.casework.affected import affected, look_through
from detectors.casework.assess import MOST_CASES, assess
from detectors.casework.cause import explain
from detectors.casework.impact import impact, not_placed
from detectors.casework.ledger import Ledger
from detectors.casework.scope import Scope
from detectors.casework.standstill import Flow, standstill
from detectors.casework.steps import Clock
from detectors.casework.stories import counted, lasted, stayed
from detectors.incidents.incident import Incident, Symptom
from streams.config import load_config
from streams.events.types import BusinessEvent
from streams.ingest.simulator import Label, SimulatorSettings
from streams.ingest.simulator.incidents import Incident as Injected
from streams.ingest.simulator.shop import Shop
from streams.kpis.definitions import Definitions, DurationKpi, LevelKpi, MeasureKpi
from streams.kpis.grid import DAY_MS, HOUR_MS
from tests.support.casework import ledger_of, told
from tests.support.shop import HOUR, MINUTE, T0, event, family_of, heartbeat

START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
BEGIN = START + 22 * DAY_MS
"""A Tuesday."""


@cache
def definitions() -> Definitions:
    return load_config(env={}).definitions()


@cache
def shop(kind: str, hours: int, begin: int = BEGIN, simple: bool = False, **scope: str) -> tuple[Ledger, Label]:
    incident = Injected(
        kind=kind, start=begin, duration=hours * HOUR_MS, scope={name: [value] for name, value in scope.items()}
    )
    usual = Shop()
    if simple:
        regions = {name: replace(region, days=min(region.days, 2)) for name, region in usual.regions.items()}
        usual = Shop(regions=regions, late=0.0, lost=0.0)
    ledger, labels = ledger_of(
        SimulatorSettings(
            start=START, end=BEGIN + 8 * DAY_MS, seed=1, shop=usual, heartbeat=DAY_MS, incidents=[incident]
        ),
        definitions(),
    )
    return ledger, labels[0]


def fit(found: set[str], wanted: set[str]) -> tuple[float, float]:
    """Precision and recall."""
    return len(found & wanted) / len(found), len(found & wanted) / len(wanted)


def test_a_carrier_that_stands_still_in_a_region_gives_exactly_the_orders_it_touched() -> None:
    ledger, label = shop("courier_outage", 35, simple=True, carrier="postbird", region="north")
    found = {case.order for case in affected(told(label), ledger, definitions())}
    assert len(label.orders) > 100
    assert found == set(label.orders)


@pytest.mark.parametrize(
    ("kind", "hours", "scope"),
    [
        ("courier_outage", 18, {"carrier": "postbird"}),
        ("payment_failures", 6, {"method": "card"}),
        ("warehouse_stop", 9, {"warehouse": "hamburg"}),
    ],
)
def test_worklists_of_ordinary_shops_fit(kind: str, hours: int, scope: dict[str, str]) -> None:
    ledger, label = shop(kind, hours, begin=BEGIN + 8 * HOUR_MS, **scope)
    found = {case.order for case in affected(told(label), ledger, definitions())}
    precision, recall = fit(found, set(label.orders))
    assert min(precision, recall) >= 0.85


def test_a_desk_without_people_gives_the_tickets_that_waited() -> None:
    ledger, label = shop("support_understaffed", 30, begin=BEGIN + 8 * HOUR_MS)
    found = {ticket for case in affected(told(label), ledger, definitions()) for ticket in case.tickets}
    precision, recall = fit(found, set(label.tickets))
    assert min(precision, recall) >= 0.85


def test_orders_that_were_never_placed_are_money_and_no_cases() -> None:
    ledger, label = shop("website_down", 8, begin=BEGIN + 9 * HOUR_MS)
    incident = told(label)
    found = assess(incident, ledger, definitions(), ledger.newest)
    assert found.cases == ()
    missing, amount = not_placed(incident, ledger, ledger.newest)
    assert 0.7 * label.lost_orders < missing < 1.3 * label.lost_orders
    assert found.amount == amount > 0
    assert "were not placed" in found.explanation


def test_an_assessment_counts_names_the_standstill_and_joins_what_customers_do() -> None:
    ledger, label = shop("courier_outage", 35, simple=True, carrier="postbird", region="north")
    incident = told(label)
    found = assess(incident, ledger, definitions(), ledger.newest)
    assert found.orders == len(label.orders)
    all_ = affected(incident, ledger, definitions())
    assert found.amount == sum(case.amount for case in all_)
    assert found.cases == tuple(all_[:MOST_CASES])
    assert found.complete
    assert "nothing moved from" in found.explanation
    assert "of the extra tickets are about orders late in north with postbird" in found.explanation
    cost = impact(all_, incident, ledger, definitions(), ledger.newest)
    assert cost.text("EUR").startswith(f"{found.orders} orders of {found.customers} customers, worth €")
    joined = explain(incident, look_through(incident, ledger, definitions(), ledger.newest), ledger, ledger.newest)
    tickets = next(one for one in joined.joined if one.what == "tickets")
    assert tickets.about <= tickets.seen
    assert 0.5 < tickets.share <= 1.0


def test_what_began_before_the_ledger_does_is_told_as_not_complete() -> None:
    ledger, label = shop("courier_outage", 35, simple=True, carrier="postbird", region="north")
    before, ledger.complete_since = ledger.complete_since, BEGIN - DAY_MS
    try:
        assert not assess(told(label), ledger, definitions(), ledger.newest).complete
    finally:
        ledger.complete_since = before


def test_a_scope_that_no_dimension_has_selects_nothing() -> None:
    ledger, label = shop("courier_outage", 35, simple=True, carrier="postbird", region="north")
    assert affected(replace(told(label), scope={"colour": "red"}), ledger, definitions()) == []


# -- a handful of events ------------------------------------------------------------------------------------------


def ledger_with(*events: BusinessEvent) -> Ledger:
    ledger = Ledger(definitions())
    for number, one in enumerate(events):
        ledger.fold(f"t{family_of(one)}", 1, [number], [one])
    return ledger


def parcel(order: str = "O-1", late: bool = False) -> list[BusinessEvent]:
    return [
        event("order.placed", T0, order, region="north", channel="web", customer="C-1", promised_at=T0 + 5 * HOUR),
        event("order.paid", T0 + MINUTE, order, method="card"),
        event("delivery.dispatched", T0 + HOUR, order, delivery_id=f"D-{order}", carrier="postbird"),
        event("delivery.delivered", T0 + (6 if late else 4) * HOUR, order, delivery_id=f"D-{order}"),
    ]


def kpi(name: str) -> MeasureKpi | DurationKpi | LevelKpi:
    return next(one for one in definitions().kpis if one.name == name)


def test_kpis_are_read_as_the_core_reads_them() -> None:
    ledger = ledger_with(*parcel())
    life = ledger.get("O-1")
    assert life is not None
    story = ledger.story(life)
    on_time, delivery, overdue = kpi("on_time_ratio"), kpi("delivery_time"), kpi("deliveries_overdue")
    assert isinstance(on_time, MeasureKpi)
    assert isinstance(delivery, DurationKpi)
    assert isinstance(overdue, LevelKpi)
    (hit,) = counted(on_time.of, story)
    assert dict(zip(ledger.dimensions, hit.values, strict=True)) | {} == {
        "region": "north",
        "channel": "web",
        "payment_method": "card",
        "warehouse": None,
        "carrier": "postbird",
        "queue": None,
        "topic": None,
    }
    (stretch,) = lasted(delivery, story)
    assert (stretch.start, stretch.end) == (T0 + HOUR, T0 + 4 * HOUR)
    assert stayed(overdue, story) == []
    late = ledger_with(*parcel(late=True))
    story = late.story(next(iter(late)))
    assert counted(on_time.of, story) == []
    assert on_time.per is not None
    assert len(counted(on_time.per, story)) == 1
    assert stayed(overdue, story)[0].due == T0 + 5 * HOUR


def test_a_ledger_says_where_each_event_is_recorded() -> None:
    ledger = ledger_with(*parcel(), heartbeat(T0 + DAY_MS, "shop"))
    life = ledger.get("O-1")
    assert life is not None
    assert [ledger.record(one.place) for one in ledger.story(life)] == ["t0/1/0", "t0/1/1", "t1/1/2", "t1/1/3"]


def test_what_cannot_be_read_or_is_ahead_is_passed_over_and_counted() -> None:
    ledger = Ledger(definitions())
    placed = parcel()[0]
    ledger.fold("orders", 0, [0, 1, 2], [replace(placed, time="soon"), None, placed], [T0, T0, T0 - 1])
    assert (len(ledger), ledger.passed_over) == (0, 2)


def test_a_ledger_forgets_what_has_ended_and_makes_room_by_age() -> None:
    ledger = ledger_with(*parcel("O-1"), *parcel("O-2")[:2])
    assert ledger.forget(T0 + DAY_MS) == 1
    assert [life.subject for life in ledger] == ["O-2"]
    assert ledger.complete_since == T0 + DAY_MS
    small = Ledger(definitions(), most=20)
    small.fold("orders", 0, range(30), [event("order.placed", T0 + number, f"O-{number}") for number in range(30)])
    assert len(small) <= 20
    assert small.get("O-29") is not None
    assert small.get("O-0") is None
    assert small.complete_since > T0


def test_many_scans_of_a_parcel_keep_its_life_small() -> None:
    scans = [event("delivery.checkpoint", T0 + at, "O-1", delivery_id="D-1") for at in range(100)]
    ledger = ledger_with(*reversed(scans))
    life = ledger.get("O-1")
    assert life is not None
    assert [one.time for one in ledger.story(life)] == [T0 + at for at in range(12)]


def test_a_silence_is_told_to_the_event_and_a_usual_pause_is_none() -> None:
    times = [START + at * HOUR_MS // 4 for at in range(14 * 96)]
    begin, end = START + 10 * DAY_MS, START + 10 * DAY_MS + 12 * HOUR_MS
    cut = [time for time in times if not begin <= time < end]
    clock = Clock("Europe/Berlin")
    flow = Flow(cut, START, times[-1], (begin - DAY_MS, end + DAY_MS), clock)
    still = standstill(cut, flow, begin, end, times[-1])
    assert still is not None
    assert still.complete
    assert (still.start, still.end) == (begin - HOUR_MS // 4, end)
    assert still.expected == pytest.approx(49, rel=0.1)
    assert standstill(times, flow, begin, end, times[-1]) is None


def test_what_an_order_does_not_say_yet_is_taken_from_others_like_it() -> None:
    names = ("region", "warehouse")
    scope = Scope(names, {"warehouse": "hamburg"}, [("north", "hamburg")] * 30 + [("south", "nuremberg")] * 30)
    assert scope.holds(("north", None))
    assert not scope.holds(("south", None))
    assert not scope.holds(("east", None))
    assert not scope.knows(("north", None))


def test_payments_that_fail_for_the_usual_reasons_are_not_on_the_list() -> None:
    usual = [
        event("order.payment_failed", T0 + at * HOUR, f"U-{at}", method="card", reason="declined") for at in range(40)
    ]
    down = [
        event("order.payment_failed", T0 + 40 * HOUR + at, f"P-{at}", method="card", reason="provider_error")
        for at in range(30)
    ]
    mixed = event("order.payment_failed", T0 + 40 * HOUR + 5, "U-x", method="card", reason="declined")
    ledger = ledger_with(*usual, *down, mixed, heartbeat(T0 + 42 * HOUR))
    symptom = Symptom(
        kpi="payment_failure_ratio", stat="value", slice={}, since=T0 + 40 * HOUR, until=T0 + 41 * HOUR, value=0.9,
        expected=(0.0, 0.03, 0.1), surprise=9.0, side=1, unit="ratio", told=True,
    )  # fmt: skip
    incident = Incident(
        id="x", kind="business", state="open", severity="critical", title="", since=symptom.since, until=symptom.until,
        cause_until=symptom.until, symptoms=(symptom,), scope={}, shares={}, history=(),
    )  # fmt: skip
    found = affected(incident, ledger, definitions())
    assert {case.order for case in found} == {f"P-{at}" for at in range(30)}
    assert found[0].why == "payment failed: provider error"


def test_while_it_lasts_the_list_has_those_hit_by_then_and_nothing_of_what_comes_later() -> None:
    ledger, label = shop("courier_outage", 35, simple=True, carrier="postbird", region="north")
    at = BEGIN + 20 * HOUR_MS
    incident = replace(told(label), until=at, cause_until=at)
    found = affected(incident, ledger, definitions(), at)
    precision, recall = fit({case.order for case in found}, set(label.orders))
    assert precision >= 0.95
    assert 0.4 < recall < 1.0
    assert all(case.since <= at for case in found)
