"""The ``events`` of a mapping: which event a row gives, when, and what is in it. Checked against the
contracts."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

import msgspec

from streams.config.places import Place
from streams.config.readers import Reader, choice, fields, flag, several
from streams.ingest.imports.contracts import CONTRACTS, ITEM_FIELDS, Field
from streams.ingest.imports.mapping import (
    Change,
    ChangeKind,
    Column,
    Constant,
    Each,
    FirstOf,
    Rule,
    Sum,
    Template,
    Value,
)
from streams.ingest.imports.readers import column, columns, conditions, constant, reference, template, values


class Surroundings(NamedTuple):
    """What the rest of the mapping allows in its rules."""

    lines: bool
    states: bool
    private: tuple[str, ...]


def rules(place: Place, around: Surroundings) -> tuple[Rule, ...]:
    """The rules in the order they are written, which is the order of events of one row at one time."""
    return several(lambda entry: _rule(entry, around))(place)


def _rule(place: Place, around: Surroundings) -> Rule:
    entries = place.entries()
    if "type" not in entries:
        raise place.wrong("'type' is missing")
    type_ = choice(CONTRACTS)(entries["type"])
    readers: dict[str, Reader[Any]] = {
        "type": lambda _: type_,
        "time": columns,
        "not_before": columns,
        "subject": _subject,
        "id": template,
        "where": conditions,
        "when": _change,
        "data": partial(_data, CONTRACTS[type_].fields, around),
    }
    found = fields(place, readers, ("time", "data"))
    if around.states and "when" not in found:
        raise place.wrong("'when' is missing: with states_of an event comes from a change, not from every row")
    if not around.states and "when" in found:
        raise entries["when"].wrong("a change can only be seen with states_of")
    return Rule(
        type=type_,
        time=found["time"],
        subject=_subject_of(type_, place, found),
        data=found["data"],
        not_before=found.get("not_before", ()),
        id=found.get("id"),
        where=found.get("where", ()),
        change=found.get("when"),
    )


def _subject(place: Place) -> Value:
    return FirstOf(columns(place)) if place.is_list else reference(place)


def _subject_of(type_: str, rule: Place, found: dict[str, Any]) -> Value:
    """The record key: the order's id where the event has it, which brings an order, its delivery and its
    tickets together; else what is given, or the ticket's id."""
    data: dict[str, Value] = found["data"]
    if "order_id" in CONTRACTS[type_].fields and type_ != "ticket.opened":
        if "subject" in found:
            raise rule.entries()["subject"].wrong(f"leave it out: the subject of {type_} is its data.order_id")
        return data["order_id"]
    if "subject" in found:
        return cast("Value", found["subject"])
    if type_.startswith("ticket.") and "order_id" not in data:
        return data["ticket_id"]
    raise rule.wrong("'subject' is missing: the order's id; of a list of columns the first with a value counts")


def _change(place: Place) -> Change:
    if not place.is_mapping:
        choice(["first"])(place)
        return Change("first")
    readers: dict[str, Reader[Any]] = {"enters": _states, "leaves": _states, "rises": column}
    found = fields(place, readers)
    if len(found) != 1:
        raise place.wrong("expected one of enters, leaves, rises, or first")
    kind, what = next(iter(found.items()))
    return Change("rises", what) if kind == "rises" else Change(cast("ChangeKind", kind), *what)


def _states(place: Place) -> tuple[str, tuple[str, ...]]:
    found = fields(place, dict.fromkeys(place.entries(), values))
    if len(found) != 1:
        raise place.wrong("expected one column and its values")
    return next(iter(found.items()))


def _data(contract: dict[str, Field], around: Surroundings, place: Place) -> dict[str, Value]:
    readers: dict[str, Reader[Any]] = {name: partial(_value, name, field, around) for name, field in contract.items()}
    return fields(place, readers, [name for name, field in contract.items() if field.required])


def _value(name: str, field: Field, around: Surroundings, place: Place) -> Value:
    if field.kind == "items":
        return _each(place, around)
    if name == "customer":
        value = reference(place)
        if not isinstance(value, Column) or value.column not in around.private:
            raise place.wrong(
                f"{place.text()!r} is not a column listed under private "
                "(a customer enters an event as a pseudonym only)"
            )
        return value
    if not place.is_mapping:
        value = reference(place)
        if isinstance(value, Template) and field.kind != "text":
            raise place.wrong(f"{place.text()!r} is not a column's name (a template gives text, not {field.kind})")
        return value
    if "constant" in place.entries():
        return _constant(place, field)
    found = fields(place, {"sum": column, "times": column, "negate": flag}, ["sum"])
    if not around.lines:
        raise place.wrong("a sum needs lines_of: there is nothing to add up in a single row")
    if field.kind not in ("money", "integer"):
        raise place.wrong(f"a sum is no {field.kind}")
    return Sum(found["sum"], found.get("times"), found.get("negate", False))


def _each(place: Place, around: Surroundings) -> Each:
    if not around.lines:
        raise place.wrong("items need lines_of: a single row is no list of lines")

    def items(here: Place) -> dict[str, Column | Constant]:
        readers: dict[str, Reader[Any]] = {name: partial(_item_field, field) for name, field in ITEM_FIELDS.items()}
        return fields(here, readers, [name for name, field in ITEM_FIELDS.items() if field.required])

    return Each(fields(place, {"each": items}, ["each"])["each"])


def _item_field(field: Field, place: Place) -> Column | Constant:
    return _constant(place, field) if place.is_mapping else Column(column(place))


def _constant(place: Place, field: Field) -> Constant:
    value = constant(place)
    try:
        msgspec.convert(typed(value, field), field.hint)
    except (ValueError, msgspec.ValidationError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else f"Expected {field.kind}"
        here = place.entries()["constant"]
        raise here.wrong(f"{value.value!r}: {reason[:1].lower()}{reason[1:].replace('`', '')}") from None
    return value


def typed(value: Constant, field: Field) -> str | int | float:
    """A constant as its field wants it. Raises ValueError where it is no number."""
    if field.kind in ("money", "integer"):
        return int(value.value)
    return float(value.value) if field.kind == "number" else value.value
