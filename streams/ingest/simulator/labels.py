"""The ground truth: for every injected incident, what it did and to whom, written down as it happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from streams.ingest.simulator.draws import uniform
from streams.ingest.simulator.incidents import CATALOGUE, Direction, Incident, Nature
from streams.ingest.simulator.localtime import Stamps

_FAULT_DRAWS = 10_000


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the label file. Times are RFC 3339.

    ``orders`` are those it touched: held up, failed to pay, duplicated, placed because of a promotion.
    ``tickets`` are those answered late because of it, or opened about a touched order because it was
    late or unpaid. ``events`` counts the events it changed, added, moved or withheld, ``lost_orders``
    those that were never placed. ``first_effect`` and ``last_effect`` span the event times at which it
    showed. ``kpis`` says where each KPI should have gone, ``also`` where others may have gone with it.
    """

    name: str
    kind: str
    nature: Nature
    start: str
    end: str
    scope: dict[str, list[str]]
    strength: float
    kpis: dict[str, Direction]
    also: dict[str, Direction]
    orders: list[str]
    tickets: list[str]
    events: int
    lost_orders: int
    first_effect: str | None
    last_effect: str | None


class Active:
    """An incident at work: whom it hits, and what it has done so far."""

    __slots__ = (
        "_draw",
        "_scope",
        "_strength",
        "end",
        "events",
        "first",
        "incident",
        "last",
        "lost_orders",
        "orders",
        "start",
        "tickets",
    )

    def __init__(self, incident: Incident, number: int) -> None:
        self.incident = incident
        self.start, self.end = incident.start, incident.end
        self._scope = {dimension: frozenset(values) for dimension, values in incident.scope.items()}
        self._strength = incident.strength
        self._draw = _FAULT_DRAWS + 64 * number
        # As dicts: they keep the order and drop the repeated.
        self.orders: dict[str, None] = {}
        self.tickets: dict[str, None] = {}
        self.events = 0
        self.lost_orders = 0
        self.first: int | None = None
        self.last: int | None = None

    def covers(self, ms: int) -> bool:
        return self.start <= ms < self.end

    def includes(self, dimension: str, value: str) -> bool:
        values = self._scope.get(dimension)
        return values is None or value in values

    def narrows(self, dimension: str) -> bool:
        return dimension in self._scope

    def strikes(self, key: int, attempt: int = 0) -> bool:
        """Whether it hits this one; the same answer whenever it is asked."""
        return uniform(key, self._draw + attempt) < self._strength

    def touched(self, ms: int, *, order: str | None = None, ticket: str | None = None, events: int = 1) -> None:
        """Note an effect that shows at ``ms``."""
        if order is not None:
            self.orders[order] = None
        if ticket is not None:
            self.tickets[ticket] = None
        self.events += events
        self.first = ms if self.first is None else min(self.first, ms)
        self.last = ms if self.last is None else max(self.last, ms)

    def label(self) -> Label:
        """What is known by now. It is complete once everything it touched has ended."""
        kind, stamp = CATALOGUE[self.incident.kind], Stamps()
        return Label(
            name=self.incident.name or f"{self.incident.kind}@{stamp(self.start)}",
            kind=self.incident.kind,
            nature=kind.nature,
            start=stamp(self.start),
            end=stamp(self.end),
            scope=self.incident.scope,
            strength=self.incident.strength,
            kpis=kind.kpis,
            also=kind.also,
            orders=list(self.orders),
            tickets=list(self.tickets),
            events=self.events,
            lost_orders=self.lost_orders,
            first_effect=None if self.first is None else stamp(self.first),
            last_effect=None if self.last is None else stamp(self.last),
        )


class Faults:
    """The incidents of a simulation, by kind."""

    def __init__(self, incidents: Sequence[Incident] = ()) -> None:
        self.all = [Active(incident, number) for number, incident in enumerate(incidents)]

    def of(self, kind: str) -> list[Active]:
        return [active for active in self.all if active.incident.kind == kind]

    def labels(self) -> list[Label]:
        """One label per incident, in the order of the settings."""
        return [active.label() for active in self.all]


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """Write a label file, JSON lines; a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(b"".join(msgspec.json.encode(label) + b"\n" for label in labels))
    draft.replace(path)


def read_labels(path: Path) -> list[Label]:
    """Read what :func:`write_labels` wrote. Raises ``msgspec.ValidationError`` for anything else."""
    decoder = msgspec.json.Decoder(Label)
    return [decoder.decode(line) for line in path.read_bytes().splitlines() if line]
