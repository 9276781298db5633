"""What must hold for any simulated shop, whatever its settings: the lives of its orders, deliveries and tickets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from streams.events.times import parse_time
from streams.events.types import TYPE_NAMES, SourceHeartbeat
from streams.ingest.simulator import TimedEvent

HOUR, DAY, WEEK = 3_600_000, 86_400_000, 604_800_000
MONDAY = 1_772_409_600_000
"""2026-03-02T00:00:00Z."""


def type_of(event: Any) -> str:
    return str(event.__struct_config__.tag)


def business(timed: Iterable[TimedEvent]) -> list[Any]:
    """The events without heartbeats and calendar entries, each once."""
    seen: dict[tuple[str, str], Any] = {}
    for _, event in timed:
        if type_of(event) in TYPE_NAMES:
            seen.setdefault((event.source, event.id), event)
    return list(seen.values())


def by_type(events: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        found[type_of(event)].append(event)
    return found


def by_order(events: Iterable[Any]) -> dict[str, dict[str, list[int]]]:
    """Order or ticket id (the subject) → type → times."""
    lives: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        lives[event.subject][type_of(event)].append(parse_time(event.time))
    return lives


def check_lives(events: Sequence[Any]) -> None:
    """Every order, delivery and ticket lives in a possible order of moments, under one subject."""
    times = [parse_time(event.time) for event in events]
    assert times == sorted(times)
    assert len({(event.source, event.id) for event in events}) == len(events)
    placed: dict[str, Any] = {}
    state: dict[str, str] = {}
    subject_of: dict[str, str] = {}
    ticket_state: dict[str, str] = {}
    for event in events:
        kind, data = type_of(event), event.data
        if kind.startswith("order."):
            assert event.subject == data.order_id
            before = state.get(event.subject, "")
            if kind == "order.placed":
                assert before == ""
                assert data.amount >= sum(item.quantity * item.unit_price for item in data.items) > 0
                assert parse_time(data.promised_at) > parse_time(event.time)
                placed[event.subject] = event
            elif kind in ("order.paid", "order.payment_failed"):
                assert before in ("order.placed", "order.payment_failed")
                assert data.amount == placed[event.subject].data.amount
            elif kind == "order.packed":
                assert before == "order.paid"
            elif kind == "order.cancelled":
                assert before in ("order.paid", "order.payment_failed")
            elif kind == "order.refunded":
                assert before not in ("", "order.placed", "order.payment_failed", "order.refunded")
                assert 0 < data.amount <= placed[event.subject].data.amount
            state[event.subject] = kind
        elif kind.startswith("delivery."):
            before = state[event.subject]
            if kind == "delivery.dispatched":
                assert before == "order.packed"
                assert event.subject == data.order_id
                subject_of[data.delivery_id] = event.subject
            else:
                assert subject_of[data.delivery_id] == event.subject
                assert before.startswith("delivery.") or before == "order.refunded"
                if kind != "delivery.returned":
                    assert before not in ("delivery.delivered", "delivery.returned")
            state[event.subject] = kind
        else:
            before = ticket_state.get(data.ticket_id, "")
            if kind == "ticket.opened":
                assert before == ""
                assert event.subject == (data.order_id or data.ticket_id)
                assert data.order_id is None or data.order_id in placed
                subject_of[data.ticket_id] = event.subject
            else:
                assert subject_of[data.ticket_id] == event.subject
                allowed = {
                    "ticket.replied": ("ticket.opened", "ticket.replied", "ticket.reopened"),
                    "ticket.resolved": ("ticket.replied",),
                    "ticket.reopened": ("ticket.resolved",),
                    "ticket.rated": ("ticket.resolved",),
                }
                assert before in allowed[kind], (before, kind)
            ticket_state[data.ticket_id] = kind


def disorder(timed: Iterable[TimedEvent]) -> tuple[int, int]:
    """Of events in the order they arrive: by how much the worst is behind the newest before it in its family, and
    how many are older than a heartbeat of their family that came before."""
    from streams.ingest.simulator import family_of

    newest: dict[int, int] = defaultdict(int)
    promised: dict[int, int] = defaultdict(int)
    worst = broken = 0
    for _, event in timed:
        family, ms = family_of(event), parse_time(event.time)
        if isinstance(event, SourceHeartbeat):
            promised[family] = max(promised[family], ms)
            continue
        worst = max(worst, newest[family] - ms)
        broken += ms < promised[family]
        newest[family] = max(newest[family], ms)
    return worst, broken
