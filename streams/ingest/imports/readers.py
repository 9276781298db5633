"""Readers that mappings add to those of the configuration: columns, templates, tests of columns."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import cast

from streams.config.places import Place
from streams.config.readers import fields, flag, several
from streams.ingest.imports.mapping import Column, Condition, Constant, Part, Template, Test

_BRACES = re.compile(r"\{([^{}|]*)(?:\|([^{}]*))?\}")
_BY_TEXT: dict[str, Test] = {"is": "one_of", "is_not": "none_of"}
_BY_SIZE = ("equals", "above", "below", "at_least", "at_most")


def column(place: Place) -> str:
    """A column's name."""
    name = place.text("a column's name")
    if not name.strip():
        raise place.wrong("is empty (expected a column's name)")
    return name


def written(place: Place) -> str:
    """A value as data have it: any text, the empty one too."""
    return place.text("a value")


columns = several(column)
values = several(written)


def reference(place: Place) -> Column | Template:
    """A column's name, or a template where there are braces."""
    return template(place) if "{" in place.text("a column's name or a template") else Column(column(place))


def template(place: Place) -> Template:
    """Text with ``{column}`` or ``{column|what stands in where it is empty}`` in it."""
    text = place.text("a template")
    parts: list[Part] = []
    at = 0
    for match in _BRACES.finditer(text):
        if match.start() > at:
            parts.append(Part(text[at : match.start()]))
        parts.append(Part("", match[1], match[2]))
        at = match.end()
    if at < len(text):
        parts.append(Part(text[at:]))
    if any("{" in part.text or "}" in part.text or part.column == "" for part in parts):
        raise place.wrong(f"{text!r} is not a template (expected like '{{order_id}}:paid')")
    if not any(part.column for part in parts):
        raise place.wrong(f"{text!r} would be the same for every event (expected a {{column}} in it)")
    return Template(tuple(parts))


def constant(place: Place) -> Constant:
    """``{constant: BRL}``."""
    return Constant(fields(place, {"constant": written}, ["constant"])["constant"])


def conditions(place: Place) -> tuple[Condition, ...]:
    """Tests of columns, all of which must hold: a value, a list of values, or tests by name."""
    found: list[Condition] = []
    for name, test in place.entries().items():
        if not test.is_mapping:
            found.append(Condition(name, "one_of", values(test)))
            continue
        readers = {**dict.fromkeys(_BY_TEXT, values), **dict.fromkeys(_BY_SIZE, _decimal), "present": flag}
        for key, wanted in fields(test, readers).items():
            if key == "present":
                found.append(Condition(name, "present" if wanted else "empty"))
            elif key in _BY_TEXT:
                found.append(Condition(name, _BY_TEXT[key], wanted))
            else:
                found.append(Condition(name, cast("Test", key), number=wanted))
    return tuple(found)


def _decimal(place: Place) -> Decimal:
    try:
        number = Decimal(place.text("a number"))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number) > 10**12:
        raise place.wrong(f"{place.text()!r} is not a number (expected like 0 or 9.95)")
    return number
