"""Lifecycle state in flat arrays: one row per entity, one record per event kept for re-folding.

An order and everything that happens under its key (its deliveries, its tickets) is a **case**. The case's own row is
the order; each delivery and ticket has a row of its own, chained to the case. The case also chains the events it has
seen, in event-time order, so that one that arrives out of order can be slotted in and the case folded again.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from streams.kpis.compiled import lean

I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]
I8 = npt.NDArray[np.int8]

NONE = np.iinfo(np.int64).min
"""No time, no number: also ``streams.events.times.NO_TIME``."""

STANDS_NEVER, STANDS_IN, STANDS_LEFT = 0, 1, 2
"""Where an entity stands to a level: not yet in it, counted in it now, gone from it."""


CASE, SIBLING, HEAD, TAIL, EVENTS, LAST, INSIDE, BASE, PROMISE, KIND = range(10)
"""The columns of ``Rows.life``, see there."""

TIME, KEY, MOMENTS, ENTITY, NEXT = range(5)
"""The columns of ``Log.record``, see there."""


class Rows(NamedTuple):
    """Entities. Shapes: R rows, M moments, D dimensions, L levels.

    ``first`` (R, M): event time of each moment's first occurrence. ``attribute`` (R, D): dimension code first known,
    0 unknown. ``stand`` (R, L), ``entered`` (R, L, D): the codes an entity was counted in with. ``overdue`` (R, L):
    when it becomes overdue. ``counted`` (R, L): 1 where that has been counted.

    ``life`` (R, 10), side by side because they are used together: ``CASE`` the case's row, -1 for a free one;
    ``SIBLING`` the next row of the same case; ``KIND`` 0 a case, 1 a delivery, 2 a ticket; ``PROMISE`` the promised
    time. For a case's own row: ``HEAD``, ``TAIL`` of its events, ``EVENTS`` how many, ``LAST`` the time of the newest
    folded, ``INSIDE`` how many levels its entities are in. ``BASE`` is the row that keeps this row's state before
    ``HEAD`` (-1: the state is empty there).
    """

    first: I64
    attribute: U16
    stand: I8
    entered: U16
    overdue: I64
    counted: I8
    life: I64


class Log(NamedTuple):
    """Events kept by the cases. Shapes: N records, D dimensions, V numbers.

    ``record`` (N, 5): ``TIME``; ``KEY`` orders events of the same time; ``MOMENTS`` the bit set of the moments an event
    is; ``ENTITY`` the row of its delivery or ticket, -1 for an order's event; ``NEXT`` the following record of the
    case. ``codes`` (N, D), ``numbers`` (N, V).
    """

    record: I64
    codes: U16
    numbers: I64


def new_rows(capacity: int, moments: int, dimensions: int, levels: int) -> Rows:
    """Free rows."""
    life = np.full((capacity, 10), -1, dtype=np.int64)
    life[:, [LAST, PROMISE]] = NONE
    life[:, [EVENTS, INSIDE]] = 0
    return Rows(
        first=np.full((capacity, moments), NONE, dtype=np.int64),
        attribute=np.zeros((capacity, dimensions), dtype=np.uint16),
        stand=np.full((capacity, levels), STANDS_NEVER, dtype=np.int8),
        entered=np.zeros((capacity, levels, dimensions), dtype=np.uint16),
        overdue=np.full((capacity, levels), NONE, dtype=np.int64),
        counted=np.zeros((capacity, levels), dtype=np.int8),
        life=life,
    )


def new_log(capacity: int, dimensions: int, numbers: int) -> Log:
    """Free records."""
    return Log(
        record=np.full((capacity, 5), -1, dtype=np.int64),
        codes=np.empty((capacity, dimensions), dtype=np.uint16),
        numbers=np.empty((capacity, numbers), dtype=np.int64),
    )


GROWTH = 4
"""Arrays grow by this part of what they are: what is spare stays small beside what is used."""


class Slots:
    """Which places of growing arrays are free: the newest freed is used first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._fresh = 0
        self._freed: list[int] = []

    @property
    def used(self) -> int:
        """How many places are taken."""
        return self._fresh - len(self._freed)

    def lacking(self, wanted: int) -> int:
        """The capacity needed to take ``wanted`` more, 0 when they fit."""
        needed = self.used + wanted
        if needed <= self.capacity:
            return 0
        return max(needed, self.capacity + self.capacity // GROWTH)

    def take(self) -> int:
        """One place; the caller has made room."""
        if self._freed:
            return self._freed.pop()
        place = self._fresh
        self._fresh += 1
        return place

    def take_many(self, count: int) -> I64:
        """``count`` places; the caller has made room."""
        reused = min(count, len(self._freed))
        places = np.empty(count, dtype=np.int64)
        if reused:
            places[:reused] = self._freed[-reused:]
            del self._freed[-reused:]
        places[reused:] = np.arange(self._fresh, self._fresh + count - reused)
        self._fresh += count - reused
        return places

    def coming(self, count: int) -> I64:
        """The places that so many calls of :meth:`take` would give, in order; the caller has made room."""
        reused = self._freed[: -count - 1 : -1]
        fresh = range(self._fresh, self._fresh + count - len(reused))
        return np.array([*reused, *fresh], dtype=np.int64)

    def take_coming(self, count: int) -> None:
        """Take the first ``count`` places of those."""
        reused = min(count, len(self._freed))
        del self._freed[len(self._freed) - reused :]
        self._fresh += count - reused

    def give(self, places: list[int]) -> None:
        """Free these places."""
        self._freed.extend(places)

    @property
    def reach(self) -> int:
        """Every place ever taken is below this."""
        return self._fresh

    def state(self) -> list[Any]:
        """Everything but the capacity, as plain values and arrays."""
        return [self._fresh, np.array(self._freed, dtype=np.int64)]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of; the arrays have that capacity."""
        self._fresh = state[0]
        self._freed = state[1].tolist()
        self.capacity = max(1024, self._fresh)


Arrays = TypeVar("Arrays", Rows, Log)


def grown(arrays: Arrays, fresh: Arrays) -> Arrays:
    """``fresh``, larger, holding what ``arrays`` held."""
    for name in arrays._fields:
        old, new = getattr(arrays, name), getattr(fresh, name)
        new[: old.shape[0]] = old
    return fresh


# Element by element: an assignment of slices would have the compiler build the text of a shape error, for seconds.


@lean
def clear(rows, row):  # type: ignore[no-untyped-def]
    """Forget what happened to an entity; it stays in its case."""
    for moment in range(rows.first.shape[1]):
        rows.first[row, moment] = NONE
    for dimension in range(rows.attribute.shape[1]):
        rows.attribute[row, dimension] = 0
    for level in range(rows.stand.shape[1]):
        rows.stand[row, level] = STANDS_NEVER
        rows.overdue[row, level] = NONE
        rows.counted[row, level] = 0
    rows.life[row, PROMISE] = NONE
    rows.life[row, LAST] = NONE
    rows.life[row, INSIDE] = 0


@lean
def copy_state(rows, source, target):  # type: ignore[no-untyped-def]
    """Make one row's lifecycle state equal another's."""
    for moment in range(rows.first.shape[1]):
        rows.first[target, moment] = rows.first[source, moment]
    for dimension in range(rows.attribute.shape[1]):
        rows.attribute[target, dimension] = rows.attribute[source, dimension]
    for level in range(rows.stand.shape[1]):
        rows.stand[target, level] = rows.stand[source, level]
        rows.overdue[target, level] = rows.overdue[source, level]
        rows.counted[target, level] = rows.counted[source, level]
        for dimension in range(rows.attribute.shape[1]):
            rows.entered[target, level, dimension] = rows.entered[source, level, dimension]
    rows.life[target, PROMISE] = rows.life[source, PROMISE]
    rows.life[target, LAST] = rows.life[source, LAST]
    rows.life[target, INSIDE] = rows.life[source, INSIDE]


@lean
def rewind(rows, case):  # type: ignore[no-untyped-def]
    """Take the case back to the state before the first event it keeps."""
    row = case
    while row >= 0:
        if rows.life[row, BASE] >= 0:
            copy_state(rows, rows.life[row, BASE], row)
        else:
            clear(rows, row)
        row = rows.life[row, SIBLING]


@lean
def adopt(rows, row, kind, case):  # type: ignore[no-untyped-def]
    """Put a free row to use: as a case of its own (``row == case``) or as an entity of one."""
    clear(rows, row)
    rows.life[row, KIND] = kind
    rows.life[row, CASE] = case
    rows.life[row, HEAD] = -1
    rows.life[row, TAIL] = -1
    rows.life[row, EVENTS] = 0
    rows.life[row, BASE] = -1
    if row == case:
        rows.life[row, SIBLING] = -1
    else:
        rows.life[row, SIBLING] = rows.life[case, SIBLING]
        rows.life[case, SIBLING] = row
