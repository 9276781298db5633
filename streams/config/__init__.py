"""One validated configuration for all of Daybook."""

from __future__ import annotations

from streams.config.load import PACKAGED, load_config
from streams.config.readers import parse_span, span_text
from streams.config.structs import (
    DEFAULT_BOOTSTRAP,
    Business,
    Config,
    Grafana,
    Kafka,
    Lifecycle,
    Limits,
    Notify,
    Security,
    Time,
    WebhookTarget,
    Worker,
)
from streams.config.vocabulary import (
    RESERVED_LABELS,
    RESERVED_METRICS,
    RESERVED_PREFIXES,
    RESERVED_SUFFIXES,
)

__all__ = [
    "DEFAULT_BOOTSTRAP",
    "PACKAGED",
    "RESERVED_LABELS",
    "RESERVED_METRICS",
    "RESERVED_PREFIXES",
    "RESERVED_SUFFIXES",
    "Business",
    "Config",
    "Grafana",
    "Kafka",
    "Lifecycle",
    "Limits",
    "Notify",
    "Security",
    "Time",
    "WebhookTarget",
    "Worker",
    "load_config",
    "parse_span",
    "span_text",
]
