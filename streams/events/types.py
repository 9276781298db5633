"""The event contracts: CloudEvents 1.0 envelopes around order, delivery, support and calendar data.

Every type is a ``msgspec.Struct``; together they form one union tagged by ``type``. Unknown fields are
ignored, so a producer may be newer than its readers; a missing or ill-typed field is an error that names its
path.

Units: money in minor units of an ISO 4217 currency, times as RFC 3339 text with an offset
(``2026-03-01T09:30:00Z``), coordinates in degrees. The record key of an event is its ``subject``.

Source: CloudEvents 1.0.2, JSON event format.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from msgspec import Meta, Struct

Ref = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="An identifier, without control characters.",
        # Not a pattern for msgspec: matching it for each event would cost more than decoding does.
        extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"},
    ),
]
Text = Annotated[str, Meta(max_length=256)]
Minor = Annotated[int, Meta(ge=0, le=10**15, description="Money in minor units of the currency, an integer.")]
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


class Item(Data, frozen=True):
    """One line of an order."""

    sku: Ref
    quantity: Quantity
    unit_price: Minor
    category: Text | None = None


class PlacedData(Data, frozen=True):
    order_id: Ref
    amount: Minor
    currency: Currency
    customer: Ref | None = None
    channel: Text | None = None
    region: Text | None = None
    items: list[Item] = []
    promised_at: Timestamp | None = None


class PaidData(Data, frozen=True):
    order_id: Ref
    method: Text | None = None
    amount: Minor | None = None


class PaymentFailedData(Data, frozen=True):
    order_id: Ref
    method: Text | None = None
    amount: Minor | None = None
    reason: Text | None = None


class PackedData(Data, frozen=True):
    order_id: Ref
    warehouse: Text | None = None


class CancelledData(Data, frozen=True):
    order_id: Ref
    reason: Text | None = None
    amount: Minor | None = None


class RefundedData(Data, frozen=True):
    order_id: Ref
    amount: Minor | None = None
    reason: Text | None = None


class DispatchedData(Data, frozen=True):
    delivery_id: Ref
    order_id: Ref
    carrier: Text | None = None
    region: Text | None = None
    promised_at: Timestamp | None = None


class CheckpointData(Data, frozen=True):
    delivery_id: Ref
    status: Text
    lat: Latitude | None = None
    lon: Longitude | None = None


class DeliveredData(Data, frozen=True):
    delivery_id: Ref
    proof: Text | None = None


class DeliveryFailedData(Data, frozen=True):
    delivery_id: Ref
    reason: Text | None = None


class ReturnedData(Data, frozen=True):
    delivery_id: Ref
    reason: Text | None = None


class OpenedData(Data, frozen=True):
    ticket_id: Ref
    order_id: Ref | None = None
    customer: Ref | None = None
    channel: Text | None = None
    topic: Text | None = None
    priority: Text | None = None
    queue: Text | None = None


class RepliedData(Data, frozen=True):
    ticket_id: Ref
    by: Literal["agent", "customer", "bot"]


class ResolvedData(Data, frozen=True):
    ticket_id: Ref


class ReopenedData(Data, frozen=True):
    ticket_id: Ref


class RatedData(Data, frozen=True):
    ticket_id: Ref
    score: Annotated[int, Meta(ge=1, le=5)]


class HeartbeatData(Data, frozen=True):
    """Nothing to say but the time: everything up to it has been sent."""


class CalendarData(Data, frozen=True):
    """A promotion, holiday, maintenance window or known outage.

    ``scope`` maps a dimension to the values it covers.
    """

    entry_id: Ref
    kind: Literal["promotion", "holiday", "maintenance", "outage"]
    start: Timestamp
    end: Timestamp
    title: Text | None = None
    scope: dict[str, list[str]] = {}


# A string of its own, not the literal: by its identity the codec tells a ``specversion`` that was left out
# from one that was sent, which CloudEvents requires.
ASSUMED_SPECVERSION = cast('Literal["1.0"]', str(b"1.0", "ascii"))


class Event(Struct, gc=False, tag_field="type", kw_only=True, frozen=True):
    """The CloudEvents envelope shared by all types."""

    specversion: Literal["1.0"] = ASSUMED_SPECVERSION
    id: Annotated[Ref, Meta(description="Unique within its source: an event that is sent twice counts once.")]
    source: Annotated[Ref, Meta(description="Who sends the event, as a URI reference like /shops/berlin.")]
    time: Annotated[Timestamp, Meta(description="When it happened: RFC 3339 date-time with an offset.")]
    subject: Annotated[
        Ref,
        Meta(
            description="What the event is about, and the record's key: the order's id, also for its "
            "delivery and its tickets; the ticket's where support knows no order; the entry's in a calendar."
        ),
    ]


class OrderPlaced(Event, tag="order.placed", kw_only=True, frozen=True):
    """A customer placed an order. ``amount`` is what the customer is to pay."""

    data: PlacedData


class OrderPaid(Event, tag="order.paid", kw_only=True, frozen=True):
    """An order's payment succeeded."""

    data: PaidData


class OrderPaymentFailed(Event, tag="order.payment_failed", kw_only=True, frozen=True):
    """An attempt to pay an order failed; another may follow."""

    data: PaymentFailedData


class OrderPacked(Event, tag="order.packed", kw_only=True, frozen=True):
    """An order was packed in a warehouse."""

    data: PackedData


class OrderCancelled(Event, tag="order.cancelled", kw_only=True, frozen=True):
    """An order was cancelled, by the customer or the shop."""

    data: CancelledData


class OrderRefunded(Event, tag="order.refunded", kw_only=True, frozen=True):
    """Money went back to the customer; without ``amount``, all of it."""

    data: RefundedData


class DeliveryDispatched(Event, tag="delivery.dispatched", kw_only=True, frozen=True):
    """A delivery was handed to a carrier. It names its order; later moments are about the delivery."""

    data: DispatchedData


class DeliveryCheckpoint(Event, tag="delivery.checkpoint", kw_only=True, frozen=True):
    """A carrier saw a delivery on its way."""

    data: CheckpointData


class DeliveryDelivered(Event, tag="delivery.delivered", kw_only=True, frozen=True):
    """A delivery reached the customer."""

    data: DeliveredData


class DeliveryFailed(Event, tag="delivery.failed", kw_only=True, frozen=True):
    """An attempt to deliver failed; another may follow."""

    data: DeliveryFailedData


class DeliveryReturned(Event, tag="delivery.returned", kw_only=True, frozen=True):
    """A delivery came back to the shop."""

    data: ReturnedData


class TicketOpened(Event, tag="ticket.opened", kw_only=True, frozen=True):
    """A customer contacted support, about an order where ``order_id`` is given."""

    data: OpenedData


class TicketReplied(Event, tag="ticket.replied", kw_only=True, frozen=True):
    """Someone wrote in a ticket."""

    data: RepliedData


class TicketResolved(Event, tag="ticket.resolved", kw_only=True, frozen=True):
    """A ticket was resolved."""

    data: ResolvedData


class TicketReopened(Event, tag="ticket.reopened", kw_only=True, frozen=True):
    """A resolved ticket was opened again."""

    data: ReopenedData


class TicketRated(Event, tag="ticket.rated", kw_only=True, frozen=True):
    """A customer rated how a ticket was handled, from 1 (bad) to 5 (good)."""

    data: RatedData


class SourceHeartbeat(Event, tag="source.heartbeat", kw_only=True, frozen=True):
    """A source's promise that nothing older than ``time`` follows on this partition.

    It moves the watermark in the quiet hours, when no order does.
    """

    data: HeartbeatData = HeartbeatData()


class CalendarEntry(Event, tag="calendar.entry", kw_only=True, frozen=True):
    """Something known beforehand that makes business unusual, so that nobody is paged for it."""

    data: CalendarData


ORDER_TYPES = (OrderPlaced, OrderPaid, OrderPaymentFailed, OrderPacked, OrderCancelled, OrderRefunded)
DELIVERY_TYPES = (DeliveryDispatched, DeliveryCheckpoint, DeliveryDelivered, DeliveryFailed, DeliveryReturned)
SUPPORT_TYPES = (TicketOpened, TicketReplied, TicketResolved, TicketReopened, TicketRated)

OrderEvent = (
    OrderPlaced | OrderPaid | OrderPaymentFailed | OrderPacked | OrderCancelled | OrderRefunded | SourceHeartbeat
)
DeliveryEvent = (
    DeliveryDispatched | DeliveryCheckpoint | DeliveryDelivered | DeliveryFailed | DeliveryReturned | SourceHeartbeat
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
