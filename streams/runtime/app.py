"""The Faust app of a worker.

``create_app`` makes it from a configuration. The module also has an ``app``, made when it is first asked for
from the configuration that ``load_config`` finds, so that Faust's own command works: ``faust -A
streams.runtime.app worker``.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Sequence
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import faust
import structlog
from faust.app.base import BootStrategy
from mode import get_logger
from prometheus_client import CollectorRegistry

from detectors.calendar.business import BusinessCalendar
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment
from detectors.notification.holds import Window
from detectors.response.response import Response
from detectors.watch.book import WatchedBook
from detectors.watch.verdicts import Verdicts
from detectors.watch.watch import Watch
from streams.config import Config, load_config
from streams.kpis.book import SeriesBook
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.kpis.warm import warm
from streams.runtime.agents import Aggregate, Detect, Respond
from streams.runtime.agents.assignment import Reader
from streams.runtime.agents.incidents import Answered, revive_response
from streams.runtime.agents.revival import Revived, revive_book, revive_kernel
from streams.runtime.agreed import Agreement
from streams.runtime.calendar import business_calendar, calendar_feed
from streams.runtime.casework import CaseFeed
from streams.runtime.feedback import feedback_feed
from streams.runtime.follower import Follower
from streams.runtime.investigator import Investigator
from streams.runtime.memory import give_back
from streams.runtime.messenger import Messenger
from streams.runtime.metrics import Metrics, MetricsServer, serve
from streams.runtime.notify.channel import Channel
from streams.runtime.notify.channels import channels_of, notices_of
from streams.runtime.outbox import Record
from streams.runtime.security import client_security
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import StateLog
from streams.runtime.topics import TopicNames, create_topics
from streams.runtime.transport import Consumer, chunk_topic

log = structlog.get_logger(__name__)

LARGEST_REQUEST = (12 << 20) + (64 << 10)
"""Bytes of the largest record produced: a dead letter."""
REFRESH_EVERY = 0.5
"""Seconds between two looks for news of the series."""
GIVE_BACK_EVERY = 5.0
"""Seconds after which memory that is free is returned to the system, which takes about 10 ms in a thread."""
LAST_FLUSH_WITHIN = 4.0
"""Seconds to publish what is left when partitions are revoked; within the group's rebalance timeout."""
MOST_BEHIND = 5_000
"""Events not read yet beyond which nobody looks through those that were: KPIs come first."""
SERIES_STATE_VERSION = 5
"""Of the form and meaning of what a series book keeps; another one makes every kept state unreadable."""
INCIDENT_STATE_VERSION = 2
"""The same of incidents."""


class _BootStrategy(BootStrategy):
    # Faust's web server is on unless told otherwise, also by its command line; the metrics have their own.
    enable_web = False


class DaybookApp(faust.App):
    """A Faust app that publishes what is left before it stops."""

    BootStrategy = _BootStrategy
    logger = get_logger("faust.daybook")
    daybook: Config
    aggregate: Aggregate
    detect: Detect
    incidents: Respond
    metrics: Metrics
    reader: Reader
    feeds: tuple[Follower | Agreement, ...]
    """Small topics that every worker knows all of, and the configuration's file."""
    state_logs: tuple[StateLog, ...]
    metrics_server: MetricsServer | None = None
    channels: list[Channel]
    investigator: Investigator | None = None
    messenger: Messenger | None = None

    async def on_start(self) -> None:
        """Create the topics and serve the metrics, before anything is read."""
        worker = self.daybook.worker
        if self.metrics_server is None:
            self.metrics_server = serve(self.metrics.registry, worker.metrics_host, worker.metrics_port)
        created = await asyncio.to_thread(create_topics, self.daybook)
        # Before it joins the group: compiling may keep the interpreter busy for longer than a heartbeat may wait.
        await asyncio.to_thread(warm)
        if created:
            log.info("topics created", topics=created)
        for feed in self.feeds:
            await asyncio.to_thread(feed.start)
        self._show_incidents()
        await super().on_start()

    def _show_incidents(self) -> None:
        """Have the events behind incidents looked through, beside the live path, and messages sent."""
        loop, agent = asyncio.get_running_loop(), self.incidents

        def assessed(incident: str, found: Assessment) -> None:
            loop.call_soon_threadsafe(agent.assessed, incident, found)

        def heard(troubles: Sequence[FeedTrouble], at: int) -> None:
            loop.call_soon_threadsafe(agent.heard, troubles, at)

        feed = CaseFeed(self.daybook, lambda: self.aggregate.lag <= MOST_BEHIND)
        self.investigator = Investigator(feed, assessed, heard, self.metrics.promised)
        self.messenger = Messenger(self.channels, agent.delivered, self.metrics.notify)
        agent.outside = [self.investigator, self.messenger]

    async def on_stop(self) -> None:
        self.reader.ends = True
        await self.last_flush()
        await super().on_stop()
        for agent in (self.aggregate, self.detect, self.incidents):
            await agent.close()
        if self.messenger is not None:
            await self.messenger.close()
        beside = [*self.feeds, *([self.investigator] if self.investigator is not None else [])]
        for one in beside:
            one.end()
        await asyncio.gather(*(asyncio.to_thread(one.close) for one in beside))
        for state_log in self.state_logs:
            await state_log.close()
        if self.metrics_server is not None:
            await asyncio.to_thread(self.metrics_server.close)
            self.metrics_server = None

    async def last_flush(self) -> None:
        """Record, publish and commit what has been read, as far as the time allows."""
        try:
            async with asyncio.timeout(LAST_FLUSH_WITHIN):
                await self.aggregate.flush()
                await self.detect.refresh()
                await self.incidents.refresh()
        except TimeoutError:
            log.warning("not everything was published in time; the next owner of the partitions will")
        for agent in (self.aggregate, self.detect, self.incidents):
            agent.revoked()


def create_app(config: Config, registry: CollectorRegistry | None = None) -> DaybookApp:
    """The app of one worker. Raises :class:`DaybookError` where the configuration cannot be run."""
    app = DaybookApp(
        f"{config.namespace}-{config.worker.group}",
        broker=[f"daybook://{address}" for address in config.kafka.bootstrap.split(",")],
        **client_security(config, "faust"),
        datadir=Path(tempfile.gettempdir()) / "daybook-faust",  # tables would be there; there are none
        store="memory://",
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # With none, Faust takes another assignor, which does not keep the three event topics together.
        table_standby_replicas=1,
        producer_acks=-1,
        producer_max_request_size=LARGEST_REQUEST,
        # Kafka gets one batch of each partition at a time: a backlog of partials goes in few of them.
        producer_max_batch_size=1 << 20,
        producer_linger=0.005,
        producer_request_timeout=30.0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        # A dead worker's partitions have a new owner within some ten seconds.
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        broker_rebalance_timeout=6.0,
        broker_max_poll_interval=300.0,
        consumer_auto_offset_reset="earliest",
        # Aiokafka asks again at its own pace for topics that a broker, just started, did not know.
        consumer_metadata_max_age_ms=30_000,
        worker_redirect_stdouts=False,
    )
    definitions = config.definitions()
    plan = Plan(definitions)
    calendar = business_calendar(config)
    app.daybook = config
    verdicts = Verdicts()
    agreement = Agreement(config)
    app.feeds = (calendar_feed(config, calendar), feedback_feed(config, verdicts), agreement)
    app.metrics = Metrics(registry or CollectorRegistry(), config.kpis, _version())
    app.metrics.partitions.set(config.kafka.partitions)

    async def send(record: Record) -> Awaitable[object]:
        return await app.producer.send(
            record.topic, record.key, record.value, record.partition, None, list(record.headers)
        )

    def consumer() -> Consumer:
        return cast(Consumer, app.consumer)

    def kernel(partition: int, chain: Chain) -> Kernel:
        return revive_kernel(plan, partition, chain, _first_number())

    def book(_: int, chain: Chain) -> Revived:
        series = SeriesBook(definitions, config.kafka.partitions, plan.fingerprint)
        return revive_book(WatchedBook(series, watch()), chain, _first_number())

    def watch() -> Watch:
        made = Watch(definitions, config.alerts.per_week, calendar, verdicts, config.alerts.kpis)
        made.asks = lambda: agreement.now
        return made

    def response(_: int, chain: Chain) -> Answered:
        return revive_response(Response(definitions, notices_of(config)), chain, _first_number())

    names = TopicNames(config.namespace)
    app.state_logs = (
        StateLog(config, names.state, plan.fingerprint, (0, 0, 0)),
        StateLog(config, names.series_state, _series_fingerprint(plan, config.kafka.partitions), (0,)),
        StateLog(config, names.incident_state, f"{INCIDENT_STATE_VERSION}", (0, 0)),
    )
    app.aggregate = Aggregate(config, kernel, app.state_logs[0], consumer, send, app.metrics)
    app.detect = Detect(config, book, app.state_logs[1], consumer, send, app.metrics)
    app.incidents = Respond(
        config.namespace,
        response,
        app.state_logs[2],
        consumer,
        send,
        app.metrics,
        maintenance=lambda: _announced(calendar),
    )
    app.channels = channels_of(config)
    app.reader = Reader({"aggregate": app.aggregate, "detect": app.detect, "incidents": app.incidents})
    _register(app)
    return app


def _announced(calendar: BusinessCalendar) -> tuple[Window, ...]:
    """The maintenance that the calendar knows of."""
    return tuple(
        Window(one.start, one.end, {name: tuple(sorted(values)) for name, values in one.scope.items()})
        for one in calendar.occasions("maintenance")
    )


def _first_number() -> int:
    """The number of the empty state: higher than any that a chain begun earlier has come to, for states are numbered
    about once a second. So what is told of a state made anew is newer than what was told before."""
    return int(time.time() * 1000)


def _series_fingerprint(plan: Plan, partitions: int) -> str:
    """Of what all series are made under; a change of one KPI's windows is a matter of that KPI."""
    made_under = f"{SERIES_STATE_VERSION} {plan.fingerprint} {partitions}"
    return blake2b(made_under.encode(), digest_size=8).hexdigest()


def _register(app: DaybookApp) -> None:
    @app.agent(chunk_topic(app, app.aggregate.topics), name="aggregate", concurrency=1)
    async def aggregate(stream: Any) -> None:
        async for chunk in stream:
            await app.aggregate.offer(chunk)

    @app.agent(chunk_topic(app, app.detect.topics), name="detect", concurrency=1)
    async def detect(stream: Any) -> None:
        async for chunk in stream:
            await app.detect.take(chunk)

    @app.agent(chunk_topic(app, app.incidents.topics), name="incidents", concurrency=1)
    async def incidents(stream: Any) -> None:
        async for chunk in stream:
            await app.incidents.take(chunk)

    async def flush() -> None:
        await app.aggregate.flush()

    async def refresh() -> None:
        await app.detect.refresh()

    async def respond() -> None:
        await app.incidents.refresh()

    async def return_memory() -> None:
        await asyncio.to_thread(give_back)

    app.timer(app.daybook.worker.flush / 1000)(flush)
    app.timer(REFRESH_EVERY)(refresh)
    app.timer(REFRESH_EVERY)(respond)
    app.timer(GIVE_BACK_EVERY)(return_memory)

    async def revoked(*_: Any, **__: Any) -> None:
        await app.last_flush()

    app.on_partitions_revoked.connect(revoked, weak=False)


def _version() -> str:
    try:
        return version("daybook")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = create_app(load_config())
    globals()[name] = made
    return made
