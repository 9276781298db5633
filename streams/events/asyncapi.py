"""The AsyncAPI 3.0 description of the topics a business or a dashboard meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pkgutil import resolve_name
from typing import Any

import msgspec

from streams.events.codec import CONTENT_TYPE
from streams.events.examples import example
from streams.events.types import (
    DELIVERY_TYPES,
    ORDER_TYPES,
    SUPPORT_TYPES,
    CalendarEntry,
    Event,
    SourceHeartbeat,
)

DEAD_LETTER_HEADERS = {
    "source_topic": "The topic the record came from.",
    "source_partition": "Its partition there.",
    "source_offset": "Its offset there.",
    "error_code": "What kind of error it was, to count by, as `missing_field`.",
    "error": "What was wrong, in one line, as `missing field: data.order_id`.",
    "attempts": "How often it was tried.",
    "original_bytes": "How long the value was, where it had to be cut.",
}
"""The headers of a dead letter, each as UTF-8 text, and what they say. All but the last are always there."""

# Layers above publish and read these; they are described here but not imported.
_KPI_VALUE = "streams.kpis.values:KpiValue"
_INCIDENT = "detectors.incidents.incident:Incident"
_FEEDBACK = "detectors.incidents.feedback:Feedback"
_BINDING = "0.5.0"

_AN_INCIDENT: dict[str, Any] = {
    "id": "deliveries_completed-20260303T1100",
    "kind": "business",
    "state": "acknowledged",
    "severity": "critical",
    "title": "Deliveries completed fewer than usual: carrier postbird, region north",
    "since": 1_772_532_000_000,
    "until": 1_772_542_800_000,
    "cause_until": 1_772_542_800_000,
    "symptoms": [
        {
            "kpi": "deliveries_completed",
            "stat": "value",
            "slice": {"region": "north"},
            "since": 1_772_532_000_000,
            "until": 1_772_542_800_000,
            "value": 0.0,
            "expected": [6.0, 14.0, 24.0],
            "surprise": 6.4,
            "side": -1,
            "unit": "deliveries",
            "told": True,
            "why": "0 instead of 14 (6 to 24 is usual); 1 in 2,500,000",
        }
    ],
    "scope": {"carrier": "postbird", "region": "north"},
    "shares": {
        "deliveries_completed": [
            {
                "slice": {"region": "north"},
                "share": 0.96,
                "size": 0.24,
                "off": -13.5,
                "cases": 13.5,
                "explains": 1.3,
            }
        ]
    },
    "history": [
        {"at": 1_772_535_600_000, "what": "opened", "note": "0 instead of 14"},
        {"at": 1_772_536_100_000, "what": "acknowledged", "by": "Ada"},
    ],
    "owner": "Ada",
    "revision": 2,
    "cause": "delivery",
}
_SOME_FEEDBACK: dict[str, Any] = {
    "id": "0190f9c4-2f2b-7e55-b9d2-6a4a1d1f7c11",
    "at": 1_772_536_100_000,
    "by": "Ada",
    "what": "acknowledged",
    "incident": "deliveries_completed-20260303T1100",
}

Schemas = Callable[[Iterable[type[msgspec.Struct]], str], dict[str, Any]]

_TOPICS: dict[str, tuple[str, str, tuple[type[Event], ...]]] = {
    "orders": (
        "orders",
        "What happens to orders. Key: the order's id.",
        (*ORDER_TYPES, SourceHeartbeat),
    ),
    "deliveries": (
        "deliveries",
        "What happens to deliveries. Key: the order's id, so that an order and its deliveries meet in one "
        "partition. The same number of partitions as `orders`.",
        (*DELIVERY_TYPES, SourceHeartbeat),
    ),
    "support": (
        "support contacts",
        "What customers ask. Key: the order's id where it is known, else the ticket's. The same number of "
        "partitions as `orders`.",
        (*SUPPORT_TYPES, SourceHeartbeat),
    ),
    "calendar": (
        "calendar entries",
        "What is known beforehand to make business unusual: promotions, holidays, maintenance, outages. "
        "Key: the entry's id; the last one counts.",
        (CalendarEntry,),
    ),
}


def asyncapi(schemas: Schemas) -> dict[str, Any]:
    """The document as plain values; ``schemas`` gives JSON Schemas of types under a reference template."""
    kpi_value, incident, feedback = map(resolve_name, (_KPI_VALUE, _INCIDENT, _FEEDBACK))
    types = tuple(dict.fromkeys(cls for _, _, group in _TOPICS.values() for cls in group))
    channels = {name: _channel(name, text, group) for name, (_, text, group) in _TOPICS.items()}
    channels["kpis"] = {
        "address": "{namespace}.kpis.v1",
        "title": "kpis",
        "description": "KPI values: provisional, then final, corrected where late events change them. Key: "
        "the series, as `revenue{region=north}@1h`. Of one series and start the highest revision counts.",
        "parameters": _namespace(),
        "messages": {"KpiValue": {"$ref": "#/components/messages/KpiValue"}},
    }
    channels["incidents"] = {
        "address": "{namespace}.incidents.v1",
        "title": "incidents",
        "description": "What is wrong: every change of an incident is a record. Key: its id. Compacted; of an id the "
        "highest revision counts.",
        "parameters": _namespace(),
        "messages": {"Incident": {"$ref": "#/components/messages/Incident"}},
    }
    channels["feedback"] = {
        "address": "{namespace}.feedback.v1",
        "title": "feedback",
        "description": "What people say: of an incident, or of one that nobody was told of. Key: the incident's id.",
        "parameters": _namespace(),
        "messages": {"Feedback": {"$ref": "#/components/messages/Feedback"}},
    }
    channels["deadLetters"] = {
        "address": "{topic}.dlq",
        "title": "dead letters",
        "description": "Records of a topic that could not be processed, unchanged; their headers say why.",
        "parameters": {
            "topic": {
                "description": "The topic the records came from.",
                "examples": [f"daybook.{name}.v1" for name in (*_TOPICS, "kpis", "feedback")],
            }
        },
        "messages": {"DeadLetter": {"$ref": "#/components/messages/DeadLetter"}},
    }
    operations = {
        f"receive{name.capitalize()}": _operation("receive", name, f"Daybook reads {what}.", group)
        for name, (what, _, group) in _TOPICS.items()
    }
    operations["sendKpis"] = _operation("send", "kpis", "Daybook publishes KPI values.", (kpi_value,))
    operations["sendIncidents"] = _operation("send", "incidents", "Daybook publishes incidents.", (incident,))
    operations["receiveFeedback"] = _operation("receive", "feedback", "Daybook reads feedback.", (feedback,))
    operations["sendDeadLetters"] = {
        "action": "send",
        "summary": "Daybook sets aside what it could not process.",
        "channel": {"$ref": "#/channels/deadLetters"},
        "messages": [{"$ref": "#/channels/deadLetters/messages/DeadLetter"}],
    }
    messages = {cls.__name__: _event_message(cls) for cls in types}
    messages["KpiValue"] = _kpi_message(kpi_value)
    messages["Incident"] = _plain_message(incident, "incident", "The incident's id.", _AN_INCIDENT)
    messages["Feedback"] = _plain_message(
        feedback, "feedback", "The incident's id; where there is none its own.", _SOME_FEEDBACK
    )
    messages["DeadLetter"] = _dead_letter()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Daybook",
            "version": "1.0.0",
            "description": "Events of a business in, its KPIs out. Events are CloudEvents 1.0 in structured "
            "mode. Fields not described here are ignored, so a producer may be newer than its readers; a "
            "record that lacks a field or has one of the wrong type becomes a dead letter.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "embedded": {
                "host": "127.0.0.1:19092",
                "protocol": "kafka",
                "description": "The broker Daybook starts by itself.",
            },
            "kafka": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "Apache Kafka on this machine.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "schemas": schemas((*types, kpi_value, incident, feedback), "#/components/schemas/{name}"),
            "messages": messages,
        },
    }


def _namespace() -> dict[str, Any]:
    return {
        "namespace": {
            "description": "Keeps installations on one cluster apart, and a replay from what is live.",
            "default": "daybook",
        }
    }


def _channel(name: str, description: str, types: tuple[type[Event], ...]) -> dict[str, Any]:
    return {
        "address": f"{{namespace}}.{name}.v1",
        "title": name,
        "description": description,
        "parameters": _namespace(),
        "messages": {cls.__name__: {"$ref": f"#/components/messages/{cls.__name__}"} for cls in types},
    }


def _operation(action: str, channel: str, summary: str, types: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{cls.__name__}"} for cls in types],
    }


def _event_message(cls: type[Event]) -> dict[str, Any]:
    event_type = str(cls.__struct_config__.tag)
    return {
        "name": event_type,
        "title": event_type,
        "summary": " ".join((cls.__doc__ or "").replace("``", "`").split()),
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {"content-type": {"type": "string", "const": CONTENT_TYPE}},
        },
        "payload": {"$ref": f"#/components/schemas/{cls.__name__}"},
        "bindings": {"kafka": {"key": _key("The event's `subject`."), "bindingVersion": _BINDING}},
        "examples": [{"name": event_type.replace(".", "-"), "payload": example(cls)}],
    }


def _kpi_message(kpi_value: Any) -> dict[str, Any]:
    value = kpi_value(
        kpi="on_time_ratio",
        stat="value",
        slice={"region": "north"},
        span="1h",
        rolling=False,
        start=1_772_445_600_000,
        end=1_772_449_200_000,
        value=0.75,
        weight=12,
        parts=(9, 12),
        status="final",
        revision=1,
        unit="ratio",
        better="higher",
    )
    return {
        "name": "kpi.value",
        "title": "KPI value",
        "summary": "What a KPI is worth over a span of event time, for one slice.",
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/KpiValue"},
        "bindings": {"kafka": {"key": _key(f"The series, as `{value.series}`."), "bindingVersion": _BINDING}},
        "examples": [{"name": "on-time-ratio", "payload": msgspec.to_builtins(value)}],
    }


def _plain_message(cls: type[msgspec.Struct], name: str, key: str, example_: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": (cls.__doc__ or "").partition("\n\n")[0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{cls.__name__}"},
        "bindings": {"kafka": {"key": _key(key), "bindingVersion": _BINDING}},
        "examples": [{"name": name, "payload": msgspec.to_builtins(msgspec.convert(example_, cls))}],
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "dead.letter",
        "title": "dead letter",
        "summary": "A record that could not be processed; its value is what was received.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": description}
                for name, description in DEAD_LETTER_HEADERS.items()
            },
            "required": list(DEAD_LETTER_HEADERS)[:-1],
        },
        "payload": {"description": "The value as received; it may be anything, or nothing."},
        "bindings": {"kafka": {"key": _key("The record's key in its topic."), "bindingVersion": _BINDING}},
        "examples": [
            {
                "name": "missing-field",
                "headers": {
                    "source_topic": "daybook.orders.v1",
                    "source_partition": "2",
                    "source_offset": "40817",
                    "error_code": "missing_field",
                    "error": "missing field: data.order_id",
                    "attempts": "1",
                },
            }
        ],
    }


def _key(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}
