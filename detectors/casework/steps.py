"""Steps: from one event of an order, a parcel or a ticket to the next, and how long that usually takes.

How long it takes depends on the weekday and the hour (nothing is delivered on a Sunday, a parcel scanned after midnight
waits for the next night), on the carrier and the region. So what is usual for a step is read from the steps most like
it: the same one, begun at about the same hour of the same kind of day, in the same slice as far as there are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from detectors.casework.ledger import Ledger
from detectors.casework.lives import Happened, Life
from detectors.casework.stories import Values, finally_known
from streams.kpis.grid import DAY_MS, HOUR_MS

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

ALIKE_HOURS = 1.5
"""Steps begun at most so much earlier or later in the day are like each other."""
ENOUGH = 24
"""So many alike are enough to read from."""
MOST_ALIKE = 400
_DAY_OF_WEEK = (0, 0, 0, 0, 1, 2, 3)
"""Monday to Thursday are followed by a working day, Friday, Saturday and Sunday each by another kind of day."""
_MOST_RANK = 3
_LEFT_OUT = frozenset({"order.refunded", "ticket.rated"})
"""Nothing follows from them."""


class Step(NamedTuple):
    """From an event of a life to the next one: ``name`` is what it begins with, ``then`` the type of what comes next
    and ``next`` its time, both empty or None where nothing has come. ``places`` are the records of both."""

    life: Life
    entity: int
    name: str
    start: int
    next: int | None
    then: str
    then_moments: frozenset[str]
    values: Values
    places: tuple[int, ...]


def chains(story: Sequence[Happened], entities: Sequence[str]) -> Iterator[tuple[int, list[Happened]]]:
    """What a life consists of: the way of each parcel, from the order on, and each ticket's, with its number; the
    order's alone where no parcel is known."""
    order = [one for one in story if not one.entity and one.sort.type not in _LEFT_OUT]
    parcels = [number for number, name in enumerate(entities, 1) if name.startswith("delivery/")]
    for number in parcels or [0]:
        chain = [one for one in story if one.entity in (0, number) and one.sort.type not in _LEFT_OUT]
        if chain and (order or number):
            yield number, chain
    for number, name in enumerate(entities, 1):
        if name.startswith("ticket/"):
            chain = [one for one in story if one.entity == number and one.sort.type not in _LEFT_OUT]
            if chain:
                yield number, chain


def steps_of(life: Life, story: Sequence[Happened]) -> Iterator[Step]:
    """All steps of a life, the last ones among them, after which nothing has come yet."""
    for entity, chain in chains(story, life.entities):
        values = finally_known(story, entity)
        times: dict[str, int] = {}
        # How a ticket came in decides how fast it is answered.
        through = f"{chain[0].sort.note}: " if chain[0].sort.type == "ticket.opened" else ""
        for at, one in enumerate(chain):
            times[one.sort.type] = rank = times.get(one.sort.type, 0) + 1
            words = one.sort.note if one.sort.type in ("delivery.checkpoint", "ticket.replied") else ""
            again = "" if words and one.sort.type == "delivery.checkpoint" else f" {min(rank, _MOST_RANK)}"
            after = chain[at + 1] if at + 1 < len(chain) else None
            yield Step(
                life,
                entity,
                f"{through}{one.sort.type} {words}{again}",
                one.time,
                None if after is None else after.time,
                "" if after is None else after.sort.type,
                frozenset() if after is None else after.sort.moments,
                values,
                (one.place,) if after is None else (one.place, after.place),
            )


def all_steps(ledger: Ledger, until: int) -> list[Step]:
    """Of all lives, as far as they had come by an instant (epoch ms)."""
    return [step for life in ledger for step in steps_of(life, ledger.story(life, until))]


class Clock:
    """The business's own clock: hour of the day and kind of day of an instant."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._offsets: dict[int, int] = {}

    def at(self, ms: int) -> tuple[float, int]:
        """(hour of the day 0 to 24, kind of day)."""
        hour = ms // HOUR_MS
        offset = self._offsets.get(hour)
        if offset is None:
            if len(self._offsets) > 20_000:
                self._offsets.clear()
            delta = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self._zone).utcoffset()
            assert delta is not None
            offset = self._offsets[hour] = round(delta.total_seconds() * 1000)
        days, rest = divmod(ms + offset, DAY_MS)
        # 1 January 1970 was a Thursday.
        return rest / HOUR_MS, _DAY_OF_WEEK[(days + 3) % 7]


class _Table(NamedTuple):
    """Past steps of one name, as columns."""

    start: I64
    gap: F64
    hour: F64
    day: I64
    slices: list[I64]


class Usual:
    """How long steps usually take, learned of past ones.

    ``names`` of dimensions say which slices matter: the first counts most. Gaps are ms, infinite where nothing
    had come.
    """

    def __init__(
        self, steps: Iterable[Step], ledger: Ledger, names: Sequence[str], teaches: Callable[[Step], bool]
    ) -> None:
        self._clock = Clock(ledger.definitions.timezone)
        self._places = [ledger.dimensions.index(name) for name in names if name in ledger.dimensions]
        self._codes: dict[str | None, int] = {}
        self._then: dict[str, Counter[str]] = {}
        rows: dict[str, list[tuple[int, float, float, int, tuple[int, ...]]]] = {}
        for step in steps:
            if teaches(step):
                hour, day = self._clock.at(step.start)
                self._then.setdefault(step.name, Counter())[step.then] += 1
                gap = np.inf if step.next is None else float(step.next - step.start)
                rows.setdefault(step.name, []).append((step.start, gap, hour, day, self._slice(step.values)))
        self._tables = {
            name: _Table(
                np.array([row[0] for row in found], dtype=np.int64),
                np.array([row[1] for row in found]),
                np.array([row[2] for row in found]),
                np.array([row[3] for row in found], dtype=np.int64),
                [np.array([row[4][at] for row in found], dtype=np.int64) for at in range(len(self._places))],
            )
            for name, found in rows.items()
        }

    def _slice(self, values: Values) -> tuple[int, ...]:
        return tuple(self._codes.setdefault(values[place], len(self._codes)) for place in self._places)

    def leads_to(self, step: Step) -> str:
        """The type of what usually comes next; empty where nothing does, or where nothing is known."""
        counts = self._then.get(step.name)
        return counts.most_common(1)[0][0] if counts else ""

    def gaps(self, step: Step) -> F64:
        """Of the past steps most like it; empty where there are none."""
        table = self._tables.get(step.name)
        if table is None:
            return np.empty(0)
        hour, day = self._clock.at(step.start)
        apart = np.abs(table.hour - hour)
        apart = np.minimum(apart, 24.0 - apart)
        near = apart <= ALIKE_HOURS
        alike = table.day == day
        wanted = self._slice(step.values)
        sliced = np.ones(len(near), dtype=np.bool_)
        within = [sliced]
        for at, code in enumerate(wanted):
            sliced = sliced & (table.slices[at] == code)
            within.append(sliced)
        for several in reversed(within):
            found = several & near & alike
            if found.sum() >= ENOUGH:
                return self._nearest(table, found, apart)
        for wider in (near & alike, alike & (apart <= 3 * ALIKE_HOURS), near):
            if wider.sum() >= ENOUGH // 3:
                return self._nearest(table, wider, apart)
        return table.gap[np.argsort(apart)[:ENOUGH]]

    @staticmethod
    def _nearest(table: _Table, found: npt.NDArray[np.bool_], apart: F64) -> F64:
        places = np.flatnonzero(found)
        if len(places) > MOST_ALIKE:
            places = places[np.argsort(apart[places], kind="stable")[:MOST_ALIKE]]
        return table.gap[places]
