"""The event contracts: CloudEvents 1.0 envelopes around order, delivery, support and calendar data.

Every type is a ``msgspec.Struct``; together they form one union tagged by ``type``. Unknown fields are ignored, so a
producer may be newer than its readers; a missing or ill-typed field is an error that names its path.

Units: money in minor units of an ISO 4217 currency, times as RFC 3339 text with an offset (``2026-03-01T09:30:00Z``),
coordinates in degrees. The record key of an event is its ``subject``.

Source: CloudEvents 1.0.2, JSON event format.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Ref = Annotated[str, Meta(min_length=1, max_length=256, description="An identifier, unique within its source.")]
Text = Annotated[str, Meta(max_length=256)]
Minor = Annotated[int, Meta(ge=0, le=10**15, description="Money in minor units of the currency.")]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217 alphabetic code.")]
Timestamp = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=35,
        description="RFC 3339 date-time with an offset.",
        extra_json_schema={"format": "date-time"},
    ),
]
Quantity = Annotated[int, Meta(ge=1, le=10**9)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class Data(Struct, gc=False, omit_defaults=True, frozen=True):
    """Base of every event's ``data``."""


class Item(Data):
    """One line of an order."""

    sku: Ref
    quantity: Quantity
    unit_price: Minor
    category: Text | None = None


class PlacedData(Data):
    order_id: Ref
    amount: Minor
    currency: Currency
    customer: Ref | None = None
    channel: Text | None = None
    region: Text | None = None
    items: list[Item] = []
    promised_at: Timestamp | None = None


class PaidData(Data):
    order_id: Ref
    method: Text | None = None
    amount: Minor | None = None


class PaymentFailedData(Data):
    order_id: Ref
    method: Text | None = None
    amount: Minor | None = None
    reason: Text | None = None


class PackedData(Data):
    order_id: Ref
    warehouse: Text | None = None


class CancelledData(Data):
    order_id: Ref
    reason: Text | None = None
    amount: Minor | None = None


class RefundedData(Data):
    order_id: Ref
    amount: Minor | None = None
    reason: Text | None = None


class DispatchedData(Data):
    delivery_id: Ref
    order_id: Ref
    carrier: Text | None = None
    region: Text | None = None
    promised_at: Timestamp | None = None


class CheckpointData(Data):
    delivery_id: Ref
    status: Text
    lat: Latitude | None = None
    lon: Longitude | None = None


class DeliveredData(Data):
    delivery_id: Ref
    proof: Text | None = None


class DeliveryFailedData(Data):
    delivery_id: Ref
    reason: Text | None = None


class ReturnedData(Data):
    delivery_id: Ref
    reason: Text | None = None


class OpenedData(Data):
    ticket_id: Ref
    order_id: Ref | None = None
    customer: Ref | None = None
    channel: Text | None = None
    topic: Text | None = None
    priority: Text | None = None
    queue: Text | None = None


class RepliedData(Data):
    ticket_id: Ref
    by: Literal["agent", "customer", "bot"]


class ResolvedData(Data):
    ticket_id: Ref


class ReopenedData(Data):
    ticket_id: Ref


class RatedData(Data):
    ticket_id: Ref
    score: Annotated[int, Meta(ge=1, le=5)]


class HeartbeatData(Data):
    """Nothing to say but the time: everything up to it has been sent."""


class CalendarData(Data):
    """A promotion, holiday, maintenance window or known outage; ``scope`` maps a dimension to the values it covers."""

    entry_id: Ref
    kind: Literal["promotion", "holiday", "maintenance", "outage"]
    start: Timestamp
    end: Timestamp
    title: Text | None = None
    scope: dict[str, list[str]] = {}


class Event(Struct, gc=False, tag_field="type", kw_only=True, omit_defaults=True, frozen=True):
    """The CloudEvents envelope shared by all types."""

    specversion: Literal["1.0"] = "1.0"
    id: Ref
    source: Ref
    time: Timestamp
    subject: Ref


class OrderPlaced(Event, tag="order.placed"):
    data: PlacedData


class OrderPaid(Event, tag="order.paid"):
    data: PaidData


class OrderPaymentFailed(Event, tag="order.payment_failed"):
    data: PaymentFailedData


class OrderPacked(Event, tag="order.packed"):
    data: PackedData


class OrderCancelled(Event, tag="order.cancelled"):
    data: CancelledData


class OrderRefunded(Event, tag="order.refunded"):
    data: RefundedData


class DeliveryDispatched(Event, tag="delivery.dispatched"):
    data: DispatchedData


class DeliveryCheckpoint(Event, tag="delivery.checkpoint"):
    data: CheckpointData


class DeliveryDelivered(Event, tag="delivery.delivered"):
    data: DeliveredData


class DeliveryFailed(Event, tag="delivery.failed"):
    data: DeliveryFailedData


class DeliveryReturned(Event, tag="delivery.returned"):
    data: ReturnedData


class TicketOpened(Event, tag="ticket.opened"):
    data: OpenedData


class TicketReplied(Event, tag="ticket.replied"):
    data: RepliedData


class TicketResolved(Event, tag="ticket.resolved"):
    data: ResolvedData


class TicketReopened(Event, tag="ticket.reopened"):
    data: ReopenedData


class TicketRated(Event, tag="ticket.rated"):
    data: RatedData


class SourceHeartbeat(Event, tag="source.heartbeat"):
    """A source's promise that nothing older than ``time`` follows on this partition: it moves the watermark in the
    quiet hours, when no order does."""

    data: HeartbeatData = HeartbeatData()


class CalendarEntry(Event, tag="calendar.entry"):
    data: CalendarData


ORDER_TYPES = (OrderPlaced, OrderPaid, OrderPaymentFailed, OrderPacked, OrderCancelled, OrderRefunded)
DELIVERY_TYPES = (DeliveryDispatched, DeliveryCheckpoint, DeliveryDelivered, DeliveryFailed, DeliveryReturned)
SUPPORT_TYPES = (TicketOpened, TicketReplied, TicketResolved, TicketReopened, TicketRated)

OrderEvent = (
    OrderPlaced | OrderPaid | OrderPaymentFailed | OrderPacked | OrderCancelled | OrderRefunded | SourceHeartbeat
)
DeliveryEvent = (
    DeliveryDispatched
    | DeliveryCheckpoint
    | DeliveryDelivered
    | DeliveryFailed
    | DeliveryReturned
    | SourceHeartbeat
)
SupportEvent = TicketOpened | TicketReplied | TicketResolved | TicketReopened | TicketRated | SourceHeartbeat
BusinessEvent = (
    OrderPlaced
    | OrderPaid
    | OrderPaymentFailed
    | OrderPacked
    | OrderCancelled
    | OrderRefunded
    | DeliveryDispatched
    | DeliveryCheckpoint
    | DeliveryDelivered
    | DeliveryFailed
    | DeliveryReturned
    | TicketOpened
    | TicketReplied
    | TicketResolved
    | TicketReopened
    | TicketRated
    | SourceHeartbeat
)

TYPE_NAMES: tuple[str, ...] = tuple(
    str(cls.__struct_config__.tag) for cls in (*ORDER_TYPES, *DELIVERY_TYPES, *SUPPORT_TYPES)
)
"""The business event types in a fixed order: the index of a name is its type code in columns."""

ENTITY_OF_TYPE: dict[str, str] = {name: name.split(".")[0] for name in TYPE_NAMES}
"""Which entity (order, delivery, ticket) an event type is a moment of."""
