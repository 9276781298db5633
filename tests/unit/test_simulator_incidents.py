"""Each injected incident does what its label says, and nothing else: with and without it, it is the same shop."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest
from msgspec.structs import replace

from streams.errors import ConfigError
from streams.events.times import parse_time
from streams.ingest.simulator import (
    CATALOGUE,
    Incident,
    Simulation,
    SimulatorSettings,
    family_of,
    parse_incident,
    read_labels,
    simulate,
    write_labels,
)
from streams.ingest.simulator.schedule import random_incidents
from tests.support.simulated import (
    DAY,
    HOUR,
    MONDAY,
    WEEK,
    business,
    by_order,
    by_type,
    check_lives,
    disorder,
    type_of,
)

USUAL = SimulatorSettings(start=MONDAY, end=MONDAY + 17 * DAY, heartbeat=0)
TUESDAY = MONDAY + 8 * DAY
AT_NINE = TUESDAY + 8 * HOUR


def run(*incidents: Incident, settings: SimulatorSettings = USUAL):
    simulation = Simulation(replace(settings, incidents=list(incidents)))
    return list(simulation.events()), simulation.labels()


@pytest.fixture(scope="module")
def usual():
    return list(simulate(USUAL))


def delivered(events):
    return {event.subject: parse_time(event.time) for event in events if type_of(event) == "delivery.delivered"}


def test_nothing_differs_before_an_incident(usual):
    incidents = [
        Incident(kind=kind, start=AT_NINE, duration=DAY, shift=60_000 if kind == "clock_skew" else 0)
        for kind in CATALOGUE
        if kind != "promotion"  # it is announced before
    ]
    timed, _ = run(*incidents)
    before = [event for _, event in usual if parse_time(event.time) < AT_NINE]
    assert [event for _, event in timed[: len(before)]] == before


def test_a_courier_outage_delays_the_parcels_it_names_and_no_others(usual):
    outage = Incident(
        kind="courier_outage",
        start=TUESDAY,
        duration=2 * DAY,
        scope={"carrier": ["postbird"], "region": ["north", "west"]},
        strength=0.9,
    )
    timed, (label,) = run(outage)
    check_lives(business(timed))
    before, after = delivered(business(usual)), delivered(business(timed))
    moved = {order for order in before.keys() | after.keys() if before.get(order) != after.get(order)}
    assert len(moved) > 100
    # What was held only on its way between the depots may still have come on the same day.
    assert moved <= set(label.orders)
    assert len(moved) > 0.9 * len(label.orders)
    assert all(after.get(order, MONDAY + 99 * DAY) > before[order] for order in moved & before.keys())
    dispatched = {e.subject: e.data for e in by_type(business(timed))["delivery.dispatched"]}
    assert all(dispatched[order].carrier == "postbird" for order in label.orders)
    assert {dispatched[order].region for order in label.orders} == {"north", "west"}


def test_late_parcels_bring_tickets_and_the_label_knows_them(usual):
    outage = Incident(kind="courier_outage", start=TUESDAY, duration=3 * DAY, scope={"carrier": ["postbird"]})
    timed, (label,) = run(outage)
    tickets = {e.data.ticket_id: e.data for e in by_type(business(timed))["ticket.opened"]}
    usual_ones = {e.data.ticket_id for e in by_type(business(usual))["ticket.opened"]}
    extra = {
        name
        for name, data in tickets.items()
        if name not in usual_ones and data.topic in ("where_is_my_order", "late_delivery")
    }
    assert len(extra) > 30
    assert len(extra & set(label.tickets)) >= 0.95 * len(extra)
    assert all(tickets[name].order_id in label.orders for name in label.tickets if name in tickets)
    assert label.kpis["on_time_ratio"] == "down"
    assert label.kpis["tickets_opened"] == "up"


def test_without_a_region_an_outage_stops_collection_too(usual):
    outage = Incident(kind="courier_outage", start=AT_NINE, duration=DAY, scope={"carrier": ["swiftparcel"]})
    timed, _ = run(outage)
    for event in by_type(business(timed))["delivery.dispatched"]:
        inside = outage.start + HOUR < parse_time(event.time) < outage.end
        assert not (inside and event.data.carrier == "swiftparcel")


def test_failing_payments_are_those_of_the_method_in_the_time():
    incident = Incident(
        kind="payment_failures", start=AT_NINE, duration=6 * HOUR, scope={"method": ["card"]}, strength=0.8
    )
    timed, (label,) = run(incident)
    failed = [e for e in by_type(business(timed))["order.payment_failed"] if e.data.reason == "provider_error"]
    assert {e.subject for e in failed} == set(label.orders)
    assert len(failed) > 15
    assert all(e.data.method == "card" for e in failed)
    assert all(incident.start <= parse_time(e.time) < incident.end for e in failed)
    lives = by_order(business(timed))
    given_up = [
        order for order in label.orders if "order.cancelled" in lives[order] and "order.paid" not in lives[order]
    ]
    assert len(given_up) > 5
    assert label.events == len(failed) + len(given_up) + len(label.tickets)
    check_lives(business(timed))


def test_a_warehouse_stop_packs_nothing_and_delays_exactly_the_labelled(usual):
    stop = Incident(kind="warehouse_stop", start=AT_NINE, duration=7 * HOUR, scope={"warehouse": ["hamburg"]})
    timed, (label,) = run(stop)
    check_lives(business(timed))
    packed_usually = {e.subject: parse_time(e.time) for e in by_type(business(usual))["order.packed"]}
    packed = {e.subject: e for e in by_type(business(timed))["order.packed"]}
    moved = {o for o in packed_usually if o not in packed or parse_time(packed[o].time) > packed_usually[o] + 60_000}
    cancelled = {e.subject for e in by_type(business(timed))["order.cancelled"]}
    assert len(moved) > 40
    assert moved - cancelled == set(label.orders) & packed_usually.keys() - cancelled
    assert all(packed[o].data.warehouse == "hamburg" for o in label.orders if o in packed)
    during = [
        e
        for e in packed.values()
        # Packing a parcel takes up to an hour or so after its turn came.
        if stop.start + 2 * HOUR < parse_time(e.time) < stop.end and e.data.warehouse == "hamburg"
    ]
    assert during == []


def test_half_a_warehouse_packs_half_as_fast(usual):
    slow = Incident(
        kind="warehouse_stop", start=TUESDAY, duration=3 * DAY, scope={"warehouse": ["hamburg"]}, strength=0.7
    )
    timed, _ = run(slow)

    def packed(events):
        return sum(
            slow.start <= parse_time(e.time) < slow.end and e.data.warehouse == "hamburg"
            for e in by_type(business(events))["order.packed"]
        )

    assert 0.3 < packed(timed) / packed(usual) < 0.8


@pytest.mark.parametrize("release", ["late", "never"])
def test_a_silent_feed_withholds_a_carriers_events(usual, release):
    silence = Incident(
        kind="tracking_feed_silent",
        start=AT_NINE,
        duration=6 * HOUR,
        scope={"carrier": ["postbird"]},
        release=release,
    )
    timed, (label,) = run(silence)

    def hit(event):
        return event.source == "/carrier/postbird" and silence.start <= parse_time(event.time) < silence.end

    theirs = [timed_event for timed_event in usual if hit(timed_event.event)]
    assert label.events == len(theirs) > 50
    assert set(label.orders) == {event.subject for _, event in theirs}
    assert label.nature == "pipeline"
    if release == "never":
        assert timed == [timed_event for timed_event in usual if not hit(timed_event.event)]
    else:
        assert [event for _, event in timed] == [event for _, event in usual]
        arrived = [arrival for arrival, event in timed if hit(event)]
        assert min(arrived) >= silence.end
        assert max(arrived) <= silence.end + 6 * 60_000


def test_when_all_carriers_are_silent_nobody_vouches_for_the_deliveries():
    silence = Incident(kind="tracking_feed_silent", start=AT_NINE, duration=6 * HOUR)
    settings = replace(USUAL, heartbeat=60_000, end=AT_NINE + 8 * HOUR, incidents=[silence])
    timed = list(Simulation(settings).arrivals())
    beats = [
        e for _, e in timed if type_of(e) == "source.heartbeat" and silence.start < parse_time(e.time) < silence.end
    ]
    assert {family_of(beat) for beat in beats} == {0, 2}
    late = [a - parse_time(e.time) for a, e in timed if family_of(e) == 1 and parse_time(e.time) < silence.end]
    assert max(late) > 5 * HOUR


@pytest.mark.parametrize(
    ("kind", "silent"), [("tracking_feed_silent", {"/carrier/postbird"}), ("courier_outage", set())]
)
def test_a_carrier_that_stands_still_says_that_it_is_there_and_a_feed_that_is_broken_does_not(kind, silent):
    incident = Incident(kind=kind, start=AT_NINE, duration=6 * HOUR, scope={"carrier": ["postbird"]})
    settings = replace(USUAL, heartbeat=60_000, end=AT_NINE + 8 * HOUR, incidents=[incident])
    beats = Counter(
        event.source
        for _, event in simulate(settings)
        if type_of(event) == "source.heartbeat" and incident.start <= parse_time(event.time) < incident.end
    )
    assert beats == dict.fromkeys(set(settings.sources()) - silent, 6 * 60)


def test_missing_agents_make_customers_wait(usual):
    incident = Incident(kind="support_understaffed", start=TUESDAY, duration=DAY, strength=1.0)
    timed, (label,) = run(incident)
    check_lives(business(timed))
    for event in by_type(business(timed))["ticket.replied"]:
        inside = incident.start + 12 * HOUR < parse_time(event.time) < incident.end
        assert not (inside and event.data.by == "agent")

    def first_answers(events):
        first: dict[str, int] = {}
        for e in by_type(business(events))["ticket.replied"]:
            if e.data.by == "agent":
                first.setdefault(e.data.ticket_id, parse_time(e.time))
        return first

    before, after = first_answers(usual), first_answers(timed)
    later = {t for t in before if after.get(t, before[t]) > before[t] + 60_000}
    assert len(later) > 5
    assert later <= set(label.tickets)
    assert label.orders == []
    scores = [e.data.score for e in by_type(business(timed))["ticket.rated"] if e.data.ticket_id in label.tickets]
    assert not scores or mean(scores) < 4.2


def test_duplicates_repeat_events_and_change_nothing_else(usual):
    incident = Incident(
        kind="duplicate_deliveries",
        start=AT_NINE,
        duration=8 * HOUR,
        scope={"family": ["orders"], "source": ["/shop", "/warehouse/hamburg"]},
        strength=1.5,
    )
    timed, (label,) = run(incident)
    # A copy comes right behind its original in event time.
    assert [event for _, event in timed if event.source != "/simulator/calendar"] != [event for _, event in usual]
    assert business(timed) == business(usual)
    copies = Counter((event.source, event.id) for _, event in timed)
    repeated = {name: count - 1 for name, count in copies.items() if count > 1}
    assert sum(repeated.values()) == label.events
    assert {source for source, _ in repeated} == {"/shop", "/warehouse/hamburg"}
    assert set(repeated.values()) == {1, 2}
    assert mean(repeated.values()) == pytest.approx(1.5, abs=0.15)
    assert {event.subject for _, event in timed if (event.source, event.id) in repeated} == set(label.orders)


def test_a_promotion_adds_the_labelled_orders_and_is_announced(usual):
    promotion = Incident(
        kind="promotion",
        start=TUESDAY,
        duration=DAY,
        scope={"category": ["toys"], "channel": ["web", "app"]},
        strength=4.0,
        name="Toy week",
    )
    timed, (label,) = run(promotion)
    placed = {e.subject: e for e in by_type(business(timed))["order.placed"]}
    before = {e.subject for e in by_type(business(usual))["order.placed"]}
    assert placed.keys() - before == set(label.orders)
    assert before <= placed.keys()
    # Four times the usual demand of 12 % toys through channels of 83 %.
    assert 60 < len(label.orders) < 200
    for order in label.orders:
        assert promotion.start <= parse_time(placed[order].time) < promotion.end
        assert placed[order].data.items[0].category == "toys"
        assert placed[order].data.channel in ("web", "app")
    (entry,) = [event for _, event in timed if type_of(event) == "calendar.entry"]
    assert (entry.data.title, entry.data.kind, entry.data.scope) == ("Toy week", "promotion", promotion.scope)
    assert parse_time(entry.time) == promotion.start - DAY
    assert label.nature == "planned"


def test_a_website_that_is_down_loses_orders(usual):
    incident = Incident(kind="website_down", start=AT_NINE, duration=5 * HOUR, scope={"channel": ["web", "app"]})
    timed, (label,) = run(incident)
    placed = {e.subject: e for e in by_type(business(timed))["order.placed"]}
    lost = [
        e
        for e in by_type(business(usual))["order.placed"]
        if incident.start <= parse_time(e.time) < incident.end and e.data.channel in ("web", "app")
    ]
    assert label.lost_orders == len(lost) > 40
    assert not {e.subject for e in lost} & placed.keys()
    assert label.orders == []
    usual_ones = {e.subject for e in by_type(business(usual))["order.placed"]}
    assert usual_ones - placed.keys() == {e.subject for e in lost}


def test_a_skewed_clock_shifts_times_and_leaves_arrivals(usual):
    incident = Incident(
        kind="clock_skew",
        start=AT_NINE,
        duration=4 * HOUR,
        scope={"source": ["/warehouse/nuremberg"]},
        shift=-20 * 60_000,
    )
    timed, (label,) = run(incident)
    changed = 0
    for (arrival, event), (usual_arrival, usual_event) in zip(timed, usual, strict=True):
        assert arrival == usual_arrival
        if event != usual_event:
            changed += 1
            assert event.source == "/warehouse/nuremberg"
            assert parse_time(event.time) == parse_time(usual_event.time) - 20 * 60_000
            assert event.subject in label.orders
    assert changed == label.events > 10


def test_disorder_stays_bounded_under_incidents_of_the_business():
    incidents = [
        Incident(kind=kind, start=AT_NINE, duration=DAY, strength=0.8)
        for kind, known in CATALOGUE.items()
        if known.nature != "pipeline"
    ]
    settings = replace(USUAL, heartbeat=60_000, start=TUESDAY - DAY, end=TUESDAY + 3 * DAY, incidents=incidents)
    worst, broken = disorder(Simulation(settings).arrivals())
    assert worst <= settings.max_delay
    assert broken == 0


def test_effects_lie_between_first_and_last(usual):
    stop = Incident(kind="warehouse_stop", start=AT_NINE, duration=7 * HOUR)
    _, (label,) = run(stop)
    first, last = parse_time(label.first_effect), parse_time(label.last_effect)
    assert stop.start <= first < stop.start + 2 * HOUR
    assert stop.end < last
    _, (unseen,) = run(replace(stop, start=MONDAY + 400 * DAY))
    assert (unseen.first_effect, unseen.events, unseen.orders) == (None, 0, [])


def test_labels_survive_their_file(tmp_path):
    _, labels = run(
        Incident(kind="website_down", start=AT_NINE, duration=HOUR, name="Deploy"),
        Incident(kind="courier_outage", start=TUESDAY, duration=DAY, scope={"region": ["south"]}),
        settings=replace(USUAL, end=TUESDAY + 2 * DAY),
    )
    path = tmp_path / "somewhere" / "labels.jsonl"
    write_labels(path, labels)
    assert read_labels(path) == labels
    assert len(path.read_text().splitlines()) == 2
    assert [label.name for label in labels] == ["Deploy", "courier_outage@2026-03-10T00:00:00.000Z"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "meteor"}, "'meteor' is not a kind .expected courier_outage, "),
        ({"kind": "website_down", "duration": 0}, "duration must be more than 0"),
        ({"kind": "website_down", "strength": 1.5}, "strength 1.5 is not in .0, 1."),
        (
            {"kind": "website_down", "scope": {"carrier": ["x"]}},
            "scope has no 'carrier' .expected channel, region",
        ),
        ({"kind": "support_understaffed", "scope": {"region": ["x"]}}, "expected no scope"),
    ],
)
def test_impossible_incidents_are_refused_in_one_line(fields, message):
    with pytest.raises(ConfigError, match=message) as refused:
        Incident(**({"start": 0, "duration": HOUR} | fields))
    assert "\n" not in str(refused.value)


def test_a_scope_must_name_what_there_is():
    incident = Incident(kind="courier_outage", start=0, duration=HOUR, scope={"carrier": ["dhl"]})
    with pytest.raises(ConfigError, match=r"there is no carrier 'dhl' .expected postbird, "):
        replace(USUAL, incidents=[incident])
    SimulatorSettings(start=0)


def test_an_incident_can_be_written_on_a_line():
    read = parse_incident("courier_outage start=+10m duration=2h carrier=postbird region=north,west strength=0.9", 5)
    assert read == Incident(
        kind="courier_outage",
        start=600_005,
        duration=2 * HOUR,
        scope={"carrier": ["postbird"], "region": ["north", "west"]},
        strength=0.9,
    )
    assert parse_incident("clock_skew: start=-3d shift=-15m source=/shop", 0) == Incident(
        kind="clock_skew", start=-3 * DAY, duration=HOUR, scope={"source": ["/shop"]}, shift=-15 * 60_000
    )
    assert parse_incident("tracking_feed_silent release=never", 7).release == "never"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an incident needs a kind"),
        ("website_down soon", "'soon' is not of the form name=value"),
        ("website_down start=tomorrow", "'tomorrow' is not a duration"),
        ("website_down strength=full", "strength 'full' is not a number"),
        ("tracking_feed_silent release=soon", "release 'soon' is neither late nor never"),
    ],
)
def test_a_line_that_is_no_incident_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_incident(text, 0)


def test_bad_luck_comes_at_random_but_the_same_again():
    year = MONDAY + 52 * WEEK
    incidents = random_incidents(USUAL, MONDAY, year, per_week=1.5)
    assert incidents == random_incidents(USUAL, MONDAY, year, per_week=1.5)
    assert 40 < len(incidents) < 90
    assert len({incident.kind for incident in incidents}) >= 6
    assert all(a.end + DAY <= b.start for a, b in pairwise(incidents))
    replace(USUAL, incidents=incidents)
    assert random_incidents(USUAL, MONDAY, year, per_week=0) == []
