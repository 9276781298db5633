"""The fold: events of a case, in event-time order, become changes of cells. Compiled; no Python object is touched.

The rule everything rests on: **what an event adds at event time τ depends only on the case's events up to τ**. So a
value does not depend on arrival order; an event that arrives late changes panes at its own time or after, never
before; and correcting a case is taking back what its events had added and adding it again with the new one among
them.
"""

from __future__ import annotations

import numpy as np

from streams.kpis.cells import FRONTIER, has_room, with_room
from streams.kpis.compiled import lean, njit
from streams.kpis.program import LATENESS, MOST_CELLS, OVERDUE_NEVER, PANE
from streams.kpis.rows import (
    BASE,
    CASE,
    EVENTS,
    HEAD,
    INSIDE,
    KEY,
    LAST,
    NEXT,
    NONE,
    SIBLING,
    STANDS_IN,
    TAIL,
    TIME,
    copy_state,
    rewind,
)
from streams.kpis.step import NOWHERE, ZERO, emit, end_life, kept_for, places, room, step


@njit
def _walk(rows, log, program, cells, case, sign, floor, dims):  # type: ignore[no-untyped-def]
    rewind(rows, case)
    record = rows.life[case, HEAD]
    while record >= 0:
        cells = with_room(cells, room(rows, log, program, case, record))
        step(rows, log, program, cells, case, record, sign, floor, dims)
        record = log.record[record, NEXT]
    return cells


@lean
def _after(log, one, other):  # type: ignore[no-untyped-def]
    if log.record[one, TIME] != log.record[other, TIME]:
        return log.record[one, TIME] > log.record[other, TIME]
    return log.record[one, KEY] > log.record[other, KEY]


@lean
def _slot_in(rows, log, case, records):  # type: ignore[no-untyped-def]
    """Merge records, in order, into the case's chain, in order."""
    before = np.int64(-1)
    follower = rows.life[case, HEAD]
    for record in records:
        while follower >= 0 and not _after(log, follower, record):
            before = follower
            follower = log.record[follower, NEXT]
        log.record[record, NEXT] = follower
        if before >= 0:
            log.record[before, NEXT] = record
        else:
            rows.life[case, HEAD] = record
        before = record
    if follower < 0:
        rows.life[case, TAIL] = before
    rows.life[case, EVENTS] += records.shape[0]


@njit
def fold_chunk(rows, log, program, cells, case_of, records):  # type: ignore[no-untyped-def]
    """Fold a chunk's records into their cases.

    ``records`` are places in ``log``, sorted by (case, time, key); ``case_of`` gives each one's case. Returns the
    cells, which may have moved to a larger table, and how many records came out of order for their case.
    """
    dims = np.zeros(log.codes.shape[1], dtype=np.int32)
    disordered = 0
    start = 0
    while start < records.shape[0]:
        case = case_of[start]
        stop = start + 1
        while stop < records.shape[0] and case_of[stop] == case:
            stop += 1
        newest = rows.life[case, TAIL]
        if newest < 0 or _after(log, records[start], newest):
            for at in range(start, stop):
                record = records[at]
                log.record[record, NEXT] = -1
                if rows.life[case, TAIL] >= 0:
                    log.record[rows.life[case, TAIL], NEXT] = record
                else:
                    rows.life[case, HEAD] = record
                rows.life[case, TAIL] = record
                rows.life[case, EVENTS] += 1
                wanted = room(rows, log, program, case, record)
                if not has_room(cells, wanted):
                    cells = with_room(cells, wanted)
                step(rows, log, program, cells, case, record, np.int64(1), NOWHERE, dims)
        else:
            floor = log.record[records[start], TIME] // program.settings[PANE]
            cells = _walk(rows, log, program, cells, case, np.int64(-1), floor, dims)
            _slot_in(rows, log, case, records[start:stop])
            cells = _walk(rows, log, program, cells, case, np.int64(1), floor, dims)
            disordered += stop - start
        start = stop
    return cells, disordered


@njit
def settle(rows, log, program, cells, case, horizon, dims):  # type: ignore[no-untyped-def]
    """Fold the case's events before ``horizon`` into its base rows and let go of them.

    Nothing that may still arrive is older than ``horizon``. Every row of the case has a base row by now. Returns the
    freed records.
    """
    everything = np.int64(np.iinfo(np.int64).max)
    rewind(rows, case)
    freed = np.empty(rows.life[case, EVENTS], dtype=np.int64)
    count = 0
    record = rows.life[case, HEAD]
    while record >= 0 and log.record[record, TIME] < horizon:
        cells = with_room(cells, room(rows, log, program, case, record))
        step(rows, log, program, cells, case, record, np.int64(0), everything, dims)
        freed[count] = record
        count += 1
        record = log.record[record, NEXT]
    row = case
    while row >= 0:
        copy_state(rows, row, rows.life[row, BASE])
        row = rows.life[row, SIBLING]
    rows.life[case, HEAD] = record
    if record < 0:
        rows.life[case, TAIL] = -1
    rows.life[case, EVENTS] -= count
    while record >= 0:
        cells = with_room(cells, room(rows, log, program, case, record))
        step(rows, log, program, cells, case, record, np.int64(0), everything, dims)
        record = log.record[record, NEXT]
    return freed[:count]


@njit
def come_due(rows, program, cells, frontier):  # type: ignore[no-untyped-def]
    """Count the entities whose deadline lies in a pane after the last frontier, up to the new one."""
    pane = program.settings[PANE]
    for level in range(program.level_measure.shape[0]):
        if program.level_overdue[level] == OVERDUE_NEVER:
            continue
        for row in range(rows.life.shape[0]):
            due = rows.overdue[row, level]
            if due == NONE or due // pane > frontier or due // pane <= cells.meta[FRONTIER]:
                continue
            if rows.life[row, CASE] >= 0 and rows.stand[row, level] == STANDS_IN:
                cells = with_room(cells, program.settings[MOST_CELLS])
                dims = rows.entered[row, level]
                rows.counted[row, level] = 1
                base = rows.life[row, BASE]
                if base >= 0 and rows.stand[base, level] == STANDS_IN and rows.overdue[base, level] == due:
                    # It entered before the events that are kept: folding them again does not count it again.
                    rows.counted[base, level] = 1
                emit(cells, program, program.level_measure[level], ZERO, dims, due, np.int64(1), NOWHERE)
    cells.meta[FRONTIER] = max(cells.meta[FRONTIER], frontier)
    return cells


@njit
def forget(rows, program, cells, watermark):  # type: ignore[no-untyped-def]
    """End the cases no acceptable event can continue.

    Returns the cells, the forgotten cases' rows, and the ``last`` of the longest silent case that is still inside a
    level (the largest integer when there is none).
    """
    oldest = np.iinfo(np.int64).max
    gone = np.empty(rows.life.shape[0], dtype=np.int64)
    count = 0
    for case in range(rows.life.shape[0]):
        if rows.life[case, CASE] != case or rows.life[case, LAST] == NONE:
            continue
        if rows.life[case, LAST] + kept_for(rows, program, case) + program.settings[LATENESS] < watermark:
            cells = with_room(cells, places(rows, program, case))
            end_life(rows, program, cells, case, np.int64(1), NOWHERE)
            gone[count] = case
            count += 1
        elif rows.life[case, INSIDE] > 0 and rows.life[case, LAST] < oldest:
            oldest = rows.life[case, LAST]
    return cells, gone[:count], oldest
