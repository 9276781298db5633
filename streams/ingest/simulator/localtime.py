"""The shop's own clock: local days, opening hours and collection times, daylight saving included.

All instants are epoch milliseconds UTC; a day is its ordinal (``datetime.date.toordinal``), a time of
day is minutes after local midnight as a wall clock shows them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000

Week = Sequence[Sequence[tuple[int, int]]]
"""For each weekday, Monday first, the open spans as (from, to) in minutes of the day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local(ms: int, zone: ZoneInfo) -> datetime:
    """The instant as the wall clock in ``zone`` shows it."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


class LocalDays:
    """Where each local day begins, and which days are holidays (``MM-DD``, every year)."""

    def __init__(self, timezone: str, start: int, holidays: Sequence[str] = ()) -> None:
        self.zone = ZoneInfo(timezone)
        self.first = local(start, self.zone).date().toordinal() - 1
        self._holidays = frozenset(holidays)
        self._midnights: list[int] = []
        self._grow(self.first + 60)

    def _grow(self, day: int) -> None:
        for ordinal in range(self.first + len(self._midnights), day + 2):
            midnight = datetime.combine(date.fromordinal(ordinal), datetime.min.time(), self.zone)
            self._midnights.append(round(midnight.timestamp()) * 1000)

    def day_of(self, ms: int) -> int:
        """The local day of an instant not before the start."""
        while ms >= self._midnights[-1]:
            self._grow(self.first + len(self._midnights) + 60)
        return self.first + bisect_right(self._midnights, ms) - 1

    def minute_of(self, ms: int) -> int:
        """What the wall clock shows, in minutes after midnight."""
        day = self.day_of(ms)
        place = day - self.first
        if self._midnights[place + 1] - self._midnights[place] == DAY:
            return (ms - self._midnights[place]) // MINUTE
        clock = local(ms, self.zone)
        return clock.hour * 60 + clock.minute

    def at(self, day: int, minute: float) -> int:
        """The instant of a wall-clock time (a fraction of a minute is kept). A time that daylight saving
        skips is read with the offset before the change, one that happens twice is the first."""
        if day + 1 >= self.first + len(self._midnights):
            self._grow(day + 60)
        place = day - self.first
        midnight = self._midnights[place]
        if self._midnights[place + 1] - midnight == DAY:
            return midnight + int(minute * MINUTE)
        clock = datetime.combine(date.fromordinal(day), datetime.min.time()) + timedelta(minutes=minute)
        return round(clock.replace(tzinfo=self.zone).timestamp() * 1000)

    def weekday(self, day: int) -> int:
        """Monday is 0."""
        return (day - 1) % 7

    def holiday(self, day: int) -> bool:
        return bool(self._holidays) and date.fromordinal(day).strftime("%m-%d") in self._holidays


class OpeningHours:
    """When a place is open: a week's hours less the holidays."""

    def __init__(self, days: LocalDays, week: Week) -> None:
        self._days = days
        self._week = week
        self._next = days.first
        self._opens: list[int] = []
        self._closes: list[int] = []
        self.hours_per_week = sum(to - begin for spans in week for begin, to in spans) / 60
        self._grow()

    def _grow(self) -> None:
        for day in range(self._next, self._next + 60):
            if not self._days.holiday(day):
                for begin, to in self._week[self._days.weekday(day)]:
                    self._opens.append(self._days.at(day, begin))
                    self._closes.append(self._days.at(day, to))
        self._next += 60

    def open_from(self, ms: int) -> int:
        """The first open instant at or after ``ms``."""
        while not self._closes or ms >= self._closes[-1]:
            self._grow()
        place = bisect_right(self._closes, ms)
        return max(ms, self._opens[place])


class Collections:
    """A carrier's collection times at the warehouse door."""

    def __init__(self, days: LocalDays, week: Sequence[Sequence[int]]) -> None:
        self._days = days
        self._week = week
        self._next = days.first
        self._times: list[int] = []

    def next(self, ms: int) -> int:
        """The first collection at or after ``ms``."""
        while not self._times or ms > self._times[-1]:
            for day in range(self._next, self._next + 60):
                if not self._days.holiday(day):
                    self._times += [self._days.at(day, minute) for minute in self._week[self._days.weekday(day)]]
            self._next += 60
        return self._times[bisect_left(self._times, ms)]


class DeliveryDays:
    """The days on which parcels are brought: Monday to Saturday, no holidays."""

    def __init__(self, days: LocalDays) -> None:
        self._days = days

    def after(self, day: int, count: int) -> int:
        """The ``count``-th delivery day after ``day``; with 0, ``day`` itself or the next one."""
        if count == 0:
            day, count = day - 1, 1
        while count:
            day += 1
            if self._days.weekday(day) != 6 and not self._days.holiday(day):
                count -= 1
        return day


@cache
def _seconds() -> list[str]:
    return [f"{second:02d}.{milli:03d}Z" for second in range(60) for milli in range(1000)]


@cache
def _minutes() -> list[str]:
    return [f"T{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]


class Stamps:
    """Epoch ms → RFC 3339 text with milliseconds in UTC, made for speed."""

    def __init__(self) -> None:
        self._seconds = _seconds()
        self._minutes = _minutes()
        self._dates: dict[int, str] = {}

    def __call__(self, ms: int) -> str:
        minutes, rest = divmod(ms, MINUTE)
        day, minute = divmod(minutes, 1440)
        text = self._dates.get(day)
        if text is None:
            if len(self._dates) > 400:
                self._dates.clear()
            text = self._dates[day] = (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")
        return text + self._minutes[minute] + self._seconds[rest]
