"""A small shop whose events are archived to files as an archivist writes them, with labelled incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from streams.history.archive.layout import Log
from streams.history.archive.writer import Writer
from streams.ingest.simulator import Incident, Simulation, SimulatorSettings
from streams.ingest.simulator.send import records
from streams.runtime.partitions import partition_of
from tests.support.simulated import DAY, HOUR, MONDAY, WEEK

TOPICS = ("orders", "deliveries", "support", "calendar")
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


def archive(folder: Path, incidents: Sequence[Incident] = USUAL) -> Path:
    """Five weeks of it, in two partitions."""
    settings = SimulatorSettings(
        start=START, end=END + HOUR, seed=5, orders_per_day=240, heartbeat=HOUR, incidents=list(incidents)
    )
    writer, offsets = Writer(folder, most_bytes=2_000_000), defaultdict[Log, int](int)
    for record in records(Simulation(settings).arrivals(), 2):
        partition = partition_of(record.key, 2) if record.partition is None else record.partition
        log = Log(TOPICS[record.family], partition, "20260301T000000")
        writer.add(log, [(offsets[log], record.arrival, record.key, record.value)])
        offsets[log] += 1
    writer.flush()
    return folder
