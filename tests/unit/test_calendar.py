"""What is known beforehand: hours, holidays, files, entries, and the lifts learned from them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from detectors.calendar import BusinessCalendar, Circumstances, Hours, Lifts, Occasion, occasion_of, occasions_in
from streams.errors import ConfigError, ContractError
from streams.events.types import CalendarData
from streams.kpis.pack import pack, unpack

BERLIN = "Europe/Berlin"
HOUR = 3_600_000
OFFICE = [[(540, 1080)]] * 5 + [[], []]


def ms(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def ics(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{body}END:VCALENDAR\r\n"


def event(*lines: str) -> str:
    return "\r\n".join(lines)


def test_hours_follow_the_wall_clock_through_daylight_saving() -> None:
    hours = Hours(OFFICE, BERLIN)
    for day in ("2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"):
        assert not hours.open(ms(f"{day}T08:59"))
        assert hours.open(ms(f"{day}T09:00"))
        assert not hours.open(ms(f"{day}T18:00"))
    assert not hours.open(ms("2026-03-28T12:00"))


def test_hours_go_past_midnight() -> None:
    bar = Hours([[], [], [], [], [(1320, 1560)], [], []], BERLIN)
    assert bar.open(ms("2026-03-27T23:00"))
    assert bar.open(ms("2026-03-28T01:59"))
    assert not bar.open(ms("2026-03-28T02:00"))
    assert not bar.open(ms("2026-03-27T01:00"))


@pytest.mark.parametrize("week", [[[]] * 6, [[(600, 500)], *[[]] * 6], [[(-1, 500)], *[[]] * 6]])
def test_impossible_hours_are_refused(week: list[list[tuple[int, int]]]) -> None:
    with pytest.raises(ValueError, match="hours"):
        Hours(week, BERLIN)


def test_public_holidays_are_the_subdivisions() -> None:
    bavaria, berlin = BusinessCalendar(BERLIN, country="DE", subdivision="BY"), BusinessCalendar(BERLIN, country="DE")
    start = ms("2026-01-06T10:00")
    assert bavaria.at(start, start + HOUR).holiday is not None
    assert berlin.at(start, start + HOUR).holiday is None
    assert BusinessCalendar(BERLIN).at(ms("2026-01-01T10:00"), ms("2026-01-01T11:00")) == Circumstances()


def test_a_holiday_begins_at_local_midnight() -> None:
    calendar = BusinessCalendar(BERLIN, country="DE")
    assert calendar.at(ms("2025-12-31T23:00"), ms("2026-01-01T00:00")).holiday is None
    assert calendar.at(ms("2026-01-01T00:00"), ms("2026-01-01T01:00")).kinds == ("holiday",)


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("DE", "QQ")])
def test_an_unknown_country_is_said_at_once(country: str, subdivision: str | None) -> None:
    with pytest.raises(ConfigError, match="public holidays"):
        BusinessCalendar(BERLIN, country=country, subdivision=subdivision)


def test_a_business_is_closed_on_holidays_unless_it_says_otherwise() -> None:
    start, end = ms("2026-01-01T10:00"), ms("2026-01-01T11:00")
    hours = Hours(OFFICE, BERLIN)
    assert not BusinessCalendar(BERLIN, hours, "DE").at(start, end).open
    assert BusinessCalendar(BERLIN, hours, "DE", open_on_holidays=True).at(start, end).open
    assert BusinessCalendar(BERLIN, hours, "DE").at(start + 24 * HOUR, end + 24 * HOUR).open


def test_entries_of_the_calendar_topic_are_taken_in_replaced_and_withdrawn() -> None:
    calendar = BusinessCalendar(BERLIN)
    data = CalendarData(
        entry_id="p1",
        kind="promotion",
        start="2026-03-02T00:00:00Z",
        end="2026-03-03T00:00:00Z",
        title="Spring",
        scope={"region": ["north"]},
    )
    calendar.put([occasion_of(data)])
    start = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
    assert calendar.at(start, start + HOUR).promotion == "Spring"
    assert calendar.at(start, start + HOUR, {"region": "north", "carrier": "a"}).promotion == "Spring"
    assert calendar.at(start, start + HOUR, {"region": "south"}).promotion is None
    calendar.put([occasion_of(data)._replace(title="Summer")])
    assert calendar.at(start, start + HOUR).promotion == "Summer"
    calendar.withdraw("p1")
    assert calendar.at(start, start + HOUR) == Circumstances()


def test_maintenance_and_outages_teach_nothing() -> None:
    calendar = BusinessCalendar(BERLIN)
    calendar.put([Occasion("m", "maintenance", 0, HOUR, "Server"), Occasion("o", "outage", 5 * HOUR, 6 * HOUR, "Net")])
    assert not calendar.at(0, HOUR).teaches
    assert calendar.at(2 * HOUR, 3 * HOUR).teaches
    assert not calendar.at(5 * HOUR, 6 * HOUR).teaches


def test_a_span_counts_if_at_least_half_of_it_is_covered() -> None:
    occasion = Occasion("p", "promotion", HOUR, 2 * HOUR, "P")
    assert occasion.covers(HOUR, 3 * HOUR)
    assert not occasion.covers(HOUR, 4 * HOUR)


def test_events_of_a_file_are_occasions_by_their_words() -> None:
    text = ics(
        event("UID:1", "DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260304", "SUMMARY:Spring sale"),
        event("UID:2", "DTSTART:20260305T100000Z", "DURATION:PT2H", "SUMMARY:Server", "CATEGORIES:Work,MAINTENANCE"),
        event("UID:3", "DTSTART:20260305T100000Z", "DURATION:PT2H", "SUMMARY:Dentist"),
        event("UID:4", "DTSTART:20260306T100000Z", "DURATION:PT2H", "SUMMARY:Sale", "STATUS:CANCELLED"),
        event("UID:5", "DTSTART;TZID=Europe/Berlin:20260307T090000", "DURATION:PT1H", "SUMMARY:Wartung: Kasse"),
    )
    found = occasions_in(text, BERLIN, ms("2026-01-01T00:00"), ms("2027-01-01T00:00"))
    assert [(each.kind, each.start, each.end) for each in found] == [
        ("promotion", ms("2026-03-02T00:00"), ms("2026-03-04T00:00")),
        ("maintenance", ms("2026-03-05T11:00"), ms("2026-03-05T13:00")),
        ("maintenance", ms("2026-03-07T09:00"), ms("2026-03-07T10:00")),
    ]
    everything = occasions_in(text, BERLIN, ms("2026-01-01T00:00"), ms("2027-01-01T00:00"), kind="promotion")
    assert [each.title for each in everything] == ["Spring sale", "Server", "Dentist", "Wartung: Kasse"]


def test_repeating_events_stay_at_their_local_time_and_mind_exceptions() -> None:
    text = ics(
        event(
            "UID:1",
            "DTSTART;TZID=Europe/Berlin:20260320T090000",
            "DTEND;TZID=Europe/Berlin:20260320T100000",
            "RRULE:FREQ=WEEKLY;UNTIL=20260424T220000Z",
            "EXDATE;TZID=Europe/Berlin:20260403T090000",
            "SUMMARY:Maintenance",
        ),
        event(
            "UID:1",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260410T090000",
            "DTSTART;TZID=Europe/Berlin:20260411T120000",
            "DURATION:PT1H",
            "SUMMARY:Maintenance moved",
        ),
    )
    found = occasions_in(text, BERLIN, ms("2026-03-01T00:00"), ms("2027-01-01T00:00"))
    days = ("2026-03-20T09:00", "2026-03-27T09:00", "2026-04-11T12:00", "2026-04-17T09:00", "2026-04-24T09:00")
    assert [each.start for each in found] == [ms(day) for day in days]
    assert len({each.id for each in found}) == 5
    assert len(occasions_in(text, BERLIN, ms("2026-04-01T00:00"), ms("2026-04-18T00:00"))) == 2


def test_a_yearly_whole_day_repeats_without_end() -> None:
    text = ics(event("UID:1", "DTSTART;VALUE=DATE:20200606", "RRULE:FREQ=YEARLY", "SUMMARY:Closed: founders' day"))
    found = occasions_in(text, BERLIN, ms("2026-01-01T00:00"), ms("2028-01-01T00:00"))
    assert [each.start for each in found] == [ms("2026-06-06T00:00"), ms("2027-06-06T00:00")]
    daily = ics(event("UID:1", "DTSTART:20100606T080000Z", "RRULE:FREQ=DAILY", "SUMMARY:Maintenance"))
    assert len(occasions_in(daily, BERLIN, ms("2026-01-01T00:00"), ms("2026-01-08T00:00"))) == 7
    assert all(each.end - each.start == 24 * HOUR for each in found)


@pytest.mark.parametrize("text", ["", "no calendar", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", ics("SUMMARY:sale")])
def test_what_is_no_calendar_is_said_so(text: str) -> None:
    with pytest.raises(ContractError, match="calendar"):
        occasions_in(text, BERLIN, 0, HOUR)


def test_a_lift_is_learned_from_what_there_was_and_is_one_before() -> None:
    lifts = Lifts(events=20.0)
    assert lifts.factor(["promotion", "holiday"]) == 1.0
    for hour in range(100):
        lifts.learn(["promotion"], hour * HOUR, 60.0, 30.0)
    assert 1.9 < lifts.factor(["promotion"]) < 2.0
    assert lifts.factor(["holiday"]) == 1.0


def test_one_odd_hour_makes_no_lift() -> None:
    lifts = Lifts(events=20.0)
    lifts.learn(["promotion"], 0, 1e6, 10_000.0)
    assert 1.0 < lifts.factor(["promotion"]) < 21.0
    few = Lifts(events=20.0)
    few.learn(["promotion"], 0, 6.0, 3.0)
    assert few.factor(["promotion"]) < 1.2


def test_a_typical_lift_is_where_one_begins() -> None:
    lifts = Lifts(typical={"promotion": 1.3})
    assert lifts.factor(["promotion"]) == pytest.approx(1.3)


def test_kinds_that_meet_multiply_and_each_learns_its_own() -> None:
    lifts = Lifts(events=20.0)
    for hour in range(200):
        lifts.learn(["promotion"], hour * HOUR, 60.0, 30.0)
        lifts.learn(["promotion", "holiday"], hour * HOUR, 30.0, 30.0)
    assert lifts.factor(["promotion", "holiday"]) == pytest.approx(1.0, rel=0.15)
    assert lifts.factor(["holiday"]) < 0.7


def test_lifts_can_be_kept() -> None:
    lifts = Lifts()
    lifts.learn(["promotion"], 5, 60.0, 30.0)
    lifts.learn(["promotion"], 6, float("nan"), 30.0)
    other = Lifts()
    other.load(unpack(pack(lifts.state())))
    assert other.factor(["promotion"]) == lifts.factor(["promotion"])
    assert other.state() == lifts.state()
