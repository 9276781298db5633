from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from streams.events.times import format_time, parse_time
from streams.ingest.simulator import SimulatorSettings, simulate
from streams.ingest.simulator.demand import Demand
from streams.ingest.simulator.localtime import (
    Collections,
    DeliveryDays,
    LocalDays,
    OpeningHours,
    Stamps,
    local,
)
from streams.ingest.simulator.promises import Promises
from tests.support.simulated import DAY, HOUR, business, check_lives, type_of

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    """A Berlin wall-clock time as epoch ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


def days(since: str, holidays: tuple[str, ...] = ()) -> LocalDays:
    return LocalDays("Europe/Berlin", at(since), holidays)


@pytest.mark.parametrize("text", ["2026-03-29T09:00", "2026-10-25T09:00", "2026-03-28T23:59", "2026-07-01T00:00"])
def test_wall_clock_times_hold_across_daylight_saving(text):
    calendar = days("2026-03-01")
    clock = datetime.fromisoformat(text)
    ms = calendar.at(clock.date().toordinal(), clock.hour * 60 + clock.minute)
    assert ms == at(text)
    assert calendar.day_of(ms) == clock.date().toordinal()
    assert calendar.minute_of(ms) == clock.hour * 60 + clock.minute


def test_days_have_23_24_or_25_hours():
    calendar = days("2026-03-01")
    lengths = {
        day: (
            calendar.at(date.fromisoformat(day).toordinal() + 1, 0)
            - calendar.at(date.fromisoformat(day).toordinal(), 0)
        )
        / HOUR
        for day in ("2026-03-29", "2026-10-25", "2026-05-05")
    }
    assert lengths == {"2026-03-29": 23, "2026-10-25": 25, "2026-05-05": 24}


def test_every_day_of_years_is_found():
    calendar = days("2026-01-01")
    for number in range(0, 800):
        ms = at("2026-01-01") + number * DAY + 7_654_321
        shown = local(ms, BERLIN)
        assert calendar.day_of(ms) == shown.date().toordinal()
        assert calendar.minute_of(ms) == shown.hour * 60 + shown.minute
        assert calendar.weekday(calendar.day_of(ms)) == shown.weekday()


def test_opening_hours_skip_nights_weekends_and_holidays():
    hours = OpeningHours(days("2026-04-27", ("05-01",)), [*[[(9 * 60, 12 * 60), (13 * 60, 17 * 60)]] * 5, [], []])
    assert hours.hours_per_week == 35
    assert hours.open_from(at("2026-04-30T10:00")) == at("2026-04-30T10:00")
    assert hours.open_from(at("2026-04-30T12:30")) == at("2026-04-30T13:00")
    # Friday is a holiday.
    assert hours.open_from(at("2026-04-30T17:00")) == at("2026-05-04T09:00")
    assert hours.open_from(at("2030-04-29T03:00")) == at("2030-04-29T09:00")


def test_the_warehouse_opens_at_seven_before_and_after_the_clocks_change():
    hours = OpeningHours(days("2026-03-20"), [[(7 * 60, 19 * 60)]] * 7)
    assert hours.open_from(at("2026-03-28T03:00")) == parse_time("2026-03-28T06:00:00Z")
    assert hours.open_from(at("2026-03-29T04:00")) == parse_time("2026-03-29T05:00:00Z")


def test_collections_come_when_they_are_due():
    collections = Collections(days("2026-03-02"), [*[(12 * 60, 16 * 60)] * 5, (), ()])
    assert collections.next(at("2026-03-06T12:00")) == at("2026-03-06T12:00")
    assert collections.next(at("2026-03-06T16:01")) == at("2026-03-09T12:00")


def test_parcels_come_on_any_day_but_sundays_and_holidays():
    delivery_days = DeliveryDays(days("2026-12-20", ("12-25", "12-26")))
    thursday = date(2026, 12, 24).toordinal()
    assert delivery_days.after(thursday, 0) == thursday
    # Christmas, its second day, Sunday.
    assert delivery_days.after(thursday, 1) == date(2026, 12, 28).toordinal()


def test_a_promise_is_kept_in_local_time():
    regions = SimulatorSettings(start=0).shop.regions
    promises = Promises(days("2026-03-20"), regions)
    # Friday morning ships on Friday, arrives on Saturday, Monday to spare: after the clocks have changed.
    assert promises.promise(at("2026-03-27T09:00"), "north") == at("2026-03-30T20:00")
    assert promises.promise(at("2026-03-27T15:00"), "north") == at("2026-04-01T20:00")


def test_stamps_are_what_the_codec_writes():
    stamp = Stamps()
    for ms in (
        0,
        999,
        1_772_409_600_000,
        1_772_409_659_999,
        4_102_444_799_123,
        *range(10**12, 10**12 + 10**9, 12_345_679),
    ):
        assert stamp(ms) == format_time(ms)
        assert parse_time(stamp(ms)) == ms


@pytest.mark.parametrize("clocks_change", ["2026-03-29", "2026-10-25"])
def test_a_shop_lives_through_the_change_of_clocks(clocks_change):
    start = at(clocks_change) - 2 * DAY
    settings = SimulatorSettings(start=start, end=start + 6 * DAY, heartbeat=0)
    events = business(simulate(settings))
    check_lives(events)
    changed = date.fromisoformat(clocks_change)
    outs = [e for e in events if type_of(e) == "delivery.checkpoint" and e.data.status == "out_for_delivery"]
    shown = [local(parse_time(e.time), BERLIN) for e in outs]
    after = [clock for clock in shown if clock.date() > changed]
    assert len(after) > 100
    assert all(7 <= clock.hour < 10 for clock in shown)
    assert not any(clock.date() == changed for clock in shown)  # it is a Sunday


def test_demand_follows_the_wall_clock_of_the_shop():
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"):
        settings = SimulatorSettings(start=at("2026-01-05"), timezone=zone, season=0.0, growth=0.0, holidays=())
        demand = Demand(settings, LocalDays(zone, settings.start))
        for day in ("2026-01-14", "2026-07-15"):
            noon = datetime.fromisoformat(day + "T20:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            night = datetime.fromisoformat(day + "T03:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            rates = [demand.rate(round(when.timestamp() * 1000)) for when in (noon, night)]
            assert rates[0] / rates[1] == pytest.approx(1.82 / 0.09)


def test_other_zones_live_too():
    for zone in ("Asia/Kolkata", "Pacific/Chatham", "America/St_Johns"):
        settings = SimulatorSettings(start=at("2026-04-01"), end=at("2026-04-08"), timezone=zone, heartbeat=0)
        check_lives(business(simulate(settings)))
    assert replace(settings, timezone="UTC").timezone == "UTC"
