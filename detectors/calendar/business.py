"""What is known of a time: open or closed, a holiday, a promotion, maintenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

from detectors.calendar.hours import Hours
from detectors.calendar.occasions import Kind, Occasion
from streams.errors import ConfigError

_NOTHING: Mapping[str, str] = {}


class Circumstances(NamedTuple):
    """What is known of a span for a series. Each but ``open`` is the name of what is on, None if nothing is."""

    open: bool = True
    holiday: str | None = None
    promotion: str | None = None
    maintenance: str | None = None
    outage: str | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What :class:`Lifts` has a factor for."""
        found: list[Kind] = []
        if self.holiday is not None:
            found.append("holiday")
        if self.promotion is not None:
            found.append("promotion")
        return tuple(found)

    @property
    def teaches(self) -> bool:
        """Whether models may take for usual what is seen now: not while something is known to be broken."""
        return self.maintenance is None and self.outage is None


class BusinessCalendar:
    """Opening hours, the public holidays of a country, and occasions.

    Occasions come from calendar entries (:func:`occasion_of`) and from files (:func:`occasions_in`); one of the same id
    replaces the earlier. On holidays a business is closed if it has ``hours`` and ``open_on_holidays`` is not set.
    What is asked is a pure function of what was told.

    Parameters: ``timezone`` (IANA); ``country`` (ISO 3166, DE) and ``subdivision`` (BY), of which public holidays are
    known; none without. Raises :class:`ConfigError` for a country or subdivision that is not known.
    """

    def __init__(
        self,
        timezone: str,
        hours: Hours | None = None,
        country: str | None = None,
        subdivision: str | None = None,
        open_on_holidays: bool = False,
    ) -> None:
        self._zone = ZoneInfo(timezone)
        self._hours = hours
        self._open_on_holidays = open_on_holidays
        self._country, self._subdivision = country, subdivision
        # Replaced as a whole, never changed: whoever asks sees one state, in whatever thread.
        self._occasions: dict[str, Occasion] = {}
        self._asked: tuple[float, float] | None = None
        self._answer: _Day = _Day((), True, None)
        if country is not None:
            _public_holidays(country, subdivision, 2020)

    def put(self, occasions: Iterable[Occasion]) -> None:
        """Take occasions in."""
        self._occasions = {**self._occasions, **{each.id: each for each in occasions}}
        self._asked = None

    def withdraw(self, occasion_id: str) -> None:
        """Forget an occasion, if it is known."""
        self._occasions = {key: each for key, each in self._occasions.items() if key != occasion_id}
        self._asked = None

    def occasions(self, kind: Kind) -> list[Occasion]:
        """All that are known of a kind, whenever they are, by their beginning."""
        return sorted(
            (one for one in self._occasions.values() if one.kind == kind), key=lambda one: (one.start, one.id)
        )

    def holiday(self, day: date) -> str | None:
        """The name of the public holiday on a day."""
        if self._country is None:
            return None
        return _public_holidays(self._country, self._subdivision, day.year).get(day)

    def at(self, start: float, end: float, slice_: Mapping[str, str] = _NOTHING) -> Circumstances:
        """What is known of a span (epoch ms) for a series sliced so: what is on for at least half of it, and whether it
        is open in its middle."""
        day = self._day(start, end)
        if day == _USUAL:
            return _AS_USUAL
        on: dict[Kind, str] = {}
        for occasion in day.occasions:
            if occasion.concerns(slice_):
                on.setdefault(occasion.kind, occasion.title)
        # An entry of the calendar may be about a part of the business only.
        is_open = day.open and (self._hours is None or self._open_on_holidays or "holiday" not in on)
        holiday = on.get("holiday") or day.holiday
        return Circumstances(is_open, holiday, on.get("promotion"), on.get("maintenance"), on.get("outage"))

    def _day(self, start: float, end: float) -> _Day:
        """What is on, whomever it concerns. All series of a grain ask for the same."""
        if self._asked != (start, end):
            middle = 0.5 * (start + end)
            holiday = self.holiday(datetime.fromtimestamp(middle / 1000, self._zone).date())
            is_open = True
            if self._hours is not None:
                opened = self._hours.opened_on(middle)
                is_open = opened is not None
                # After midnight it is the day before that counts.
                if opened is not None and not self._open_on_holidays:
                    is_open = self.holiday(date.fromordinal(opened)) is None
            on = tuple(each for each in self._occasions.values() if each.covers(start, end))
            self._answer = _Day(on, is_open, holiday)
            self._asked = (start, end)
        return self._answer


class _Day(NamedTuple):
    occasions: tuple[Occasion, ...]
    open: bool
    holiday: str | None


_USUAL = _Day((), True, None)
_AS_USUAL = Circumstances()


@lru_cache(maxsize=256)
def _public_holidays(country: str, subdivision: str | None, year: int) -> Mapping[date, str]:
    try:
        found = holidays.country_holidays(country, subdiv=subdivision, years=year)
    except NotImplementedError as error:
        raise ConfigError(f"no public holidays are known: {error}") from None
    return dict(found.items())
