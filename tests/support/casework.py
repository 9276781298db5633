"""Ledgers of simulated shops, and incidents as they would be told of what was injected."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.casework.ledger import Ledger
from detectors.incidents.incident import Incident, Symptom
from streams.events.times import parse_time
from streams.events.types import BusinessEvent, CalendarEntry, SourceHeartbeat
from streams.ingest.simulator import Label, Simulation, SimulatorSettings, family_of
from streams.ingest.simulator.incidents import CATALOGUE
from streams.kpis.definitions import Definitions
from streams.kpis.grid import HOUR_MS

TOPICS = ("orders", "deliveries", "support")


def business_events(simulation: Simulation) -> list[BusinessEvent]:
    """What arrives, in that order, without heartbeats and the calendar."""
    return [one for _, one in simulation.arrivals() if not isinstance(one, CalendarEntry | SourceHeartbeat)]


def fold(ledger: Ledger, events: Iterable[BusinessEvent], at_once: int = 2_000) -> Ledger:
    """Into a ledger, so many at once, each topic's from offset 0 on."""
    pending: list[list[BusinessEvent]] = [[], [], []]
    offsets = [0, 0, 0]

    def put(family: int) -> None:
        count = len(pending[family])
        ledger.fold(TOPICS[family], 0, range(offsets[family], offsets[family] + count), pending[family])
        offsets[family] += count
        pending[family] = []

    for event in events:
        family = family_of(event)
        pending[family].append(event)
        if len(pending[family]) >= at_once:
            put(family)
    for family in range(3):
        put(family)
    return ledger


def ledger_of(settings: SimulatorSettings, definitions: Definitions) -> tuple[Ledger, list[Label]]:
    """All that a simulated shop sends, and what its incidents did."""
    simulation = Simulation(settings)
    ledger = fold(Ledger(definitions, settings.start), business_events(simulation))
    return ledger, simulation.labels()


def told(label: Label, *kpis: str) -> Incident:
    """The incident that a label is about, to the hour: with the KPIs it moves, or with these."""
    since, until = parse_time(label.start) // HOUR_MS * HOUR_MS, -(-parse_time(label.end) // HOUR_MS) * HOUR_MS
    scope = {
        "payment_method" if name == "method" else name: values[0]
        for name, values in label.scope.items()
        if len(values) == 1
    }
    directions = CATALOGUE[label.kind].kpis
    symptoms = tuple(
        Symptom(
            kpi=kpi,
            stat="value",
            slice=scope,
            since=since,
            until=until,
            value=0.0,
            expected=(0.0, 0.0, 0.0),
            surprise=5.0,
            side=1 if directions[kpi] == "up" else -1,
            unit="",
            told=True,
        )
        for kpi in kpis or directions
    )
    return Incident(
        id=label.name,
        kind="business",
        state="open",
        severity="warning",
        title="",
        since=since,
        until=until,
        cause_until=until,
        symptoms=symptoms,
        scope=scope,
        shares={},
        history=(),
    )
