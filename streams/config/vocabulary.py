"""Names in the configuration: dimensions, moments, and the names that are taken already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from streams.config.contracts import fields_of
from streams.config.places import Noted, Place, meant, read
from streams.config.readers import choice, fields, several, text
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import DimensionDefinition, Moment

MOST_DIMENSIONS = 16
MOST_MOMENTS = 60
"""An event's moments are bits of one 64-bit integer."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

RESERVED_METRICS = frozenset(
    {
        "assigned_partitions",
        "build",
        "consumer_lag",
        "dead_letters",
        "duplicate_events",
        "events",
        "folded_values",
        "heartbeats",
        "kernel",
        "kernel_seconds",
        "late_events",
        "incidents",
        "notifications",
        "open_cases",
        "publish_failures",
        "recovering_partitions",
        "recovery_seconds",
        "series",
        "source_partitions",
        "up",
        "watermark",
        "watermark_seconds",
    }
)
"""What Daybook says of itself; a test holds this against the metrics there are."""
RESERVED_PREFIXES = (
    "alert_",
    "broker_",
    "detector_",
    "events_",
    "incident_",
    "kpi_",
    "notification_",
    "notifications_",
    "promises_",
    "state_",
    "worker_",
)
RESERVED_SUFFIXES = ("_bucket", "_count", "_created", "_info", "_sum", "_total")
"""Prometheus gives these endings a meaning of their own."""
RESERVED_LABELS = frozenset(
    {
        "bound",
        "currency",
        "grain",
        "instance",
        "job",
        "kpi",
        "le",
        "metric",
        "partition",
        "quantile",
        "stat",
        "unit",
        "window",
    }
)


class Vocabulary(Struct, frozen=True):
    """What a KPI may refer to. A name declared with a mistake is known, its value is not: it is None."""

    dimensions: Mapping[str, DimensionDefinition | None]
    moments: Mapping[str, Moment | None]
    pane_ms: int | None


def check_name(place: Place, name: str, what: str) -> None:
    """Raise Wrong unless the name can be one of a KPI, a dimension or a moment."""
    if not _NAME.fullmatch(name):
        raise place.wrong(f"{name!r} cannot name a {what} (expected small letters, digits and '_', a letter first)")


def check_metric_name(place: Place, name: str) -> None:
    """Raise Wrong when the metric ``daybook_<name>`` is another one's."""
    check_name(place, name, "KPI")
    if name in RESERVED_METRICS:
        raise place.wrong(f"the metric daybook_{name} is Daybook's own; choose another name")
    for prefix in RESERVED_PREFIXES:
        if name.startswith(prefix):
            raise place.wrong(f"metrics that begin with daybook_{prefix} are Daybook's own; choose another name")
    for suffix in RESERVED_SUFFIXES:
        if name.endswith(suffix):
            raise place.wrong(f"Prometheus gives names that end in {suffix} another meaning; choose another name")


def read_dimensions(place: Place) -> dict[str, DimensionDefinition | None]:
    """``region: [order.placed.region, delivery.dispatched.region]``; what is wrong is noted."""
    entries = place.declared()
    if len(entries) > MOST_DIMENSIONS:
        place.note(f"{len(entries)} dimensions (at most {MOST_DIMENSIONS})")
    dimensions: dict[str, DimensionDefinition | None] = {}
    for name, entry in entries.items():
        dimensions[name] = None
        try:
            dimensions[name] = read(entry, partial(_dimension, name=name))
        except Noted:
            continue
    return dimensions


def _dimension(place: Place, name: str) -> DimensionDefinition:
    check_name(place, name, "dimension")
    if name in RESERVED_LABELS:
        raise place.wrong(f"the label {name!r} has a meaning of its own on metrics; choose another name")
    return DimensionDefinition(name, several(_source)(place))


def _source(place: Place) -> tuple[str, str]:
    path = place.text("an event type and a field")
    event, _, field = path.rpartition(".")
    if event not in TYPE_NAMES:
        kind = ".".join(path.split(".")[:2])
        if kind in TYPE_NAMES:
            raise place.wrong(f"{path!r}: only a field of the event's data can be a dimension (like {_examples(kind)})")
        raise place.wrong(f"{path!r} is not an event type and a field{meant(kind, TYPE_NAMES)}")
    texts = fields_of(event).texts
    if field not in texts:
        raise place.wrong(f"{event} has no text field {field!r} to slice by{meant(field, texts)}")
    return event, field


def _examples(event: str) -> str:
    return ", ".join(f"{event}.{field}" for field in fields_of(event).texts) or "order.placed.region"


def read_moments(place: Place) -> dict[str, Moment | None]:
    """``first_answer: {event: ticket.replied, where: {by: [agent]}}``; what is wrong is noted."""
    moments: dict[str, Moment | None] = {}
    for name, entry in place.declared().items():
        moments[name] = None
        try:
            moments[name] = read(entry, partial(_moment, name=name))
        except Noted:
            continue
    return moments


def _moment(place: Place, name: str) -> Moment:
    check_name(place, name, "moment")
    values = fields(place, {"event": choice(TYPE_NAMES), "where": lambda here: here}, ["event", "where"])
    event: str = values["event"]
    return Moment(name, event, _where(values["where"], event))


def _where(place: Place, event: str) -> dict[str, tuple[str, ...]]:
    texts = fields_of(event).texts
    readers = {name: several(text(256) if values is None else choice(values)) for name, values in texts.items()}
    for name, entry in place.entries().items():
        if name not in texts:
            entry.note(f"{event} has no text field {name!r}{meant(name, texts)}")
    known = {name: entry for name, entry in place.entries().items() if name in texts}
    where = {name: read(entry, readers[name]) for name, entry in known.items()}
    if not where:
        raise place.wrong("no condition (without one the event type itself is the moment)")
    return where
