"""Occasions from a calendar file (iCalendar, RFC 5545) that was already read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
from dateutil.rrule import rruleset, rrulestr

from detectors.calendar.occasions import Kind, Occasion
from streams.errors import ContractError

WORDS: Mapping[str, Kind] = {
    "holiday": "holiday",
    "feiertag": "holiday",
    "closed": "holiday",
    "geschlossen": "holiday",
    "maintenance": "maintenance",
    "wartung": "maintenance",
    "downtime": "maintenance",
    "outage": "outage",
    "sale": "promotion",
    "promotion": "promotion",
    "campaign": "promotion",
    "discount": "promotion",
    "newsletter": "promotion",
}
"""What kind of occasion an event is, by a word of its categories, then of its summary; others are no occasion."""

_MOST = 50_000
"""Repetitions of one event that are looked at: one every hour for five years."""


def occasions_in(
    text: str, timezone: str, start: int, end: int, words: Mapping[str, Kind] = WORDS, kind: Kind | None = None
) -> list[Occasion]:
    """The occasions of a calendar file that are on between ``start`` and ``end`` (epoch ms), in order of time.

    Repeating events are unfolded, also past exceptions (RRULE, RDATE, EXDATE; an override takes its instance's place);
    cancelled ones are left out. Times without a zone, and whole days, are ``timezone``'s. ``kind`` is what events are
    that no word of ``words`` tells of; None leaves those out. Raises :class:`ContractError` if it is no calendar.
    """
    zone = ZoneInfo(timezone)
    try:
        events: list[Any] = list(icalendar.Calendar.from_ical(text).walk("VEVENT"))
        overridden = {
            (str(event.get("UID")), _instant(event["RECURRENCE-ID"].dt, zone))
            for event in events
            if "RECURRENCE-ID" in event
        }
        found = [occasion for event in events for occasion in _unfold(event, zone, start, end, words, kind, overridden)]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ContractError(f"not a calendar that can be read: {error}") from None
    return sorted(found, key=lambda occasion: (occasion.start, occasion.id))


def _unfold(
    event: Any,
    zone: tzinfo,
    start: int,
    end: int,
    words: Mapping[str, Kind],
    otherwise: Kind | None,
    overridden: set[tuple[str, int]],
) -> Iterator[Occasion]:
    kind = _kind(event, words) or otherwise
    if kind is None or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    uid, title = str(event.get("UID", "")), str(event.get("SUMMARY", kind.capitalize()))
    for begin, finish in _spans(event, zone, start, end):
        first, last = _instant(begin, zone), _instant(finish, zone)
        if "RECURRENCE-ID" not in event and (uid, first) in overridden:
            continue
        if first < end and last > start:
            yield Occasion(f"ics:{uid}:{first}", kind, first, last, title)


def _kind(event: Any, words: Mapping[str, Kind]) -> Kind | None:
    categories = event.get("CATEGORIES", [])
    names = [str(name) for each in (categories if isinstance(categories, list) else [categories]) for name in each.cats]
    for text in (*names, str(event.get("SUMMARY", ""))):
        for word in "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split():
            if word in words:
                return words[word]
    return None


def _spans(event: Any, zone: tzinfo, start: int, end: int) -> Iterator[tuple[date, date]]:
    """Beginning and end of each time it is on, as the file has them: dates, or times with or without a zone."""
    begin = event["DTSTART"].dt
    if "DTEND" in event:
        length = event["DTEND"].dt - begin
    elif "DURATION" in event:
        length = event["DURATION"].dt
    else:
        length = timedelta(0) if isinstance(begin, datetime) else timedelta(days=1)
    if "RRULE" not in event and "RDATE" not in event:
        yield begin, begin + length
        return
    # Wall clock times repeat, not instants: an event at nine stays at nine through daylight saving.
    own = begin.tzinfo if isinstance(begin, datetime) else None
    rules = rruleset()
    wall = _wall(begin, own)
    rules.rdate(wall)
    if "RRULE" in event:
        for rule in event["RRULE"] if isinstance(event["RRULE"], list) else [event["RRULE"]]:
            rule = rule.copy()
            if rule.get("UNTIL"):
                rule["UNTIL"] = [_wall(until, own) for until in rule["UNTIL"]]
            rules.rrule(rrulestr(rule.to_ical().decode(), dtstart=wall))
    for name, add in (("RDATE", rules.rdate), ("EXDATE", rules.exdate)):
        listed = event.get(name, [])
        for each in listed if isinstance(listed, list) else [listed]:
            for moment in each.dts:
                add(_wall(moment.dt, own))
    for at in islice(rules, _MOST):
        again = at.replace(tzinfo=own) if isinstance(begin, datetime) else at.date()
        if _instant(again, zone) >= end:
            return
        if _instant(again + length, zone) > start:
            yield again, again + length


def _wall(moment: date, zone: tzinfo | None) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time.min)
    if moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    return moment.replace(tzinfo=None)


def _instant(moment: date, zone: tzinfo) -> int:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
