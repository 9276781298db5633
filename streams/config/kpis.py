"""The ``kpis`` section: each entry becomes a definition the core understands, or errors at its lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal

from streams.config.contracts import fields_of
from streams.config.places import Noted, Place, meant, read
from streams.config.readers import (
    Reader,
    choice,
    fields,
    literal,
    number,
    parse_span,
    several,
    span,
    span_text,
    text,
)
from streams.config.structs import DAY, HOUR, WEEK
from streams.config.terms import Terms, check_promised
from streams.config.vocabulary import Vocabulary, check_metric_name
from streams.kpis.definitions import (
    Better,
    DurationKpi,
    Entity,
    Kind,
    KpiDefinition,
    LevelKpi,
    MeasureKind,
    MeasureKpi,
    Span,
    Term,
)

MOST_SLICES = 32
DEFAULT_GRAIN = Span("1h", HOUR)
DEFAULT_WINDOWS = (DEFAULT_GRAIN, Span("24h", DAY))
DEFAULT_QUANTILES = (0.5, 0.9)

_OWN_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: keys it needs, keys it may have
    "count": (("of",), ()),
    "sum": (("of", "field"), ()),
    "mean": (("of", "field"), ()),
    "ratio": (("of", "per"), ()),
    "duration": (("entity", "from", "to"), ("quantiles",)),
    "level": (("entity", "from", "until"), ("again", "overdue")),
}
_UNITS = {"ratio": "ratio", "duration": "seconds"}
_PLURALS = {"order": "orders", "delivery": "deliveries", "ticket": "tickets"}
_FIELD_UNITS = {"amount": "money", "score": "score", "items.quantity": "items", "items.count": "items"}


def read_kpis(place: Place, vocabulary: Vocabulary) -> tuple[KpiDefinition, ...]:
    """All KPIs without a mistake; the mistakes of the others are noted."""
    kpis: list[KpiDefinition] = []
    entries = place.declared()
    if not place.entries(keep_empty=True):
        place.note("no KPI at all (there must be one to watch)")
    for name, entry in entries.items():
        try:
            kpis.append(read(entry, partial(_kpi, name=name, vocabulary=vocabulary)))
        except Noted:
            continue
    for kpi in kpis:
        # A duration's metric ends in its unit.
        if kpi.unit == "seconds" and f"{kpi.name}_seconds" in entries:
            entries[f"{kpi.name}_seconds"].note(f"its metric would have the name of that of {kpi.name}")
    return tuple(kpis)


def _kpi(place: Place, name: str, vocabulary: Vocabulary) -> KpiDefinition:
    check_metric_name(place, name)
    return _KpiReader(name, place, vocabulary).read()


class _KpiReader:
    def __init__(self, name: str, place: Place, vocabulary: Vocabulary) -> None:
        self.name = name
        self.place = place
        self.vocabulary = vocabulary
        self.terms = Terms(vocabulary.moments)

    def read(self) -> KpiDefinition:
        kinds: Reader[Kind] = literal(Kind)
        entries = self.place.entries()
        if "kind" not in entries:
            raise self.place.wrong(f"'kind' is missing (one of {', '.join(_OWN_KEYS)})")
        kind = read(entries["kind"], kinds)
        needed, optional = _OWN_KEYS[kind]
        readers = self._common(kind) | {key: self._own()[key] for key in (*needed, *optional)}
        misplaced = self._misplaced(kind, entries, readers)
        values = fields(self.place, readers, needed, misplaced)
        common = {
            "name": self.name,
            "unit": values.get("unit") or self._unit(kind, values),
            "better": values.get("better", "neither"),
            "by": values.get("by", ()),
            "windows": values.get("windows", DEFAULT_WINDOWS),
            "grain": values.get("grain", DEFAULT_GRAIN),
            "description": values.get("description", ""),
            "goal_min": values.get("goal", {}).get("min"),
            "goal_max": values.get("goal", {}).get("max"),
        }
        if kind == "duration":
            return self._duration(common, entries, values)
        if kind == "level":
            return self._level(common, entries, values)
        return self._measure(kind, common, entries, values)

    def _misplaced(self, kind: Kind, entries: Mapping[str, Place], known: Iterable[str]) -> set[str]:
        """The keys that only KPIs of other kinds have. Each is noted."""
        misplaced: set[str] = set()
        for key in set(entries) - set(known):
            users = [other for other, keys in _OWN_KEYS.items() if key in (*keys[0], *keys[1])]
            if users:
                entries[key].note(f"not for a KPI of kind {kind} (only {', '.join(users)})")
                misplaced.add(key)
        return misplaced

    def _common(self, kind: Kind) -> dict[str, Reader[Any]]:
        return {
            "kind": literal(Kind),
            "unit": self._unit_reader(kind),
            "better": literal(Better),
            "by": several(self._slice, least=0, most=MOST_SLICES),
            "windows": self._windows,
            "grain": self._grain,
            "description": text(300),
            "goal": lambda place: self._goal(place, kind),
        }

    def _own(self) -> dict[str, Reader[Any]]:
        moments = self.terms.moments
        return {
            "of": self.terms.term,
            "per": self.terms.term,
            "field": text(64),
            "entity": literal(Entity),
            "from": moments,
            "to": moments,
            "until": moments,
            "again": moments,
            "quantiles": several(_quantile, most=10),
            "overdue": _overdue,
        }

    def _measure(
        self, kind: MeasureKind, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]
    ) -> MeasureKpi:
        of: Term = values["of"]
        field = values.get("field")
        if field is not None:
            if of.first:
                raise entries["of"].wrong(f"a {kind} needs moments here; 'first' only counts")
            for moment in self.terms.events(of.moments):
                numbers = fields_of(moment).numbers
                if field not in numbers:
                    raise entries["field"].wrong(f"{moment} has no number {field!r}{meant(field, numbers)}")
            of = Term(moments=of.moments, field=field)
        return MeasureKpi(kind=kind, of=of, per=values.get("per"), **common)

    def _duration(self, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]) -> DurationKpi:
        self.terms.check_seen(values["entity"], entries["from"], entries["to"])
        if set(values["from"]) & set(values["to"]):
            raise entries["to"].wrong("the end is a moment it starts at")
        quantiles = tuple(sorted(values.get("quantiles", DEFAULT_QUANTILES)))
        return DurationKpi(
            entity=values["entity"], start=values["from"], end=values["to"], quantiles=quantiles, **common
        )

    def _level(self, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]) -> LevelKpi:
        again = [entries["again"]] if "again" in entries else []
        self.terms.check_seen(values["entity"], entries["from"], entries["until"], *again)
        if set(values["until"]) & {*values["from"], *values.get("again", ())}:
            raise entries["until"].wrong("a moment cannot both let in and let out")
        overdue = values.get("overdue")
        if overdue == "promise":
            check_promised(entries["overdue"], values["entity"])
        return LevelKpi(
            entity=values["entity"],
            start=values["from"],
            until=values["until"],
            again=values.get("again", ()),
            overdue=overdue,
            **common,
        )

    def _slice(self, place: Place) -> tuple[str, ...]:
        dimensions = self.vocabulary.dimensions
        names = several(lambda here: _dimension(here, dimensions), most=2)(place)
        return tuple(sorted(names, key=list(dimensions).index))

    def _grain(self, place: Place) -> Span:
        grain = span(most=WEEK)(place)
        self._check_panes(place, grain)
        if grain.ms < DAY and DAY % grain.ms:
            raise place.wrong(f"a day is not a whole number of {grain.text!r} (expected like 15m, 1h, 6h)")
        if grain.ms > DAY and grain.ms % DAY:
            raise place.wrong(f"{grain.text!r} is not a whole number of days (expected like 1d, 1w)")
        return grain

    def _windows(self, place: Place) -> tuple[Span, ...]:
        windows = several(span(most=WEEK), least=0, most=10)(place)
        for item, window in zip(place.items(), windows, strict=False):
            self._check_panes(item, window)
            if any(other.ms == window.ms for other in windows if other is not window):
                raise item.wrong(f"{window.text!r} is as long as another window")
        return windows

    def _check_panes(self, place: Place, length: Span) -> None:
        pane = self.vocabulary.pane_ms
        if pane and length.ms % pane:
            raise place.wrong(f"{length.text!r} is not a multiple of time.pane ({span_text(pane)})")

    def _goal(self, place: Place, kind: Kind) -> dict[str, float]:
        reader = _seconds if kind == "duration" else number
        goal = fields(place, {"min": reader, "max": reader})
        if not goal:
            raise place.wrong("expected 'min', 'max' or both")
        if "min" in goal and "max" in goal and goal["min"] > goal["max"]:
            raise place.wrong(f"min {goal['min']:g} is more than max {goal['max']:g}")
        if kind == "ratio":
            for key, value in goal.items():
                if not 0 <= value <= 1:
                    raise place.entries()[key].wrong(f"{value:g} is no ratio from 0 to 1 (95 % is 0.95)")
        return goal

    def _unit_reader(self, kind: Kind) -> Reader[str]:
        if kind in _UNITS:
            return choice([_UNITS[kind]])
        return text(32)

    def _unit(self, kind: Kind, values: dict[str, Any]) -> str:
        if kind in _UNITS:
            return _UNITS[kind]
        if kind == "level":
            return _PLURALS[values["entity"]]
        if kind in ("sum", "mean"):
            return _FIELD_UNITS.get(str(values["field"]), str(values["field"]))
        entities = {event.split(".")[0] for event in self.terms.events(values["of"].moments)}
        return _PLURALS[entities.pop()] if len(entities) == 1 else "events"


def _dimension(place: Place, dimensions: Iterable[str]) -> str:
    name = place.text("a dimension")
    if name not in dimensions:
        raise place.wrong(f"unknown dimension {name!r}{meant(name, dimensions)}")
    return name


def _quantile(place: Place) -> float:
    value = number(place)
    if not 0 < value < 1:
        raise place.wrong(f"{place.text()} is not between 0 and 1 (the median is 0.5)")
    return value


def _overdue(place: Place) -> Literal["promise"] | int:
    written = place.text("'promise' or a duration")
    if written == "promise":
        return "promise"
    try:
        deadline = parse_span(written).ms
    except ValueError:
        raise place.wrong(f"{written!r} is neither 'promise' nor a duration (like 48h)") from None
    if deadline == 0:
        raise place.wrong("a deadline of nothing")
    return deadline


def _seconds(place: Place) -> float:
    """A goal of a duration: ``48h``, or a number of seconds."""
    try:
        return parse_span(place.text()).ms / 1000
    except ValueError:
        return number(place)
