"""What a label says about the KPIs is what the KPI core makes of the events: the default KPIs, both shops compared."""

from __future__ import annotations

from statistics import fmean

import pytest
from msgspec.structs import replace

from streams.config import load_config
from streams.events.times import parse_time
from streams.ingest.simulator import CATALOGUE, Incident, Label, Simulation, SimulatorSettings, family_of
from tests.support.pipeline import Pipeline
from tests.support.simulated import DAY, HOUR, MONDAY

USUAL = SimulatorSettings(start=MONDAY, end=MONDAY + 11 * DAY, heartbeat=HOUR, orders_per_day=250)
START = MONDAY + 7 * DAY + 9 * HOUR
BATCH = 10_000
STOPS = ("deliveries_dispatched", "deliveries_completed", "tickets_answered")
"""What is made up for afterwards: fewer while it lasts."""


def told(*incidents: Incident) -> tuple[Pipeline, list[Label]]:
    simulation = Simulation(replace(USUAL, incidents=list(incidents)))
    pipeline = Pipeline(load_config(env={}).definitions())
    arrived = [event for _, event in simulation.arrivals() if family_of(event) < 3]
    for at in range(0, len(arrived), BATCH):
        for family in range(3):
            pipeline.feed_topic(family, [e for e in arrived[at : at + BATCH] if family_of(e) == family])
    pipeline.heartbeat(USUAL.end or 0)
    pipeline.drain()
    return pipeline, simulation.labels()


def level(pipeline: Pipeline, kpi: str, start: int, end: int) -> float:
    """The mean of a KPI's final values between two times, weighted by what is behind each; of a duration, its 90th
    percentile."""
    values = [
        (value.value, value.weight)
        for (name, stat, slice_, begins), value in pipeline.told.items()
        if name == kpi and not slice_ and stat in ("value", "p90") and start < value.end and begins < end
        if value.value is not None
    ]
    weights = [weight for _, weight in values]
    return fmean([value for value, _ in values], weights if any(weights) else None)


@pytest.fixture(scope="module")
def usual() -> Pipeline:
    return told()[0]


@pytest.mark.parametrize(
    "incident",
    [
        Incident(kind="courier_outage", start=START, duration=2 * DAY, scope={"carrier": ["postbird"]}),
        Incident(kind="payment_failures", start=START, duration=8 * HOUR, strength=0.8),
        Incident(kind="warehouse_stop", start=START, duration=30 * HOUR),
        Incident(kind="tracking_feed_silent", start=START, duration=12 * HOUR, release="never"),
        Incident(kind="support_understaffed", start=START, duration=30 * HOUR),
        Incident(kind="promotion", start=START, duration=DAY),
        Incident(kind="website_down", start=START, duration=6 * HOUR),
        Incident(kind="duplicate_deliveries", start=START, duration=DAY, strength=1.0),
    ],
    ids=lambda incident: incident.kind,
)
def test_kpis_go_where_the_label_says(usual: Pipeline, incident: Incident) -> None:
    pipeline, (label,) = told(incident)
    assert label.first_effect
    assert label.last_effect
    effect = parse_time(label.first_effect), min(parse_time(label.last_effect), USUAL.end or 0)
    itself = parse_time(label.start), parse_time(label.end)
    for kpi, direction in label.kpis.items():
        start, end = itself if kpi in STOPS else effect
        before, after = level(usual, kpi, start, end), level(pipeline, kpi, start, end)
        assert (after > before) if direction == "up" else (after < before), (kpi, before, after)
    if not label.kpis:
        assert pipeline.finals() == usual.finals()


def test_labels_speak_of_kpis_there_are() -> None:
    known = {kpi.name for kpi in load_config(env={}).kpis}
    for kind in CATALOGUE.values():
        assert kind.kpis.keys() | kind.also.keys() <= known
        assert not kind.kpis.keys() & kind.also.keys()
