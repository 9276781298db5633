"""The simulation: the parts put together, customers let in block by block, and time moved from event to
event."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from streams.events.codec import encode
from streams.ingest.simulator import order as draw
from streams.ingest.simulator.calendar import Calendar
from streams.ingest.simulator.catalog import Catalog
from streams.ingest.simulator.contacts import Contacts
from streams.ingest.simulator.deliveries import Deliveries
from streams.ingest.simulator.demand import Block, Demand
from streams.ingest.simulator.draws import Shares, mix, mixes, uniform, uniforms
from streams.ingest.simulator.labels import Active, Label
from streams.ingest.simulator.localtime import HOUR, OpeningHours
from streams.ingest.simulator.order import Order
from streams.ingest.simulator.orders import Orders
from streams.ingest.simulator.promises import Promises
from streams.ingest.simulator.refunds import Refunds
from streams.ingest.simulator.settings import SimulatorSettings
from streams.ingest.simulator.stations import Desk, PackingStation
from streams.ingest.simulator.tickets import HOURS_PER_TICKET, Helpdesk
from streams.ingest.simulator.world import (
    TimedEvent,
    World,
    family_of,
)

_WAREHOUSE_WEEK = [*[[(7 * 60, 19 * 60)]] * 5, [(8 * 60, 14 * 60)], []]
_SUPPORT_WEEK = [*[[(8 * 60, 20 * 60)]] * 5, [(9 * 60, 16 * 60)], []]
_OFFICE_WEEK = [*[[(9 * 60, 17 * 60)]] * 5, [], []]
_TICKETS_PER_ORDER = 0.13
_COMPLAIN_OF_WEBSITE = 0.03


class Simulation:
    """One shop over time. :meth:`events` can be read once; :meth:`labels` tells what the incidents did so
    far."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        world = self._world = World(settings)
        days, faults, shop = world.days, world.faults, settings.shop
        self._demand = Demand(settings, days)
        self._catalog = Catalog(settings)
        self._regions = Shares({name: region.share for name, region in shop.regions.items()})
        self._channels = Shares(shop.channels)
        office = OpeningHours(days, _OFFICE_WEEK)
        refunds = Refunds(world, office)
        desk = Desk(OpeningHours(days, _SUPPORT_WEEK), self._support_work, faults.of("support_understaffed"))
        helpdesk = Helpdesk(world, desk, refunds)
        self._contacts = Contacts(world, helpdesk)
        stations = {
            name: self._station(OpeningHours(days, _WAREHOUSE_WEEK), name, share)
            for name, share in shop.warehouses.items()
        }
        self._orders = Orders(
            world,
            self._catalog,
            Promises(days, shop.regions),
            stations,
            Deliveries(world, self._contacts, refunds),
            self._contacts,
            refunds,
        )
        self._promotions = faults.of("promotion")
        self._outages = faults.of("website_down")
        self._presale = shop.presale
        seed = settings.seed
        self._order_keys, self._question_keys = mix(seed, 11), mix(seed, 12)
        self._short_blocks = self._demand.block_ms < HOUR
        self._next_block = settings.start // self._demand.block_ms
        self._covered = settings.start
        self._calendar = Calendar(world)

    def labels(self) -> list[Label]:
        """What the injected incidents did up to the last event read, in the order of the settings."""
        return self._world.faults.labels()

    def events(self) -> Iterator[TimedEvent]:
        """All events in the order in which they happen, heartbeats among them; memory holds what is open."""
        out = self._world.out
        for _ in self._steps():
            yield from out
            out.clear()

    def arrivals(self) -> Iterator[TimedEvent]:
        """All events in the order in which they arrive."""
        out = self._world.out
        underway: list[tuple[int, int, TimedEvent]] = []
        serial = 0
        for now in self._steps():
            for timed in out:
                serial += 1
                heappush(underway, (timed.arrival_ms, serial, timed))
            out.clear()
            # What is still to happen cannot arrive before it happens.
            while underway and underway[0][0] <= now:
                yield heappop(underway)[2]
        while underway:
            yield heappop(underway)[2]

    def _steps(self) -> Iterator[int]:
        """Take one step after the other, each time at which one left something in ``out``."""
        world, end = self._world, self.settings.end
        agenda, out = world.agenda, world.out
        if self.settings.heartbeat:
            world.schedule(self.settings.start, self._heartbeat, None)
        while True:
            while not agenda or agenda[0][0] >= self._covered:
                self._open_block()
            ms, _, step, whom = heappop(agenda)
            if end is not None and ms >= end:
                return
            step(ms, whom)
            if out:
                yield ms

    def _open_block(self) -> None:
        """Let in the customers of the next stretch of time."""
        block = self._demand.block(self._next_block)
        self._next_block += 1
        self._covered = block.end
        key = mix(self._order_keys, block.number)
        count = self._demand.count(block)
        self._let_in(block, key, range(count), None)
        for number, promotion in enumerate(self._promotions):
            if promotion.start < block.end and block.start < promotion.end:
                extra = self._demand.count(block, promotion.incident.strength, stream=2 + number)
                self._let_in(block, key, range(count, count + extra), promotion)
                count += extra
        questions = mixes(mix(self._question_keys, block.number), self._demand.count(block, self._presale, stream=1))
        for place, question in enumerate(questions.tolist()):
            ms = block.place(uniform(question, draw.TIME))
            if ms >= self.settings.start:
                ticket_id = f"Q{self._prefix(block)}-{place:03d}"
                self._contacts.question(ms, question, ticket_id, "product_question")
        self._calendar.tomorrow(max(block.start, self.settings.start))

    def _prefix(self, block: Block) -> str:
        """The time of placement, as it stands in ids: they never repeat, and a run that overlaps another
        in time repeats its ids."""
        text = self._world.stamp(block.start)
        return text[2:4] + text[5:7] + text[8:10] + text[11:13] + (text[14:16] if self._short_blocks else "")

    def _let_in(self, block: Block, block_key: int, places: range, extra: Active | None) -> None:
        """Schedule a block's customers; ``extra`` is the promotion that brings them, if one does."""
        prefix = self._prefix(block)
        keys = mixes(block_key, places.stop)[places.start :]
        table = uniforms(keys, draw.DRAWS)
        for place, key, row in zip(places, keys.tolist(), table, strict=True):
            draws = array("d", row.tobytes())
            ms = block.place(draws[draw.TIME])
            if ms < self.settings.start:
                continue
            region = self._regions(draws[draw.REGION])
            channel = self._channels(draws[draw.CHANNEL])
            order = Order(key, draws, f"O{prefix}-{place:04d}", region, channel)
            if extra is not None and not self._tempted(ms, order, extra):
                continue
            if self._outages and self._lost(ms, order):
                continue
            if extra is not None:
                extra.touched(ms, order=order.order_id)
            self._world.schedule(ms, self._orders.place, order)

    def _tempted(self, ms: int, order: Order, promotion: Active) -> bool:
        return (
            promotion.covers(ms)
            and promotion.includes("region", order.region)
            and promotion.includes("channel", order.channel)
            and promotion.includes("category", self._catalog.category(order))
        )

    def _lost(self, ms: int, order: Order) -> bool:
        """Whether the website is down for this customer; a few of those write."""
        for outage in self._outages:
            if (
                outage.covers(ms)
                and outage.includes("channel", order.channel)
                and outage.includes("region", order.region)
                and outage.strikes(order.key)
            ):
                outage.lost_orders += 1
                outage.touched(ms, events=0)
                if order.draws[draw.PROBLEM] < _COMPLAIN_OF_WEBSITE:
                    ticket_id = f"Q{order.order_id[1:]}"
                    outage.touched(ms, ticket=ticket_id)
                    self._contacts.question(ms, order.key, ticket_id, "website")
                return True
        return False

    def _station(self, hours: OpeningHours, name: str, share: float) -> PackingStation:
        stops = [s for s in self._world.faults.of("warehouse_stop") if s.includes("warehouse", name)]
        return PackingStation(hours, lambda ms: self._demand.level(ms) * 7 * share, stops)

    def _support_work(self, ms: int) -> float:
        return self._demand.level(ms) * 7 * _TICKETS_PER_ORDER * HOURS_PER_TICKET

    def _heartbeat(self, ms: int, _: None) -> None:
        for source in self._world.sources.values():
            self._world.beat(ms, source)
        every, until = self.settings.heartbeat, None
        for phase_end, interval in self.settings.heartbeat_until:
            if ms < phase_end:
                every, until = interval, phase_end
                break
        following = ms - ms % every + every
        self._world.schedule(following if until is None else min(following, until), self._heartbeat, None)


def simulate(settings: SimulatorSettings) -> Iterator[TimedEvent]:
    """The events of a shop in the order in which they happen, each with its arrival; see
    :class:`Simulation`.

    A pure function of the settings, lazy, without end unless they have one. Raises nothing: settings
    are checked when they are made.
    """
    return Simulation(settings).events()


def simulate_bytes(settings: SimulatorSettings) -> Iterator[tuple[int, bytes, bytes]]:
    """The same events in the order in which they arrive, as (family, key, value) of the records to be sent.

    A heartbeat's key is :data:`HEARTBEAT_KEY`: it belongs in every partition of its family's topic.
    """
    return encoded(Simulation(settings).arrivals())


def encoded(events: Iterable[TimedEvent]) -> Iterator[tuple[int, bytes, bytes]]:
    """Events as (family, key, value) of the records to be sent."""
    for _, event in events:
        yield family_of(event), event.subject.encode(), encode(event)
