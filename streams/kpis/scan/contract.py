"""The event contracts as arrays: what the scanner has to know of every field of every type."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import inspect

from streams.events.rejections import Family
from streams.events.types import (
    DELIVERY_TYPES,
    ORDER_TYPES,
    SUPPORT_TYPES,
    DeliveryDispatched,
    Event,
    Item,
    SourceHeartbeat,
    TicketOpened,
)
from streams.kpis.columns import HEARTBEAT

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

ENVELOPE, ITEM = HEARTBEAT + 1, HEARTBEAT + 2
"""Behind the types in the tables: the fields around ``data``, and those of an order's lines."""

TEXT: Final = 0
"""A text; ``low`` and ``high`` are its least and most characters."""
CHOICE: Final = 1
"""One of a few texts; ``low`` and ``high`` delimit them in :data:`CHOICES`."""
WHOLE: Final = 2
"""A whole number from ``low`` to ``high``."""
REAL: Final = 3
"""A number the whole part of which is less than ``high``, whatever its sign."""
TIME: Final = 4
"""A time; ``low`` and ``high`` as a text's."""
ITEMS: Final = 5
"""An order's lines: two slots, their quantities added up, and how many."""
UNREADABLE: Final = 6
"""Something the scanner does not know."""

# The fields of the envelope, in the order of their bits.
SPECVERSION, ID, SOURCE, TYPE, MOMENT, SUBJECT, DATA = range(7)
_ENVELOPE = ("specversion", "id", "source", "type", "time", "subject", "data")
_ITEM = ("sku", "quantity", "unit_price", "category")
ITEM_QUANTITY: Final = _ITEM.index("quantity")

MOST_SLOTS: Final = 12
"""No type's data has more fields than this, with one to spare for the lines."""
LONGEST_NAME: Final = 16
"""Field names and choices are compared as two words."""
LONGEST_TYPE: Final = 24


class Field(NamedTuple):
    """One field of a type's data, and its slot."""

    name: str
    form: int
    slot: int


_FAMILY_TYPES = (ORDER_TYPES, DELIVERY_TYPES, SUPPORT_TYPES)
_OF_AN_ORDER = (*ORDER_TYPES, DeliveryDispatched, TicketOpened)
FAMILY_OF: dict[Family, int] = {"orders": 0, "deliveries": 1, "support": 2}


def _words(text: str, count: int) -> list[int]:
    raw = text.encode().ljust(8 * count, b"\0")
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, 8 * count, 8)]


def _struct(kind: Any) -> inspect.StructType:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info


def _form(kind: Any, choices: list[list[int]]) -> tuple[int, int, int, bool]:
    """Form, low, high and whether it may be null."""
    nullable = False
    if isinstance(kind, inspect.UnionType):
        present = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        nullable = len(present) < len(kind.types)
        if len(present) != 1:
            return UNREADABLE, 0, 0, False
        kind = present[0]
    schema: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata):
        schema |= kind.extra_json_schema or {}
        kind = kind.type
    match kind:
        case inspect.StrType(pattern=None) if kind.max_length is not None and kind.max_length <= 256:
            return (
                TIME if schema.get("format") == "date-time" else TEXT,
                kind.min_length or 0,
                kind.max_length,
                nullable,
            )
        case inspect.LiteralType() if all(isinstance(one, str) and len(one) <= LONGEST_NAME for one in kind.values):
            begin = len(choices)
            choices += [_words(str(one), 2) for one in kind.values]
            return CHOICE, begin, len(choices), nullable
        case inspect.IntType(ge=int(low), le=int(high), gt=None, lt=None, multiple_of=None) if low >= 0:
            return WHOLE, low, high, nullable
        case inspect.FloatType(ge=low, le=high, gt=None, lt=None, multiple_of=None) if low is not None and high:
            return REAL, 0, int(min(-low, high)), nullable
        case inspect.ListType(item_type=inspect.StructType() as item, min_length=None, max_length=None):
            return ITEMS if item.cls is Item else UNREADABLE, 0, 0, nullable
    return UNREADABLE, 0, 0, nullable


@cache
def data_fields() -> tuple[tuple[Field, ...], ...]:
    """The fields of every type's data, by type code, the heartbeat last."""
    found = []
    for cls in _classes():
        fields, slot = [], 0
        for field in _struct(_data_of(cls)).fields:
            form = _form(field.type, [])[0]
            fields.append(Field(field.encode_name, form, slot))
            slot += 2 if form == ITEMS else 1
        assert slot <= MOST_SLOTS
        found.append(tuple(fields))
    return tuple(found)


def _classes() -> list[type[Event]]:
    return [*ORDER_TYPES, *DELIVERY_TYPES, *SUPPORT_TYPES, SourceHeartbeat]


def _data_of(cls: type[Event]) -> Any:
    return next(field.type.cls for field in _struct(cls).fields if field.name == "data")  # type: ignore[attr-defined]


def slot_of(kind: int, name: str) -> int:
    """The slot of a field of a type's data, -1 where it has none of this name."""
    return next((field.slot for field in data_fields()[kind] if field.name == name), -1)


def _tables() -> tuple[Any, ...]:
    choices: list[list[int]] = []
    first, required, rows = [0], [], []
    kinds: list[list[tuple[str, Any, int]]] = []
    for cls, known in zip(_classes(), data_fields(), strict=True):
        fields = _struct(_data_of(cls)).fields
        kinds.append([(field.encode_name, field, one.slot) for field, one in zip(fields, known, strict=True)])
    for names, struct in ((_ENVELOPE, ORDER_TYPES[0]), (_ITEM, Item)):
        by_name = {field.encode_name: field for field in _struct(struct).fields}
        assert by_name.keys() <= set(names)
        kinds.append([(name, by_name.get(name), 0) for name in names])
    for fields_of_kind in kinds:
        bits = 0
        for bit, (name, field, slot) in enumerate(fields_of_kind):
            assert len(name) <= LONGEST_NAME
            form = (UNREADABLE, 0, 0, False) if field is None or name == "data" else _form(field.type, choices)
            bits |= (field is None or field.required or name == "specversion") << bit
            rows.append((_words(name, 2), len(name), *form, slot))
        first.append(first[-1] + len(fields_of_kind))
        required.append(bits)
    return (_ints(first), _ints(required), np.array(choices, dtype=np.uint64).reshape(-1, 2), *zip(*rows, strict=True))


def _tag(cls: type[Event]) -> str:
    name = str(cls.__struct_config__.tag)
    assert len(name) <= LONGEST_TYPE
    return name


def _ints(values: Any) -> I64:
    return np.array([int(value) for value in values], dtype=np.int64)


# Arrays at the top of a module, and not handed around: the compiler takes them for constants.
FIRST, REQUIRED, CHOICES, *_columns = _tables()
"""``FIRST`` (K + 1) delimits the fields of each kind (a type, the envelope, a line), ``REQUIRED`` (K) has the bits of
those that must be there; ``CHOICES`` (C, 2) the words of the texts that fields must be one of."""
NAME = np.array(_columns[0], dtype=np.uint64)
"""Of each field (F, 2) the words of its name, then its length; what it is; whether it may be null; its slot."""
LENGTH, FORM, LOW, HIGH, NULLABLE, SLOT = (_ints(column) for column in _columns[1:])
TYPE_NAME = np.array([_words(_tag(cls), 3) for cls in _classes()], dtype=np.uint64)
"""Of each type the words of its name."""
FAMILY = _ints([next((n for n, many in enumerate(_FAMILY_TYPES) if cls in many), -1) for cls in _classes()])
"""Of each type the topic it belongs to, -1 for all of them."""
SUBJECT_SLOT = _ints([slot_of(n, "order_id") if cls in _OF_AN_ORDER else -1 for n, cls in enumerate(_classes())])
"""Where the id is that the subject must be, -1 for none."""
ENTITY_SLOT = _ints([max(slot_of(n, "delivery_id"), slot_of(n, "ticket_id")) for n in range(HEARTBEAT + 1)])
"""Where the id of the delivery or ticket is, -1 for none."""
PROMISE_SLOT = _ints([slot_of(n, "promised_at") for n in range(HEARTBEAT + 1)])
ITEMS_SLOT = _ints([slot_of(n, "items") for n in range(HEARTBEAT + 1)])
