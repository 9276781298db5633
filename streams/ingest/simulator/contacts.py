"""Why customers write: a parcel that is late, a thing that is broken, a payment that fails, a question
beforehand."""

from __future__ import annotations

from streams.ingest.simulator import order as draw
from streams.ingest.simulator.draws import Quantiles, mix
from streams.ingest.simulator.labels import Active
from streams.ingest.simulator.localtime import HOUR
from streams.ingest.simulator.order import CANCELLED, DELIVERED, RETURNED, Order
from streams.ingest.simulator.tickets import Helpdesk, Ticket, awake
from streams.ingest.simulator.world import World

_SHORTLY = Quantiles.lognormal(4 * HOUR, 0.9)
_SETTLED = (DELIVERED, CANCELLED, RETURNED)


class Contacts:
    """Decides which orders lead to tickets. Steps are ``(ms, order)``."""

    def __init__(self, world: World, helpdesk: Helpdesk) -> None:
        self._world = world
        self._helpdesk = helpdesk
        self._shop = world.settings.shop
        self._promised: dict[int, list[Order]] = {}

    def about(self, ms: int, order: Order, topic: str, because: Active | None = None) -> None:
        """A customer writes about an order, at ``ms`` or when they next wake."""
        order.tickets += 1
        ticket_id = f"T{order.order_id[1:]}-{order.tickets}"
        ticket = Ticket(mix(order.key, 900 + order.tickets), ticket_id, topic, order)
        at = awake(self._world.days, ms)
        if because is not None:
            because.touched(at, ticket=ticket_id)
        self._world.schedule(at, self._helpdesk.open, ticket)

    def question(self, ms: int, key: int, ticket_id: str, topic: str) -> None:
        """Someone without an order writes."""
        self._world.schedule(ms, self._helpdesk.open, Ticket(key, ticket_id, topic, None))

    def impatient(self, ms: int, order: Order) -> None:
        """The customer asks though nothing is late yet."""
        if order.state not in _SETTLED:
            self.about(ms, order, "where_is_my_order")

    def promised(self, order: Order) -> None:
        """Look again at the order when its promised time comes."""
        together = self._promised.get(order.promised)
        if together is None:
            # Many orders are promised for the same evening: one appointment for all of them.
            together = self._promised[order.promised] = []
            self._world.schedule(order.promised, self._overdue, order.promised)
        together.append(order)

    def _overdue(self, ms: int, promised: int) -> None:
        for order in self._promised.pop(promised):
            if order.state not in _SETTLED and order.draws[draw.CHASE] < self._shop.chases:
                delay = int(_SHORTLY(order.draws[draw.CHASE_DELAY]))
                self._world.schedule(awake(self._world.days, ms + delay), self._chase, order)

    def _chase(self, ms: int, order: Order) -> None:
        if order.state not in (CANCELLED, RETURNED):
            topic = "late_delivery" if order.state == DELIVERED else "where_is_my_order"
            self.about(ms, order, topic, order.causes[-1] if order.causes else None)

    def after_delivery(self, ms: int, order: Order) -> None:
        """The parcel is there: decide what the customer will write about, if anything."""
        shop = self._shop
        delay = int(_SHORTLY(order.draws[draw.PROBLEM_DELAY]))
        if order.late and order.tickets == 0 and order.draws[draw.DELIVERED_LATE] < shop.complains:
            self.about(ms + delay, order, "late_delivery", order.causes[-1] if order.causes else None)
            return
        problem = order.draws[draw.PROBLEM]
        for topic, share, slow in (
            ("damaged", shop.damaged, 1),
            ("wrong_item", shop.wrong_item, 1),
            ("return", shop.return_question, 6),
        ):
            if problem < share:
                self.about(ms + delay * slow, order, topic)
                return
            problem -= share
