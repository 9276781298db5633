"""A small shop whose events are archived to files as an archivist writes them, with labelled incidents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams.ingest.simulator import Incident, Simulation, SimulatorSettings
from streams.ingest.simulator.send import records
from tests.support.archived import archived
from tests.support.simulated import DAY, HOUR, MONDAY, WEEK

START = MONDAY - HOUR
END = START + 5 * WEEK
DOWN = START + 24 * DAY + 10 * HOUR
"""The shop is down for half a day: everybody notices."""
FAILING = START + 29 * DAY + 9 * HOUR
"""Payments fail a little more often in one way of paying, for ten hours."""

CONFIGURATION = """\
business: { timezone: Europe/Berlin }
alerts:
  per_week: 1 # agreed in spring
  kpis:
    # There are few.
    failures: { least_cases: 80 }
dimensions:
  channel: [order.placed.channel]
  payment_method: [order.paid.method, order.payment_failed.method]
moments: {}
kpis:
  orders: { kind: count, of: order.placed, by: [channel], better: higher }
  failures: { kind: count, of: order.payment_failed, by: [payment_method], better: lower }
  paid: { kind: count, of: order.paid, by: [payment_method], better: higher }
"""


USUAL = (
    Incident(kind="website_down", start=DOWN, duration=12 * HOUR, strength=0.9),
    Incident(kind="payment_failures", start=FAILING, duration=10 * HOUR, strength=0.3),
)


def shop_in(folder: Path, name: str, incidents: Sequence[Incident] = USUAL) -> str:
    """Archive five weeks of it in a folder, in two partitions, and write a configuration there that finds them; its
    text."""
    settings = SimulatorSettings(
        start=START, end=END + HOUR, seed=5, orders_per_day=240, heartbeat=HOUR, incidents=list(incidents)
    )
    archived(folder / "archive" / "daybook", records(Simulation(settings).arrivals(), 2), 2, most_bytes=2_000_000)
    text = f"{CONFIGURATION}archive: {{ folder: {folder / 'archive'} }}\n"
    (folder / name).write_text(text)
    return text
