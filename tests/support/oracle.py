"""What every final KPI value must be, computed the slow way from the whole set of events: the meaning, not the method.

Nothing here is incremental: for each event the case's earlier events are looked at again. Only the definitions and
the histogram's bucket borders are shared with the core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from streams.events.times import parse_time
from streams.events.types import TYPE_NAMES, BusinessEvent
from streams.kpis.definitions import Definitions, DurationKpi, LevelKpi, MeasureKpi, Term, stat_name
from streams.kpis.grid import Grid
from streams.kpis.sketch import bucket_of, representative

Key = tuple[str, str, tuple[tuple[str, str], ...], int]
"""kpi, statistic, slice, start of the grain."""


class GridLike(Protocol):
    """Spans of event time: of a KPI's grain, or any other."""

    def around(self, ms: int) -> tuple[int, int]: ...


@dataclass
class _Seen:
    time: int
    kind: str
    own: str | None
    data: Any
    promise: int | None


@dataclass
class _Stay:
    """An entity's time inside a level: since when it counts (None: it has no deadline yet) and when it left."""

    dims: dict[str, str]
    due: int | None = None
    left: int | None = None


def _case(events: list[BusinessEvent]) -> list[_Seen]:
    seen = []
    for event in events:
        kind = str(event.__struct_config__.tag)
        own = {"delivery": "delivery_id", "ticket": "ticket_id"}.get(kind.split(".")[0])
        promise = getattr(event.data, "promised_at", None)
        seen.append(
            _Seen(
                parse_time(event.time),
                kind,
                None if own is None else f"{kind.split('.')[0]}:{getattr(event.data, own)}",
                event.data,
                None if promise is None else parse_time(promise),
            )
        )
    return sorted(seen, key=lambda one: (one.time, TYPE_NAMES.index(one.kind)))


class Oracle:
    """Final values by definition. ``events`` may repeat and come in any order."""

    def __init__(self, definitions: Definitions, events: Iterable[BusinessEvent]) -> None:
        self.definitions = definitions
        unique = {(event.source, event.id): event for event in events}
        by_subject: dict[str, list[BusinessEvent]] = defaultdict(list)
        for event in unique.values():
            by_subject[event.subject].append(event)
        self.cases: list[list[_Seen]] = [_case(case) for case in by_subject.values()]
        self.ends: list[int | None] = [None] * len(self.cases)
        """When a case was given up while something in it was still open; None for one that was not."""
        self.values: dict[Key, tuple[float | None, tuple[int, ...]]] = {}

    def _is(self, one: _Seen, moments: Iterable[str]) -> bool:
        for name in moments:
            moment = self.definitions.moments[name]
            if one.kind == moment.event and all(
                getattr(one.data, key) in wanted for key, wanted in moment.where.items()
            ):
                return True
        return False

    def _dims(self, case: list[_Seen], at: int) -> dict[str, str]:
        found = {}
        for dimension in self.definitions.dimensions:
            fields = dict(dimension.sources)

            def read(one: _Seen, fields: dict[str, str] = fields) -> str | None:
                return getattr(one.data, fields[one.kind]) if one.kind in fields else None

            upto = case[: at + 1]
            own = [read(one) for one in upto if one.own is not None and one.own == case[at].own]
            anyone = [read(one) for one in upto]
            choices = [read(case[at]), *own, *anyone]
            found[dimension.name] = next((value for value in choices if value), "unknown")
        return found

    def _slices(self, kpi: Any, dims: dict[str, str]) -> list[tuple[tuple[str, str], ...]]:
        return [(), *(tuple((name, dims[name]) for name in names) for names in kpi.by)]

    def _mine(self, case: list[_Seen], entity: str | None, at: int) -> list[int]:
        """Places up to ``at`` of the events that the entity behind event ``at`` has seen."""
        if entity in (None, "order"):
            return list(range(at + 1))
        return [place for place in range(at + 1) if case[place].own == case[at].own]

    def _promise(self, case: list[_Seen], entity: str | None, at: int) -> int | None:
        own = [case[place].promise for place in self._mine(case, entity, at)]
        every = [one.promise for one in case[: at + 1]]
        return next((promise for promise in [*own, *every] if promise is not None), None)

    def _term(self, term: Term, case: list[_Seen], at: int) -> int:
        one = case[at]
        if not self._is(one, term.moments):
            return 0
        if term.field is not None:
            amount = getattr(one.data, term.field, None)
            if getattr(one.data, "currency", self.definitions.currency) != self.definitions.currency:
                amount = None
            return amount or 0
        if not term.first:
            return 1
        earlier = self._mine(case, term.entity, at)[:-1]
        if any(self._is(case[place], term.moments) for place in earlier):
            return 0
        promise = self._promise(case, term.entity, at)
        if term.promise is not None and promise is None:
            return 0
        if term.promise == "kept" and promise is not None and one.time > promise:
            return 0
        if term.promise == "broken" and promise is not None and one.time <= promise:
            return 0
        if term.since is not None:
            starts = [case[place].time for place in earlier if self._is(case[place], [term.since])]
            if not starts or (term.within is not None and one.time - starts[0] > term.within):
                return 0
        return 1

    def compute(
        self, until: int, grids: Callable[[Any], GridLike] | None = None
    ) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
        """Values of all grains with anything in them, by series and start; levels up to ``until``.

        ``until`` is also how far event time has come: cases silent for too long by then are over. ``grids`` gives
        other spans than a KPI's grain.
        """
        self._part_lives(until)
        for kpi in self.definitions.kpis:
            grid = self._grid(kpi) if grids is None else grids(kpi)
            if isinstance(kpi, MeasureKpi):
                self._measure(kpi, grid)
            elif isinstance(kpi, DurationKpi):
                self._duration(kpi, grid)
            else:
                self._level(kpi, grid, until)
        return self.values

    def _grid(self, kpi: Any) -> GridLike:
        return Grid(kpi.grain, self.definitions.timezone, self.definitions.week_starts)

    def _part_lives(self, watermark: int) -> None:
        """A case that was silent for too long is over; what comes under its name later is another one."""
        lives: list[list[_Seen]] = []
        ends: list[int | None] = []
        for case in self.cases:
            life: list[_Seen] = []
            for one in case:
                end = self._end(life)
                if end is not None and one.time - life[-1].time > end[0]:
                    lives.append(life)
                    ends.append(end[1])
                    life = []
                life.append(one)
            end = self._end(life)
            over = end is not None and life[-1].time + end[0] + self.definitions.allowed_lateness_ms < watermark
            lives.append(life)
            ends.append(end[1] if over and end is not None else None)
        self.cases, self.ends = lives, ends

    def _end(self, life: list[_Seen]) -> tuple[int, int | None] | None:
        """How long a silence a life survives, and when what is open in it ends if it does not."""
        if not life:
            return None
        levels = [kpi for kpi in self.definitions.kpis if isinstance(kpi, LevelKpi)]
        if not any(stay.left is None for kpi in levels for stay in self._stays(kpi, life)):
            return self.definitions.keep_ended_ms, None
        keep = self.definitions.keep_open_ms
        return keep, life[-1].time + keep + self.definitions.allowed_lateness_ms

    def _measure(self, kpi: MeasureKpi, grid: GridLike) -> None:
        sums: dict[tuple[Any, int], list[int]] = defaultdict(lambda: [0, 0])
        for case in self.cases:
            for at, one in enumerate(case):
                first = self._term(kpi.of, case, at)
                second = 0
                if kpi.per is not None:
                    second = self._term(kpi.per, case, at)
                elif kpi.of.field is not None and self._is(one, kpi.of.moments):
                    foreign = getattr(one.data, "currency", self.definitions.currency) != self.definitions.currency
                    second = int(getattr(one.data, kpi.of.field, None) is not None and not foreign)
                if first or second:
                    for slice_ in self._slices(kpi, self._dims(case, at)):
                        total = sums[slice_, grid.around(one.time)[0]]
                        total[0] += first
                        total[1] += second
        for (slice_, start), (first, second) in sums.items():
            if kpi.kind == "count":
                self.values[kpi.name, "value", slice_, start] = (float(first), (first,))
            elif kpi.kind == "sum":
                self.values[kpi.name, "value", slice_, start] = (float(first), (first, second))
            else:
                value = first / second if second else None
                self.values[kpi.name, "value", slice_, start] = (value, (first, second))

    def _duration(self, kpi: DurationKpi, grid: GridLike) -> None:
        found: dict[tuple[Any, int], list[int]] = defaultdict(list)
        for case in self.cases:
            for at, one in enumerate(case):
                if not self._is(one, kpi.end):
                    continue
                earlier = self._mine(case, kpi.entity, at)[:-1]
                starts = [case[place].time for place in earlier if self._is(case[place], kpi.start)]
                if not starts or any(self._is(case[place], kpi.end) for place in earlier):
                    continue
                for slice_ in self._slices(kpi, self._dims(case, at)):
                    found[slice_, grid.around(one.time)[0]].append(one.time - starts[0])
        for (slice_, start), values in found.items():
            values.sort()
            for q in kpi.quantiles:
                nearest = values[max(1, ceil(q * len(values))) - 1]
                seconds = representative(bucket_of(nearest)) / 1000
                self.values[kpi.name, stat_name(q), slice_, start] = (seconds, (len(values),))

    def _stays(self, kpi: LevelKpi, case: list[_Seen]) -> list[_Stay]:
        """When each entity was between start and until, with the dimensions it entered with."""
        entities: set[str | None] = {None}
        if kpi.entity != "order":
            entities = {one.own for one in case if one.own and one.own.startswith(kpi.entity)}
        stays = []
        for entity in entities:
            inside: _Stay | None = None
            ever = False
            begun: int | None = None
            for at, one in enumerate(case):
                mine = entity is None or one.own == entity
                if mine and self._is(one, kpi.start) and begun is None:
                    begun = one.time
                enter = mine and ((self._is(one, kpi.start) and not ever) or self._is(one, kpi.again))
                if inside is None and enter:
                    inside, ever = _Stay(self._dims(case, at)), True
                    stays.append(inside)
                    if kpi.overdue is None:
                        inside.due = one.time
                    elif kpi.overdue != "promise":
                        inside.due = max((one.time if begun is None else begun) + kpi.overdue, one.time)
                if inside is not None and inside.due is None:
                    upto = case[: at + 1]
                    own = [seen.promise for seen in upto if entity is not None and seen.own == entity]
                    every = [seen.promise for seen in upto]
                    known = next((promise for promise in [*own, *every] if promise is not None), None)
                    inside.due = None if known is None else max(known, one.time)
                if mine and self._is(one, kpi.until):
                    ever = True
                    if inside is not None:
                        inside.left = one.time
                    inside = None
        return stays

    def _intervals(
        self, kpi: LevelKpi, case: list[_Seen], given_up: int | None
    ) -> list[tuple[int, int | None, dict[str, str]]]:
        """When an entity counted, from and until (None: still), with the dimensions it was counted with."""
        intervals = []
        for stay in self._stays(kpi, case):
            end = given_up if stay.left is None else stay.left
            if stay.due is not None and (end is None or end > stay.due):
                intervals.append((stay.due, end, stay.dims))
        return intervals

    def _level(self, kpi: LevelKpi, grid: GridLike, until: int) -> None:
        changes: dict[Any, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for case, given_up in zip(self.cases, self.ends, strict=True):
            for begin, end, dims in self._intervals(kpi, case, given_up):
                for slice_ in self._slices(kpi, dims):
                    changes[slice_][begin] += 1
                    if end is not None:
                        changes[slice_][end] -= 1
        for slice_, moves in changes.items():
            first = min(moves)
            start, end = grid.around(first)
            while end <= until:
                level = sum(delta for time, delta in moves.items() if time < end)
                self.values[kpi.name, "value", slice_, start] = (float(level), (level,))
                start, end = grid.around(end)


def told(
    values: dict[Key, tuple[float | None, tuple[int, ...]]],
) -> dict[Key, tuple[float | None, tuple[int, ...]]]:
    """Only the values with something in them: an empty grain and one that was never told of mean the same."""
    return {key: value for key, value in values.items() if any(value[1])}
