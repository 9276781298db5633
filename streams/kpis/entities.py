"""The store of one partition's cases and entities: names to rows, rows to state, and room for more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.events.types import BusinessEvent
from streams.kpis.cells import Cells
from streams.kpis.compiled import njit
from streams.kpis.fold import settle
from streams.kpis.plan import Plan
from streams.kpis.program import Program
from streams.kpis.rows import (
    BASE,
    CASE,
    ENTITY,
    EVENTS,
    HEAD,
    KEY,
    MOMENTS,
    NEXT,
    SIBLING,
    TIME,
    Slots,
    adopt,
    clear,
    grown,
    new_log,
    new_rows,
)

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

SETTLE_AT = 256
"""A case that keeps more events than this has its older ones folded into a base state."""


@njit
def _adopt_many(rows, places, cases):  # type: ignore[no-untyped-def]
    for at in range(places.shape[0]):
        adopt(rows, places[at], cases[at])


@njit
def _clear_many(rows, places):  # type: ignore[no-untyped-def]
    for place in places:
        clear(rows, place)
        rows.life[place, CASE] = -1


@njit
def _chain(rows, case):  # type: ignore[no-untyped-def]
    count = 0
    row = case
    while row >= 0:
        count += 1
        row = rows.life[row, SIBLING]
    members = np.empty(count, dtype=np.int64)
    row = case
    for at in range(count):
        members[at] = row
        row = rows.life[row, SIBLING]
    return members


@njit
def _records(log, head, count):  # type: ignore[no-untyped-def]
    records = np.empty(count, dtype=np.int64)
    for at in range(count):
        records[at] = head
        head = log.record[head, NEXT]
    return records


class Entities:
    """Cases by their subject, deliveries and tickets by their case and id."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._shape = (plan.moment_count, len(plan.dimensions), plan.level_count)
        self._numbers = 1 + len(plan.numbers)
        self._row_slots = Slots(1024)
        self._log_slots = Slots(1024)
        self.rows = new_rows(1024, *self._shape)
        self.log = new_log(1024, len(plan.dimensions), self._numbers)
        self._cases: dict[str, int] = {}
        self._members: dict[int, dict[str, int]] = {1: {}, 2: {}}
        self._names: dict[int, tuple[dict[str, int], str]] = {}
        """By row, the name it goes by and where."""
        self._settle_at: dict[int, int] = {}

    @property
    def cases(self) -> int:
        """How many cases are remembered."""
        return len(self._cases)

    def locate(self, family: int, events: Sequence[BusinessEvent]) -> tuple[I64, I64]:
        """The rows of each event's case and of its delivery or ticket (-1 for an order's event), new ones made."""
        subjects = [event.subject for event in events]
        case = self._find(self._cases, subjects)
        self._add(self._cases, subjects, case, None)
        if family == 0:
            return case, np.full(len(events), -1, dtype=np.int64)
        ids = [event.data.delivery_id if family == 1 else event.data.ticket_id for event in events]  # type: ignore[union-attr]
        # Ids are unique within a case, no more is asked. They hold no NUL: the codec turns such events away.
        names = [f"{id_}\0{subject}" for id_, subject in zip(ids, subjects, strict=True)]
        members = self._members[family]
        entity = self._find(members, names)
        self._add(members, names, entity, case)
        return case, entity

    @staticmethod
    def _find(rows: dict[str, int], names: list[str]) -> I64:
        get = rows.get
        return np.array([get(name, -1) for name in names], dtype=np.int64)

    def _add(self, known: dict[str, int], names: list[str], rows: I64, cases: I64 | None) -> None:
        """Give rows to the names that have none (-1 in ``rows``): members of ``cases``, or cases of their own."""
        missing = np.flatnonzero(rows < 0)
        if not missing.size:
            return
        self._make_row_room(missing.size)
        places: list[int] = []
        owners: list[int] = []
        for at in missing.tolist():
            name = names[at]
            row = known.get(name)
            if row is None:
                row = known[name] = self._row_slots.take()
                self._names[row] = (known, name)
                places.append(row)
                owners.append(row if cases is None else int(cases[at]))
            rows[at] = row
        _adopt_many(self.rows, np.array(places, dtype=np.int64), np.array(owners, dtype=np.int64))

    def record(self, time: I64, key: I64, moments: I64, entity: I64, codes: I32, numbers: I64) -> I64:
        """Keep events; their places in the log, in the given order."""
        capacity = self._log_slots.lacking(time.size)
        if capacity:
            self.log = grown(self.log, new_log(capacity, codes.shape[1], self._numbers))
            self._log_slots.capacity = capacity
        places = self._log_slots.take_many(time.size)
        log = self.log
        log.record[places, TIME] = time
        log.record[places, KEY] = key
        log.record[places, MOMENTS] = moments
        log.record[places, ENTITY] = entity
        log.codes[places] = codes
        log.numbers[places] = numbers
        return places

    def settle(self, program: Program, cells: Cells, case: I64, horizon: int) -> None:
        """Bound what the chunk's busiest cases keep: fold what is older than ``horizon`` into their base state."""
        busy = case[self.rows.life[case, EVENTS] > SETTLE_AT]
        if not busy.size:
            return
        dims = np.zeros(self._shape[1], dtype=np.int32)
        for row in np.unique(busy).tolist():
            if self.rows.life[row, EVENTS] <= self._settle_at.get(row, SETTLE_AT):
                continue
            members = _chain(self.rows, row)
            lacking = members[self.rows.life[members, BASE] < 0]
            self._make_row_room(lacking.size)
            self.rows.life[lacking, BASE] = bases = self._row_slots.take_many(lacking.size)
            _clear_many(self.rows, bases)
            freed = settle(self.rows, self.log, program, cells, row, horizon, dims)
            self._log_slots.give(freed.tolist())
            self._settle_at[row] = max(SETTLE_AT, 2 * int(self.rows.life[row, EVENTS]))

    def release(self, cases: I64) -> None:
        """Forget these cases, their entities and events."""
        rows = self.rows
        for case in cases.tolist():
            self._log_slots.give(_records(self.log, rows.life[case, HEAD], rows.life[case, EVENTS]).tolist())
            members = _chain(rows, case)
            bases = rows.life[members, BASE]
            self._row_slots.give(bases[bases >= 0].tolist())
            self._row_slots.give(members.tolist())
            rows.life[members, CASE] = -1
            for row in members.tolist():
                known, name = self._names.pop(row)
                del known[name]
            self._settle_at.pop(case, None)

    def _make_row_room(self, wanted: int) -> None:
        capacity = self._row_slots.lacking(wanted)
        if capacity:
            self.rows = grown(self.rows, new_rows(capacity, *self._shape))
            self._row_slots.capacity = capacity
