"""The section about the business: money, time zone, public holidays, opening hours."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from streams.config.places import Place, meant
from streams.config.readers import Reader, fields, flag, literal, matching, path, several, text
from streams.config.structs import WEEKDAYS, Business, Weekday

_CURRENCY = re.compile(r"[A-Z]{3}")
_SPAN = re.compile(r"([0-9]{1,2}):([0-5][0-9])\s*(?:-|–|to)\s*([0-9]{1,2}):([0-5][0-9])")
_DAY = 24 * 60


def business(place: Place) -> Business:
    """The section. Raises Noted where anything in it is wrong."""
    values = fields(
        place,
        {
            "name": text(200),
            "timezone": _timezone,
            "currency": matching(_CURRENCY, "a currency (expected three capital letters like EUR)"),
            "week_starts": literal(Weekday),
            "country": text(100),
            "subdivision": text(10),
            "opening_hours": _opening_hours,
            "open_on_holidays": flag,
            "calendars": several(_calendar, least=0, most=50),
        },
    )
    entries = place.entries() if place.is_mapping else {}
    _check_country(entries, values.get("country"), values.get("subdivision"))
    return Business(**values)


def _timezone(place: Place) -> str:
    name = place.text("a time zone")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = meant(name, available_timezones()) or " (expected like Europe/Berlin)"
        raise place.wrong(f"unknown time zone {name!r}{close}") from None
    return name


def _calendar(place: Place) -> Path:
    file = path(place)
    if not file.is_file():
        raise place.wrong(f"{file}: no such file (expected a calendar file like holidays.ics)")
    return file


def _check_country(entries: dict[str, Place], country: str | None, subdivision: str | None) -> None:
    if country is None:
        if subdivision is not None:
            raise entries["subdivision"].wrong("needs 'country' too")
        return
    import holidays  # takes a while, and few need it

    known = holidays.list_supported_countries()
    if country not in known:
        close = meant(country, known) or " (expected two capital letters like DE)"
        raise entries["country"].wrong(f"no public holidays are known of {country!r}{close}")
    if subdivision is not None and subdivision not in known[country]:
        raise entries["subdivision"].wrong(
            f"{country} has no part {subdivision!r} (one of {', '.join(sorted(known[country])) or 'none'})"
        )


def _opening_hours(place: Place) -> tuple[tuple[tuple[int, int], ...], ...]:
    readers: dict[str, Reader[tuple[tuple[int, int], ...]]] = dict.fromkeys(WEEKDAYS, hours("opening hours"))
    values = fields(place, readers)
    return tuple(values.get(day, ()) for day in WEEKDAYS)


def hours(what: str) -> Reader[tuple[tuple[int, int], ...]]:
    """Spans of a day, in minutes after midnight: ``9:00-18:00``, or several with commas between; one that ends before
    it begins goes on after midnight. ``what`` they are."""

    def reader(place: Place) -> tuple[tuple[int, int], ...]:
        spans = []
        for part in place.text(what).split(","):
            found = _SPAN.fullmatch(part.strip())
            if found is None:
                raise place.wrong(f"{part.strip()!r} are no {what} (expected like 9:00-18:00)")
            begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
            if begin >= _DAY or end > _DAY or begin == end:
                raise place.wrong(f"{part.strip()!r} are no {what} (0:00-24:00 is the whole day)")
            spans.append((begin, end if end > begin else end + _DAY))
        return tuple(spans)

    return reader
