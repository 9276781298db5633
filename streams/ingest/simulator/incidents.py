"""The incidents that can be injected: what they are, where they act, and what they should do to the KPIs."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct, field

from streams.errors import ConfigError

Direction = Literal["up", "down"]
Nature = Literal["business", "planned", "pipeline"]

FAMILIES = ("orders", "deliveries", "support", "calendar")
"""The topic families; an event's family is an index into this."""


class IncidentKind(Struct, frozen=True, kw_only=True):
    """One entry of the catalogue.

    ``nature`` says what a watcher should make of it: trouble of the business, something planned that
    must not alarm, or trouble of the data that must not be told as trouble of the business. ``kpis``
    are the KPIs it moves, ``also`` those it moves too when it is strong or lasts long.
    """

    nature: Nature
    scope: tuple[str, ...]
    kpis: dict[str, Direction]
    also: dict[str, Direction] = {}
    about: str
    strength: str


_LATE: dict[str, Direction] = {
    "order_to_door": "up",
    "on_time_ratio": "down",
    "orders_open": "up",
    "contact_ratio": "up",
    "tickets_opened": "up",
    "tickets_open": "up",
}
_BUSY_DESK: dict[str, Direction] = {
    "first_response_time": "up",
    "resolution_time": "up",
    "answered_in_4h": "down",
    "reopen_ratio": "up",
    "satisfaction": "down",
}

CATALOGUE: dict[str, IncidentKind] = {
    "courier_outage": IncidentKind(
        nature="business",
        scope=("carrier", "region"),
        kpis={
            "deliveries_completed": "down",
            "delivery_time": "up",
            "deliveries_in_transit": "up",
            "deliveries_overdue": "up",
            **_LATE,
        },
        also={
            "deliveries_dispatched": "down",
            "time_to_ship": "up",
            "orders_unshipped_overdue": "up",
            "refund_ratio": "up",
            **_BUSY_DESK,
        },
        about="A carrier brings nothing, then works off the backlog; without a region, it collects nothing.",
        strength="share of its parcels that are held up",
    ),
    "payment_failures": IncidentKind(
        nature="business",
        scope=("method", "channel"),
        kpis={"payment_failure_ratio": "up", "cancellation_ratio": "up"},
        also={"contact_ratio": "up", "tickets_opened": "up", "tickets_open": "up", **_BUSY_DESK},
        about="Payments that would have gone through fail.",
        strength="share of payments that fail",
    ),
    "warehouse_stop": IncidentKind(
        nature="business",
        scope=("warehouse",),
        kpis={"deliveries_dispatched": "down", "time_to_ship": "up", **_LATE},
        also={
            "deliveries_completed": "down",
            "orders_unshipped_overdue": "up",
            "deliveries_overdue": "up",
            **_BUSY_DESK,
        },
        about="Packing stops or slows down; the backlog is worked off at the usual pace.",
        strength="share of the packing capacity that is missing",
    ),
    "tracking_feed_silent": IncidentKind(
        nature="pipeline",
        scope=("carrier",),
        kpis={"deliveries_completed": "down", "deliveries_overdue": "up", "orders_open": "up"},
        also={"deliveries_dispatched": "down", "orders_unshipped_overdue": "up"},
        about="A carrier's events do not come in; afterwards they come late (release: late) or never.",
        strength="share of the events that are withheld",
    ),
    "support_understaffed": IncidentKind(
        nature="business",
        scope=(),
        kpis={
            "tickets_answered": "down",
            "first_response_time": "up",
            "resolution_time": "up",
            "answered_in_4h": "down",
            "tickets_open": "up",
            "satisfaction": "down",
        },
        also={"reopen_ratio": "up"},
        about="Some of the agents are missing.",
        strength="share of the agents that are missing",
    ),
    "duplicate_deliveries": IncidentKind(
        nature="pipeline",
        scope=("source", "family"),
        kpis={},
        about="A source sends events twice or more, within a minute.",
        strength="mean number of extra copies of an event",
    ),
    "promotion": IncidentKind(
        nature="planned",
        scope=("region", "channel", "category"),
        kpis={"orders_placed": "up", "revenue": "up", "orders_open": "up"},
        also={
            "deliveries_dispatched": "up",
            "deliveries_completed": "up",
            "time_to_ship": "up",
            "deliveries_in_transit": "up",
            "tickets_opened": "up",
            **_BUSY_DESK,
        },
        about="More orders; announced by a calendar entry a day ahead.",
        strength="extra demand as a share of the usual one",
    ),
    "website_down": IncidentKind(
        nature="business",
        scope=("channel", "region"),
        kpis={"orders_placed": "down", "revenue": "down"},
        also={
            "orders_open": "down",
            "deliveries_dispatched": "down",
            "deliveries_completed": "down",
            "contact_ratio": "up",
            "tickets_opened": "up",
        },
        about="Orders cannot be placed.",
        strength="share of the orders that are lost",
    ),
    "clock_skew": IncidentKind(
        nature="pipeline",
        scope=("source",),
        kpis={},
        about="A source's clock is wrong by `shift`, ahead or behind.",
        strength="share of the events with a wrong time",
    ),
}


class Incident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One incident to inject. ``start`` is epoch ms UTC, ``duration`` and ``shift`` are ms.

    ``scope`` maps a dimension to the values it covers; a dimension left out covers everything. What
    ``strength`` means is in :data:`CATALOGUE`. ``release`` is for ``tracking_feed_silent``, ``shift``
    for ``clock_skew``.
    """

    kind: str
    start: int
    duration: int
    scope: dict[str, list[str]] = field(default_factory=dict)
    strength: float = 1.0
    name: str = ""
    release: Literal["late", "never"] = "late"
    shift: int = 0

    @property
    def end(self) -> int:
        return self.start + self.duration

    def __post_init__(self) -> None:
        """Raises :class:`ConfigError` naming what is wrong and what was expected."""
        known = CATALOGUE.get(self.kind)
        if known is None:
            raise ConfigError(f"incident: {self.kind!r} is not a kind (expected {', '.join(CATALOGUE)})")
        where = f"incident {self.name or self.kind}"
        if self.duration <= 0:
            raise ConfigError(f"{where}: duration must be more than 0, not {self.duration} ms")
        unlimited = self.kind in ("promotion", "duplicate_deliveries")
        if not 0 < self.strength <= (100 if unlimited else 1):
            raise ConfigError(f"{where}: strength {self.strength:g} is not in (0, {100 if unlimited else 1}]")
        for dimension in self.scope:
            if dimension not in known.scope:
                expected = ", ".join(known.scope) or "no scope"
                raise ConfigError(f"{where}: scope has no {dimension!r} (expected {expected})")


_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def _duration(text: str, where: str) -> int:
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)([smhdw])", text)
    if match is None:
        raise ConfigError(f"{where}: {text!r} is not a duration (expected like 30s, 5m, 1h, 1d, 1w)")
    return round(float(match[1]) * _UNITS[match[2]])


def parse_incident(text: str, now: int) -> Incident:
    """Read an incident as one writes it on a command line.

    ``courier_outage start=+10m duration=2h carrier=postbird region=north,west strength=0.9``:
    ``start`` counts from ``now`` (epoch ms; default at once), ``duration`` is 1h unless given,
    everything that is not a setting is scope. Raises :class:`ConfigError`.
    """
    words = text.split()
    if not words:
        raise ConfigError(f"an incident needs a kind (expected {', '.join(CATALOGUE)})")
    kind = words.pop(0).removesuffix(":")
    scope: dict[str, list[str]] = {}
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigError(f"incident {kind}: {word!r} is not of the form name=value")
        if key in ("start", "duration", "strength", "shift", "release", "name"):
            settings[key] = value
        else:
            scope[key] = value.split(",")
    where = f"incident {kind}"
    try:
        strength = float(settings.get("strength", "1"))
    except ValueError:
        raise ConfigError(f"{where}: strength {settings['strength']!r} is not a number") from None
    release = settings.get("release", "late")
    if release not in ("late", "never"):
        raise ConfigError(f"{where}: release {release!r} is neither late nor never")
    return Incident(
        kind=kind,
        start=now + _duration(settings.get("start", "0s"), where),
        duration=_duration(settings.get("duration", "1h"), where),
        scope=scope,
        strength=strength,
        name=settings.get("name", ""),
        release="late" if release == "late" else "never",
        shift=_duration(settings.get("shift", "0s"), where),
    )
