"""What the event contracts ask of a mapping: each type's data fields, their kinds, which are required."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from streams.events import types

FieldKind = Literal["text", "money", "time", "integer", "number", "items"]


class Field(NamedTuple):
    """A data field: its kind decides how a column becomes its value; ``hint`` is its type in the contract."""

    kind: FieldKind
    required: bool
    hint: Any


class Contract(NamedTuple):
    """An event type. ``family`` is its topic: 0 orders, 1 deliveries, 2 support. ``fields`` are in the order
    of the data struct's arguments."""

    event: type[Any]
    data: type[Any]
    family: int
    fields: dict[str, Field]


def _kind(hint: Any) -> FieldKind:
    if get_origin(hint) in (Union, UnionType):
        hint = next(arg for arg in get_args(hint) if arg is not NoneType)
    if hint == types.Minor:
        return "money"
    if hint == types.Timestamp:
        return "time"
    if get_origin(hint) is list:
        return "items"
    base = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    if base is int:
        return "integer"
    return "number" if base is float else "text"


def fields_of(struct: type[Any]) -> dict[str, Field]:
    """The fields of a data struct, in order."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        field.name: Field(_kind(hints[field.name]), field.required, hints[field.name])
        for field in msgspec.structs.fields(struct)
    }


def _contract(event: type[Any], family: int) -> Contract:
    data = get_type_hints(event)["data"]
    return Contract(event, data, family, fields_of(data))


CONTRACTS: dict[str, Contract] = {
    str(event.__struct_config__.tag): _contract(event, family)
    for family, events in enumerate((types.ORDER_TYPES, types.DELIVERY_TYPES, types.SUPPORT_TYPES))
    for event in events
}
"""Every type that can be imported."""

ITEM_FIELDS = fields_of(types.Item)
