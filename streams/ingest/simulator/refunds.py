"""Money back: booked by the accounts department, in office hours."""

from __future__ import annotations

from streams.events.types import OrderRefunded, RefundedData
from streams.ingest.simulator import order as draw
from streams.ingest.simulator.draws import Quantiles
from streams.ingest.simulator.localtime import HOUR, OpeningHours
from streams.ingest.simulator.order import Order
from streams.ingest.simulator.settings import SHOP_SOURCE
from streams.ingest.simulator.world import World

_DELAY = Quantiles.lognormal(9 * HOUR, 0.8)


class Refunds:
    """Refunds of orders, each at most once."""

    def __init__(self, world: World, hours: OpeningHours) -> None:
        self._world = world
        self._hours = hours
        self._source = world.sources[SHOP_SOURCE]

    def promise(self, ms: int, order: Order, reason: str, share: float = 1.0) -> None:
        """Pay back ``share`` of the amount, some office hours from now."""
        if order.amount <= 0:
            return
        due = self._hours.open_from(ms + int(_DELAY(order.draws[draw.REFUND_DELAY])))
        amount = int(order.amount * share)
        order.amount = 0
        self._world.schedule(due, self._refund, (order.order_id, reason, amount))

    def _refund(self, ms: int, refund: tuple[str, str, int]) -> None:
        order_id, reason, amount = refund
        self._world.emit(
            ms,
            self._source,
            OrderRefunded(
                id=order_id + ".refunded",
                source=SHOP_SOURCE,
                time=self._world.stamp(ms),
                subject=order_id,
                data=RefundedData(order_id=order_id, amount=amount, reason=reason),
            ),
        )
