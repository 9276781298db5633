"""From the YAML of a mapping to :class:`.mapping.Mapping`, with everything checked that needs no data."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streams.config.places import Noted, Place, Problems, Wrong, compose
from streams.config.readers import Reader, choice, fields, flag, integer, matching, several, text
from streams.errors import ConfigError, MappingError
from streams.ingest.imports.mapping import (
    MILLISECONDS,
    RFC3339,
    SECONDS,
    How,
    Input,
    Join,
    Mapping,
    Skip,
    Take,
    TimeFormat,
)
from streams.ingest.imports.readers import column, columns, conditions, values
from streams.ingest.imports.rules import Surroundings, rules

PACKAGED = Path(__file__).resolve().parent.parent / "mappings"
"""The mappings that come with Daybook. ``<name>.daybook.yaml`` beside one is a configuration with KPIs for
it."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_ASCII = re.compile(r"[\x01-\x7f]")


def mapping_names() -> list[str]:
    """The names of the mappings that come with Daybook."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml") if "." not in path.stem)


def load_mapping(name_or_path: str | Path) -> Mapping:
    """A packaged mapping by its name, or one's own by its path.

    Raises :class:`MappingError` with one line for each mistake: file, line, key, value and what was expected.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = PACKAGED / f"{name_or_path}.yaml"
        if str(name_or_path) not in mapping_names():
            known = ", ".join(mapping_names())
            raise MappingError(f"{name_or_path}: no such mapping (expected {known}, or the path of a .yaml file)")
    problems = Problems()
    try:
        return _mapping(compose(path, str(path), problems), path)
    except Wrong as wrong:
        problems.add(wrong)
    except Noted:
        pass
    except ConfigError as error:
        raise MappingError(str(error)) from None
    raise MappingError(str(problems.error()))


def _mapping(top: Place, path: Path) -> Mapping:
    # What rules may say depends on these, so they are read before.
    entries = top.entries()
    around = Surroundings(
        "lines_of" in entries,
        "states_of" in entries,
        columns(entries["private"]) if "private" in entries else (),
    )
    readers: dict[str, Reader[Any]] = {
        "name": matching(_NAME, "a name of small letters, digits, '-' and '_', a letter first"),
        "description": text(),
        "timezone": _timezone,
        "inputs": _inputs,
        "nulls": values,
        "private": columns,
        "times": _times,
        "numbers": _numbers,
        "skip": several(_skip),
        "lines_of": columns,
        "states_of": column,
        "in_order_of": column,
        "events": lambda place: rules(place, around),
    }
    found = fields(top, readers, ("name", "timezone", "inputs", "events"))
    if around.lines and around.states:
        raise entries["states_of"].wrong("not together with lines_of: a row is a line of an order or a state")
    if "in_order_of" in found and not around.states:
        raise entries["in_order_of"].wrong("only states have an order (expected states_of beside it)")
    default_time, times = found.pop("times", (TimeFormat(), {}))
    numbers = found.pop("numbers", {})
    return Mapping(
        file=path,
        default_time=default_time,
        times=times,
        rules=found.pop("events"),
        description=found.pop("description", ""),
        **found,
        **numbers,
    )


def _timezone(place: Place) -> str:
    name = place.text("a time zone")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise place.wrong(f"{name!r} is not a time zone (expected like Europe/Berlin or UTC)") from None
    return name


def _inputs(place: Place) -> tuple[Input, ...]:
    entries = place.entries()
    found = fields(place, {name: partial(_input, name) for name in entries})
    inputs: tuple[Input, ...] = tuple(found.values())
    if sum(source.join is None for source in inputs) != 1:
        raise place.wrong("expected exactly one without a join: the one whose rows become events")
    return inputs


def _input(name: str, place: Place) -> Input:
    one_character = matching(_ASCII, "one ASCII character")
    readers: dict[str, Reader[Any]] = {
        "format": choice(("csv", "parquet")),
        "delimiter": one_character,
        "quote": one_character,
        "encoding": _encoding,
        "join": _join,
    }
    return Input(name=name, **fields(place, readers, ["format"]))


def _encoding(place: Place) -> str:
    name = place.text("an encoding")
    try:
        "".encode(name)
    except LookupError:
        raise place.wrong(f"{name!r} is not an encoding (expected like utf-8 or cp1252)") from None
    return name


def _join(place: Place) -> Join:
    found = fields(place, {"key": column, "to": column, "take": _takes}, ["key", "take"])
    return Join(key=found["key"], to=found.get("to", found["key"]), take=found["take"])


def _takes(place: Place) -> dict[str, Take]:
    return fields(place, dict.fromkeys(place.entries(), _take))


def _take(place: Place) -> Take:
    readers = {"sum": column, "first": column, "last": column, "count": choice(["rows"]), "order_by": column}
    found = fields(place, readers)
    order_by = found.pop("order_by", None)
    if len(found) != 1:
        raise place.wrong("expected one of sum, first, last, count")
    how, what = next(iter(found.items()))
    if order_by is not None and how not in ("first", "last"):
        raise place.entries()["order_by"].wrong(f"a {how} has no order")
    return Take(cast("How", how), "" if how == "count" else what, order_by)


def _times(place: Place) -> tuple[TimeFormat, dict[str, TimeFormat]]:
    found = fields(place, {"format": _time_format, "columns": _time_columns})
    default = TimeFormat(found.get("format"))
    own = found.get("columns", {})
    return default, {name: TimeFormat(time.format or default.format, time.end_of_day) for name, time in own.items()}


def _time_columns(place: Place) -> dict[str, TimeFormat]:
    return fields(place, dict.fromkeys(place.entries(), _time_column))


def _time_column(place: Place) -> TimeFormat:
    if not place.is_mapping:
        return TimeFormat(_time_format(place))
    return TimeFormat(**fields(place, {"format": _time_format, "end_of_day": flag}))


def _time_format(place: Place) -> str:
    form = place.text("a time format")
    if form not in (SECONDS, MILLISECONDS, RFC3339) and not any(year in form for year in ("%Y", "%y", "%s")):
        raise place.wrong(
            f"{form!r} is not a time format (expected like '%d/%m/%Y %H:%M', or {SECONDS}, {MILLISECONDS}, {RFC3339})"
        )
    return form


def _numbers(place: Place) -> dict[str, Any]:
    readers: dict[str, Reader[Any]] = {
        "money_digits": integer(0, 4),
        "decimal": choice((".", ",")),
        "thousands": choice((".", ",", " ", "'")),
    }
    found = fields(place, readers)
    if found.get("thousands") == found.get("decimal", "."):
        raise place.entries()["thousands"].wrong("the same as the decimal sign")
    return found


def _skip(place: Place) -> Skip:
    found = fields(place, {"when": conditions, "because": text()}, ["when", "because"])
    return Skip(found["when"], found["because"])
