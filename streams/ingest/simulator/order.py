"""An order as the simulation carries it through its life."""

from __future__ import annotations

from array import array

from streams.ingest.simulator.draws import uniform
from streams.ingest.simulator.labels import Active

# How far it has come.
OPEN, PAID, PACKED, DISPATCHED, DELIVERED, CANCELLED, RETURNED = range(7)


# What a draw is for. Repeated things (attempts) add multiples of 64.
(
    REGION,
    CHANNEL,
    METHOD,
    CUSTOMER_IS_NEW,
    CUSTOMER,
    LINES,
    ARTICLE,
    QUANTITY,
    PAY_DELAY,
    PAY,
    REASON,
    RETRY,
    RETRY_DELAY,
    OTHER_METHOD,
    CANCEL,
    CANCEL_DELAY,
    OUT_OF_STOCK,
    PACK_DELAY,
    CARRIER,
    SCAN,
    TRANSIT,
    HUB,
    DEPOT,
    OUT,
    DOOR,
    ATTEMPT,
    RETURN,
    RETURN_DELAY,
    REFUND_DELAY,
    IMPATIENT,
    IMPATIENT_DELAY,
    CHASE,
    CHASE_DELAY,
    PROBLEM,
    PROBLEM_DELAY,
    BACKLOG,
    PLACE_X,
    PLACE_Y,
    TIME,
    CATEGORY,
    LOST,
    DELIVERED_LATE,
    PROOF,
) = range(1, 44)
DRAWS = 44
AGAIN = 64


class Order:
    """One order. What has been decided about it is here; everything else follows from its ``key``.

    ``draws[purpose]`` is ``uniform(key, purpose)``, looked up instead of computed.
    """

    __slots__ = (
        "amount",
        "attempts",
        "carrier",
        "category",
        "causes",
        "channel",
        "customer",
        "delivery_id",
        "draws",
        "failures",
        "key",
        "late",
        "method",
        "order_id",
        "promised",
        "region",
        "state",
        "tickets",
    )

    def __init__(self, key: int, draws: array[float], order_id: str, region: str, channel: str) -> None:
        self.key = key
        self.draws = draws
        self.order_id = order_id
        self.delivery_id = "D" + order_id[1:]
        self.region = region
        self.channel = channel
        self.customer = ""
        self.method = ""
        self.category = ""
        self.carrier = ""
        self.amount = 0
        self.promised = 0
        self.attempts = 0
        self.failures = 0
        self.tickets = 0
        self.state = OPEN
        self.late = False
        self.causes: tuple[Active, ...] = ()

    def again(self, purpose: int, time: int) -> float:
        """The draw for something that is repeated; time 0 is the first."""
        return self.draws[purpose] if time == 0 else uniform(self.key, purpose + AGAIN * time)

    def blame(self, active: Active, ms: int) -> None:
        """Remember that an incident kept from happening what was due for this order at ``ms``."""
        active.touched(ms, order=self.order_id, events=0)
        if active not in self.causes:
            self.causes = (*self.causes, active)
