"""Lines as rows that can be sorted: what each is an event of, and when it happened; or why it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from streams.errors import ContractError
from streams.events.codec import ChunkDecoder, check_times, decode_calendar
from streams.events.times import NO_TIME, parse_times
from streams.events.types import DELIVERY_TYPES, ORDER_TYPES, SUPPORT_TYPES, CalendarEntry, SourceHeartbeat
from streams.history.replay.lines import Lines
from streams.ingest.imports.convert import ENCODED

if TYPE_CHECKING:
    from streams.config import Config
    from streams.events.types import BusinessEvent

CALENDAR, HEARTBEAT, ODD = 3, 4, 5
"""What a line is, besides an event of a topic: 0 orders, 1 deliveries, 2 support."""
_KINDS: dict[type, int] = {
    **dict.fromkeys(ORDER_TYPES, 0),
    **dict.fromkeys(DELIVERY_TYPES, 1),
    **dict.fromkeys(SUPPORT_TYPES, 2),
    SourceHeartbeat: HEARTBEAT,
    CalendarEntry: CALENDAR,
}
_ENTRY = b"calendar.entry"


class Odd(NamedTuple):
    """A line that is no event, and why."""

    file: str
    line: int
    why: str


class Rows:
    """Makes rows of lines, as :data:`~streams.ingest.imports.convert.ENCODED` has them: the ``time`` (epoch ms) is when
    it happened but never after ``now``, the ``rule`` what it is, the ``key`` that of its record.

    What is further ahead of ``now`` than live takes it is no event, as live.
    """

    def __init__(self, config: Config, now: int) -> None:
        self._decoder = ChunkDecoder("any", config.limits.event_bytes)
        self._now, self._latest = now, now + config.time.future_limit
        self._before, self._row = 0, 0

    def take(self, lines: Lines) -> tuple[pl.DataFrame, list[Odd]]:
        """The rows of lines, and those that are no events. Such a line has the time of the one before it."""
        found, why = self._decoded(lines.values)
        times, wrong = parse_times([None if one is None else one.time for one in found])
        promises = [None if one is None else getattr(one.data, "promised_at", None) for one in found]
        for at in {*wrong, *parse_times(promises)[1]}:
            one = found[at]
            assert one is not None
            fault = check_times(one)
            why[at] = fault.reason if fault else "time: is none"
        for at in np.flatnonzero(times > self._latest).tolist():
            why.setdefault(at, f"time: {(times[at] - self._now) / 1000:,.0f} s ahead of now")
        frame = pl.DataFrame(
            {
                "time": np.minimum(self._filled(times), self._now),
                "row": np.arange(self._row, self._row + len(found), dtype=np.int64),
                "rule": [ODD if at in why else _KINDS[type(one)] for at, one in enumerate(found)],
                "key": ["" if one is None else one.subject for one in found],
                "id": ["" if one is None else one.id for one in found],
                "value": lines.values,
            },
            schema_overrides=ENCODED,
        )
        self._row += len(found)
        return frame, [Odd(lines.file, lines.numbers[at], why[at]) for at in sorted(why)]

    def _decoded(self, values: list[bytes]) -> tuple[list[BusinessEvent | CalendarEntry | None], dict[int, str]]:
        events, rejections = self._decoder.decode_chunk(values)
        found: list[BusinessEvent | CalendarEntry | None] = list(events)
        why = {}
        for at, rejection in rejections:
            why[at] = rejection.reason
            if _ENTRY in values[at]:
                try:
                    found[at] = decode_calendar(values[at])
                    del why[at]
                except ContractError as error:
                    why[at] = str(error)
        return found, why

    def _filled(self, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Each time that is none as the one before it."""
        times = np.concatenate(([self._before], times))
        places = np.maximum.accumulate(np.where(times == NO_TIME, 0, np.arange(len(times))))
        self._before = int(times[places[-1]])
        return times[places][1:]
