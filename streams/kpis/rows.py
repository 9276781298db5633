"""Lifecycle state in flat arrays: one row per entity, one record per event kept for re-folding.

An order and everything that happens under its key (its deliveries, its tickets) is a **case**. The case's own row is
the order; each delivery and ticket has a row of its own, chained to the case. The case also chains the events it has
seen, in event-time order, so that one that arrives out of order can be slotted in and the case folded again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from streams.kpis.compiled import njit

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]

NONE = np.iinfo(np.int64).min
"""No time, no number: also ``streams.events.times.NO_TIME``."""

NEVER, INSIDE, LEFT = 0, 1, 2
"""Where an entity stands to a level: not yet in it, counted in it now, gone from it."""


class Rows(NamedTuple):
    """Entities. Shapes: R rows, M moments, D dimensions, L levels.

    ``first`` (R, M): event time of each moment's first occurrence. ``attribute`` (R, D): dimension code first known,
    0 unknown. ``promise`` (R). ``stand`` (R, L), ``entered`` (R, L, D): the codes an entity was counted in with.
    ``overdue`` (R, L): when it becomes overdue. ``case`` (R): the case's row, -1 for a free one. ``sibling`` (R): the
    next row of the same case. For a case's own row: ``head``, ``tail`` of its events, ``events`` how many, ``last``
    the time of the newest folded, ``inside`` how many levels its entities are in, ``base`` the row that
    keeps the state before ``head`` (-1: the state is empty there); a row's ``base`` belongs to that row.
    """

    first: I64
    attribute: I32
    promise: I64
    stand: I8
    entered: I32
    overdue: I64
    case: I64
    sibling: I64
    head: I64
    tail: I64
    events: I64
    last: I64
    inside: I64
    base: I64


class Log(NamedTuple):
    """Events kept by the cases. Shapes: N records, D dimensions, V numbers.

    ``key`` orders events of the same time; ``moments`` is the bit set of the moments an event is; ``entity`` the row
    of its delivery or ticket, -1 for an order's event; ``next`` the following record of the case.
    """

    time: I64
    key: I64
    moments: I64
    entity: I64
    codes: I32
    numbers: I64
    next: I64


def new_rows(capacity: int, moments: int, dimensions: int, levels: int) -> Rows:
    """Free rows."""

    def full(value: int, dtype: type[np.generic], *shape: int) -> npt.NDArray[np.generic]:
        return np.full((capacity, *shape), value, dtype=dtype)

    return Rows(
        first=full(NONE, np.int64, moments),
        attribute=full(0, np.int32, dimensions),
        promise=full(NONE, np.int64),
        stand=full(NEVER, np.int8, levels),
        entered=full(0, np.int32, levels, dimensions),
        overdue=full(NONE, np.int64, levels),
        case=full(-1, np.int64),
        sibling=full(-1, np.int64),
        head=full(-1, np.int64),
        tail=full(-1, np.int64),
        events=full(0, np.int64),
        last=full(NONE, np.int64),
        inside=full(0, np.int64),
        base=full(-1, np.int64),
    )


def new_log(capacity: int, dimensions: int, numbers: int) -> Log:
    """Free records."""
    return Log(
        time=np.empty(capacity, dtype=np.int64),
        key=np.empty(capacity, dtype=np.int64),
        moments=np.empty(capacity, dtype=np.int64),
        entity=np.empty(capacity, dtype=np.int64),
        codes=np.empty((capacity, dimensions), dtype=np.int32),
        numbers=np.empty((capacity, numbers), dtype=np.int64),
        next=np.full(capacity, -1, dtype=np.int64),
    )


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
        return max(needed, self.capacity * 2)

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

    def give(self, places: list[int]) -> None:
        """Free these places."""
        self._freed.extend(places)


def grown(arrays: Rows | Log, fresh: Rows | Log) -> Rows | Log:
    """``fresh``, larger, holding what ``arrays`` held."""
    for old, new in zip(arrays, fresh, strict=True):
        new[: old.shape[0]] = old
    return fresh


# Element by element: an assignment of slices would have the compiler build the text of a shape error, for seconds.


@njit
def clear(rows, row):  # type: ignore[no-untyped-def]
    """Forget what happened to an entity; it stays in its case."""
    for moment in range(rows.first.shape[1]):
        rows.first[row, moment] = NONE
    for dimension in range(rows.attribute.shape[1]):
        rows.attribute[row, dimension] = 0
    for level in range(rows.stand.shape[1]):
        rows.stand[row, level] = NEVER
        rows.overdue[row, level] = NONE
    rows.promise[row] = NONE
    rows.last[row] = NONE
    rows.inside[row] = 0


@njit
def copy_state(rows, source, target):  # type: ignore[no-untyped-def]
    """Make one row's lifecycle state equal another's."""
    for moment in range(rows.first.shape[1]):
        rows.first[target, moment] = rows.first[source, moment]
    for dimension in range(rows.attribute.shape[1]):
        rows.attribute[target, dimension] = rows.attribute[source, dimension]
    for level in range(rows.stand.shape[1]):
        rows.stand[target, level] = rows.stand[source, level]
        rows.overdue[target, level] = rows.overdue[source, level]
        for dimension in range(rows.attribute.shape[1]):
            rows.entered[target, level, dimension] = rows.entered[source, level, dimension]
    rows.promise[target] = rows.promise[source]
    rows.last[target] = rows.last[source]
    rows.inside[target] = rows.inside[source]


@njit
def rewind(rows, case):  # type: ignore[no-untyped-def]
    """Take the case back to the state before the first event it keeps."""
    row = case
    while row >= 0:
        if rows.base[row] >= 0:
            copy_state(rows, rows.base[row], row)
        else:
            clear(rows, row)
        row = rows.sibling[row]


@njit
def adopt(rows, row, case):  # type: ignore[no-untyped-def]
    """Put a free row to use: as a case of its own (``row == case``) or as an entity of one."""
    clear(rows, row)
    rows.case[row] = case
    rows.head[row] = -1
    rows.tail[row] = -1
    rows.events[row] = 0
    rows.base[row] = -1
    if row == case:
        rows.sibling[row] = -1
    else:
        rows.sibling[row] = rows.sibling[case]
        rows.sibling[case] = row
