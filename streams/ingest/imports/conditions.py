"""Tests of columns as expressions over a frame."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import polars as pl

from streams.ingest.imports.cells import DIGITS, Cells
from streams.ingest.imports.mapping import Condition, Test


def holds(conditions: Sequence[Condition], cells: Cells) -> pl.Expr:
    """Whether all conditions hold for a row; never null.

    A column without a value is ``empty`` and, by text, none of the values; one that is no number has no size.
    """
    return pl.all_horizontal([pl.lit(True), *(_holds(condition, cells) for condition in conditions)])


def _holds(condition: Condition, cells: Cells) -> pl.Expr:
    text = cells.text(condition.column)
    match condition.test:
        case "present":
            return text.is_not_null()
        case "empty":
            return text.is_null()
        case "one_of":
            return text.is_in(condition.values).fill_null(False)
        case "none_of":
            return ~text.is_in(condition.values).fill_null(False)
        case _:
            value = cells.decimal(condition.column)
            return _compare(condition.test, value, condition.number).fill_null(False)


def _compare(test: Test, value: pl.Expr, limit: Decimal) -> pl.Expr:
    number = pl.lit(limit, dtype=pl.Decimal(38, DIGITS))
    match test:
        case "equals":
            return value == number
        case "above":
            return value > number
        case "below":
            return value < number
        case "at_least":
            return value >= number
        case _:
            return value <= number
