"""One event: what it means to its case, and to the cells at its time. Compiled; no Python object is touched.

The same step with the sign turned around takes back what the event had added. That is what folding a case again rests
on, and why nothing here may look at anything but the case's events so far: see :mod:`streams.kpis.fold`.
"""

from __future__ import annotations

import numpy as np

from streams.kpis.cells import FRONTIER, add, pack
from streams.kpis.compiled import lean
from streams.kpis.program import (
    AGAIN,
    COUNT,
    COUNT_NUMBER,
    DURATION,
    ENTER,
    FIRST,
    KEEP_ENDED,
    KEEP_OPEN,
    LATENESS,
    LEAVE,
    MOST_CELLS,
    OVERDUE_NEVER,
    OVERDUE_PROMISE,
    PANE,
    PROMISE_BROKEN,
    PROMISE_KEPT,
    SUM,
)
from streams.kpis.rows import (
    CASE,
    ENTITY,
    INSIDE,
    LAST,
    MOMENTS,
    NONE,
    PROMISE,
    SIBLING,
    STANDS_IN,
    STANDS_LEFT,
    STANDS_NEVER,
    TIME,
    clear,
)
from streams.kpis.sketch import BORDERS, BUCKETS

ZERO = np.int64(0)
NOWHERE = np.int64(np.iinfo(np.int64).min)
"""A floor below every pane."""


@lean
def emit(cells, program, measure, bucket, dims, time, delta, floor):  # type: ignore[no-untyped-def]
    """Add ``delta`` to a measure at ``time``, in each of its slice groups; nothing before pane ``floor``."""
    pane = time // program.settings[PANE]
    if pane < floor or delta == 0:
        return
    for group in range(program.group_from[measure], program.group_from[measure + 1]):
        first = program.group_first[group]
        second = program.group_second[group]
        code1 = np.int64(0) if first < 0 else np.int64(dims[first])
        code2 = np.int64(0) if second < 0 else np.int64(dims[second])
        place = np.int64(group - program.group_from[measure])
        add(cells, pack(np.int64(measure), place, np.int64(bucket), code1, code2), pane, delta)


@lean
def _promise(rows, row):  # type: ignore[no-untyped-def]
    if rows.life[row, PROMISE] != NONE:
        return rows.life[row, PROMISE]
    return rows.life[rows.life[row, CASE], PROMISE]


@lean
def _become_overdue(rows, program, cells, row, level, time, sign, floor):  # type: ignore[no-untyped-def]
    """Note when an entity inside a level becomes overdue, as far as is known at ``time``.

    It is counted once event time has reached that moment: see :func:`streams.kpis.fold.come_due`.
    """
    mode = program.level_overdue[level]
    due = NONE
    if mode == OVERDUE_PROMISE:
        due = _promise(rows, row)
    else:
        since = rows.first[row, program.level_start[level]]
        due = (time if since == NONE else since) + mode
    if due == NONE:
        return
    due = max(due, time)
    rows.overdue[row, level] = due
    rows.counted[row, level] = 0
    if due // program.settings[PANE] <= cells.meta[FRONTIER]:
        rows.counted[row, level] = 1
        emit(cells, program, program.level_measure[level], ZERO, rows.entered[row, level], due, sign, floor)


@lean
def _enter(rows, program, cells, row, level, dims, time, sign, floor):  # type: ignore[no-untyped-def]
    rows.stand[row, level] = STANDS_IN
    rows.life[rows.life[row, CASE], INSIDE] += 1
    for dimension in range(dims.shape[0]):
        rows.entered[row, level, dimension] = dims[dimension]
    if program.level_overdue[level] == OVERDUE_NEVER:
        emit(cells, program, program.level_measure[level], ZERO, dims, time, sign, floor)
    else:
        _become_overdue(rows, program, cells, row, level, time, sign, floor)


@lean
def _leave(rows, program, cells, row, level, time, sign, floor):  # type: ignore[no-untyped-def]
    if rows.stand[row, level] == STANDS_IN:
        rows.life[rows.life[row, CASE], INSIDE] -= 1
        measure = program.level_measure[level]
        dims = rows.entered[row, level]
        if program.level_overdue[level] == OVERDUE_NEVER:
            emit(cells, program, measure, ZERO, dims, time, -sign, floor)
        elif rows.overdue[row, level] != NONE:
            due = rows.overdue[row, level]
            rows.overdue[row, level] = NONE
            if rows.counted[row, level] == 1:
                emit(cells, program, measure, ZERO, dims, max(time, due), -sign, floor)
            elif time > due:
                # It has come due and ended since event time was last looked at; so no such pane has been sealed, and
                # ``floor`` may lie between: when this end is news, so is that it came due.
                below = NOWHERE if due // program.settings[PANE] > cells.meta[FRONTIER] else floor
                emit(cells, program, measure, ZERO, dims, due, sign, below)
                emit(cells, program, measure, ZERO, dims, time, -sign, below)
            rows.counted[row, level] = 0
    rows.stand[row, level] = STANDS_LEFT


@lean
def places(rows, program, case):  # type: ignore[no-untyped-def]
    """The most cells that can be touched when every entity of the case enters or leaves every level."""
    members = 0
    row = case
    while row >= 0:
        members += 1
        row = rows.life[row, SIBLING]
    return members * program.settings[MOST_CELLS]


@lean
def kept_for(rows, program, case):  # type: ignore[no-untyped-def]
    """For how long a case is remembered when nothing more is heard of it, in ms."""
    return program.settings[KEEP_OPEN] if rows.life[case, INSIDE] > 0 else program.settings[KEEP_ENDED]


@lean
def end_life(rows, program, cells, case, sign, floor):  # type: ignore[no-untyped-def]
    """Forget a case nothing was heard of for too long; what it was still counted in ends with it."""
    until = rows.life[case, LAST] + program.settings[KEEP_OPEN] + program.settings[LATENESS]
    row = case
    while row >= 0:
        for level in range(program.level_measure.shape[0]):
            if rows.stand[row, level] == STANDS_IN:
                _leave(rows, program, cells, row, level, until, sign, floor)
        row = rows.life[row, SIBLING]
    row = case
    while row >= 0:
        clear(rows, row)
        row = rows.life[row, SIBLING]


@lean
def _learn(rows, row, codes, promise):  # type: ignore[no-untyped-def]
    """Keep what an event tells of an entity for the first time."""
    for dimension in range(codes.shape[0]):
        if rows.attribute[row, dimension] == 0:
            rows.attribute[row, dimension] = codes[dimension]
    if promise != NONE and rows.life[row, PROMISE] == NONE:
        rows.life[row, PROMISE] = promise


@lean
def _first_counts(rows, row, moment, time, promise_mode, since, within):  # type: ignore[no-untyped-def]
    if rows.first[row, moment] != NONE:
        return False
    if promise_mode != 0:
        promise = _promise(rows, row)
        if promise == NONE:
            return False
        if promise_mode == PROMISE_KEPT and time > promise:
            return False
        if promise_mode == PROMISE_BROKEN and time <= promise:
            return False
    if since >= 0:
        if rows.first[row, since] == NONE:
            return False
        if within >= 0 and time - rows.first[row, since] > within:
            return False
    return True


@lean
def _bucket(milliseconds):  # type: ignore[no-untyped-def]
    if milliseconds <= 0:
        return np.int64(0)
    return np.int64(min(np.searchsorted(BORDERS, milliseconds) + 1, BUCKETS - 1))


@lean
def room(rows, log, program, case, record):  # type: ignore[no-untyped-def]
    """The most cells that folding an event can touch."""
    most = program.settings[MOST_CELLS]
    if _is_over(rows, program, case, log.record[record, TIME]):
        most += places(rows, program, case)
    if log.numbers[record, 0] != NONE:
        most += places(rows, program, case)
    return most


@lean
def _is_over(rows, program, case, time):  # type: ignore[no-untyped-def]
    """Whether the case was forgotten before ``time``."""
    return rows.life[case, LAST] != NONE and time - rows.life[case, LAST] > kept_for(rows, program, case)


@lean
def step(rows, log, program, cells, case, record, sign, floor, dims):  # type: ignore[no-untyped-def]
    """Fold one event into its case, adding ``sign`` times what it means to the cells at ``floor`` or later.

    The caller has made :func:`room` for it.
    """
    time = log.record[record, TIME]
    if _is_over(rows, program, case, time):
        end_life(rows, program, cells, case, sign, floor)
    entity = log.record[record, ENTITY]
    codes = log.codes[record]
    promise = log.numbers[record, 0]
    _learn(rows, case, codes, promise)
    own = case
    if entity >= 0:
        own = entity
        _learn(rows, entity, codes, promise)
    if promise != NONE:
        # A promise may become known only after an entity entered a level that waits for it.
        row = case
        while row >= 0:
            for level in range(program.level_measure.shape[0]):
                if (
                    program.level_overdue[level] == OVERDUE_PROMISE
                    and rows.stand[row, level] == STANDS_IN
                    and rows.overdue[row, level] == NONE
                ):
                    _become_overdue(rows, program, cells, row, level, time, sign, floor)
            row = rows.life[row, SIBLING]
    for dimension in range(codes.shape[0]):
        code = codes[dimension]
        if code == 0:
            code = rows.attribute[own, dimension]
            if code == 0:
                code = rows.attribute[case, dimension]
        dims[dimension] = code
    moments = log.record[record, MOMENTS]
    moment = 0
    left = moments
    while left != 0:
        if left & 1:
            for op in range(program.op_from[moment], program.op_from[moment + 1]):
                kind = program.op_kind[op]
                target = program.op_target[op]
                row = own if program.op_own[op] else case
                if kind == COUNT:
                    emit(cells, program, target, ZERO, dims, time, sign, floor)
                elif kind in (SUM, COUNT_NUMBER):
                    number = log.numbers[record, program.op_a[op]]
                    if number != NONE:
                        amount = number if kind == SUM else 1
                        emit(cells, program, target, ZERO, dims, time, sign * amount, floor)
                elif kind == FIRST:
                    if _first_counts(rows, row, moment, time, program.op_a[op], program.op_b[op], program.op_c[op]):
                        emit(cells, program, target, ZERO, dims, time, sign, floor)
                elif kind == DURATION:
                    since = rows.first[row, program.op_a[op]]
                    if rows.first[row, moment] == NONE and since != NONE:
                        emit(cells, program, target, _bucket(time - since), dims, time, sign, floor)
                elif kind == ENTER:
                    if rows.stand[row, target] == STANDS_NEVER:
                        _enter(rows, program, cells, row, target, dims, time, sign, floor)
                elif kind == LEAVE:
                    _leave(rows, program, cells, row, target, time, sign, floor)
                elif kind == AGAIN and rows.stand[row, target] != STANDS_IN:
                    _enter(rows, program, cells, row, target, dims, time, sign, floor)
        left >>= 1
        moment += 1
    moment = 0
    left = moments
    while left != 0:
        if left & 1:
            if rows.first[case, moment] == NONE:
                rows.first[case, moment] = time
            if entity >= 0 and rows.first[entity, moment] == NONE:
                rows.first[entity, moment] = time
        left >>= 1
        moment += 1
    rows.life[case, LAST] = time
