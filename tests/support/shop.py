"""A small shop for tests of the core: definitions that use every kind of KPI, and events made in one line."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.events import types
from streams.events.times import format_time
from streams.events.types import TYPE_NAMES, BusinessEvent
from streams.kpis.definitions import (
    Definitions,
    DimensionDefinition,
    DurationKpi,
    LevelKpi,
    MeasureKpi,
    Moment,
    Span,
    Term,
)
from streams.kpis.kernel import Kernel, Outcome

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
T0 = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""

FAMILY = {"order": 0, "delivery": 1, "ticket": 2}

_CLASSES = {
    str(cls.__struct_config__.tag): cls for cls in (*types.ORDER_TYPES, *types.DELIVERY_TYPES, *types.SUPPORT_TYPES)
}


def event(
    kind: str, time: int, subject: str, *, id: str | None = None, source: str = "shop", **data: Any
) -> BusinessEvent:
    """An event of type ``kind`` at ``time`` (epoch ms); what its data must have is filled in."""
    entity = kind.split(".")[0]
    data.setdefault("order_id" if entity == "order" else f"{entity}_id", subject)
    if kind == "order.placed":
        data.setdefault("amount", 1000)
        data.setdefault("currency", "EUR")
    if kind == "delivery.dispatched":
        data.setdefault("order_id", subject)
    if kind == "delivery.checkpoint":
        data.setdefault("status", "moving")
    if kind == "ticket.replied":
        data.setdefault("by", "agent")
    if kind == "ticket.rated":
        data.setdefault("score", 4)
    if isinstance(data.get("promised_at"), int):
        data["promised_at"] = format_time(data["promised_at"])
    cls = _CLASSES[kind]
    payload = types.__dict__[cls.__annotations__["data"]](**data)
    identity = id or f"{kind}/{subject}/{time}"
    return cls(id=identity, source=source, time=format_time(time), subject=subject, data=payload)


def heartbeat(time: int, source: str = "shop") -> BusinessEvent:
    """A source's promise that nothing older follows."""
    return types.SourceHeartbeat(id=f"heartbeat/{time}", source=source, time=format_time(time), subject="heartbeat")


def family_of(one: BusinessEvent) -> int:
    """Which of the three topics an event belongs to; a heartbeat belongs to all, 0 is given."""
    tag = str(one.__struct_config__.tag)
    return FAMILY.get(tag.split(".")[0], 0)


def moments(**named: Moment) -> dict[str, Moment]:
    """Every event type as a moment, and the named ones."""
    return {name: Moment(name, name) for name in TYPE_NAMES} | named


def definitions(*kpis: Any, **settings: Any) -> Definitions:
    """Definitions with a pane of 10 s, 10 s of disorder, 15 min of lateness, in UTC, unless said otherwise."""
    defaults: dict[str, Any] = {
        "moments": moments(first_answer=Moment("first_answer", "ticket.replied", {"by": ("agent",)})),
        "dimensions": (
            DimensionDefinition("region", (("order.placed", "region"), ("delivery.dispatched", "region"))),
            DimensionDefinition("carrier", (("delivery.dispatched", "carrier"),)),
            DimensionDefinition("topic", (("ticket.opened", "topic"),)),
        ),
        "pane_ms": 10 * SECOND,
        "out_of_order_ms": 10 * SECOND,
        "allowed_lateness_ms": 15 * MINUTE,
        "future_limit_ms": MINUTE,
        "values_per_dimension": 50,
        "keep_ended_ms": 30 * DAY,
        "keep_open_ms": 400 * DAY,
        "timezone": "UTC",
        "currency": "EUR",
        "week_starts": 0,
    }
    return Definitions(kpis=tuple(kpis) or all_kinds(), **(defaults | settings))


def all_kinds(grain: str = "1h", grain_ms: int = HOUR) -> tuple[Any, ...]:
    """One KPI or more of every kind, sliced by one and by two dimensions."""
    common: dict[str, Any] = {
        "better": "neither",
        "by": (("region",), ("carrier",), ("region", "carrier")),
        "windows": (Span("1h", HOUR), Span("24h", DAY)),
        "grain": Span(grain, grain_ms),
    }

    def term(*names: str, **more: Any) -> Term:
        return Term(moments=names, **more)

    delivered_in_time: dict[str, Any] = {"first": True, "entity": "order"}
    return (
        MeasureKpi(name="orders_placed", kind="count", of=term("order.placed"), unit="orders", **common),
        MeasureKpi(name="revenue", kind="sum", of=term("order.placed", field="amount"), unit="money", **common),
        MeasureKpi(name="satisfaction", kind="mean", of=term("ticket.rated", field="score"), unit="score", **common),
        MeasureKpi(
            name="payment_failure_ratio",
            kind="ratio",
            of=term("order.payment_failed"),
            per=term("order.payment_failed", "order.paid"),
            unit="ratio",
            **common,
        ),
        MeasureKpi(
            name="on_time_ratio",
            kind="ratio",
            of=term("delivery.delivered", promise="kept", **delivered_in_time),
            per=term("delivery.delivered", promise="given", **delivered_in_time),
            unit="ratio",
            **common,
        ),
        MeasureKpi(
            name="answered_in_10m",
            kind="ratio",
            of=term("first_answer", first=True, entity="ticket", since="ticket.opened", within=10 * MINUTE),
            per=term("first_answer", first=True, entity="ticket", since="ticket.opened"),
            unit="ratio",
            **common,
        ),
        DurationKpi(
            name="order_to_door",
            entity="order",
            start=("order.placed",),
            end=("delivery.delivered",),
            quantiles=(0.5, 0.9),
            unit="seconds",
            **common,
        ),
        DurationKpi(
            name="delivery_time",
            entity="delivery",
            start=("delivery.dispatched",),
            end=("delivery.delivered",),
            quantiles=(0.5,),
            unit="seconds",
            **common,
        ),
        LevelKpi(
            name="orders_open",
            entity="order",
            start=("order.placed",),
            until=("delivery.delivered", "order.cancelled"),
            unit="orders",
            **common,
        ),
        LevelKpi(
            name="orders_unshipped_overdue",
            entity="order",
            start=("order.placed",),
            until=("delivery.dispatched", "order.cancelled"),
            overdue="promise",
            unit="orders",
            **common,
        ),
        LevelKpi(
            name="tickets_waiting",
            entity="ticket",
            start=("ticket.opened",),
            until=("first_answer",),
            overdue=5 * MINUTE,
            unit="tickets",
            **common,
        ),
        LevelKpi(
            name="tickets_open",
            entity="ticket",
            start=("ticket.opened",),
            until=("ticket.resolved",),
            again=("ticket.reopened",),
            unit="tickets",
            **common,
        ),
    )


def feed(kernel: Kernel, family: int, events: list[BusinessEvent | None], arrival: int = -1) -> Outcome:
    """Process a chunk at the topic's next offsets."""
    first = kernel.next_offsets[family]
    offsets = np.arange(first, first + len(events), dtype=np.int64)
    return kernel.process(family, events, offsets, np.full(len(events), arrival, dtype=np.int64))
