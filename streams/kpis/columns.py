"""From decoded events to columns: what the fold reads of a chunk, as arrays.

Strings are turned into codes here, once; everything behind this is integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.times import NO_TIME, parse_times
from streams.events.types import TYPE_NAMES, BusinessEvent, SourceHeartbeat
from streams.kpis.dictionary import Dictionary
from streams.kpis.plan import Plan

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

HEARTBEAT = len(TYPE_NAMES)
"""The type code of a heartbeat; the business types' codes are their places in ``TYPE_NAMES``."""

_CODES = {name: code for code, name in enumerate(TYPE_NAMES)}
_CODE_OF_CLASS: dict[type, int] = {SourceHeartbeat: HEARTBEAT}


def type_codes(events: Sequence[BusinessEvent]) -> I64:
    """The type code of each event."""
    codes = _CODE_OF_CLASS
    try:
        return np.array([codes[event.__class__] for event in events], dtype=np.int64)
    except KeyError:
        for event in events:
            if event.__class__ not in codes:
                codes[event.__class__] = _CODES[str(event.__struct_config__.tag)]
        return type_codes(events)


_PROMISING = tuple(_CODES[name] for name in ("order.placed", "delivery.dispatched"))


class Times(NamedTuple):
    """Event times and promises in epoch ms, ``NO_TIME`` where absent; ``bad`` names what is no time, by place."""

    time: I64
    promise: I64
    bad: dict[int, str]


def read_times(events: Sequence[BusinessEvent], kind: I64) -> Times:
    """The times of a chunk's events. Shapes: (n,) each."""
    time, bad_time = parse_times([event.time for event in events])
    promise = np.full(len(events), NO_TIME, dtype=np.int64)
    bad = dict.fromkeys(bad_time, "time")
    for code in _PROMISING:
        places = np.flatnonzero(kind == code)
        if places.size:
            promise[places], wrong = parse_times([events[place].data.promised_at for place in places.tolist()])  # type: ignore[union-attr]
            bad.update((int(places[place]), "data.promised_at") for place in wrong)
    return Times(time, promise, bad)


class Columns(NamedTuple):
    """What the fold reads of a chunk. Shapes: n events, D dimensions, V numbers.

    ``moments`` bit sets, ``codes`` (n, D), ``numbers`` (n, V) with ``NO_TIME`` where absent; number 0 is the promise.
    """

    moments: I64
    codes: I32
    numbers: I64


def _number(path: str) -> Callable[[object], int | None]:
    if path == "items.quantity":
        return lambda data: sum(item.quantity for item in data.items)  # type: ignore[attr-defined]
    if path == "items.count":
        return lambda data: len(data.items)  # type: ignore[attr-defined]
    return lambda data: getattr(data, path)


def read_columns(
    plan: Plan, events: Sequence[BusinessEvent], kind: I64, promise: I64, dictionaries: Sequence[Dictionary]
) -> Columns:
    """Read what the plan needs of each event; new dimension values enter the dictionaries in order."""
    count = len(events)
    moments = plan.moments_of_type[kind]
    codes = np.zeros((count, len(plan.dimensions)), dtype=np.int32)
    numbers = np.full((count, 1 + len(plan.numbers)), NO_TIME, dtype=np.int64)
    numbers[:, 0] = promise
    present = {int(code): np.flatnonzero(kind == code) for code in np.unique(kind)}
    data = [event.data for event in events]

    for dimension, sources in enumerate(plan.dimension_sources):
        here = [(present[code], field) for code, field in sources if code in present]
        if not here:
            continue
        values: list[str | None] = [None] * count
        for places, field in here:
            for place in places.tolist():
                values[place] = getattr(data[place], field)
        where = np.sort(np.concatenate([places for places, _ in here]))
        codes[where, dimension] = dictionaries[dimension].encode([values[place] for place in where.tolist()])

    for code, column, path in plan.number_sources:
        if code not in present:
            continue
        read = _number(path)
        places = present[code]
        found = [read(data[place]) for place in places.tolist()]
        numbers[places, column] = [NO_TIME if number is None else number for number in found]

    for code in plan.foreign_sources:
        if code in present:
            for place in present[code].tolist():
                if data[place].currency != plan.currency:  # type: ignore[union-attr]
                    numbers[place, plan.amount_column] = NO_TIME

    for code, bit, conditions in plan.filtered_moments:
        if code in present:
            for place in present[code].tolist():
                if all(getattr(data[place], field) in wanted for field, wanted in conditions):
                    moments[place] |= bit

    return Columns(moments, codes, numbers)
