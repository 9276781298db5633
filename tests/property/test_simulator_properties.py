"""Whatever the shop and whatever befalls it: lives stay possible, disorder bounded, events the same."""

from __future__ import annotations

from itertools import islice

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.events.codec import decode, encode
from streams.events.times import parse_time
from streams.ingest.simulator import (
    CATALOGUE,
    Incident,
    Simulation,
    SimulatorSettings,
    simulate,
    simulate_bytes,
)
from streams.ingest.simulator.incidents import IncidentKind
from streams.ingest.simulator.pacing import pace
from tests.support.simulated import DAY, HOUR, MONDAY, business, check_lives, disorder, type_of

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIPELINE = {kind for kind, known in CATALOGUE.items() if known.nature == "pipeline"}


@st.composite
def incidents(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(CATALOGUE)) -> Incident:
    kind = draw(st.sampled_from(kinds))
    known: IncidentKind = CATALOGUE[kind]
    values = SimulatorSettings(start=0).dimensions()
    scope = {
        dimension: draw(st.lists(st.sampled_from(values[dimension]), min_size=1, unique=True))
        for dimension in known.scope
        if draw(st.booleans())
    }
    return Incident(
        kind=kind,
        start=MONDAY + draw(st.integers(-DAY, 5 * DAY)),
        duration=draw(st.integers(1, 3 * DAY)),
        scope=scope,
        strength=draw(st.sampled_from([0.1, 0.5, 0.9, 1.0])),
        release=draw(st.sampled_from(["late", "never"])),
        shift=draw(st.integers(-HOUR, HOUR)) if kind == "clock_skew" else 0,
    )


@st.composite
def shops(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(CATALOGUE)) -> SimulatorSettings:
    start = MONDAY + draw(st.integers(0, 30 * DAY))
    return SimulatorSettings(
        start=start,
        end=start + draw(st.integers(HOUR, 6 * DAY)),
        seed=draw(st.integers(-(2**70), 2**70)),
        orders_per_day=draw(st.sampled_from([1.0, 30.0, 200.0])),
        timezone=draw(st.sampled_from(["Europe/Berlin", "UTC", "America/New_York", "Asia/Kathmandu"])),
        growth=draw(st.floats(-0.5, 2.0)),
        dispersion=draw(st.floats(0.0, 0.3)),
        heartbeat=draw(st.sampled_from([0, 60_000, HOUR])),
        max_delay=draw(st.sampled_from([0, 500, 8_000])),
        incidents=draw(st.lists(incidents(kinds), max_size=4)),
    )


@few
@given(shops(kinds=tuple(set(CATALOGUE) - PIPELINE)))
def test_lives_stay_possible_and_disorder_bounded(shop: SimulatorSettings) -> None:
    timed = list(simulate(shop))
    check_lives(business(timed))
    assert all(0 <= arrival - parse_time(event.time) <= shop.max_delay for arrival, event in timed)
    arriving = list(Simulation(shop).arrivals())
    assert [arrival for arrival, _ in arriving] == sorted(arrival for arrival, _ in timed)
    worst, broken = disorder(arriving)
    assert worst <= shop.max_delay
    assert broken == 0


@few
@given(shops())
def test_the_same_bytes_whatever_goes_wrong(shop: SimulatorSettings) -> None:
    assert list(simulate_bytes(shop)) == list(simulate_bytes(shop))
    for _, event in islice(simulate(shop), 500):
        if type_of(event) != "calendar.entry":
            assert decode(encode(event)) == event


@few
@given(shops(kinds=tuple(PIPELINE)))
def test_trouble_of_the_data_leaves_the_business_alone(shop: SimulatorSettings) -> None:
    """What really happened is the same; only the telling differs."""
    told = {(event.source, event.id): event for event in business(simulate(shop))}
    happened = {(event.source, event.id): event for event in business(simulate(replace(shop, incidents=[])))}
    assert told.keys() <= happened.keys()
    for name, event in told.items():
        assert event.data == happened[name].data


@few
@given(shops(), st.data())
def test_labels_name_only_what_there_was(shop: SimulatorSettings, data: st.DataObject) -> None:
    simulation = Simulation(shop)
    read = [event for _, event in simulation.events()]
    subjects = {event.subject for event in read}
    for label, incident in zip(simulation.labels(), shop.incidents, strict=True):
        if incident.kind != "tracking_feed_silent":  # what it withholds is not seen
            # The last orders of the promotion may be still to come when the simulation ends.
            assert sum(order not in subjects for order in label.orders) <= (20 if incident.kind == "promotion" else 0)
        assert (label.first_effect is None) == (label.last_effect is None)
        assert label.events >= 0


@given(
    st.integers(0, 10**12),
    st.integers(0, 60 * DAY),
    st.floats(0.1, 5_000.0),
    st.one_of(st.none(), st.integers(0, DAY)),
    st.lists(st.integers(0, 10 * DAY), min_size=2, max_size=20),
)
def test_nothing_is_sent_before_its_time(
    now: int, history: int, speed: float, duration: int | None, offsets: list[int]
) -> None:
    plan = pace(now, history, speed, duration)
    assert plan.live - plan.start == history
    assert plan.live <= now
    arrivals = sorted(plan.live + offset for offset in offsets)
    due = [plan.due(arrival) for arrival in arrivals]
    assert due == sorted(due)
    assert all(d >= arrival for d, arrival in zip(due, arrivals, strict=True))
