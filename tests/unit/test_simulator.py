from __future__ import annotations

from collections import Counter
from itertools import islice
from statistics import mean, median, variance

import pytest
from msgspec.structs import replace

from streams.errors import ConfigError
from streams.events.codec import ChunkDecoder, check_times, decode_calendar, encode
from streams.events.times import parse_time
from streams.ingest.simulator import (
    CATALOGUE,
    FAMILIES,
    HEARTBEAT_KEY,
    Simulation,
    SimulatorSettings,
    family_of,
    simulate,
    simulate_bytes,
)
from streams.ingest.simulator.demand import HOUR_OF_WEEK, Demand, season_factor
from streams.ingest.simulator.localtime import LocalDays
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

MONTH = SimulatorSettings(start=MONDAY, end=MONDAY + 4 * WEEK, heartbeat=HOUR, season=0.0, growth=0.0)


@pytest.fixture(scope="module")
def month():
    return list(simulate(MONTH))


@pytest.fixture(scope="module")
def events(month):
    return business(month)


def test_the_same_settings_give_the_same_bytes():
    settings = replace(MONTH, end=MONDAY + 3 * DAY)
    assert list(simulate_bytes(settings)) == list(simulate_bytes(settings))


def test_another_seed_is_another_shop():
    settings = replace(MONTH, end=MONDAY + DAY)
    ours = {encode(event) for event in business(simulate(settings))}
    others = {encode(event) for event in business(simulate(replace(settings, seed=2)))}
    assert not ours & others


def test_how_it_is_read_changes_nothing(month):
    in_parts = simulate(MONTH)
    parts = [*islice(in_parts, 7), *islice(in_parts, 1000), *islice(in_parts, 10_000)]
    assert parts == month[: len(parts)]


def test_heartbeats_and_a_later_end_leave_the_events_alone(events):
    longer = replace(MONTH, heartbeat=0, end=MONDAY + 5 * WEEK)
    assert [event for _, event in islice(simulate(longer), 20_000)] == events[:20_000]


def test_a_run_that_begins_later_places_the_same_orders(events):
    later = replace(MONTH, start=MONDAY + WEEK + 10 * 60_000, end=MONDAY + 2 * WEEK, reference=MONDAY)
    placed = [event for event in business(simulate(later)) if type_of(event) == "order.placed"]
    known = {event.id: event for event in by_type(events)["order.placed"]}
    assert len(placed) > 1_500
    assert all(known[event.id] == event for event in placed)


def test_lives_are_possible(events):
    check_lives(events)


def test_every_event_passes_the_codec(month):
    for family, name in enumerate(FAMILIES[:3]):
        ours = [event for _, event in month if family_of(event) == family]
        decoded, rejected = ChunkDecoder(name).decode_chunk([encode(event) for event in ours])
        assert rejected == []
        assert decoded == ours
        assert all(check_times(event) is None for event in ours)


def test_holidays_are_announced_a_day_ahead():
    settings = replace(MONTH, start=MONDAY + 8 * WEEK, end=MONDAY + 9 * WEEK, heartbeat=0)
    entries = [event for _, event in simulate(settings) if type_of(event) == "calendar.entry"]
    assert [(entry.data.kind, entry.data.start) for entry in entries] == [("holiday", "2026-04-30T22:00:00.000Z")]
    assert parse_time(entries[0].time) <= parse_time(entries[0].data.start)
    assert decode_calendar(encode(entries[0])) == entries[0]


def test_the_numbers_are_those_of_a_shop(events):
    found = {kind: len(of_kind) for kind, of_kind in by_type(events).items()}
    orders = found["order.placed"]
    assert 0.93 < orders / (300 * 28) < 1.07
    assert 0.02 < found["order.payment_failed"] / orders < 0.06
    assert 0.01 < found["order.cancelled"] / orders < 0.05
    assert 0.05 < found["ticket.opened"] / orders < 0.16
    assert 2 < found["delivery.checkpoint"] / found["delivery.delivered"] < 4
    amounts = [event.data.amount for event in by_type(events)["order.placed"]]
    assert 4_000 < median(amounts) < 9_000
    assert mean(amounts) > 1.2 * median(amounts)
    scores = [event.data.score for event in by_type(events)["ticket.rated"]]
    assert 3.5 < mean(scores) < 4.5
    assert set(scores) >= {2, 3, 4, 5}


def test_most_parcels_come_in_time_and_not_all(events):
    promised = {e.subject: parse_time(e.data.promised_at) for e in by_type(events)["order.placed"]}
    delivered = {e.subject: parse_time(e.time) for e in by_type(events)["delivery.delivered"]}
    on_time = mean(delivered[order] <= promised[order] for order in delivered)
    assert 0.92 < on_time < 0.985


def test_dimensions_have_their_shares(events):
    placed = by_type(events)["order.placed"]
    shop = MONTH.shop
    for name, share in shop.channels.items():
        assert mean(event.data.channel == name for event in placed) == pytest.approx(share, abs=0.02)
    for name, region in shop.regions.items():
        assert mean(event.data.region == name for event in placed) == pytest.approx(region.share, abs=0.02)
    for event in by_type(events)["delivery.dispatched"]:
        assert event.data.carrier in shop.regions[event.data.region].carriers
    assert {event.data.warehouse for event in by_type(events)["order.packed"]} == set(shop.warehouses)


def test_the_week_has_a_rhythm(events):
    zone = LocalDays("Europe/Berlin", MONDAY)
    hours = Counter(zone.minute_of(parse_time(e.time)) // 60 for e in by_type(events)["order.placed"])
    assert hours[20] > 8 * hours[3]
    total = sum(hours.values())
    expected = [mean(HOUR_OF_WEEK[hour::24]) / 24 for hour in range(24)]
    for hour in range(24):
        # Linear between the hours, so each is a mean of its weight and the next.
        assert hours[hour] / total == pytest.approx((expected[hour] + expected[(hour + 1) % 24]) / 2, abs=0.008)


def test_the_year_has_a_rhythm_and_the_shop_grows():
    settings = replace(MONTH, season=1.0, growth=0.5)
    demand = Demand(settings, LocalDays(settings.timezone, settings.start))
    level = {month: demand.level(MONDAY + month * 30 * DAY) for month in range(13)}
    assert level[9] > 1.3 * level[7]  # end of November, October
    assert level[4] < level[3]  # July, June
    assert level[12] == pytest.approx(1.5 * level[0], rel=0.05)
    assert mean(season_factor(day) for day in range(1, 366)) == pytest.approx(1.0, abs=0.01)


def test_demand_varies_more_than_by_chance():
    def spread(dispersion):
        settings = replace(MONTH, orders_per_day=2000, dispersion=dispersion)
        demand = Demand(settings, LocalDays(settings.timezone, settings.start))
        hours = range(MONDAY // HOUR, MONDAY // HOUR + 8 * 168)
        blocks = [demand.block(hour) for hour in hours]
        counts = [demand.count(block) for block in blocks]
        means = [(block.first_rate + block.last_rate) / 2 for block in blocks]
        return mean((count - m) ** 2 / m for count, m in zip(counts, means, strict=True))

    assert 0.9 < spread(0.0) < 1.1
    assert spread(0.04) > 2.5


def test_packing_and_answers_keep_working_hours(events):
    zone = LocalDays("Europe/Berlin", MONDAY)
    for event in by_type(events)["order.packed"]:
        ms = parse_time(event.time)
        assert zone.weekday(zone.day_of(ms)) != 6
        assert 7 * 60 <= zone.minute_of(ms) < 21 * 60
    by_agents = [e for e in by_type(events)["ticket.replied"] if e.data.by == "agent"]
    nights = sum(not 8 * 60 <= zone.minute_of(parse_time(e.time)) < 21 * 60 for e in by_agents)
    assert nights < 0.02 * len(by_agents)


def test_busier_shops_have_more_packers_and_agents():
    """Time to ship and to answer do not depend on the size of the shop."""
    for orders_per_day, days in ((30, 14), (1500, 4)):
        settings = replace(MONTH, orders_per_day=orders_per_day, end=MONDAY + days * DAY, heartbeat=0)
        lives = by_order(business(simulate(settings)))
        waits = [
            min(life["delivery.dispatched"]) - min(life["order.placed"])
            for life in lives.values()
            if "delivery.dispatched" in life
        ]
        assert 2 * HOUR < median(waits) < 20 * HOUR


def test_disorder_is_bounded_and_heartbeats_are_true():
    timed = list(Simulation(replace(MONTH, end=MONDAY + 2 * DAY, orders_per_day=2000, heartbeat=60_000)).arrivals())
    assert [arrival for arrival, _ in timed] == sorted(arrival for arrival, _ in timed)
    worst, broken = disorder(timed)
    assert 1_000 < worst <= MONTH.max_delay
    assert broken == 0


def test_arrivals_are_the_events_in_another_order(month):
    few = list(Simulation(replace(MONTH, end=MONDAY + 6 * DAY)).arrivals())
    assert few != month[: len(few)]
    assert sorted(few, key=repr) == sorted(month[: len(few)], key=repr)


def test_stragglers_and_duplicates_come_when_asked_for():
    settings = replace(MONTH, end=MONDAY + 4 * DAY, heartbeat=0, stragglers=0.05, duplicates=0.02)
    timed = list(simulate(settings))
    once = business(timed)
    late = sum(arrival - parse_time(event.time) > settings.max_delay for arrival, event in timed)
    assert 0.02 < late / len(timed) < 0.12
    assert max(arrival - parse_time(event.time) for arrival, event in timed) <= 660_000
    assert 0.01 < len(timed) / len(once) - 1 < 0.03
    check_lives(once)


def test_heartbeats_follow_their_phases():
    settings = replace(
        MONTH,
        end=MONDAY + DAY + HOUR,
        orders_per_day=1,
        heartbeat=10_000,
        heartbeat_until=[(MONDAY + DAY + 90_000, HOUR), (MONDAY + DAY + 30 * 60_000, 60_000)],
    )
    beats = [
        parse_time(event.time) - MONDAY - DAY
        for _, event in simulate(settings)
        if type_of(event) == "source.heartbeat" and event.source == "/carrier/postbird"
    ]
    assert beats[:26] == [*(hour * HOUR for hour in range(-24, 1)), 90_000]
    assert beats[26:28] == [120_000, 180_000]
    assert beats[-2:] == [3_580_000, 3_590_000]


def test_bytes_carry_family_and_key(month):
    records = list(islice(simulate_bytes(MONTH), 2_000))
    assert {family for family, _, _ in records} == {0, 1, 2}
    decoders = [ChunkDecoder(name) for name in FAMILIES[:3]]
    for family, key, value in records:
        (event,), rejected = decoders[family].decode_chunk([value])
        assert not rejected
        assert key in (event.subject.encode(), HEARTBEAT_KEY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone 'Mars/Olympus' is not known"),
        ({"orders_per_day": 0}, "orders_per_day 0 is not in"),
        ({"end": MONDAY}, "end is not after start"),
        ({"stragglers": 2.0}, "stragglers 2 is not in"),
        ({"growth": -1.0}, "growth -1 is not above"),
        ({"max_delay": -1}, "cannot be negative"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(change, message):
    with pytest.raises(ConfigError, match=message) as refused:
        SimulatorSettings(**({"start": MONDAY} | change))
    assert "\n" not in str(refused.value)


def test_customers_are_pseudonyms_and_some_come_again(events):
    customers = Counter(event.data.customer for event in by_type(events)["order.placed"])
    assert all(len(customer) == 32 for customer in customers)
    assert 0.05 < mean(count > 1 for count in customers.values()) < 0.6
    assert variance(customers.values()) > 0


def test_the_catalogue_is_told_completely():
    assert all(kind.about and kind.strength for kind in CATALOGUE.values())
