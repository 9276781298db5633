"""A simulated shop through the live agents, all in one process: what a worker's metrics are after ten days of it.

The agents, kernels, series, detectors and state logs are the real ones; only Kafka between them is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from faust.types import TP
from msgspec.structs import replace

from detectors.casework.ledger import Ledger
from detectors.casework.promises import Promises, targets
from detectors.watch.book import WatchedBook
from detectors.watch.watch import Watch
from streams.config import Config
from streams.events.codec import encode
from streams.events.types import BusinessEvent
from streams.ingest.simulator import Incident, Simulation, SimulatorSettings, family_of
from streams.kpis.book import SeriesBook
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.runtime.agents import Aggregate, Detect
from streams.runtime.agents.revival import Revived, revive_book, revive_kernel
from streams.runtime.metrics import Metrics
from streams.runtime.notify.channel import Result
from streams.runtime.state.chain import Chain
from streams.runtime.topics import TopicNames
from tests.support.agents import Broker, FakeConsumer, chunk, until
from tests.support.casework import business_events, fold
from tests.support.incidents import incident
from tests.support.memory_log import MemoryLog, Records
from tests.support.simulated import DAY, HOUR, MONDAY

END = MONDAY + 9 * DAY + 16 * HOUR
"""A Wednesday afternoon."""
SETTINGS = SimulatorSettings(
    start=MONDAY,
    end=END,
    heartbeat=HOUR,
    orders_per_day=800,
    duplicates=0.01,
    incidents=[
        Incident(kind="payment_failures", start=END - 5 * HOUR, duration=5 * HOUR, strength=0.5),
        # Long enough for some not to be shipped by the time that was promised; others still are.
        Incident(kind="warehouse_stop", start=END - 7 * DAY, duration=7 * DAY, strength=0.75),
    ],
)
CHANNEL = "phone"


class LiveShop:
    """``metrics`` is what its worker shows. :meth:`begin` lives through the past, all but the last :data:`LEFT` parts;
    each call of :meth:`go_on` is another one of these."""

    PARTS, LEFT = 40, 10

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self.config, self.metrics = config, metrics
        self._names = TopicNames(config.namespace)
        self._broker = Broker()
        self._sources, self._series = FakeConsumer(), FakeConsumer()
        definitions = config.definitions()
        plan = Plan(definitions)

        def kernel(partition: int, chain: Chain) -> Kernel:
            return revive_kernel(plan, partition, chain, 1)

        def book(_: int, chain: Chain) -> Revived:
            series = SeriesBook(definitions, 1, plan.fingerprint)
            return revive_book(WatchedBook(series, Watch(definitions, config.alerts.per_week)), chain, 1)

        logs = MemoryLog(Records()), MemoryLog(Records(), beginning=(0,))
        send = self._broker.send
        self.aggregate = Aggregate(config, kernel, logs[0], lambda: self._sources, send, metrics)
        self.detect = Detect(config, book, logs[1], lambda: self._series, send, metrics)
        self._sources.reader, self._series.reader = self.aggregate, self.detect
        self._next: dict[TP, int] = {}
        simulation = Simulation(SETTINGS)
        self._events = [one for _, one in simulation.arrivals() if family_of(one) < 3]
        size = -(-len(self._events) // self.PARTS)
        self._parts = [self._events[at : at + size] for at in range(0, len(self._events), size)]

    async def begin(self) -> None:
        """The past, and what somebody was told of it; then a record that is no event, and one that is too late."""
        for agent, consumer, topics in (
            (self.aggregate, self._sources, self._names.events),
            (self.detect, self._series, (self._names.partials,)),
        ):
            tps = [TP(topic, 0) for topic in topics]
            consumer.ends = dict.fromkeys(tps, 0)
            agent.assigned({0})
            await consumer.rewind(tps)
            await until(lambda held=agent._partitions: held[0].trusted and held[0].placed)  # type: ignore[misc]
        self.metrics.assigned.set(1)
        self.metrics.partitions.set(1)
        while len(self._parts) > self.LEFT:
            await self.go_on()
        await self._take(0, [b"{}", encode(self._events[0])])
        self._notify()
        self._look_ahead()

    async def go_on(self) -> None:
        """Another part of the events, all the way into the metrics."""
        part = self._parts.pop(0)
        for family in range(3):
            await self._take(family, [encode(one) for one in part if family_of(one) == family])
        await self.aggregate.flush()
        partials = [record.value for record in self._broker.to(self._names.partials)]
        self._broker.records.clear()
        await self._read(self.detect, self._series, TP(self._names.partials, 0), partials)
        await self.detect.refresh()

    async def close(self) -> None:
        await asyncio.gather(self.aggregate.close(), self.detect.close())

    async def _take(self, family: int, values: Sequence[bytes]) -> None:
        await self._read(self.aggregate, self._sources, TP(self._names.events[family], 0), values)

    async def _read(
        self, agent: Aggregate | Detect, consumer: FakeConsumer, tp: TP, values: Sequence[bytes | None]
    ) -> None:
        start = self._next.get(tp, 0)
        self._next[tp] = consumer.ends[tp] = start + len(values)
        if values:
            await agent.take(chunk(tp, start, values, epoch=consumer.epochs[tp]))

    def _notify(self) -> None:
        notify = self.metrics.notify
        notify.watch([CHANNEL])
        notify.counted(Result("i-1/opened/1", CHANNEL))
        notify.took(CHANNEL, 0.2)
        self.metrics.incidents.tell([incident(), replace(incident("i-2"), kind="pipeline")])

    def _look_ahead(self) -> None:
        definitions = self.config.definitions()
        events: list[BusinessEvent] = business_events(Simulation(SETTINGS))
        ledger = fold(Ledger(definitions, SETTINGS.start), events)
        at = ledger.newest
        self.metrics.promised.tell(
            Promises(ledger, target, at).forecast_of(ledger, at, DAY) for target in targets(definitions)
        )
