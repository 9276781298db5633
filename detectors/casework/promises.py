"""What will be late: of all that is open, how many will miss what they were promised, and which.

How likely an order misses its promise is read from orders that had come as far, at such an hour of such a day, and had
waited as long for their next step: in how many of them it came in time. Days on which nothing is delivered do not count
as time. What is still open counts for as long as it has been. A carrier in a region is drawn to the region, the region
to all, by how few there are of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct

from detectors.casework.counts import distribution, fate_of, interval
from detectors.casework.ledger import Ledger
from detectors.casework.lives import Happened, Life
from detectors.casework.steps import ALIKE_HOURS, F64, I64, Clock, Step, steps_of
from detectors.casework.stories import promise_of
from detectors.casework.survival import SHRINK, Flags, shrunk
from detectors.casework.working import WorkingTime
from streams.kpis.definitions import Definitions, MeasureKpi
from streams.kpis.grid import DAY_MS, HOUR_MS

LEARNS_MS = 21 * DAY_MS
"""What was begun in so many days says how long things take."""
SHARE = 0.9
"""Of the interval."""
MOST_ENDANGERED = 50
_LEAST_ALIKE = 8
NOVEL = 1.5
"""So much the log odds of something vary by themselves that is like nothing known."""
HORIZONS_MS = (6 * HOUR_MS, 24 * HOUR_MS, 48 * HOUR_MS)
"""How much chances move together is learned for each of these."""
_REHEARSED_MS = 14 * DAY_MS
_REHEARSED_EVERY_MS = 30 * HOUR_MS
_LEAD_MS = 4 * DAY_MS
_OVER = frozenset({"order.cancelled", "delivery.delivered", "delivery.returned"})
_SETTLED = _OVER | {"ticket.resolved"}
_NAMES = ("region", "carrier", "queue")
_UNLESS = {"delivery.delivered": "delivered", "first_answer": "answered"}


class Target(NamedTuple):
    """What is promised: an order or delivery by its promise, a ticket within a while. ``end`` are the moments that keep
    the promise, ``within`` is in ms from the moment ``since`` on."""

    kpi: str
    entity: Literal["order", "delivery", "ticket"]
    end: frozenset[str]
    since: str | None
    within: int | None


def targets(definitions: Definitions) -> list[Target]:
    """What the configured KPIs say is promised: a share of promises kept, or of answers within a while."""
    found: dict[tuple[object, ...], Target] = {}
    for kpi in definitions.kpis:
        if isinstance(kpi, MeasureKpi) and kpi.kind == "ratio" and kpi.of.first and kpi.of.entity is not None:
            within = kpi.of.within if kpi.of.since is not None else None
            if kpi.of.promise == "kept" or within is not None:
                since = kpi.of.since if within is not None else None
                target = Target(kpi.name, kpi.of.entity, frozenset(kpi.of.moments), since, within)
                found.setdefault(target[1:], target)
    return list(found.values())


class Endangered(Struct, frozen=True):
    """An open order or ticket: its chance to miss what it was promised, by when that is, and how far it has come."""

    order: str
    ticket: str
    chance: float
    promised: int
    stage: str


class Forecast(Struct, frozen=True):
    """How many of the ``open`` ones whose promise falls between two instants (epoch ms) will miss it.

    ``expected`` is the mean, ``low`` to ``high`` holds 90 %. ``overdue`` have missed theirs already.
    ``endangered`` are those most likely to, the likeliest first.
    """

    kpi: str
    at: int
    by: int
    open: int
    expected: float
    low: int
    high: int
    overdue: int
    text: str
    endangered: tuple[Endangered, ...]


class Open(NamedTuple):
    """Something promised that is open at an instant."""

    life: Life
    entity: int
    due: int
    step: Step


class _Table(NamedTuple):
    """Steps of one name: when they began, how long until the next one and until it was settled, in working ms, and
    whether that had come by the time this was learned."""

    hour: F64
    day: I64
    gap: F64
    lasted: F64
    came: Flags
    slices: list[I64]


class Promises:
    """Chances to miss a promise, learned of what a ledger knows ``at`` an instant (event time, epoch ms)."""

    def __init__(self, ledger: Ledger, target: Target, at: int) -> None:
        self.target = target
        self.at = at
        self._clock = Clock(ledger.definitions.timezone)
        self._zone = ZoneInfo(ledger.definitions.timezone)
        self._places = [ledger.dimensions.index(name) for name in _NAMES if name in ledger.dimensions]
        self._codes: dict[str | None, int] = {None: 0}
        told = [one for life in ledger if life.last >= at - LEARNS_MS for one in self._told(ledger, life, at)]
        ends = [settled for _, _, settled in told if settled is not None]
        self._working = WorkingTime(ledger.definitions.timezone, ends)
        self._tables = self._learn(told, at)
        late = [settled > due for _, due, settled in told if due is not None and settled is not None]
        self.base = (sum(late) + 1.0) / (len(late) + 2.0)
        """The share of promises that were missed."""
        rehearsed = list(self._rehearse(told, at))
        self.fates = tuple(fate_of(groups) for groups in (zip(*rehearsed, strict=True) if rehearsed else ((),) * 3))
        """How much they move together within each of :data:`HORIZONS_MS`: the standard deviation of their log odds."""

    # -- learning -------------------------------------------------------------------------------------------------

    def _told(self, ledger: Ledger, life: Life, at: int) -> Iterator[tuple[list[Step], int | None, int | None]]:
        """Of each thing promised in a life: its steps up to an instant, by when it was due, when it was settled."""
        story = ledger.story(life, at)
        by_entity: dict[int, list[Step]] = {}
        for step in steps_of(life, story):
            by_entity.setdefault(step.entity, []).append(step)
        ours = {
            entity: steps
            for entity, steps in by_entity.items()
            if (self.target.entity == "ticket") == (bool(entity) and life.entities[entity - 1].startswith("ticket/"))
        }
        if self.target.entity == "order" and ours:
            # Of several parcels the first to come counts.
            entity, steps = next(iter(ours.items()))
            settled = min(filter(None, map(self._settled, ours.values())), default=None)
            yield steps, self._due(story, entity), settled
            return
        for entity, steps in ours.items():
            yield steps, self._due(story, entity), self._settled(steps)

    def _settled(self, steps: Sequence[Step]) -> int | None:
        times = [
            step.next
            for step in steps
            if step.next is not None and (step.then_moments & self.target.end or step.then in _SETTLED)
        ]
        return min(times, default=None)

    def _due(self, story: Sequence[Happened], entity: int) -> int | None:
        if self.target.within is None:
            return promise_of(story, entity if self.target.entity == "delivery" else 0)
        begun = [one.time for one in story if one.entity in (0, entity) and self.target.since in one.sort.moments]
        own = [one.time for one in story if one.entity == entity and self.target.since in one.sort.moments]
        first = min(own or begun, default=None)
        return None if first is None else first + self.target.within

    def _learn(self, told: Iterable[tuple[list[Step], int | None, int | None]], at: int) -> dict[str, _Table]:
        rows: dict[str, list[tuple[float, int, float, float, bool, tuple[int, ...]]]] = {}
        now = self._working(at)
        for steps, _, settled in told:
            for step in steps:
                if settled is not None and step.start >= settled:
                    continue
                hour, day = self._clock.at(step.start)
                start = self._working(step.start)
                gap = (now if step.next is None else self._working(step.next)) - start
                lasted = (now if settled is None else self._working(settled)) - start
                row = (hour, day, float(gap), float(lasted), settled is not None, self._slice(step))
                rows.setdefault(step.name, []).append(row)
        return {
            name: _Table(
                np.array([row[0] for row in found]),
                np.array([row[1] for row in found], dtype=np.int64),
                np.array([row[2] for row in found]),
                np.array([row[3] for row in found]),
                np.array([row[4] for row in found], dtype=np.bool_),
                [np.array([row[5][place] for row in found], dtype=np.int64) for place in range(len(self._places))],
            )
            for name, found in rows.items()
        }

    def _slice(self, step: Step) -> tuple[int, ...]:
        return tuple(self._codes.setdefault(step.values[place], len(self._codes)) for place in self._places)

    def _rehearse(
        self, told: Sequence[tuple[list[Step], int | None, int | None]], at: int
    ) -> Iterator[list[tuple[F64, F64, int]]]:
        """Forecasts that could have been made in the last days, and what came of them, for each horizon."""
        first = min((steps[0].start for steps, _, _ in told), default=at) + _LEAD_MS
        longest = HORIZONS_MS[-1]
        for then in range(max(first, at - _REHEARSED_MS), at - longest + 1, _REHEARSED_EVERY_MS):
            rows = []
            for steps, due, settled in told:
                if due is None or not then < due <= then + longest or (settled is not None and settled <= then):
                    continue
                begun = [step for step in steps if step.start <= then]
                if begun:
                    chance, novelty = self._chance(begun[-1], due, then)
                    rows.append((due - then, chance, novelty, settled is None or settled > due))
            yield [
                (
                    np.array([row[1] for row in rows if row[0] <= horizon]),
                    np.array([row[2] for row in rows if row[0] <= horizon]),
                    sum(row[3] for row in rows if row[0] <= horizon),
                )
                for horizon in HORIZONS_MS
            ]

    # -- forecasting ----------------------------------------------------------------------------------------------

    def _chance(self, step: Step, due: int, at: int) -> tuple[float, float]:
        """The chance to miss it, and by how much its log odds vary because little like it is known."""
        table = self._tables.get(step.name)
        if table is None:
            return self.base, NOVEL
        start = self._working(step.start)
        waited, left = float(self._working(at) - start), float(self._working(due) - start)
        hour, day = self._clock.at(step.start)
        apart = np.abs(table.hour - hour)
        apart = np.minimum(apart, 24.0 - apart)
        waits = table.gap > waited
        alike = table.day == day
        groups = [
            waits,
            waits & alike,
            waits & alike & (apart <= 3 * ALIKE_HOURS),
            waits & alike & (apart <= ALIKE_HOURS),
        ]
        for place, code in enumerate(self._slice(step)):
            if code:
                groups.append(groups[-1] & (table.slices[place] == code))
        prior = self.base
        if np.count_nonzero(waits) < _LEAST_ALIKE:
            # So long nobody has waited: what had waited longest says most.
            longest = np.zeros(len(table.gap), dtype=np.bool_)
            longest[np.argsort(table.gap)[-_LEAST_ALIKE:]] = True
            prior = shrunk([longest], table.lasted, table.came, left, max(0.5, self.base))
        known = float(np.count_nonzero(groups[1]))
        return shrunk(groups, table.lasted, table.came, left, prior), NOVEL * SHRINK / (SHRINK + known)

    def open(self, ledger: Ledger, at: int) -> list[Open]:
        """Everything promised that is open at an instant, what is overdue among it."""
        found = []
        for life in ledger:
            if life.last < at - LEARNS_MS or self._is_over(life, at):
                continue
            for steps, due, settled in self._told(ledger, life, at):
                if due is not None and settled is None:
                    found.append(Open(life, steps[-1].entity, due, steps[-1]))
        return found

    def _is_over(self, life: Life, at: int) -> bool:
        """Whether there is nothing to look for, as is quickly seen."""
        if self.target.entity == "ticket":
            return not any(name.startswith("ticket/") for name in life.entities)
        return life.first(_OVER) <= at

    def chances(self, open_: Sequence[Open], at: int) -> F64:
        """Of each to miss its promise, and how much is not known of it; shape (n, 2)."""
        return np.array([self._chance(one.step, one.due, at) for one in open_]).reshape(len(open_), 2)

    def median(self, stage: str) -> float:
        """How long it usually takes from a stage to the end, in working ms; 0 where that is not known."""
        table = self._tables.get(stage)
        return 0.0 if table is None or not table.came.any() else float(np.median(table.lasted[table.came]))

    def forecast_of(self, ledger: Ledger, at: int, horizon: int) -> Forecast:
        """Of what is open in a ledger at an instant: see :meth:`forecast`."""
        return self.forecast(self.open(ledger, at), at, horizon)

    def forecast(self, open_: Sequence[Open], at: int, horizon: int) -> Forecast:
        """Of those that are :meth:`open` at an instant, how many will miss a promise that falls within ``horizon``
        ms."""
        soon = [one for one in open_ if at < one.due <= at + horizon]
        chances, novelty = self.chances(soon, at).T
        low, high = self.interval(chances, novelty, horizon)
        expected = float(chances.sum())
        order = sorted(
            range(len(soon)), key=lambda number: (-chances[number], soon[number].due, soon[number].life.subject)
        )
        return Forecast(
            kpi=self.target.kpi,
            at=at,
            by=at + horizon,
            open=len(soon),
            expected=expected,
            low=low,
            high=high,
            overdue=sum(one.due <= at for one in open_),
            text=self._sentence(soon, chances, expected, low, high, at + horizon, at),
            endangered=tuple(
                self._endangered(soon[number], float(chances[number])) for number in order[:MOST_ENDANGERED]
            ),
        )

    def interval(self, chances: F64, novelty: F64, horizon: int) -> tuple[int, int]:
        """Where the count lies with 90 % probability, of chances within a horizon (ms)."""
        nearest = min(range(len(HORIZONS_MS)), key=lambda number: abs(HORIZONS_MS[number] - horizon))
        return interval(distribution(chances, np.hypot(self.fates[nearest], novelty)), SHARE)

    def _endangered(self, one: Open, chance: float) -> Endangered:
        name = one.life.entities[one.entity - 1] if one.entity else ""
        ticket = name.partition("/")[2] if name.startswith("ticket/") else ""
        is_ticket = f"ticket/{one.life.subject}" in one.life.entities
        return Endangered("" if is_ticket else one.life.subject, ticket, chance, one.due, one.step.name.split(": ")[-1])

    def _sentence(
        self, soon: Sequence[Open], chances: F64, expected: float, low: int, high: int, by: int, at: int
    ) -> str:
        then, now = (datetime.fromtimestamp(each / 1000, UTC).astimezone(self._zone) for each in (by, at))
        when = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a %H:%M}"
        what = "ticket" if self.target.entity == "ticket" else "order"
        unless = next((_UNLESS[name] for name in sorted(self.target.end) if name in _UNLESS), "settled")
        inside = [chance for one, chance in zip(soon, chances, strict=True) if not _is_dispatched(one.step)]
        if what == "order" and sum(inside) > 0.5 * expected:
            unless = "dispatched"
        count = round(expected)
        return (
            f"{count} {what}{'' if count == 1 else 's'} ({low} to {high}) will miss {'its' if count == 1 else 'their'} "
            f"promise by {when} unless {unless}"
        )


def _is_dispatched(step: Step) -> bool:
    return step.name.split(": ")[-1].startswith("delivery.")
