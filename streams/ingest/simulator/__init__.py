"""A believable small business, simulated: seeded, deterministic, with incidents that can be injected and
are labelled.

The core (:func:`simulate`) is pure and lazy; :func:`run_simulator` sends what it yields to Kafka.
"""

from __future__ import annotations

from streams.ingest.simulator.incidents import CATALOGUE, FAMILIES, Incident, parse_incident
from streams.ingest.simulator.labels import Label, read_labels, write_labels
from streams.ingest.simulator.settings import SimulatorSettings
from streams.ingest.simulator.shop import Shop
from streams.ingest.simulator.simulation import Simulation, simulate, simulate_bytes
from streams.ingest.simulator.world import HEARTBEAT_KEY, TimedEvent, family_of

__all__ = [
    "CATALOGUE",
    "FAMILIES",
    "HEARTBEAT_KEY",
    "Incident",
    "Label",
    "Shop",
    "Simulation",
    "SimulatorSettings",
    "TimedEvent",
    "family_of",
    "parse_incident",
    "read_labels",
    "simulate",
    "simulate_bytes",
    "write_labels",
]
