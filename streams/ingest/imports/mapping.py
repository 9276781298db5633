"""What an import mapping says: how rows of a shop's files become events. Made by :mod:`.parse` from YAML."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple

from msgspec import Struct

Format = Literal["csv", "parquet"]
Test = Literal["one_of", "none_of", "present", "empty", "equals", "above", "below", "at_least", "at_most"]
How = Literal["sum", "first", "last", "count"]
ChangeKind = Literal["first", "enters", "leaves", "rises"]

SECONDS = "epoch_s"
MILLISECONDS = "epoch_ms"
RFC3339 = "rfc3339"


class Take(Struct, frozen=True):
    """What a joined file gives for one key: the ``sum`` of a column, its ``first`` or ``last`` value by
    ``order_by`` (in the file's order when that is None), or the ``count`` of rows."""

    how: How
    column: str
    order_by: str | None = None


class Join(Struct, frozen=True):
    """A secondary file's rows belong to the main row whose column ``to`` equals their ``key``; ``take`` names
    what the main row gets from them."""

    key: str
    to: str
    take: dict[str, Take]


class Input(Struct, frozen=True):
    """One kind of file. The input without a join is the main one: its rows become events."""

    name: str
    format: Format
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    join: Join | None = None


class TimeFormat(Struct, frozen=True):
    """How a column writes times: a ``strptime`` format, ``epoch_s``, ``epoch_ms`` or ``rfc3339``.
    ``end_of_day`` takes a date for its last millisecond, as a promise of a day is meant."""

    format: str | None = None
    end_of_day: bool = False


class Condition(Struct, frozen=True):
    """A test of one column. ``values`` for the tests by text, ``number`` for those by size."""

    column: str
    test: Test
    values: tuple[str, ...] = ()
    number: Decimal = Decimal(0)


class Skip(Struct, frozen=True):
    """Rows that fulfil all of ``when`` are left out, and counted under ``because``."""

    when: tuple[Condition, ...]
    because: str


class Column(Struct, frozen=True, tag=True):
    """A column's value."""

    column: str


class FirstOf(Struct, frozen=True, tag=True):
    """The first of several columns that has a value."""

    columns: tuple[str, ...]


class Constant(Struct, frozen=True, tag=True):
    """The same value for every event."""

    value: str


class Part(NamedTuple):
    """A piece of a template: literal text, or a column with what stands in for it where it is empty."""

    text: str
    column: str | None = None
    default: str | None = None


class Template(Struct, frozen=True, tag=True):
    """Text made of columns: ``{CustomerID|walk-in}/{InvoiceDate}``."""

    parts: tuple[Part, ...]


class Sum(Struct, frozen=True, tag=True):
    """Over the lines of a group: the exact sum of ``column``, each times the column ``times``; ``negate``
    turns its sign."""

    column: str
    times: str | None = None
    negate: bool = False


class Each(Struct, frozen=True, tag=True):
    """The items of an order, one for each line of the group."""

    fields: dict[str, Column | Constant]


Value = Column | FirstOf | Constant | Template | Sum | Each


class Change(Struct, frozen=True):
    """What must have changed from an entity's row before: it is the ``first``; ``column`` ``enters`` or
    ``leaves`` the ``values``; the number in it ``rises``."""

    kind: ChangeKind
    column: str = ""
    values: tuple[str, ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """One kind of event and when a row (a group of lines, a change of state) gives one.

    The event's time is the value of ``time``: the latest of them, where they are several. A row without one
    gives no event: the moment has not come; nor does one whose time is earlier than a time in ``not_before``:
    that is a mistake.
    """

    type: str
    time: tuple[str, ...]
    subject: Value
    data: dict[str, Value]
    not_before: tuple[str, ...] = ()
    id: Template | None = None
    where: tuple[Condition, ...] = ()
    change: Change | None = None


class Mapping(Struct, frozen=True, kw_only=True):
    """A whole mapping. ``name`` becomes the events' ``source``.

    ``lines_of``: rows are lines; those that agree in these columns are one order. ``states_of``: rows are the
    successive states of the entity this column names, in the order of the time ``in_order_of``, of one time
    in the order of the file; without it, in the order of the file. Neither: each row stands for itself.
    ``private`` columns are replaced by keyed pseudonyms as they are read. ``money_digits``: digits after the
    point that make a minor unit.
    """

    name: str
    file: Path
    description: str
    timezone: str
    inputs: tuple[Input, ...]
    rules: tuple[Rule, ...]
    times: dict[str, TimeFormat]
    default_time: TimeFormat
    nulls: tuple[str, ...] = ("",)
    private: tuple[str, ...] = ()
    skip: tuple[Skip, ...] = ()
    lines_of: tuple[str, ...] = ()
    states_of: str | None = None
    in_order_of: str | None = None
    money_digits: int = 2
    decimal: str = "."
    thousands: str = ""

    @property
    def main(self) -> Input:
        """The input whose rows become events."""
        return next(source for source in self.inputs if source.join is None)

    @property
    def joined(self) -> tuple[tuple[Input, Join], ...]:
        """The secondary inputs."""
        return tuple((source, source.join) for source in self.inputs if source.join is not None)

    def time_format(self, column: str) -> TimeFormat:
        """How ``column`` writes times."""
        return self.times.get(column, self.default_time)

    def columns_of(self, source: Input) -> tuple[str, ...]:
        """The columns that must be in a file of ``source``, each once."""
        if source.join is not None:
            takes = source.join.take.values()
            wanted = [source.join.key, *(take.column for take in takes if take.how != "count")]
            return _once([*wanted, *(take.order_by for take in takes if take.order_by)])
        taken = {name for _, join in self.joined for name in join.take}
        used = [*self.private, *self.lines_of]
        used += [column for column in (self.states_of, self.in_order_of) if column is not None]
        used += [join.to for _, join in self.joined]
        used += [condition.column for skip in self.skip for condition in skip.when]
        for rule in self.rules:
            used += rule_columns(rule)
        return tuple(column for column in _once(used) if column not in taken)


def value_columns(value: Value) -> list[str]:
    """The columns a value is made of."""
    match value:
        case Column(column):
            return [column]
        case FirstOf(columns):
            return list(columns)
        case Template(parts):
            return [part.column for part in parts if part.column is not None]
        case Sum(column, times):
            return [column] if times is None else [column, times]
        case Each(fields):
            return [field.column for field in fields.values() if isinstance(field, Column)]
        case _:
            return []


def rule_columns(rule: Rule) -> list[str]:
    """The columns a rule reads."""
    used = [*rule.time, *rule.not_before, *(condition.column for condition in rule.where)]
    if rule.change is not None and rule.change.column:
        used.append(rule.change.column)
    for value in (rule.subject, *rule.data.values(), *([rule.id] if rule.id else [])):
        used += value_columns(value)
    return used


def _once(columns: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(columns))
