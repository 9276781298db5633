"""What a column's cells mean: text, exact decimals, money in minor units, integers, times in epoch ms.

Each function gives an expression that is null where the cell is empty or cannot be read as that;
:func:`unread` tells the two apart. Nothing is ever computed in floats: decimals are 128-bit integers with six
digits after the point.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf

import polars as pl

from streams.errors import MappingError
from streams.ingest.imports.mapping import MILLISECONDS, RFC3339, SECONDS, Mapping

DIGITS = 6
"""Digits after the point that count; more are rounded, which takes the noise off sums made in floats."""
_LARGEST = 10**12
# A fixed 24 hours, whatever the clocks do.
_DAY = pl.duration(hours=24)


class Cells:
    """How the columns of a frame with ``schema`` are read under ``mapping``. Text is stripped already, and
    null where it is empty."""

    def __init__(self, mapping: Mapping, schema: MappingOf[str, pl.DataType]) -> None:
        self._mapping = mapping
        self._schema = schema

    def text(self, column: str) -> pl.Expr:
        """As text: 17850.0 is ``17850``, a time ``2011-05-01T09:30``."""
        cell, kind = pl.col(column), self._schema[column]
        if kind == pl.String:
            return cell
        if kind.is_float():
            return cell.cast(pl.String).str.strip_suffix(".0")
        if isinstance(kind, pl.Datetime):
            return cell.dt.strftime("%Y-%m-%dT%H:%M:%S%.f").str.strip_suffix(":00")
        return cell.cast(pl.String)

    def decimal(self, column: str) -> pl.Expr:
        """As an exact decimal, at most 10^12 in size."""
        value = self._exact(column)
        return pl.when(value.abs() <= pl.lit(_LARGEST, dtype=pl.Decimal(38, DIGITS))).then(value)

    def _exact(self, column: str) -> pl.Expr:
        cell, kind = pl.col(column), self._schema[column]
        if kind == pl.String:
            point, thousands = self._mapping.decimal, self._mapping.thousands
            if thousands:
                # Only where it groups thousands: 1.5 is not 15.
                apart = rf"^[+-]?(\d+|\d{{1,3}}({re.escape(thousands)}\d{{3}})+)({re.escape(point)}\d*)?$"
                cell = pl.when(cell.str.contains(apart)).then(cell.str.replace_all(thousands, "", literal=True))
            if point == ",":
                cell = pl.when(~cell.str.contains(".", literal=True)).then(cell)
                cell = cell.str.replace(",", ".", literal=True)
        elif kind.is_float():
            # The shortest text that reads back as this float is the decimal that was meant.
            cell = cell.cast(pl.String)
        return cell.cast(pl.Decimal(38, DIGITS), strict=False)

    def scaled(self, column: str) -> pl.Expr:
        """As an exact integer: the decimal times 10^6, 128 bits wide."""
        return self.decimal(column).to_physical()

    def money(self, column: str) -> pl.Expr:
        """In minor units, rounded half away from zero."""
        return minor_units(self.scaled(column), DIGITS - self._mapping.money_digits)

    def integer(self, column: str) -> pl.Expr:
        """As an integer; a decimal with something behind the point is none."""
        scaled = self.scaled(column)
        return pl.when(scaled % 10**DIGITS == 0).then(scaled // 10**DIGITS).cast(pl.Int64)

    def number(self, column: str) -> pl.Expr:
        """As a float, for coordinates."""
        return self.decimal(column).cast(pl.Float64)

    def time(self, column: str) -> pl.Expr:
        """In epoch ms UTC. A wall-clock time that the zone's clocks showed twice is the earlier one; one they
        skipped is taken with the offset before the gap."""
        written = self._mapping.time_format(column)
        cell, kind = pl.col(column), self._schema[column]
        if kind == pl.String:
            if written.format is None:
                raise MappingError(
                    f"{self._mapping.file}: times: column {column} is text (expected its format under times)"
                )
            if written.format in (SECONDS, MILLISECONDS):
                return self._epoch(column, written.format)
            form = "%+" if written.format == RFC3339 else written.format
            moment = cell.str.to_datetime(form, strict=False, time_unit="ms")
            aware = form == "%+" or "%z" in form or "%:z" in form or "%s" in form
        elif kind in (pl.Datetime, pl.Date):
            moment = cell.cast(pl.Datetime("ms", getattr(kind, "time_zone", None)))
            aware = getattr(kind, "time_zone", None) is not None
        else:
            return self._epoch(column, written.format or SECONDS)
        if written.end_of_day:
            moment = moment.dt.truncate("1d") + _DAY - pl.duration(milliseconds=1)
        return (moment if aware else self._zoned(moment)).dt.epoch("ms")

    def _epoch(self, column: str, unit: str) -> pl.Expr:
        scale = 10**DIGITS if unit == MILLISECONDS else 10 ** (DIGITS - 3)
        whole: pl.Expr = self._exact(column).to_physical() // scale
        return whole.cast(pl.Int64, strict=False)

    def _zoned(self, moment: pl.Expr) -> pl.Expr:
        zone = self._mapping.timezone

        def placed(naive: pl.Expr) -> pl.Expr:
            return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")

        before = placed(moment - _DAY).dt.convert_time_zone("UTC") + _DAY
        return pl.coalesce(placed(moment).dt.convert_time_zone("UTC"), before)


def unread(column: str, read: pl.Expr) -> pl.Expr:
    """Whether a cell has something in it that could not be read."""
    return pl.col(column).is_not_null() & read.is_null()


def minor_units(scaled: pl.Expr, digits: int) -> pl.Expr:
    """An exact integer with ``digits`` too many, rounded half away from zero; null beyond 64 bits."""
    unit = 10**digits
    rounded: pl.Expr = (scaled.abs() + unit // 2) // unit * scaled.sign()
    return rounded.cast(pl.Int64, strict=False)


def render_time(milliseconds: pl.Expr) -> pl.Expr:
    """Epoch milliseconds as the contracts write them: ``2026-03-01T09:30:00.000Z``."""
    return milliseconds.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
