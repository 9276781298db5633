"""From rows to drafts of events: one frame for each rule, with everything an event needs in columns.

A draft's columns: ``#rows`` (the rows it was made of), ``#row`` (the first), ``#time`` (epoch ms), ``#id``,
``#subject``, and one for each data field that is not constant. What could not become a draft is kept as a
loss.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from streams.ingest.imports.cells import DIGITS, Cells, minor_units, render_time, unread
from streams.ingest.imports.conditions import holds
from streams.ingest.imports.contracts import CONTRACTS, ITEM_FIELDS, FieldKind
from streams.ingest.imports.grouping import changed, spread
from streams.ingest.imports.mapping import (
    Column,
    Constant,
    Each,
    FirstOf,
    Mapping,
    Rule,
    Sum,
    Template,
    Value,
)
from streams.ingest.imports.reader import ROW
from streams.ingest.imports.report import NO_TIME, Losses
from streams.ingest.imports.rules import typed

ROWS, TIME, ID, SUBJECT, PROBLEM = "#rows", "#time", "#id", "#subject", "#problem"
_AS = {
    "money": "an amount of money",
    "integer": "an integer",
    "number": "a number",
    "time": "a time",
    "text": "text",
    "items": "items",
}


class _Reading(NamedTuple):
    """How one data field is made: ``line`` is evaluated row by row, ``problem`` is null where that went
    well."""

    line: pl.Expr
    problem: pl.Expr


class Drafter:
    """Makes drafts. ``latest``: epoch ms after which a time lies in the future."""

    def __init__(self, mapping: Mapping, latest: int, losses: Losses) -> None:
        self._mapping = mapping
        self._latest = latest
        self._losses = losses

    def drafts(self, frame: pl.DataFrame) -> list[pl.DataFrame]:
        """A frame of drafts for each rule, in the rules' order. ``frame`` holds whole groups."""
        entity = self._mapping.states_of
        if entity is None:
            return [self._draft(rule, frame) for rule in self._mapping.rules]
        nameless = frame.filter(pl.col(entity).is_null())[ROW]
        if len(nameless):
            self._losses.add_rows(f"nothing in {entity}", nameless)
        frame = frame.filter(pl.col(entity).is_not_null())
        order = self._mapping.in_order_of
        in_time = [] if order is None else [Cells(self._mapping, frame.schema).time(order)]
        frame = frame.sort([*in_time, pl.col(ROW)], nulls_last=True)
        drafts = [self._draft(rule, frame, entity) for rule in self._mapping.rules]
        moments = pl.concat(
            draft.select(entity="#entity", time=TIME, row=ROW, rule=pl.lit(number, dtype=pl.Int32))
            for number, draft in enumerate(drafts)
        )
        apart = spread(moments).partition_by("rule", as_dict=True, include_key=False)
        return [
            draft.with_columns(apart[number,]["time"].alias(TIME)) if len(draft) else draft
            for number, draft in enumerate(drafts)
        ]

    def _draft(self, rule: Rule, frame: pl.DataFrame, entity: str | None = None) -> pl.DataFrame:
        cells = Cells(self._mapping, frame.schema)
        wanted = holds(rule.where, cells)
        if entity is not None and rule.change is not None:
            wanted &= changed(rule.change, entity)
        readings = {
            name: reading
            for name, value in rule.data.items()
            if (reading := self._reading(rule.type, name, value, cells)) is not None
        }
        times = [cells.time(column) for column in rule.time]
        moment = pl.max_horizontal(times)
        subject = self._text(rule.subject, cells)
        problems = [
            *(_told(unread(c, t), f"{c} is not a time") for c, t in zip(rule.time, times, strict=True)),
            _told(moment.is_null(), f"{NO_TIME}{', '.join(rule.time)}"),
            _told(moment > self._latest, "the time is in the future"),
            *(_told(moment < cells.time(c), f"the time is before {c}") for c in rule.not_before),
            *(reading.problem for reading in readings.values()),
            _told(subject.is_null(), "nothing to make the subject of"),
        ]
        columns = {name: reading.line for name, reading in readings.items()}
        columns |= {SUBJECT: subject, TIME: moment}
        if rule.id is not None:
            columns[ID] = self._text(rule.id, cells)
            problems.append(_told(columns[ID].is_null(), "nothing to make the id of"))
        keys = {f"#key{n}": pl.col(key) for n, key in enumerate(self._mapping.lines_of)}
        keys |= {"#entity": pl.col(entity)} if entity is not None else {}
        lines = (
            frame.lazy()
            .filter(wanted)
            .select(pl.col(ROW), pl.coalesce(problems).alias(PROBLEM), **columns, **keys)
            .collect()
        )
        drafts = self._told_apart(rule, lines)
        if self._mapping.lines_of:
            drafts = self._told_apart(rule, self._grouped(rule, drafts, list(keys)))
        else:
            drafts = drafts.with_columns(pl.concat_list(ROW).alias(ROWS))
        if rule.id is None:
            ending = pl.lit(":" + rule.type.partition(".")[2])
            if rule.change is not None and rule.change.kind != "first":
                ending += pl.format(":{}", pl.int_range(1, pl.len() + 1).over("#entity"))
            drafts = drafts.with_columns((pl.col(SUBJECT) + ending).alias(ID))
        return drafts

    def _told_apart(self, rule: Rule, lines: pl.DataFrame) -> pl.DataFrame:
        """Those without a problem; the others are counted."""
        for (reason,), lost in lines.filter(pl.col(PROBLEM).is_not_null()).group_by(PROBLEM):
            rows = lost[ROWS].explode() if ROWS in lost.columns else lost[ROW]
            self._losses.add(rule.type, str(reason), rows, len(lost))
        return lines.filter(pl.col(PROBLEM).is_null()).drop(PROBLEM)

    def _grouped(self, rule: Rule, lines: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
        """One draft for the lines of each group: sums added up, items collected, else the first line's
        value."""
        made = [pl.col(ROW).first(), pl.col(ROW).alias(ROWS), pl.col(SUBJECT).first(), pl.col(TIME).first()]
        if rule.id is not None:
            made.append(pl.col(ID).first())
        problems = [pl.lit(None, dtype=pl.String)]
        for name, value in rule.data.items():
            if isinstance(value, Sum):
                sign = -1 if value.negate else 1
                scale = DIGITS if value.times is None else 2 * DIGITS
                if CONTRACTS[rule.type].fields[name].kind == "money":
                    scale -= self._mapping.money_digits
                made.append(minor_units(pl.col(name).sum() * sign, scale).alias(name))
                problems.append(_told(pl.col(name).is_null(), f"{name} is beyond 64 bits"))
            elif isinstance(value, Each):
                made.append(pl.col(name))
            elif name in lines.columns:
                made.append(pl.col(name).first())
        grouped = lines.group_by(keys, maintain_order=True).agg(made)
        return grouped.with_columns(pl.coalesce(problems).alias(PROBLEM))

    def _reading(self, type_: str, name: str, value: Value, cells: Cells) -> _Reading | None:
        field = CONTRACTS[type_].fields[name]
        match value:
            case Constant():
                return None
            case Column(column):
                return self._column(column, field.kind, f"data.{name}" if field.required else None, cells)
            case Sum(column, times):
                parts = [column] if times is None else [column, times]
                scaled = [cells.scaled(part) for part in parts]
                problems = [
                    problem
                    for part, read in zip(parts, scaled, strict=True)
                    for problem in (
                        _told(unread(part, read), f"{part} is not a number"),
                        _told(read.is_null(), f"nothing in {part} for data.{name}"),
                    )
                ]
                return _Reading(scaled[0] if times is None else scaled[0] * scaled[1], pl.coalesce(problems))
            case Each(fields):
                made = {
                    item: self._column(
                        part.column,
                        ITEM_FIELDS[item].kind,
                        f"data.{name}.{item}" if ITEM_FIELDS[item].required else None,
                        cells,
                    )
                    if isinstance(part, Column)
                    else _Reading(pl.lit(typed(part, ITEM_FIELDS[item])), pl.lit(None, dtype=pl.String))
                    for item, part in fields.items()
                }
                struct = pl.struct([reading.line.alias(item) for item, reading in made.items()])
                return _Reading(struct, pl.coalesce([reading.problem for reading in made.values()]))
            case _:
                text = self._text(value, cells)
                missing = text.is_null() if field.required else pl.lit(False)
                return _Reading(text, _told(missing, f"nothing to make data.{name} of"))

    def _column(self, column: str, kind: FieldKind, required: str | None, cells: Cells) -> _Reading:
        match kind:
            case "money":
                read = cells.money(column)
            case "integer":
                read = cells.integer(column)
            case "number":
                read = cells.number(column)
            case "time":
                read = cells.time(column)
            case _:
                read = cells.text(column)
        problems = [_told(unread(column, read), f"{column} is not {_AS[kind]}")]
        if required is not None:
            problems.append(_told(read.is_null(), f"nothing in {column} for {required}"))
        return _Reading(render_time(read) if kind == "time" else read, pl.coalesce(problems))

    def _text(self, value: Value, cells: Cells) -> pl.Expr:
        match value:
            case Column(column):
                return cells.text(column)
            case FirstOf(columns):
                return pl.coalesce([cells.text(column) for column in columns])
            case Template(parts):
                made = []
                for part in parts:
                    if part.column is None:
                        made.append(pl.lit(part.text))
                    elif part.default is None:
                        made.append(cells.text(part.column))
                    else:
                        made.append(cells.text(part.column).fill_null(part.default))
                return pl.concat_str(made)
            case Constant(text):
                return pl.lit(text)
            case _:
                raise TypeError(f"{type(value).__name__} gives no text")


def _told(when: pl.Expr, problem: str) -> pl.Expr:
    return pl.when(when).then(pl.lit(problem))
