"""When a business is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

DAY_MINUTES = 24 * 60


class Hours:
    """Opening hours by the local wall clock.

    ``week``: for each weekday, Monday first, the open spans (from, to) in minutes after midnight; a span may end after
    midnight (22:00 to 2:00 is (1320, 1560)). Raises ``ValueError`` for anything else.

    >>> Hours([[(540, 1080)]] * 5 + [[], []], "Europe/Berlin").open(1_700_000_000_000)  # a Tuesday, 23:13
    False
    """

    def __init__(self, week: Sequence[Sequence[tuple[int, int]]], timezone: str) -> None:
        if len(week) != 7:
            raise ValueError(f"opening hours of {len(week)} days, 7 needed")
        for spans in week:
            for begin, end in spans:
                if not (0 <= begin < DAY_MINUTES and begin < end <= begin + DAY_MINUTES):
                    raise ValueError(f"no opening hours: from minute {begin} to {end} of a day")
        self._week = [tuple(spans) for spans in week]
        self._zone = ZoneInfo(timezone)

    def open(self, ms: float) -> bool:
        """Whether it is open at an instant (epoch ms)."""
        return self.opened_on(ms) is not None

    def opened_on(self, ms: float) -> int | None:
        """The day (its ordinal) whose hours an instant is in, the day before after midnight; None if it is closed."""
        clock = datetime.fromtimestamp(ms / 1000, self._zone)
        minute, day = clock.hour * 60 + clock.minute, clock.date().toordinal()
        for back in (0, 1):
            at = minute + back * DAY_MINUTES
            if any(begin <= at < end for begin, end in self._week[(clock.weekday() - back) % 7]):
                return day - back
        return None
