"""From decoded events to columns: what the fold reads of a chunk, as arrays.

Strings are turned into codes here, once; everything behind this is integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

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
            data: list[Any] = [events[place].data for place in places.tolist()]
            promise[places], wrong = parse_times([one.promised_at for one in data])
            bad.update((int(places[place]), "data.promised_at") for place in wrong)
    return Times(time, promise, bad)


class Columns(NamedTuple):
    """What the fold reads of a chunk. Shapes: n events, D dimensions, V numbers.

    ``moments`` bit sets, ``codes`` (n, D), ``numbers`` (n, V) with ``NO_TIME`` where absent; number 0 is the promise.
    """

    moments: I64
    codes: I32
    numbers: I64


def _numbers(path: str, data: Sequence[object]) -> list[int]:
    if path == "items.quantity":
        found = [sum(item.quantity for item in one.items) for one in data]  # type: ignore[attr-defined]
    elif path == "items.count":
        found = [len(one.items) for one in data]  # type: ignore[attr-defined]
    else:
        found = list(map(attrgetter(path), data))
    return [NO_TIME if number is None else number for number in found]


def read_columns(
    plan: Plan, events: Sequence[BusinessEvent], kind: I64, promise: I64, dictionaries: Sequence[Dictionary]
) -> Columns:
    """Read what the plan needs of each event; new dimension values enter the dictionaries in order."""
    count = len(events)
    moments = plan.moments_of_type[kind]
    codes = np.zeros((count, len(plan.dimensions)), dtype=np.int32)
    numbers = np.full((count, 1 + len(plan.numbers)), NO_TIME, dtype=np.int64)
    numbers[:, 0] = promise
    every = [event.data for event in events]
    places = {int(code): np.flatnonzero(kind == code) for code in np.unique(kind)}
    data: dict[int, list[Any]] = {
        code: every if where.size == count else [every[place] for place in where.tolist()]
        for code, where in places.items()
    }

    for dimension, sources in enumerate(plan.dimension_sources):
        here = [code for code, _ in sources if code in places]
        if here:
            where = np.concatenate([places[code] for code in here])
            fields = dict(sources)
            values = [value for code in here for value in map(attrgetter(fields[code]), data[code])]
            if len(here) > 1:
                # Values are admitted in the order they came.
                order = np.argsort(where)
                where, values = where[order], [values[at] for at in order.tolist()]
            codes[where, dimension] = dictionaries[dimension].encode(values)

    for code, column, path in plan.number_sources:
        if code in places:
            numbers[places[code], column] = _numbers(path, data[code])

    for code in plan.foreign_sources:
        if code in places:
            foreign = [one.currency != plan.currency for one in data[code]]
            numbers[places[code][foreign], plan.amount_column] = NO_TIME

    for code, bit, conditions in plan.filtered_moments:
        if code in places:
            fits = np.ones(len(data[code]), dtype=np.bool_)
            for field, wanted in conditions:
                fits &= [value in wanted for value in map(attrgetter(field), data[code])]
            moments[places[code][fits]] |= bit

    return Columns(moments, codes, numbers)
