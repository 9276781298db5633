"""One event of each type, as the contracts show them: an order that came late and the ticket about it."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.events.types import (
    BusinessEvent,
    CalendarData,
    CalendarEntry,
    CancelledData,
    CheckpointData,
    DeliveredData,
    DeliveryCheckpoint,
    DeliveryDelivered,
    DeliveryDispatched,
    DeliveryFailed,
    DeliveryFailedData,
    DeliveryReturned,
    DispatchedData,
    Item,
    OpenedData,
    OrderCancelled,
    OrderPacked,
    OrderPaid,
    OrderPaymentFailed,
    OrderPlaced,
    OrderRefunded,
    PackedData,
    PaidData,
    PaymentFailedData,
    PlacedData,
    RatedData,
    RefundedData,
    ReopenedData,
    RepliedData,
    ResolvedData,
    ReturnedData,
    SourceHeartbeat,
    TicketOpened,
    TicketRated,
    TicketReopened,
    TicketReplied,
    TicketResolved,
)

_ORDER, _DELIVERY, _TICKET = "O-2041", "D-977", "T-318"
_PSEUDONYM = "5f0c1a6bd2374e9f8b1d0c3a7e64f295"


def _envelope(number: int, source: str, time: str, subject: str = _ORDER) -> dict[str, Any]:
    return {"id": f"evt-{number:04}", "source": source, "time": time, "subject": subject}


_SHOP, _CARRIER, _DESK = "/shops/berlin", "/carriers/nordpost", "/desk"

EXAMPLES: tuple[BusinessEvent | CalendarEntry, ...] = (
    OrderPlaced(
        **_envelope(1, _SHOP, "2026-03-02T09:30:00Z"),
        data=PlacedData(
            order_id=_ORDER,
            customer=_PSEUDONYM,
            channel="web",
            region="north",
            currency="EUR",
            amount=12_990,
            items=[
                Item(sku="TEA-12", category="tea", quantity=2, unit_price=4_995),
                Item(sku="CUP-03", category="china", quantity=1, unit_price=3_000),
            ],
            promised_at="2026-03-04T18:00:00Z",
        ),
    ),
    OrderPaymentFailed(
        **_envelope(2, _SHOP, "2026-03-02T09:30:41Z"),
        data=PaymentFailedData(order_id=_ORDER, method="card", amount=12_990, reason="declined"),
    ),
    OrderPaid(
        **_envelope(3, _SHOP, "2026-03-02T09:31:20.250Z"),
        data=PaidData(order_id=_ORDER, method="card", amount=12_990),
    ),
    OrderPacked(
        **_envelope(4, "/warehouses/hamburg", "2026-03-02T14:05:00Z"),
        data=PackedData(order_id=_ORDER, warehouse="hamburg"),
    ),
    OrderCancelled(
        **_envelope(5, _SHOP, "2026-03-02T10:02:00Z", "O-2042"),
        data=CancelledData(order_id="O-2042", reason="changed my mind", amount=2_450),
    ),
    OrderRefunded(
        **_envelope(6, _SHOP, "2026-03-06T11:00:00Z"),
        data=RefundedData(order_id=_ORDER, amount=3_000, reason="broken cup"),
    ),
    DeliveryDispatched(
        **_envelope(7, _CARRIER, "2026-03-03T07:40:00+01:00"),
        data=DispatchedData(
            delivery_id=_DELIVERY,
            order_id=_ORDER,
            carrier="nordpost",
            region="north",
            promised_at="2026-03-04T18:00:00Z",
        ),
    ),
    DeliveryCheckpoint(
        **_envelope(8, _CARRIER, "2026-03-04T05:12:00Z"),
        data=CheckpointData(delivery_id=_DELIVERY, status="in depot", lat=53.55, lon=9.99),
    ),
    DeliveryFailed(
        **_envelope(9, _CARRIER, "2026-03-04T16:45:00Z"),
        data=DeliveryFailedData(delivery_id=_DELIVERY, reason="nobody at home"),
    ),
    DeliveryDelivered(
        **_envelope(10, _CARRIER, "2026-03-05T10:20:00Z"),
        data=DeliveredData(delivery_id=_DELIVERY, proof="signature"),
    ),
    DeliveryReturned(
        **_envelope(11, _CARRIER, "2026-03-09T08:00:00Z", "O-1987"),
        data=ReturnedData(delivery_id="D-941", reason="refused"),
    ),
    TicketOpened(
        **_envelope(12, _DESK, "2026-03-04T18:30:00Z"),
        data=OpenedData(
            ticket_id=_TICKET,
            order_id=_ORDER,
            customer=_PSEUDONYM,
            channel="mail",
            topic="where is my order",
            priority="normal",
            queue="first line",
        ),
    ),
    TicketReplied(**_envelope(13, _DESK, "2026-03-04T19:05:00Z"), data=RepliedData(ticket_id=_TICKET, by="agent")),
    TicketResolved(**_envelope(14, _DESK, "2026-03-05T10:45:00Z"), data=ResolvedData(ticket_id=_TICKET)),
    TicketReopened(**_envelope(15, _DESK, "2026-03-06T09:00:00Z"), data=ReopenedData(ticket_id=_TICKET)),
    TicketRated(**_envelope(16, _DESK, "2026-03-06T12:00:00Z"), data=RatedData(ticket_id=_TICKET, score=4)),
    SourceHeartbeat(**_envelope(17, _SHOP, "2026-03-02T23:00:00Z", "heartbeat")),
    CalendarEntry(
        **_envelope(18, "/planning", "2026-02-20T08:00:00Z", "spring-sale"),
        data=CalendarData(
            entry_id="spring-sale",
            kind="promotion",
            start="2026-03-20T00:00:00+01:00",
            end="2026-03-23T00:00:00+01:00",
            title="Spring sale",
            scope={"channel": ["web", "app"]},
        ),
    ),
)


def example(event_type: type[msgspec.Struct]) -> Any:
    """The example of an event type as plain JSON values."""
    return next(msgspec.to_builtins(event) for event in EXAMPLES if type(event) is event_type)
