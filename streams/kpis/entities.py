"""The store of one partition's cases and entities: names to rows, rows to state, and room for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.errors import ContractError
from streams.events.types import BusinessEvent
from streams.kpis.cells import Cells
from streams.kpis.compiled import njit
from streams.kpis.fold import settle
from streams.kpis.journal import NewEntities
from streams.kpis.names import Names
from streams.kpis.plan import Plan
from streams.kpis.program import Program
from streams.kpis.rows import (
    BASE,
    CASE,
    ENTITY,
    EVENTS,
    HEAD,
    KEY,
    KIND,
    LAST,
    MOMENTS,
    NEXT,
    NONE,
    SIBLING,
    TAIL,
    TIME,
    Log,
    Rows,
    Slots,
    adopt,
    clear,
    copy_state,
    grown,
    new_log,
    new_rows,
)
from streams.kpis.scan.spans import joined

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

CASES = 0
"""The kind of a case; deliveries are 1 and tickets 2, as their topics are."""

SETTLE_AT = 256
"""A case that keeps more events than this has its older ones folded into a base state."""


@njit
def _adopt_many(rows, places, kinds, cases):  # type: ignore[no-untyped-def]
    for at in range(places.shape[0]):
        adopt(rows, places[at], kinds[at], cases[at])


@njit
def _clear_many(rows, places):  # type: ignore[no-untyped-def]
    for place in places:
        clear(rows, place)
        rows.life[place, CASE] = -1


@njit
def _quieten(rows, log, horizon):  # type: ignore[no-untyped-def]
    """Let go of the events of cases that keep none at ``horizon`` or later: their state is what they add up to.

    Returns the freed records and the freed base rows.
    """
    kept = 0
    based = 0
    for case in range(rows.life.shape[0]):
        if rows.life[case, CASE] == case and rows.life[case, EVENTS] > 0:
            kept += rows.life[case, EVENTS]
        if rows.life[case, CASE] >= 0 and rows.life[case, BASE] >= 0:
            based += 1
    records = np.empty(kept, dtype=np.int64)
    bases = np.empty(based, dtype=np.int64)
    freed = 0
    bare = 0
    for case in range(rows.life.shape[0]):
        if rows.life[case, CASE] != case or rows.life[case, EVENTS] == 0:
            continue
        if log.record[rows.life[case, TAIL], TIME] >= horizon:
            continue
        record = rows.life[case, HEAD]
        while record >= 0:
            records[freed] = record
            freed += 1
            record = log.record[record, NEXT]
        rows.life[case, HEAD] = -1
        rows.life[case, TAIL] = -1
        rows.life[case, EVENTS] = 0
        row = case
        while row >= 0:
            if rows.life[row, BASE] >= 0:
                bases[bare] = rows.life[row, BASE]
                bare += 1
                rows.life[row, BASE] = -1
            row = rows.life[row, SIBLING]
    return records[:freed], bases[:bare]


@njit
def _quiet_rows(rows, cases):  # type: ignore[no-untyped-def]
    """How many rows the quiet ones among these cases have."""
    count = 0
    for case in cases:
        if rows.life[case, EVENTS] == 0 and rows.life[case, LAST] != NONE:
            row = case
            while row >= 0:
                count += 1
                row = rows.life[row, SIBLING]
    return count


@njit
def _wake(rows, cases, bases):  # type: ignore[no-untyped-def]
    """Keep the state of the quiet ones among these cases in base rows, before they change."""
    at = 0
    for case in cases:
        if rows.life[case, EVENTS] == 0 and rows.life[case, LAST] != NONE:
            row = case
            while row >= 0:
                copy_state(rows, row, bases[at])
                rows.life[bases[at], CASE] = -1
                rows.life[row, BASE] = bases[at]
                at += 1
                row = rows.life[row, SIBLING]


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
def _released(rows, log, cases):  # type: ignore[no-untyped-def]
    """What cases leave behind: the places of their events, of their rows and base rows, and of their rows alone."""
    events = 0
    count = 0
    based = 0
    for case in cases:
        events += rows.life[case, EVENTS]
        row = case
        while row >= 0:
            count += 1
            based += rows.life[row, BASE] >= 0
            row = rows.life[row, SIBLING]
    records = np.empty(events, dtype=np.int64)
    freed = np.empty(count + based, dtype=np.int64)
    members = np.empty(count, dtype=np.int64)
    events = 0
    count = 0
    at = 0
    for case in cases:
        record = rows.life[case, HEAD]
        for _ in range(rows.life[case, EVENTS]):
            records[events] = record
            events += 1
            record = log.record[record, NEXT]
        row = case
        while row >= 0:
            if rows.life[row, BASE] >= 0:
                freed[at] = rows.life[row, BASE]
                at += 1
            row = rows.life[row, SIBLING]
        row = case
        while row >= 0:
            freed[at] = row
            at += 1
            members[count] = row
            count += 1
            rows.life[row, CASE] = -1
            row = rows.life[row, SIBLING]
    return records, freed, members


class Entities:
    """Cases by their subject, deliveries and tickets by their case and id.

    With ``noted``, those that get a row are noted for :meth:`take_new`.
    """

    def __init__(self, plan: Plan, noted: bool = True) -> None:
        self._plan, self._noted = plan, noted
        self._shape = (plan.moment_count, len(plan.dimensions), plan.level_count)
        self._numbers = 1 + len(plan.numbers)
        self._row_slots = Slots(1024)
        self._log_slots = Slots(1024)
        self.rows = new_rows(1024, *self._shape)
        self.log = new_log(1024, len(plan.dimensions), self._numbers)
        self._names = Names()
        """Cases by subject, deliveries and tickets by their case and id."""
        self._new = NewEntities([], [], [], [])
        self._settle_at: dict[int, int] = {}

    @property
    def cases(self) -> int:
        """How many cases are remembered."""
        return self._names.cases

    def locate(self, family: int, events: Sequence[BusinessEvent]) -> tuple[I64, I64]:
        """The rows of each event's case and of its delivery or ticket (-1 for an order's event), new ones made."""
        texts = [event.subject.encode() for event in events]
        if family:
            ids = (event.data.delivery_id if family == 1 else event.data.ticket_id for event in events)  # type: ignore[union-attr]
            texts += [id_.encode() for id_ in ids]
        raw, spans = joined(texts)
        return self.locate_in(family, raw, spans[: len(events)], spans[len(events) :])

    def locate_in(self, family: int, raw: U8, subject: I64, id_: I64) -> tuple[I64, I64]:
        """The same for names as they are in a chunk's bytes; ``id_`` does not matter for orders' events."""
        none = np.full(subject.shape[0], -1, dtype=np.int64)
        case = self._row_of(CASES, raw, subject, none)
        return case, none if family == 0 else self._row_of(family, raw, id_, case)

    def _row_of(self, kind: int, raw: U8, spans: I64, cases: I64) -> I64:
        """The rows of names, made for those that have none."""
        rows, missing, size = self._names.find(raw, spans, kind, cases)
        if not missing:
            return rows
        self._make_row_room(missing)
        fresh = self._row_slots.coming(missing)
        given = self._names.add(raw, spans, kind, cases, rows, fresh, size)
        self._row_slots.take_coming(given)
        fresh = fresh[:given]
        owners = fresh if kind == CASES else self._names.cases_of(fresh)
        _adopt_many(self.rows, fresh, np.full(given, kind, dtype=np.int64), owners)
        if self._noted:
            self._note(kind, fresh, owners)
        return rows

    def _note(self, kind: int, rows: I64, owners: I64) -> None:
        names = self._names.names(rows)
        if kind != CASES:
            names = [_full(*pair) for pair in zip(names, self._names.names(owners), strict=True)]
        self._new.row.extend(rows.tolist())
        self._new.kind.extend([kind] * len(names))
        self._new.name.extend(name.decode() for name in names)
        self._new.case.extend(owners.tolist())

    def take_new(self) -> NewEntities:
        """The entities that got a row since the last call, in order."""
        new, self._new = self._new, NewEntities([], [], [], [])
        return new

    def adopt(self, new: NewEntities) -> None:
        """Give rows to what a journal says got them. Raises :class:`ContractError` where they are not ours to give."""
        self._make_row_room(len(new.row))
        for row, name in zip(new.row, new.name, strict=True):
            ours = self._row_slots.take()
            if row != ours:
                raise ContractError(f"the journal gives row {row} to {name!r}, the state row {ours}")
        self._name(new.row, new.kind, new.case, new.name)
        rows, kinds, cases = (np.array(column, dtype=np.int64) for column in (new.row, new.kind, new.case))
        _adopt_many(self.rows, rows, kinds, cases)

    def _name(self, row: list[int], kind: list[int], case: list[int], name: list[str]) -> None:
        kinds, cases = np.array(kind, dtype=np.int64), np.array(case, dtype=np.int64)
        self._names.restore(np.array(row, dtype=np.int64), kinds, cases, [one.split("\0")[0].encode() for one in name])

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays."""
        reach, log_reach = self._row_slots.reach, self._log_slots.reach
        return {
            "slots": [self._row_slots.state(), self._log_slots.state()],
            "rows": [array[:reach].copy() for array in self.rows],
            "log": [array[:log_reach].copy() for array in self.log],
            "names": self._full_names(),
            "settle": dict(self._settle_at),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        row_slots, log_slots = state["slots"]
        self._row_slots.load(row_slots)
        self._log_slots.load(log_slots)
        self.rows = grown(Rows(*state["rows"]), new_rows(self._row_slots.capacity, *self._shape))
        self.log = grown(Log(*state["log"]), new_log(self._log_slots.capacity, self._shape[1], self._numbers))
        self._settle_at = dict(state["settle"])
        row, name = state["names"]
        self._names = Names()
        self._name(row, self.rows.life[row, KIND].tolist(), self.rows.life[row, CASE].tolist(), name)
        self.take_new()

    def _full_names(self) -> list[list[Any]]:
        rows, names = self._names.all()
        life = self.rows.life[rows]
        inner = np.flatnonzero(life[:, KIND] != CASES)
        for at, case in zip(inner.tolist(), self._names.names(life[inner, CASE]), strict=True):
            names[at] = _full(names[at], case)
        return [rows, [name.decode() for name in names]]

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

    def wake(self, cases: I64) -> None:
        """Make ready the cases (each once) that a chunk is about to change."""
        wanted = int(_quiet_rows(self.rows, cases))
        if wanted:
            self._make_row_room(wanted)
            _wake(self.rows, cases, self._row_slots.take_many(wanted))

    def quieten(self, horizon: int) -> None:
        """Let go of the events of cases that have been silent since before ``horizon``: nothing older may come."""
        records, bases = _quieten(self.rows, self.log, np.int64(horizon))
        self._log_slots.give(records.tolist())
        self._row_slots.give(bases.tolist())

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
        records, rows, members = _released(self.rows, self.log, cases)
        self._log_slots.give(records.tolist())
        self._row_slots.give(rows.tolist())
        self._names.remove(members)
        for case in self._settle_at.keys() & set(cases.tolist()) if self._settle_at else ():
            del self._settle_at[case]

    def _make_row_room(self, wanted: int) -> None:
        capacity = self._row_slots.lacking(wanted)
        if capacity:
            self.rows = grown(self.rows, new_rows(capacity, *self._shape))
            self._row_slots.capacity = capacity


def _full(name: bytes, case: bytes) -> bytes:
    """How a delivery or ticket is called outside. No name holds a NUL: the codec turns such events away."""
    return name + b"\0" + case
