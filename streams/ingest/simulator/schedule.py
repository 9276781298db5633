"""A plausible run of bad luck: incidents drawn at random, for a history that detectors can be tried on."""

from __future__ import annotations

from streams.ingest.simulator.draws import Shares, mix, uniform
from streams.ingest.simulator.incidents import Incident
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE, LocalDays
from streams.ingest.simulator.settings import SimulatorSettings

_KINDS = Shares(
    {
        "courier_outage": 0.20,
        "payment_failures": 0.18,
        "warehouse_stop": 0.14,
        "support_understaffed": 0.14,
        "promotion": 0.12,
        "website_down": 0.08,
        "tracking_feed_silent": 0.08,
        "duplicate_deliveries": 0.06,
    }
)
# Shortest and longest duration, weakest and strongest.
_RANGES: dict[str, tuple[int, int, float, float]] = {
    "courier_outage": (8 * HOUR, 40 * HOUR, 0.6, 1.0),
    "payment_failures": (2 * HOUR, 9 * HOUR, 0.3, 0.9),
    "warehouse_stop": (5 * HOUR, 12 * HOUR, 0.7, 1.0),
    "support_understaffed": (6 * HOUR, 34 * HOUR, 0.5, 0.9),
    "promotion": (10 * HOUR, 60 * HOUR, 0.4, 1.4),
    "website_down": (2 * HOUR, 6 * HOUR, 0.7, 1.0),
    "tracking_feed_silent": (3 * HOUR, 10 * HOUR, 1.0, 1.0),
    "duplicate_deliveries": (2 * HOUR, 12 * HOUR, 0.3, 1.5),
}
_NARROWED_BY = {
    "courier_outage": "carrier",
    "payment_failures": "method",
    "warehouse_stop": "warehouse",
    "tracking_feed_silent": "carrier",
}


def random_incidents(settings: SimulatorSettings, start: int, end: int, per_week: float) -> list[Incident]:
    """Incidents that begin between ``start`` and ``end`` (epoch ms), ``per_week`` on average, never two
    at once.

    The same settings give the same incidents. They begin by day, as most do, and leave a day in
    between.
    """
    days = LocalDays(settings.timezone, start)
    key = mix(mix(settings.seed, 31), days.day_of(start))
    incidents: list[Incident] = []
    free = start
    for number, day in enumerate(range(days.day_of(start), days.day_of(end))):
        each = mix(key, number)
        begins = days.at(day, 8 * 60 + uniform(each, 1) * 9 * 60) // MINUTE * MINUTE
        if begins < free or begins >= end or uniform(each, 2) >= per_week / 7:
            continue
        kind = _KINDS(uniform(each, 3))
        shortest, longest, weakest, strongest = _RANGES[kind]
        duration = int(shortest + uniform(each, 4) * (longest - shortest)) // MINUTE * MINUTE
        strength = round(weakest + uniform(each, 5) * (strongest - weakest), 2)
        scope: dict[str, list[str]] = {}
        if kind in _NARROWED_BY:
            values = settings.dimensions()[_NARROWED_BY[kind]]
            scope[_NARROWED_BY[kind]] = [values[int(uniform(each, 6) * len(values))]]
        incident = Incident(kind=kind, start=begins, duration=duration, scope=scope, strength=strength)
        incidents.append(incident)
        free = incident.end + DAY
    return incidents
