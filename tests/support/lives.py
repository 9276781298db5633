"""Lives of many orders, from a seed: enough of everything for every KPI of the default configuration."""

from __future__ import annotations

import random

from streams.events.types import BusinessEvent
from tests.support.shop import HOUR, MINUTE, T0, event


def lives(orders: int, seed: int = 1, span: int = 12 * HOUR) -> list[BusinessEvent]:
    """What happens to the orders, which come in over ``span`` ms from T0 on, in the order of its times; one
    event in fifty is sent twice."""
    rng = random.Random(seed)
    events: list[tuple[int, BusinessEvent]] = []
    for number in range(orders):
        order, at = f"O-{seed}-{number}", T0 + rng.randrange(span)

        def add(kind: str, after: int, order: str = order, **data: object) -> None:
            nonlocal at
            at += rng.randrange(1, after)
            timed = (at, event(kind, at, order, **data))
            events.extend([timed] * (2 if rng.random() < 0.02 else 1))

        add(
            "order.placed",
            MINUTE,
            region=rng.choice(["north", "south", "west"]),
            channel=rng.choice(["web", "app"]),
            amount=rng.randrange(100, 100_000),
            promised_at=at + rng.randrange(6 * HOUR),
        )
        paid = rng.choice(["order.paid", "order.paid", "order.payment_failed"])
        add(paid, HOUR, method=rng.choice(["card", "bank"]))
        add("order.packed", HOUR, warehouse=rng.choice(["w1", "w2"]))
        delivery = f"D-{order}"
        add("delivery.dispatched", HOUR, delivery_id=delivery, order_id=order, carrier=rng.choice(["ups", "dax"]))
        if rng.random() < 0.9:
            add("delivery.delivered", 6 * HOUR, delivery_id=delivery)
        if rng.random() < 0.3:
            ticket = f"T-{order}"
            add("ticket.opened", HOUR, ticket_id=ticket, order_id=order, topic=rng.choice(["late", "broken"]))
            add("ticket.replied", HOUR, ticket_id=ticket, by=rng.choice(["agent", "bot"]))
            add("ticket.resolved", HOUR, ticket_id=ticket)
            if rng.random() < 0.5:
                add("ticket.rated", HOUR, ticket_id=ticket, score=rng.randint(1, 5))
    return [one for _, one in sorted(events, key=lambda timed: timed[0])]
