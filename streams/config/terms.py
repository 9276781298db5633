"""Moments and terms: the words KPIs are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streams.config.contracts import sees
from streams.config.places import Place, meant
from streams.config.readers import fields, literal, milliseconds, several
from streams.kpis.definitions import DurationKpi, Entity, KpiDefinition, LevelKpi, Moment, Promise, Term


class Terms:
    """Readers that know the moments. A moment declared with a mistake is known, but is None."""

    def __init__(self, moments: Mapping[str, Moment | None]) -> None:
        self._declared = moments

    def moment(self, place: Place) -> str:
        """A moment's name."""
        name = place.text("a moment")
        if name not in self._declared:
            raise place.wrong(f"unknown moment {name!r}{meant(name, self._declared)}")
        return name

    def moments(self, place: Place) -> tuple[str, ...]:
        """One moment or a list of them."""
        return several(self.moment)(place)

    def term(self, place: Place) -> Term:
        """One side of a KPI: moments, or a mapping that begins with ``first``."""
        if not place.is_mapping:
            return Term(moments=self.moments(place))
        values = fields(
            place,
            {
                "first": self.moments,
                "entity": literal(Entity),
                "promise": literal(Promise),
                "from": self.moment,
                "within": milliseconds(),
            },
            ["first", "entity"],
        )
        entries = place.entries()
        self.check_seen(values["entity"], *(entries[key] for key in ("first", "from") if key in entries))
        if "promise" in values:
            check_promised(entries["promise"], values["entity"])
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

    def events(self, names: Iterable[str]) -> list[str]:
        """The event types of moments, those declared with a mistake left out."""
        found = (self._declared[name] for name in names)
        return [moment.event for moment in found if moment is not None]

    def check_seen(self, entity: Entity, *places: Place) -> None:
        """Raise Wrong where a moment (or a list of them) is none in the life of such an entity."""
        for place in places:
            for item in place.items():
                for event in self.events([item.text()]):
                    if not sees(entity, event):
                        raise item.wrong(f"a {entity} does not see {event} (only an order sees all of its events)")


def check_promised(place: Place, entity: Entity) -> None:
    """Raise Wrong where an entity is never promised for a time."""
    if entity == "ticket":
        raise place.wrong("a ticket is promised for no time (only an order or a delivery is)")


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
