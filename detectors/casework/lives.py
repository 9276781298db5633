"""A life: what has happened to one order, its deliveries and its tickets, in a few hundred bytes."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping
from typing import NamedTuple

from streams.events.times import NO_TIME
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import Entity

WIDTH = 5
_TIME, _KEY, _META, _PLACE, _PROMISE = range(WIDTH)
MOST_ALIKE = 12
"""So many events of a type are kept of an order, a delivery or a ticket: the earliest ones."""
NEVER = 2**63 - 1
MOST_ENTITIES = 200
"""So many deliveries and tickets of an order are told apart."""


class Sort(NamedTuple):
    """What kind of event it is: its type, the moments it is, and what it says of itself in a word (a reason, a status,
    who wrote)."""

    type: str
    moments: frozenset[str]
    note: str


class Happened(NamedTuple):
    """One event of a life. ``time`` and ``promise`` are epoch ms, ``promise`` ``NO_TIME`` where none is given;
    ``entity`` is 0 for the order, otherwise which of :attr:`Life.entities`, counted from 1. ``values`` are those of the
    dimensions that the event itself tells of, None where it does not; ``place`` is where it is recorded."""

    time: int
    key: int
    sort: Sort
    entity: int
    values: tuple[str | None, ...]
    place: int
    promise: int


class Life:
    """Of one subject: an order, or a ticket that is about none.

    ``amount`` is what was ordered in minor units of the business currency, 0 where it is not known; ``last`` the newest
    event's time.
    """

    __slots__ = ("_stamp", "amount", "customer", "entities", "last", "rows", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.customer = ""
        self.amount = 0
        self.entities: list[str] = []
        """``delivery`` or ``ticket``, a slash, and its id."""
        self.last = NO_TIME
        self.rows = array("q")
        self._stamp: tuple[int, int] = (2**63, 0)

    def __len__(self) -> int:
        return len(self.rows) // WIDTH

    def entity(self, kind: Entity, id_: str) -> int | None:
        """The number of a delivery or ticket, a new one if it is not known; None where there are too many."""
        name = f"{kind}/{id_}"
        try:
            return self.entities.index(name) + 1
        except ValueError:
            if len(self.entities) >= MOST_ENTITIES:
                return None
            self.entities.append(name)
            return len(self.entities)

    def put(
        self, time: int, key: int, sort: int, type_: int, entity: int, values: int, place: int, promise: int
    ) -> bool:
        """Keep an event; False where it was known before. An event that was sent twice is where it was recorded
        first."""
        rows = self.rows
        keys = rows[_KEY::WIDTH]
        if key in keys:
            at = WIDTH * keys.index(key)
            rows[at + _PLACE] = min(rows[at + _PLACE], place)
            return False
        meta = sort | values << 16 | entity << 40 | type_ << 48
        rows.extend((time, key, meta, place, promise))
        self.last = max(self.last, time)
        if len(keys) >= MOST_ALIKE:
            self._thin(meta >> 40)
        return True

    def tell(self, time: int, key: int, customer: str | None, amount: int) -> None:
        """What the event that places the order says of it; the earliest such event counts."""
        if (time, key) < self._stamp:
            self._stamp = time, key
            self.customer, self.amount = customer or "", amount

    def _thin(self, alike: int) -> None:
        rows = self.rows
        places = [at for at in range(0, len(rows), WIDTH) if rows[at + _META] >> 40 == alike]
        if len(places) > MOST_ALIKE:
            latest = max(places, key=lambda at: (rows[at + _TIME], rows[at + _KEY]))
            del rows[latest : latest + WIDTH]

    @property
    def types(self) -> set[str]:
        """The types of the events that are known."""
        return {TYPE_NAMES[meta >> 48] for meta in self.rows[_META::WIDTH]}

    def first(self, types: Collection[str]) -> int:
        """When the first event of any of some types happened, epoch ms; the largest integer where none has."""
        rows = self.rows
        return min(
            (rows[at] for at in range(0, len(rows), WIDTH) if TYPE_NAMES[rows[at + _META] >> 48] in types),
            default=NEVER,
        )

    def story(self, sorts: list[Sort], values: list[tuple[str | None, ...]]) -> list[Happened]:
        """All that is kept, in event-time order; what happened at once in the order of the KPI core."""
        rows = self.rows
        found = [
            Happened(
                rows[at],
                rows[at + _KEY],
                sorts[rows[at + _META] & 0xFFFF],
                rows[at + _META] >> 40 & 0xFF,
                values[rows[at + _META] >> 16 & 0xFFFFFF],
                rows[at + _PLACE],
                rows[at + _PROMISE],
            )
            for at in range(0, len(rows), WIDTH)
        ]
        return sorted(found, key=lambda one: (one.time, one.key))


def selects(scope: Mapping[str, str], names: tuple[str, ...], values: tuple[str | None, ...]) -> bool:
    """Whether something with these dimension values lies in a scope."""
    return all(name not in scope or scope[name] == value for name, value in zip(names, values, strict=True))
