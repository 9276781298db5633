"""What the event contracts allow a configuration to name, by reflection: a new field needs no line here."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec.inspect as inspect
from msgspec import Struct

from streams.events import types
from streams.events.types import ENTITY_OF_TYPE
from streams.kpis.definitions import Entity

ITEM_NUMBERS = ("items.count", "items.quantity")

_IDENTIFIER = inspect.type_info(types.Ref)
_TIMESTAMP = inspect.type_info(types.Timestamp)


class DataFields(Struct, frozen=True):
    """The fields of an event type's data that a configuration may name.

    ``texts`` maps a text field to the only values it can have, or to None where any text can be there.
    Identifiers and times are left out: they are different in every event. ``numbers`` are whole numbers.
    """

    texts: dict[str, tuple[str, ...] | None]
    numbers: tuple[str, ...]


@cache
def fields_of(event: str) -> DataFields:
    """The fields of a business event type."""
    info = inspect.type_info(_CLASSES[event])
    assert isinstance(info, inspect.StructType)
    data = next(field.type for field in info.fields if field.name == "data")
    assert isinstance(data, inspect.StructType)
    texts: dict[str, tuple[str, ...] | None] = {}
    numbers: list[str] = []
    for field in data.fields:
        kind = _bare(field.type)
        if kind in (_IDENTIFIER, _TIMESTAMP):
            continue
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.LiteralType):
            texts[field.encode_name] = tuple(str(value) for value in kind.values)
        elif isinstance(kind, inspect.StrType):
            texts[field.encode_name] = None
        elif isinstance(kind, inspect.IntType):
            numbers.append(field.encode_name)
        elif field.encode_name == "items":
            numbers.extend(ITEM_NUMBERS)
    return DataFields(texts, tuple(sorted(numbers)))


def sees(entity: Entity, event: str) -> bool:
    """Whether an event of this type is one in the entity's life.

    An order sees all that happens under its id; a delivery and a ticket see their own events.
    """
    return entity == "order" or ENTITY_OF_TYPE[event] == entity


_CLASSES: dict[str, type[Any]] = {
    str(cls.__struct_config__.tag): cls for cls in (*types.ORDER_TYPES, *types.DELIVERY_TYPES, *types.SUPPORT_TYPES)
}


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type of an optional field's value."""
    if isinstance(kind, inspect.UnionType):
        present = [member for member in kind.types if not isinstance(member, inspect.NoneType)]
        return present[0] if len(present) == 1 else kind
    return kind
