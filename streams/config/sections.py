"""The sections about where Daybook runs: everything but dimensions, moments and KPIs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from streams.config.alerts import alerts
from streams.config.business import business
from streams.config.notify import link, not_a_web_address, notify, web_address
from streams.config.places import Place
from streams.config.readers import (
    Reader,
    fields,
    flag,
    integer,
    literal,
    matching,
    milliseconds,
    path,
    port,
    section,
    span_text,
    switch,
    text,
)
from streams.config.structs import (
    DAY,
    DEFAULT_BOOTSTRAP,
    MINUTE,
    NAMESPACE,
    SECOND,
    WEEK,
    Archive,
    Console,
    Grafana,
    Kafka,
    Lifecycle,
    Limits,
    Mechanism,
    Protocol,
    Security,
    Time,
    Worker,
    not_a_namespace,
)

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LOOPBACK = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])")
_host = matching(re.compile(r"[A-Za-z0-9._:-]{1,255}"), "a host name or address")
_partitions = integer(1, 1000)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _namespace(place: Place) -> str:
    name = place.text("a name")
    if not NAMESPACE.fullmatch(name):
        raise place.wrong(not_a_namespace(name))
    return name


def _bootstrap(place: Place) -> str:
    addresses = [address.strip() for address in place.text("an address").split(",")]
    for address in addresses:
        found = _ADDRESS.fullmatch(address)
        if found is None or not 1 <= int(found[2]) <= 65535:
            raise place.wrong(f"{address!r} is not an address (expected host:port like 127.0.0.1:9092)")
    return ",".join(addresses)


def _security(place: Place) -> Security:
    values = fields(
        place,
        {
            "protocol": literal(Protocol),
            "ca_file": path,
            "cert_file": path,
            "key_file": path,
            "mechanism": literal(Mechanism),
            "username": text(256),
            "password_env": matching(_VARIABLE, "the name of an environment variable"),
        },
    )
    security = Security(**values)
    entries = place.entries()
    tls = security.protocol in ("SSL", "SASL_SSL")
    sasl = security.protocol in ("SASL_PLAINTEXT", "SASL_SSL")
    for key, used in {
        **dict.fromkeys(("ca_file", "cert_file", "key_file"), tls),
        **dict.fromkeys(("mechanism", "username", "password_env"), sasl),
    }.items():
        # A user who sets these believes the connection is protected by them.
        if key in entries and not used:
            raise entries[key].wrong(f"has no effect with protocol {security.protocol}")
    if sasl and security.username is None:
        raise place.wrong(f"'username' is missing (protocol {security.protocol} logs in)")
    if security.key_file and not security.cert_file:
        raise entries["key_file"].wrong("needs 'cert_file' too")
    return security


def _kafka(place: Place) -> Kafka:
    values = fields(
        place,
        {
            "bootstrap": _bootstrap,
            "embedded": flag,
            "security": _security,
            "partitions": _partitions,
            "replication": integer(1, 100),
        },
    )
    values.setdefault("embedded", values.get("bootstrap", DEFAULT_BOOTSTRAP) == DEFAULT_BOOTSTRAP)
    return Kafka(**values)


def check_embedded(place: Place, kafka: Kafka) -> None:
    """Note what the embedded broker cannot do. ``place`` is what says that it is to run."""
    if not kafka.embedded:
        return
    found = _ADDRESS.fullmatch(kafka.bootstrap)
    if found is None or not _LOOPBACK.fullmatch(found[1]):
        place.note(
            f"the embedded broker has no access control and listens on loopback only, not on "
            f"{kafka.bootstrap} (for a Kafka cluster say 'embedded: false')"
        )
    if kafka.security.protocol != "PLAINTEXT":
        place.note(f"the embedded broker speaks PLAINTEXT only, not {kafka.security.protocol}")
    if kafka.replication != 1:
        place.note(f"the embedded broker is one broker: replication cannot be {kafka.replication}")


def _time(place: Place) -> Time:
    time: Time = Time(
        **fields(
            place,
            {
                "pane": milliseconds(SECOND, 15 * MINUTE),
                "out_of_order": milliseconds(0, DAY),
                "allowed_lateness": milliseconds(0, WEEK),
                "future_limit": milliseconds(0, DAY),
                "idle_after": milliseconds(SECOND, DAY),
            },
        )
    )
    if (15 * MINUTE) % time.pane:
        # Days begin on quarters of an hour in every time zone, and grains and windows consist of panes.
        raise place.entries()["pane"].wrong(
            f"15m is not a whole number of {span_text(time.pane)} (expected like 1s, 10s, 1m)"
        )
    return time


def _site(place: Place) -> str:
    """An address that others are below, without the slash at its end."""
    url = place.text("an address").strip().rstrip("/")
    parts = urlsplit(url)
    if not_a_web_address(url) is not None or parts.username is not None or parts.query or parts.fragment:
        # What is written may hold a password, so it is not repeated.
        raise place.wrong("is no address (expected like http://127.0.0.1:3000, without user, ? and #)")
    return url


READERS: Mapping[str, Reader[Any]] = {
    "namespace": _namespace,
    "data_dir": path,
    "business": business,
    "kafka": _kafka,
    "worker": section(
        Worker,
        {
            "metrics_host": _host,
            "metrics_port": port,
            "flush": milliseconds(50, 5 * MINUTE),
            "group": matching(NAMESPACE, "a group name (expected letters, digits, '.', '_', '-')"),
        },
    ),
    "time": _time,
    "limits": section(
        Limits, {"values_per_dimension": integer(1, 1000), "event_bytes": integer(1024, 100 * 1024 * 1024)}
    ),
    "alerts": alerts,
    "notify": notify,
    "archive": section(Archive, {"folder": path, "flush": milliseconds(SECOND, DAY)}),
    "grafana": section(
        Grafana,
        {
            "url": _site,
            "token_env": matching(_VARIABLE, "the name of an environment variable"),
            "folder": text(100),
            "datasource": text(190),
            "console": _site,
        },
    ),
    "console": section(Console, {"host": _host, "port": port, "history": milliseconds(DAY, 400 * DAY)}),
    "lifecycle": section(Lifecycle, {"keep_ended": milliseconds(MINUTE), "keep_open": milliseconds(MINUTE)}),
}
"""Readers of these sections by key."""

VARIABLES: Mapping[str, tuple[str, str, Reader[Any]]] = {
    "DAYBOOK_NAMESPACE": ("", "namespace", _namespace),
    "DAYBOOK_DATA_DIR": ("", "data_dir", path),
    "DAYBOOK_BOOTSTRAP": ("kafka", "bootstrap", _bootstrap),
    "DAYBOOK_EMBEDDED": ("kafka", "embedded", switch),
    "DAYBOOK_PARTITIONS": ("kafka", "partitions", _partitions),
    "DAYBOOK_METRICS_HOST": ("worker", "metrics_host", _host),
    "DAYBOOK_METRICS_PORT": ("worker", "metrics_port", port),
    "DAYBOOK_CONSOLE_HOST": ("console", "host", _host),
    "DAYBOOK_CONSOLE_PORT": ("console", "port", port),
    "DAYBOOK_ALERTMANAGER": ("notify", "alertmanager", web_address),
    "DAYBOOK_LINK": ("notify", "link", link),
    "DAYBOOK_GRAFANA": ("grafana", "url", _site),
}
"""Environment variables: the section and the key each one overrides."""
