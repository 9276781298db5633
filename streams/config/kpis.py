"""The ``kpis`` section: each entry becomes a definition the core understands, or errors at its lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from streams.config.contracts import fields_of, sees
from streams.config.places import Noted, Place, meant, read
from streams.config.readers import (
    Reader,
    choice,
    fields,
    literal,
    milliseconds,
    number,
    parse_span,
    several,
    span,
    span_text,
    text,
)
from streams.config.structs import DAY, HOUR, WEEK
from streams.config.vocabulary import Vocabulary, check_metric_name
from streams.kpis.definitions import (
    Better,
    DurationKpi,
    Entity,
    Kind,
    KpiDefinition,
    LevelKpi,
    MeasureKpi,
    Promise,
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
    entries = place.entries()
    if not entries:
        place.note("no KPI at all (there must be one to watch)")
    for name, entry in entries.items():
        try:
            kpis.append(read(entry, lambda here, name=name: _KpiReader(name, here, vocabulary).read()))  # type: ignore[misc]
        except Noted:
            continue
    return tuple(kpis)


class _KpiReader:
    def __init__(self, name: str, place: Place, vocabulary: Vocabulary) -> None:
        self.name = name
        self.place = place
        self.vocabulary = vocabulary

    def read(self) -> KpiDefinition:
        check_metric_name(self.place, self.name)
        kinds: Reader[Kind] = literal(Kind)
        entries = self.place.entries()
        if "kind" not in entries:
            raise self.place.wrong(f"'kind' is missing (one of {', '.join(_OWN_KEYS)})")
        kind = read(entries["kind"], kinds)
        needed, optional = _OWN_KEYS[kind]
        readers = self._common(kind) | {key: self._own()[key] for key in (*needed, *optional)}
        for key, entry in entries.items():
            users = [other for other, keys in _OWN_KEYS.items() if key in (*keys[0], *keys[1])]
            if key not in readers and users:
                entry.note(f"not for a KPI of kind {kind} (only {', '.join(users)})")
                readers[key] = lambda here: None
        values = fields(self.place, readers, needed)
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
        moments = several(self._moment)
        return {
            "of": self._term,
            "per": self._term,
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
        self, kind: Kind, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]
    ) -> MeasureKpi:
        of: Term = values["of"]
        field = values.get("field")
        if field is not None:
            if of.first:
                raise entries["of"].wrong(f"a {kind} needs moments here; 'first' only counts")
            for moment in self._known(of.moments):
                numbers = fields_of(moment).numbers
                if field not in numbers:
                    raise entries["field"].wrong(f"{moment} has no number {field!r}{meant(field, numbers)}")
            of = Term(moments=of.moments, field=field)
        return MeasureKpi(kind=kind, of=of, per=values.get("per"), **common)  # type: ignore[arg-type]

    def _duration(
        self, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]
    ) -> DurationKpi:
        self._check_seen(values["entity"], entries["from"], entries["to"])
        if set(values["from"]) & set(values["to"]):
            raise entries["to"].wrong("the end is a moment it starts at")
        quantiles = tuple(sorted(values.get("quantiles", DEFAULT_QUANTILES)))
        return DurationKpi(
            entity=values["entity"], start=values["from"], end=values["to"], quantiles=quantiles, **common
        )

    def _level(self, common: dict[str, Any], entries: dict[str, Place], values: dict[str, Any]) -> LevelKpi:
        again = [entries["again"]] if "again" in entries else []
        self._check_seen(values["entity"], entries["from"], entries["until"], *again)
        if set(values["until"]) & {*values["from"], *values.get("again", ())}:
            raise entries["until"].wrong("a moment cannot both let in and let out")
        overdue = values.get("overdue")
        if overdue == "promise":
            _check_promises(entries["overdue"], values["entity"])
        return LevelKpi(
            entity=values["entity"],
            start=values["from"],
            until=values["until"],
            again=values.get("again", ()),
            overdue=overdue,
            **common,
        )

    def _moment(self, place: Place) -> str:
        name = place.text("a moment")
        if name not in self.vocabulary.moments:
            raise place.wrong(f"unknown moment {name!r}{meant(name, self.vocabulary.moments)}")
        return name

    def _known(self, moments: Iterable[str]) -> list[str]:
        """The event types of moments, those declared with a mistake left out."""
        found = (self.vocabulary.moments[name] for name in moments)
        return [moment.event for moment in found if moment is not None]

    def _check_seen(self, entity: Entity, *places: Place) -> None:
        for place in (item for several_ in places for item in several_.items()):
            for event in self._known([place.text()]):
                if not sees(entity, event):
                    raise place.wrong(
                        f"a {entity} does not see {event} (only an order sees all of its events)"
                    )

    def _term(self, place: Place) -> Term:
        if not place.is_mapping:
            return Term(moments=several(self._moment)(place))
        values = fields(
            place,
            {
                "first": several(self._moment),
                "entity": literal(Entity),
                "promise": literal(Promise),
                "from": self._moment,
                "within": milliseconds(),
            },
            ["first", "entity"],
        )
        entries = place.entries()
        seen = [entries[key] for key in ("first", "from") if key in entries]
        self._check_seen(values["entity"], *seen)
        if "promise" in values:
            _check_promises(entries["promise"], values["entity"])
        if "within" in values and "from" not in values:
            raise entries["within"].wrong("needs 'from', the moment it is counted from")
        if values.get("from") in values["first"]:
            raise entries["from"].wrong("is the moment itself")
        return Term(
            moments=values["first"],
            first=True,
            entity=values["entity"],
            promise=values.get("promise"),
            since=values.get("from"),
            within=values.get("within"),
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
            return _FIELD_UNITS.get(values["field"], values["field"])
        entities = {event.split(".")[0] for event in self._known(values["of"].moments)}
        return _PLURALS[entities.pop()] if len(entities) == 1 else "events"


def moment_sets(kpis: Iterable[KpiDefinition]) -> set[frozenset[str]]:
    """The different sets of moments the KPIs ask for: each takes one of the core's bits."""
    found: set[frozenset[str]] = set()
    for kpi in kpis:
        if isinstance(kpi, DurationKpi):
            found |= {frozenset(kpi.start), frozenset(kpi.end)}
        elif isinstance(kpi, LevelKpi):
            found |= {frozenset(kpi.start), frozenset(kpi.until), frozenset(kpi.again)}
        else:
            terms = [kpi.of] if kpi.per is None else [kpi.of, kpi.per]
            found |= {frozenset(term.moments) for term in terms}
            found |= {frozenset([term.since]) for term in terms if term.since is not None}
    return found - {frozenset()}


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


def _check_promises(place: Place, entity: Entity) -> None:
    if entity == "ticket":
        raise place.wrong("a ticket is promised for no time (only an order or a delivery is)")
