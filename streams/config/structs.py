"""The configuration, typed: attributes are named as the keys of ``daybook.yaml``, durations are in ms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from detectors.watch.settings import Settings
from streams.errors import ConfigError
from streams.events.types import TYPE_NAMES
from streams.kpis.definitions import Definitions, DimensionDefinition, KpiDefinition, Moment

SECOND, MINUTE, HOUR, DAY, WEEK = 1_000, 60_000, 3_600_000, 86_400_000, 604_800_000

DEFAULT_BOOTSTRAP = "127.0.0.1:19092"
"""Where the embedded broker listens."""
DEFAULT_PASSWORD_ENV = "DAYBOOK_KAFKA_PASSWORD"
DEFAULT_WEBHOOK_SECRET_ENV = "DAYBOOK_WEBHOOK_SECRET"

DEFAULT_GRAFANA_TOKEN_ENV = "DAYBOOK_GRAFANA_TOKEN"

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Severity = Literal["info", "warning", "critical"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)


class Business(Struct, frozen=True, kw_only=True):
    """Whose numbers these are. ``currency`` is the ISO 4217 code all money is in.

    ``country`` (ISO 3166, with its ``subdivision`` perhaps) is where public holidays are those of. ``opening_hours``
    are, for each weekday from Monday on, the open spans in minutes after midnight; None: always open.
    ``calendars`` are iCalendar files with holidays, sales, maintenance.
    """

    name: str = "My shop"
    timezone: str = "Europe/Berlin"
    currency: str = "EUR"
    week_starts: Weekday = "monday"
    country: str | None = None
    subdivision: str | None = None
    opening_hours: tuple[tuple[tuple[int, int], ...], ...] | None = None
    open_on_holidays: bool = False
    calendars: tuple[Path, ...] = ()


class Alerts(Struct, frozen=True, kw_only=True):
    """How often the team agreed to be disturbed: ``per_week`` alerts of the whole business, and by KPI what is to be
    otherwise than it would be."""

    per_week: float = 3.0
    kpis: Mapping[str, Settings] = {}


class WebhookTarget(Struct, frozen=True, kw_only=True):
    """Where messages are posted, signed. ``url`` is an address, or ``env:NAME`` where the environment has it;
    ``secret_env`` names the variable with the key."""

    url: str
    secret_env: str = DEFAULT_WEBHOOK_SECRET_ENV


class Notify(Struct, frozen=True, kw_only=True):
    """Who is told of incidents, and when. Addresses are URLs, or ``env:NAME`` where the environment has them.

    ``link`` is where an incident can be looked at, with ``{id}`` for its id; ``runbook`` the page with first steps.
    ``quiet_hours`` are as ``Business.opening_hours``, None: never; then nothing is told of severities ``held_back``.
    ``per_hour`` is how many messages a channel takes in an hour; of what was off last longer ago than ``too_old`` (ms)
    nobody is told: it is history.
    """

    alertmanager: str | None = None
    apprise: tuple[str, ...] = ()
    webhooks: tuple[WebhookTarget, ...] = ()
    link: str = ""
    runbook: str = "docs/runbook.md"
    quiet_hours: tuple[tuple[tuple[int, int], ...], ...] | None = None
    held_back: tuple[Severity, ...] = ("info", "warning")
    per_hour: int = 12
    too_old: int = DAY


class Grafana(Struct, frozen=True, kw_only=True):
    """Where dashboards and annotations are published: the ``url`` of a Grafana, the variable with a service account's
    token (``token_env``), the ``folder``'s title, and what the ``datasource`` that asks Prometheus is called there.
    ``console`` is where links to the console lead."""

    url: str = "http://127.0.0.1:3000"
    token_env: str = DEFAULT_GRAFANA_TOKEN_ENV
    folder: str = "Daybook"
    datasource: str = "Daybook Prometheus"
    console: str = "http://127.0.0.1:8080"


class Archive(Struct, frozen=True, kw_only=True):
    """Where events are kept for good: a ``folder`` (left out: ``archive`` in the data folder), and how long one waits
    to be written there, at the most (``flush``, ms)."""

    folder: Path | None = None
    flush: int = MINUTE


class Console(Struct, frozen=True, kw_only=True):
    """The web page: where it listens, and how much of the past it keeps (ms)."""

    host: str = "127.0.0.1"
    port: int = 8080
    history: int = 35 * DAY


class Security(Struct, frozen=True, kw_only=True):
    """How to connect to Kafka. Files are PEM; ``password_env`` names the variable that holds the password."""

    protocol: Protocol = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str | None = None
    password_env: str = DEFAULT_PASSWORD_ENV

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def sasl(self) -> bool:
        """Whether the client logs in with a user name and a password."""
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")


class Kafka(Struct, frozen=True, kw_only=True):
    """``bootstrap`` is one address or several, comma separated; ``partitions`` counts for the three event
    topics and the state log."""

    bootstrap: str = DEFAULT_BOOTSTRAP
    embedded: bool = True
    security: Security = Security()
    partitions: int = 4
    replication: int = 1


class Worker(Struct, frozen=True, kw_only=True):
    """A worker: where its metrics are, how often it records its state, which group shares the partitions."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9464
    flush: int = SECOND
    group: str = "worker"


class Time(Struct, frozen=True, kw_only=True):
    """Event time, in milliseconds. ``idle_after``: a topic silent for so long does not hold back others."""

    pane: int = 10 * SECOND
    out_of_order: int = 10 * SECOND
    allowed_lateness: int = 15 * MINUTE
    future_limit: int = 60 * SECOND
    idle_after: int = 30 * SECOND


class Limits(Struct, frozen=True, kw_only=True):
    """What bounds memory."""

    values_per_dimension: int = 50
    event_bytes: int = 1_048_576


class Lifecycle(Struct, frozen=True, kw_only=True):
    """How long an order, a delivery or a ticket is remembered after its last event, in milliseconds."""

    keep_ended: int = 30 * DAY
    keep_open: int = 400 * DAY


NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Config(Struct, frozen=True, kw_only=True):
    """All of it, checked. ``source`` is the file it came from; ``moments`` holds the named ones only."""

    source: Path
    namespace: str = "daybook"
    data_dir: Path = Path(".daybook")
    business: Business = Business()
    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    time: Time = Time()
    limits: Limits = Limits()
    lifecycle: Lifecycle = Lifecycle()
    alerts: Alerts = Alerts()
    notify: Notify = Notify()
    archive: Archive = Archive()
    grafana: Grafana = Grafana()
    console: Console = Console()
    dimensions: tuple[DimensionDefinition, ...] = ()
    moments: tuple[Moment, ...] = ()
    kpis: tuple[KpiDefinition, ...] = ()

    def definitions(self) -> Definitions:
        """What the KPI core needs of it."""
        moments = {name: Moment(name, name) for name in TYPE_NAMES}
        moments |= {moment.name: moment for moment in self.moments}
        return Definitions(
            kpis=self.kpis,
            moments=moments,
            dimensions=self.dimensions,
            pane_ms=self.time.pane,
            out_of_order_ms=self.time.out_of_order,
            allowed_lateness_ms=self.time.allowed_lateness,
            future_limit_ms=self.time.future_limit,
            values_per_dimension=self.limits.values_per_dimension,
            keep_ended_ms=self.lifecycle.keep_ended,
            keep_open_ms=self.lifecycle.keep_open,
            timezone=self.business.timezone,
            currency=self.business.currency,
            week_starts=WEEKDAYS.index(self.business.week_starts),
        )

    def with_(self, **changes: Any) -> Config:
        """The same with other top-level values: ``config.with_(namespace="replay")``.

        Raises ConfigError for a namespace that topics cannot be named after.
        """
        changed = replace(self, **changes)
        if not NAMESPACE.fullmatch(changed.namespace):
            raise ConfigError(f"namespace: {not_a_namespace(changed.namespace)}")
        return changed


def not_a_namespace(text: str) -> str:
    """What is wrong with it, in words."""
    return f"{text!r} cannot begin a topic's name (expected letters, digits, '.', '_', '-')"
