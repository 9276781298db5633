"""What the fold does at each moment, as arrays: the KPI definitions compiled to a small instruction set."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

# Instructions. `target` is a measure, or a level for the last three.
COUNT: Final = 0
"""Add 1."""
SUM: Final = 1
"""Add number ``a`` of the event, where it has one."""
COUNT_NUMBER: Final = 2
"""Add 1 where the event has number ``a``."""
FIRST: Final = 3
"""Add 1 at the entity's first such moment; ``a`` asks for a promise, ``b`` for an earlier moment, ``c`` the most ms."""
DURATION: Final = 4
"""Add 1 to the histogram bucket of the time since moment ``a``, at the entity's first such moment."""
ENTER: Final = 5
"""Count the entity in, if it never was and has not left."""
LEAVE: Final = 6
"""Count the entity out."""
AGAIN: Final = 7
"""Count the entity in once more."""

PROMISE_KEPT: Final = 1
PROMISE_GIVEN: Final = 2
PROMISE_BROKEN: Final = 3

OVERDUE_NEVER: Final = -1
OVERDUE_PROMISE: Final = -2

# Places in `settings`.
PANE: Final = 0
KEEP_ENDED: Final = 1
KEEP_OPEN: Final = 2
LATENESS: Final = 3
MOST_CELLS: Final = 4
"""The most cells one event can touch."""


class Program(NamedTuple):
    """Instructions by moment, slice groups by measure, levels, settings.

    ``op_from`` (moments + 1) delimits each moment's instructions; ``op_own`` is 1 where the instruction is about the
    event's own delivery or ticket and 0 where it is about the order. ``group_from`` (measures + 1) delimits each
    measure's slice groups; a group names up to two dimensions, -1 for none. Per level: its measure, the moment it
    starts at, and when its members become overdue (:data:`OVERDUE_NEVER`, :data:`OVERDUE_PROMISE` or ms after the
    start).
    """

    op_from: I64
    op_kind: I64
    op_target: I64
    op_own: I64
    op_a: I64
    op_b: I64
    op_c: I64
    group_from: I64
    group_first: I64
    group_second: I64
    level_measure: I64
    level_start: I64
    level_overdue: I64
    settings: I64
