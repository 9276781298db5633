"""From what was read of a chunk to the columns of the fold: what a plan asks for, as tables, and the compiled part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.types import TYPE_NAMES
from streams.kpis.compiled import njit
from streams.kpis.plan import Plan
from streams.kpis.rows import NONE
from streams.kpis.scan.book import look_up
from streams.kpis.scan.contract import slot_of
from streams.kpis.scan.spans import length_of, start_of
from streams.kpis.scan.words import address

I64 = npt.NDArray[np.int64]

_PLACED = TYPE_NAMES.index("order.placed")
_CURRENCY = slot_of(_PLACED, "currency")


class Wanted(NamedTuple):
    """What a plan asks for. Shapes: K types, D dimensions, V numbers (the promise left out), F filters, C conditions.

    ``moments`` (K) the bits of each type; ``dimension`` (K, D) and ``number`` (K, V) the slots they are read from, -1
    for none; ``filters`` (F, 3) a type, the bits of its events that fulfil all conditions, and the first condition;
    ``conditions`` (C, 2) a slot and the space of the texts that fulfil it. Spaces: the dimensions' values, then the
    currency, then the conditions. ``amount`` (1) is the number that orders in another currency do not have, -1: none.
    """

    moments: I64
    dimension: I64
    number: I64
    filters: I64
    conditions: I64
    amount: I64


def wanted_by(plan: Plan) -> tuple[Wanted, list[tuple[int, bytes, int]]]:
    """The tables of a plan, and the texts it looks for: entries of a book."""
    kinds, dimensions = len(TYPE_NAMES), len(plan.dimensions)
    dimension = np.full((kinds, dimensions), -1, dtype=np.int64)
    for number, sources in enumerate(plan.dimension_sources):
        for kind, field in sources:
            dimension[kind, number] = slot_of(kind, field)
    numbers = np.full((kinds, len(plan.numbers)), -1, dtype=np.int64)
    for kind, column, path in plan.number_sources:
        field, _, what = path.partition(".")
        numbers[kind, column - 1] = slot_of(kind, field) + (what == "count")
    filters: list[tuple[int, int, int]] = []
    conditions: list[tuple[int, int]] = []
    texts = [(dimensions, plan.currency.encode(), 0)]
    for kind, bit, fields in plan.filtered_moments:
        filters.append((kind, bit, len(conditions)))
        for field, values in fields:
            space = dimensions + 1 + len(conditions)
            conditions.append((slot_of(kind, field), space))
            texts += [(space, value.encode(), 0) for value in sorted(values)]
    filters.append((-1, 0, len(conditions)))
    wanted = Wanted(
        moments=plan.moments_of_type[:kinds].copy(),
        dimension=dimension,
        number=numbers,
        filters=np.array(filters, dtype=np.int64).reshape(-1, 3),
        conditions=np.array(conditions, dtype=np.int64).reshape(-1, 2),
        amount=np.array([plan.amount_column - 1 if plan.foreign_sources else -1], dtype=np.int64),
    )
    return wanted, texts


@njit
def gather(raw, scanned, chosen, wanted, book, moments, codes, numbers):  # type: ignore[no-untyped-def]
    """Fill the columns of the ``chosen`` records: shapes (n,), (n, D) and (n, 1 + V).

    A dimension's code is -1 where the book does not have its value.
    """
    base = address(raw)
    dimensions = wanted.dimension.shape[1]
    for at in range(chosen.shape[0]):
        row = chosen[at]
        kind = scanned.kind[row]
        bits = wanted.moments[kind]
        for dimension in range(dimensions):
            slot = wanted.dimension[kind, dimension]
            code = np.int64(0)
            if slot >= 0:
                value = scanned.fields[row, slot]
                if value != NONE and length_of(value) > 0:
                    code = look_up(book, dimension, base + start_of(value), length_of(value))
            codes[at, dimension] = code
        numbers[at, 0] = scanned.promise[row]
        for number in range(wanted.number.shape[1]):
            slot = wanted.number[kind, number]
            numbers[at, 1 + number] = scanned.fields[row, slot] if slot >= 0 else NONE
        if kind == _PLACED and wanted.amount[0] >= 0:
            value = scanned.fields[row, _CURRENCY]
            if look_up(book, dimensions, base + start_of(value), length_of(value)) < 0:
                numbers[at, 1 + wanted.amount[0]] = NONE
        for number in range(wanted.filters.shape[0] - 1):
            if wanted.filters[number, 0] == kind:
                fits = True
                for condition in range(wanted.filters[number, 2], wanted.filters[number + 1, 2]):
                    value = scanned.fields[row, wanted.conditions[condition, 0]]
                    space = wanted.conditions[condition, 1]
                    if value == NONE or look_up(book, space, base + start_of(value), length_of(value)) < 0:
                        fits = False
                if fits:
                    bits |= wanted.filters[number, 1]
        moments[at] = bits
