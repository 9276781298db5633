"""An order from the basket to the packing table: placed, paid or not, packed, or cancelled on the way."""

from __future__ import annotations

from streams.events.types import (
    CancelledData,
    OrderCancelled,
    OrderPacked,
    OrderPaid,
    OrderPaymentFailed,
    OrderPlaced,
    PackedData,
    PaidData,
    PaymentFailedData,
    PlacedData,
)
from streams.ingest.simulator import order as draw
from streams.ingest.simulator.catalog import Catalog
from streams.ingest.simulator.contacts import Contacts
from streams.ingest.simulator.deliveries import Deliveries
from streams.ingest.simulator.draws import Quantiles, Shares
from streams.ingest.simulator.localtime import DAY, MINUTE
from streams.ingest.simulator.order import CANCELLED, OPEN, PACKED, PAID, Order
from streams.ingest.simulator.promises import Promises
from streams.ingest.simulator.refunds import Refunds
from streams.ingest.simulator.settings import SHOP_SOURCE, warehouse_source
from streams.ingest.simulator.stations import PackingStation
from streams.ingest.simulator.world import World

_PAYS = Quantiles.lognormal(45_000, 0.7)
_RETRIES = Quantiles.lognormal(4 * MINUTE, 1.0)
_CANCELS = Quantiles.lognormal(55 * MINUTE, 1.1)
_PACKS = Quantiles.lognormal(14 * MINUTE, 0.5)
_GIVES_UP = DAY
_MOST_FAILURES = 3
_FAILURES = Shares({"declined": 0.44, "insufficient_funds": 0.26, "authentication_failed": 0.22, "expired": 0.08})
_SECOND_THOUGHTS = Shares({"changed_mind": 0.58, "ordered_twice": 0.20, "too_slow": 0.22})


class Orders:
    """The shop and its warehouses. Steps are ``(ms, order)``."""

    def __init__(
        self,
        world: World,
        catalog: Catalog,
        promises: Promises,
        stations: dict[str, PackingStation],
        deliveries: Deliveries,
        contacts: Contacts,
        refunds: Refunds,
    ) -> None:
        self._world = world
        self._catalog = catalog
        self._promises = promises
        self._stations = stations
        self._deliveries = deliveries
        self._contacts = contacts
        self._refunds = refunds
        self._source = world.sources[SHOP_SOURCE]
        shop = world.settings.shop
        self._shop = shop
        self._warehouse_of = {name: region.warehouse for name, region in shop.regions.items()}
        self._methods = Shares({name: method.share for name, method in shop.methods.items()})
        self._fails = {name: method.fails for name, method in shop.methods.items()}
        self._failures = world.faults.of("payment_failures")
        self._currency = world.settings.currency

    def place(self, ms: int, order: Order) -> None:
        world = self._world
        order.method = self._methods(order.draws[draw.METHOD])
        order.customer = self._catalog.customer(order, ms)
        order.promised = self._promises.promise(ms, order.region)
        items, order.amount = self._catalog.basket(order)
        order.category = items[0].category or ""
        world.emit(
            ms,
            self._source,
            OrderPlaced(
                id=order.order_id + ".placed",
                source=SHOP_SOURCE,
                time=world.stamp(ms),
                subject=order.order_id,
                data=PlacedData(
                    order_id=order.order_id,
                    amount=order.amount,
                    currency=self._currency,
                    customer=order.customer,
                    channel=order.channel,
                    region=order.region,
                    items=items,
                    promised_at=world.stamp(order.promised),
                ),
            ),
        )
        world.schedule(ms + int(_PAYS(order.draws[draw.PAY_DELAY])), self.pay, order)
        self._contacts.promised(order)
        if order.draws[draw.IMPATIENT] < self._shop.impatient:
            wait = (0.3 + 0.7 * order.draws[draw.IMPATIENT_DELAY]) * (order.promised - ms)
            world.schedule(ms + int(wait), self._contacts.impatient, order)

    def pay(self, ms: int, order: Order) -> None:
        if order.again(draw.PAY, order.failures) < self._fails[order.method]:
            self._payment_failed(ms, order, _FAILURES(order.again(draw.REASON, order.failures)))
            return
        for incident in self._failures:
            if (
                incident.covers(ms)
                and incident.includes("method", order.method)
                and incident.includes("channel", order.channel)
                and incident.strikes(order.key, order.failures)
            ):
                order.blame(incident, ms)
                incident.touched(ms, order=order.order_id)
                self._payment_failed(ms, order, "provider_error")
                return
        self._paid(ms, order)

    def _payment_failed(self, ms: int, order: Order, reason: str) -> None:
        world = self._world
        order.failures += 1
        world.emit(
            ms,
            self._source,
            OrderPaymentFailed(
                id=f"{order.order_id}.failed{order.failures}",
                source=SHOP_SOURCE,
                time=world.stamp(ms),
                subject=order.order_id,
                data=PaymentFailedData(
                    order_id=order.order_id, method=order.method, amount=order.amount, reason=reason
                ),
            ),
        )
        time = order.failures
        if time < _MOST_FAILURES and order.again(draw.RETRY, time) < self._shop.retries:
            if order.again(draw.OTHER_METHOD, time) < 0.35:
                order.method = self._methods(order.again(draw.METHOD, time))
            world.schedule(ms + 10_000 + int(_RETRIES(order.again(draw.RETRY_DELAY, time))), self.pay, order)
            return
        world.schedule(ms + _GIVES_UP, self._not_paid, order)
        if order.draws[draw.PROBLEM] < 0.15:
            because = order.causes[-1] if order.causes else None
            self._contacts.about(ms + 5 * MINUTE, order, "payment", because)

    def _paid(self, ms: int, order: Order) -> None:
        world = self._world
        order.state = PAID
        world.emit(
            ms,
            self._source,
            OrderPaid(
                id=order.order_id + ".paid",
                source=SHOP_SOURCE,
                time=world.stamp(ms),
                subject=order.order_id,
                data=PaidData(order_id=order.order_id, method=order.method, amount=order.amount),
            ),
        )
        done = self._stations[self._warehouse_of[order.region]].serve(ms)
        packed = done.ms + int(_PACKS(order.draws[draw.PACK_DELAY]))
        if order.draws[draw.CANCEL] < self._shop.cancels:
            cancelled = ms + MINUTE + int(_CANCELS(order.draws[draw.CANCEL_DELAY]))
            if cancelled < packed:
                world.schedule(cancelled, self._second_thoughts, order)
                return
        if done.because is not None:
            order.blame(done.because, packed - (done.ms - done.due))
        world.schedule(packed, self.pack, order)

    def pack(self, ms: int, order: Order) -> None:
        world = self._world
        if order.draws[draw.OUT_OF_STOCK] < self._shop.out_of_stock:
            self._cancel(ms, order, "out_of_stock", paid=True)
            return
        order.state = PACKED
        warehouse = self._warehouse_of[order.region]
        source = warehouse_source(warehouse)
        world.emit(
            ms,
            world.sources[source],
            OrderPacked(
                id=order.order_id + ".packed",
                source=source,
                time=world.stamp(ms),
                subject=order.order_id,
                data=PackedData(order_id=order.order_id, warehouse=warehouse),
            ),
        )
        for active in order.causes:
            if active.incident.kind == "warehouse_stop":
                active.touched(ms, order=order.order_id)
        self._deliveries.ready(ms, order)

    def _second_thoughts(self, ms: int, order: Order) -> None:
        self._cancel(ms, order, _SECOND_THOUGHTS(order.again(draw.CANCEL, 1)), paid=True)

    def _not_paid(self, ms: int, order: Order) -> None:
        if order.state == OPEN:
            self._cancel(ms, order, "not_paid", paid=False)
            for active in order.causes:
                active.touched(ms, order=order.order_id)

    def _cancel(self, ms: int, order: Order, reason: str, *, paid: bool) -> None:
        order.state = CANCELLED
        self._world.emit(
            ms,
            self._source,
            OrderCancelled(
                id=order.order_id + ".cancelled",
                source=SHOP_SOURCE,
                time=self._world.stamp(ms),
                subject=order.order_id,
                data=CancelledData(order_id=order.order_id, reason=reason, amount=order.amount),
            ),
        )
        if paid:
            self._refunds.promise(ms, order, "cancelled")
