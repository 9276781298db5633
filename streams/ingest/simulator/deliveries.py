"""A parcel's way: collected, sorted, out for delivery, at the door or not, sometimes back."""

from __future__ import annotations

from streams.events.types import (
    CheckpointData,
    DeliveredData,
    DeliveryCheckpoint,
    DeliveryDelivered,
    DeliveryDispatched,
    DeliveryFailed,
    DeliveryFailedData,
    DeliveryReturned,
    DispatchedData,
    ReturnedData,
)
from streams.ingest.simulator import order as draw
from streams.ingest.simulator.contacts import Contacts
from streams.ingest.simulator.draws import Quantiles, Shares
from streams.ingest.simulator.labels import Active
from streams.ingest.simulator.localtime import DAY, HOUR, MINUTE, Collections, DeliveryDays
from streams.ingest.simulator.order import DELIVERED, DISPATCHED, RETURNED, Order
from streams.ingest.simulator.refunds import Refunds
from streams.ingest.simulator.settings import carrier_source
from streams.ingest.simulator.world import Source, World

_COLLECTIONS = [*[(12 * 60, 16 * 60 + 30, 19 * 60 + 30)] * 5, (14 * 60 + 30,), ()]
_SCAN_WITHIN = 35 * MINUTE
_HUB = Quantiles.lognormal(4.5 * HOUR, 0.3)
_DOOR = Quantiles.lognormal(260.0, 0.45)
_RETURN = Quantiles.lognormal(9 * DAY, 0.45)
_REASONS = Shares({"nobody_home": 0.72, "address_not_found": 0.14, "access_denied": 0.08, "refused": 0.06})
_RETURN_REASONS = Shares({"does_not_fit": 0.34, "not_as_expected": 0.38, "changed_mind": 0.20, "faulty": 0.08})
_PROOFS = Shares({"signature": 0.46, "photo": 0.34, "neighbour": 0.14, "parcel_shop": 0.06})
_CLAIM_AFTER = 14 * DAY
_BACK_TO_SENDER = 6 * DAY
_MOST_ATTEMPTS = 2
_BACKLOG_WITHIN = 40 * HOUR
_ROUND_STARTS, _ROUND_ENDS = 7 * 60 + 30, 21 * 60


class Deliveries:
    """The carriers. All steps are of the form ``(ms, order)``."""

    def __init__(self, world: World, contacts: Contacts, refunds: Refunds) -> None:
        self._world = world
        self._contacts = contacts
        self._refunds = refunds
        shop = world.settings.shop
        self._regions = shop.regions
        self._carriers = {name: Shares(region.carriers) for name, region in shop.regions.items()}
        self._sources: dict[str, Source] = {c: world.sources[carrier_source(c)] for c in shop.carriers}
        self._collections = Collections(world.days, _COLLECTIONS)
        self._days = DeliveryDays(world.days)
        self._returned = {name: category.returned for name, category in shop.categories.items()}
        self._late = shop.late
        self._attempt_fails = shop.attempt_fails
        self._lost = shop.lost
        self._outages = world.faults.of("courier_outage")

    def _held_by(self, order: Order, ms: int, *, collecting: bool = False) -> Active | None:
        for outage in self._outages:
            if (
                outage.covers(ms)
                and outage.includes("carrier", order.carrier)
                and outage.includes("region", order.region)
                and not (collecting and outage.narrows("region"))
                and outage.strikes(order.key)
            ):
                return outage
        return None

    def ready(self, ms: int, order: Order) -> None:
        """The parcel stands packed at the door: wait for the carrier's next collection."""
        order.carrier = self._carriers[order.region](order.draws[draw.CARRIER])
        collected = self._collections.next(ms + 10 * MINUTE)
        while (outage := self._held_by(order, collected, collecting=True)) is not None:
            order.blame(outage, collected)
            collected = self._collections.next(outage.end)
        scanned = collected + int(order.draws[draw.SCAN] * _SCAN_WITHIN)
        self._world.schedule(scanned, self.dispatch, order)

    def dispatch(self, ms: int, order: Order) -> None:
        world = self._world
        order.state = DISPATCHED
        world.emit(
            ms,
            self._sources[order.carrier],
            DeliveryDispatched(
                id=order.delivery_id + ".out",
                source=carrier_source(order.carrier),
                time=world.stamp(ms),
                subject=order.order_id,
                data=DispatchedData(
                    delivery_id=order.delivery_id,
                    order_id=order.order_id,
                    carrier=order.carrier,
                    region=order.region,
                    promised_at=world.stamp(order.promised),
                ),
            ),
        )
        self._note_held(ms, order)
        world.schedule(ms + int(_HUB(order.draws[draw.HUB])), self.at_hub, order)

    def at_hub(self, ms: int, order: Order) -> None:
        if (outage := self._held_by(order, ms)) is not None:
            order.blame(outage, ms)
            self._world.schedule(self._after_outage(order, outage), self.at_hub, order)
            return
        self._checkpoint(ms, order, "at_hub", 0.35)
        if order.draws[draw.LOST] < self._lost:
            # Nobody will see it again; the shop gives up after a while.
            self._world.schedule(ms + _CLAIM_AFTER, self._claim, order)
            return
        transit = self._regions[order.region].days
        slow = order.draws[draw.TRANSIT]
        if slow < self._late:
            transit += 1 if slow > 0.35 * self._late else 2 if slow > 0.1 * self._late else 4
        day = self._days.after(self._world.days.day_of(ms), transit)
        early = 2 * 60 + order.draws[draw.DEPOT] * 3 * 60
        self._world.schedule(self._world.days.at(day, early), self.at_depot, order)

    def at_depot(self, ms: int, order: Order) -> None:
        if (outage := self._held_by(order, ms)) is not None:
            order.blame(outage, ms)
            day = self._days.after(self._world.days.day_of(self._after_outage(order, outage)), 1)
            early = 2 * 60 + order.draws[draw.DEPOT] * 3 * 60
            self._world.schedule(self._world.days.at(day, early), self.at_depot, order)
            return
        self._checkpoint(ms, order, "at_depot", 0.12)
        self._set_out(self._world.days.day_of(ms), order)

    def _set_out(self, day: int, order: Order) -> None:
        minute = _ROUND_STARTS + order.again(draw.OUT, order.attempts) * 80
        self._world.schedule(self._world.days.at(day, minute), self.out_for_delivery, order)

    def out_for_delivery(self, ms: int, order: Order) -> None:
        if (outage := self._held_by(order, ms)) is not None:
            self._put_off(ms, order, outage)
            return
        self._checkpoint(ms, order, "out_for_delivery", 0.05)
        drive = _DOOR(order.again(draw.DOOR, order.attempts))
        day = self._world.days.day_of(ms)
        minute = min(_ROUND_STARTS + drive, _ROUND_ENDS)
        at_door = max(self._world.days.at(day, minute), ms + 5 * MINUTE)
        self._world.schedule(at_door, self.at_door, order)

    def _put_off(self, ms: int, order: Order, outage: Active) -> None:
        order.blame(outage, ms)
        self._set_out(self._days.after(self._world.days.day_of(self._after_outage(order, outage)), 1), order)

    def _after_outage(self, order: Order, outage: Active) -> int:
        return outage.end + int(order.draws[draw.BACKLOG] * _BACKLOG_WITHIN)

    def at_door(self, ms: int, order: Order) -> None:
        if (outage := self._held_by(order, ms)) is not None:
            self._put_off(ms, order, outage)
            return
        failed = order.again(draw.ATTEMPT, order.attempts) < self._attempt_fails
        order.attempts += 1
        if failed:
            self._failed(ms, order)
        else:
            self._delivered(ms, order)

    def _failed(self, ms: int, order: Order) -> None:
        world = self._world
        reason = _REASONS(order.again(draw.ATTEMPT, 8 + order.attempts))
        world.emit(
            ms,
            self._sources[order.carrier],
            DeliveryFailed(
                id=f"{order.delivery_id}.failed{order.attempts}",
                source=carrier_source(order.carrier),
                time=world.stamp(ms),
                subject=order.order_id,
                data=DeliveryFailedData(delivery_id=order.delivery_id, reason=reason),
            ),
        )
        if order.attempts < _MOST_ATTEMPTS:
            self._set_out(self._days.after(world.days.day_of(ms), 1), order)
        else:
            world.schedule(ms + _BACK_TO_SENDER, self._undeliverable, order)

    def _delivered(self, ms: int, order: Order) -> None:
        world = self._world
        order.state = DELIVERED
        order.late = ms > order.promised
        proof = _PROOFS(order.draws[draw.PROOF])
        world.emit(
            ms,
            self._sources[order.carrier],
            DeliveryDelivered(
                id=order.delivery_id + ".delivered",
                source=carrier_source(order.carrier),
                time=world.stamp(ms),
                subject=order.order_id,
                data=DeliveredData(delivery_id=order.delivery_id, proof=proof),
            ),
        )
        self._note_held(ms, order)
        if order.draws[draw.RETURN] < self._returned[order.category]:
            world.schedule(ms + int(_RETURN(order.draws[draw.RETURN_DELAY])), self._sent_back, order)
        self._contacts.after_delivery(ms, order)

    def _note_held(self, ms: int, order: Order) -> None:
        for active in order.causes:
            if active.incident.kind == "courier_outage":
                active.touched(ms, order=order.order_id)

    def _sent_back(self, ms: int, order: Order) -> None:
        self._return(ms, order, _RETURN_REASONS(order.again(draw.RETURN, 1)))

    def _undeliverable(self, ms: int, order: Order) -> None:
        self._return(ms, order, "undeliverable")

    def _return(self, ms: int, order: Order, reason: str) -> None:
        world = self._world
        order.state = RETURNED
        world.emit(
            ms,
            self._sources[order.carrier],
            DeliveryReturned(
                id=order.delivery_id + ".returned",
                source=carrier_source(order.carrier),
                time=world.stamp(ms),
                subject=order.order_id,
                data=ReturnedData(delivery_id=order.delivery_id, reason=reason),
            ),
        )
        self._refunds.promise(ms, order, "returned")

    def _claim(self, ms: int, order: Order) -> None:
        self._refunds.promise(ms, order, "lost")

    def _checkpoint(self, ms: int, order: Order, status: str, spread: float) -> None:
        """A scan somewhere around the region's centre, ``spread`` degrees at most."""
        region = self._regions[order.region]
        tail = "." + status if order.attempts == 0 else f".{status}{order.attempts}"
        self._world.emit(
            ms,
            self._sources[order.carrier],
            DeliveryCheckpoint(
                id=order.delivery_id + tail,
                source=carrier_source(order.carrier),
                time=self._world.stamp(ms),
                subject=order.order_id,
                data=CheckpointData(
                    delivery_id=order.delivery_id,
                    status=status,
                    lat=round(region.lat + (order.draws[draw.PLACE_Y] - 0.5) * 2 * spread, 4),
                    lon=round(region.lon + (order.draws[draw.PLACE_X] - 0.5) * 2 * spread, 4),
                ),
            ),
        )
