"""What a KPI counts in a life, with the dimension values it is sliced by: the semantics of the KPI core, for one order
at a time and with the records behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from detectors.casework.lives import Happened
from streams.events.times import NO_TIME
from streams.kpis.definitions import DurationKpi, Entity, LevelKpi, Term

Values = tuple[str | None, ...]


class Hit(NamedTuple):
    """One that counts: when, of which delivery or ticket (0 for the order), sliced by what, recorded where, and what it
    says of itself in a word."""

    time: int
    entity: int
    values: Values
    place: int
    note: str


class Stretch(NamedTuple):
    """From one moment to another, which has not come yet where ``end`` is None; ``due`` is by when it should have, None
    where nothing says so."""

    start: int
    end: int | None
    due: int | None
    entity: int
    values: Values
    places: tuple[int, ...]


class _Known(NamedTuple):
    """An event with what was known when it happened."""

    happened: Happened
    values: Values
    promise: dict[int, int]


def known(story: Sequence[Happened]) -> Iterator[_Known]:
    """Each event with the dimension values it is sliced by: its own, else what is known by then of its delivery or
    ticket, else of the order; and with the promises known by then, by entity."""
    width = len(story[0].values) if story else 0
    attributes: dict[int, list[str | None]] = {0: [None] * width}
    promises: dict[int, int] = {}
    for one in story:
        own = attributes.setdefault(one.entity, [None] * width)
        case = attributes[0]
        for at, value in enumerate(one.values):
            if value is not None:
                case[at] = case[at] or value
                own[at] = own[at] or value
        if one.promise != NO_TIME:
            promises.setdefault(0, one.promise)
            promises.setdefault(one.entity, one.promise)
        values = tuple(value or own[at] or case[at] for at, value in enumerate(one.values))
        yield _Known(one, values, promises)


def finally_known(story: Sequence[Happened], entity: int = 0) -> Values:
    """The dimension values of a delivery or ticket, else of its order, by all that has happened."""
    own: list[str | None] = [None] * (len(story[0].values) if story else 0)
    case = list(own)
    for one in story:
        for at, value in enumerate(one.values):
            if value is not None:
                case[at] = case[at] or value
                if one.entity == entity:
                    own[at] = own[at] or value
    return tuple(mine or shared for mine, shared in zip(own, case, strict=True))


def promise_of(story: Sequence[Happened], entity: int = 0) -> int | None:
    """The promise of a delivery, else of its order: the first in event time; None where none was given."""
    given = [one for one in story if one.promise != NO_TIME]
    own = [one for one in given if one.entity == entity]
    first = (own or given)[:1]
    return first[0].promise if first else None


def counted(term: Term, story: Sequence[Happened]) -> list[Hit]:
    """What a term counts."""
    moments = frozenset(term.moments)
    inner = term.entity in ("delivery", "ticket")
    since: dict[int, int] = {}
    seen: set[int] = set()
    hits = []
    for one, values, promises in known(story):
        if moments & one.sort.moments:
            row = one.entity if inner else 0
            if not term.first or (
                row not in seen and _counts(term, one.time, promises.get(row, promises.get(0)), since.get(row))
            ):
                hits.append(Hit(one.time, one.entity, values, one.place, one.sort.note))
            seen |= {0, one.entity}
        if term.since in one.sort.moments:
            since.setdefault(0, one.time)
            since.setdefault(one.entity, one.time)
    return hits


def _counts(term: Term, time: int, promise: int | None, since: int | None) -> bool:
    if term.promise is not None and promise is None:
        return False
    if promise is not None and (
        (term.promise == "kept" and time > promise) or (term.promise == "broken" and time <= promise)
    ):
        return False
    return term.since is None or (since is not None and (term.within is None or time - since <= term.within))


def lasted(kpi: DurationKpi, story: Sequence[Happened]) -> list[Stretch]:
    """The stretches of a duration, those that have not ended among them."""
    return _stretches(kpi.entity, kpi.start, kpi.end, story)


def stayed(kpi: LevelKpi, story: Sequence[Happened]) -> list[Stretch]:
    """When something was inside a level. A level of what is overdue is entered when it is due."""
    stretches = _stretches(kpi.entity, kpi.start, kpi.until, story, kpi.again, leaves=True)
    if kpi.overdue is None:
        return stretches
    found = []
    for one in stretches:
        due = promise_of(story, one.entity) if kpi.overdue == "promise" else one.start + kpi.overdue
        if due is not None and (one.end is None or one.end > due):
            found.append(one._replace(due=max(due, one.start)))
    return found


def _stretches(
    entity: Entity,
    start: tuple[str, ...],
    end: tuple[str, ...],
    story: Sequence[Happened],
    again: tuple[str, ...] = (),
    leaves: bool = False,
) -> list[Stretch]:
    """First start to first end, of each order or of each delivery or ticket. With ``leaves`` they are
    sliced by what was known at their start, as a level is; ``again`` begins another."""
    inner = entity in ("delivery", "ticket")
    begins, ends, returns = frozenset(start), frozenset(end), frozenset(again)
    started: set[int] = set()
    open_: dict[int, Stretch] = {}
    found = []
    for one, values, _ in known(story):
        row = one.entity if inner else 0
        if inner and not row:
            continue
        if ends & one.sort.moments:
            # What has ended before it began does not begin any more.
            started.add(row)
            if (stretch := open_.pop(row, None)) is not None:
                sliced = stretch.values if leaves else values
                found.append(stretch._replace(end=one.time, values=sliced, places=(*stretch.places, one.place)))
                continue
        entering = begins & one.sort.moments and row not in started
        if row not in open_ and (entering or returns & one.sort.moments):
            started.add(row)
            open_[row] = Stretch(one.time, None, None, row, values, (one.place,))
    return found + [
        one._replace(values=finally_known(story, one.entity)) if not leaves else one for one in open_.values()
    ]
