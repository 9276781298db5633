"""Runs the simulation against the clock: the history first, then live, until told to stop."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from streams.ingest.simulator.incidents import parse_incident
from streams.ingest.simulator.labels import write_labels
from streams.ingest.simulator.localtime import DAY, Stamps
from streams.ingest.simulator.pacing import Clock, Pace, WallClock, pace
from streams.ingest.simulator.progress import HistoryBar
from streams.ingest.simulator.schedule import random_incidents
from streams.ingest.simulator.send import FULL_BATCH, Record, Sink, kafka_sink, records
from streams.ingest.simulator.settings import SimulatorSettings
from streams.ingest.simulator.simulation import Simulation

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

_BREATH_MS = 20
_LABELS_EVERY = 60_000
_LABELS_FILE = Path("simulator") / "labels.jsonl"


class SimulatorRun(msgspec.Struct, kw_only=True):
    """What a run sent. ``events`` leaves heartbeats out, ``history_events`` are those of the history;
    ``labels`` is where the incidents' labels are, if there were any. Times in seconds."""

    events: int = 0
    history_events: int = 0
    heartbeats: int = 0
    history_seconds: float = 0.0
    seconds: float = 0.0
    labels: Path | None = None


def run_simulator(
    config: Config,
    settings: SimulatorSettings,
    *,
    history: timedelta,
    speed: float = 1.0,
    duration: timedelta | None = None,
    max_events: int | None = None,
    incidents: Sequence[str] = (),
    incidents_per_week: float = 0.0,
    labels: Path | None = None,
    sink: Sink | None = None,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
) -> SimulatorRun:
    """Send ``history`` as fast as possible, then go on at ``speed`` times real time.

    The run decides ``start`` and the heartbeats, and takes time zone, currency and the bound on
    disorder from ``config``; the rest is ``settings``. An accelerated run begins in the past
    (:func:`.pacing.pace`). ``incidents`` are read by :func:`parse_incident`, their start counting from
    where the history ends; ``incidents_per_week`` adds random ones to the history. Labels go to
    ``labels`` (default: below the data folder) when there are incidents.

    It ends after ``duration`` (wall clock, history not counted), after ``max_events`` (heartbeats not
    counted), when ``stop`` is set, or on SIGTERM or SIGINT when called from the main thread; what was
    sent is flushed. Without a ``sink`` the records go to the configured broker.

    Raises :class:`ConfigError` for impossible settings, :class:`BrokerError` where the broker does not
    take events.
    """
    stop = stop or threading.Event()
    clock = clock or WallClock(stop)
    plan = pace(clock.now(), _ms(history), speed, None if duration is None else _ms(duration))
    settings = _settled(settings, config, plan, incidents, incidents_per_week)
    path = labels or config.data_dir / _LABELS_FILE
    with ExitStack() as stack:
        stack.enter_context(_stopping(stop))
        stack.enter_context(_rare_collection())
        send = stack.enter_context(kafka_sink(config)) if sink is None else sink
        run = _Run(Simulation(settings), plan, clock, stop, send, config.kafka.partitions)
        run.labels = path if settings.incidents else None
        stamp = Stamps()
        log.info(
            "simulating",
            orders_per_day=settings.orders_per_day,
            seed=settings.seed,
            since=stamp(plan.start),
            live_from=stamp(plan.live),
            speed=speed,
            incidents=len(settings.incidents),
        )
        return run.go(None if duration is None else _ms(duration), max_events)


class _Run:
    """The state of one run."""

    def __init__(
        self,
        simulation: Simulation,
        plan: Pace,
        clock: Clock,
        stop: threading.Event,
        send: Sink,
        partitions: int,
    ) -> None:
        self._simulation = simulation
        self._plan = plan
        self._clock = clock
        self._stop = stop
        self._send = send
        self._partitions = partitions
        self._result = SimulatorRun()
        self._next_labels = 0
        self.labels: Path | None = None

    def go(self, duration: int | None, max_events: int | None) -> SimulatorRun:
        began = time.monotonic()
        arriving = records(self._simulation.arrivals(), self._partitions)
        first_live, ended = self._history(arriving, max_events)
        self._result.history_events = self._result.events
        self._result.history_seconds = time.monotonic() - began
        log.info(
            "history sent",
            events=self._result.events,
            heartbeats=self._result.heartbeats,
            seconds=round(self._result.history_seconds, 2),
        )
        if not ended:
            end = None if duration is None else self._clock.now() + duration
            self._live(first_live, arriving, end, max_events)
        self._write_labels()
        self._result.seconds = time.monotonic() - began
        log.info("simulator stopped", events=self._result.events, seconds=round(self._result.seconds, 1))
        return self._result

    def _history(self, arriving: Iterator[Record], max_events: int | None) -> tuple[list[Record], bool]:
        """Send what arrived before the run went live. The first record after it, and whether the run is
        over."""
        live, stop = self._plan.live, self._stop
        batch: list[Record] = []
        with HistoryBar(live - self._plan.start) as bar:
            for record in arriving:
                if record.arrival > live:
                    self._hand_over(batch)
                    return [record], False
                batch.append(record)
                if len(batch) >= FULL_BATCH:
                    batch = self._hand_over(batch)
                    bar.reached(record.arrival - self._plan.start)
                if stop.is_set() or self._enough(batch, max_events):
                    break
        self._hand_over(batch)
        return [], True

    def _live(self, waiting: list[Record], arriving: Iterator[Record], end: int | None, max_events: int | None) -> None:
        """Send each record when it is due."""
        batch: list[Record] = []
        record = waiting[0]
        while not self._stop.is_set():
            now, due = self._clock.now(), self._plan.due(record.arrival)
            if end is not None and max(due, now) >= end:
                self._hand_over(batch)
                self._clock.wait(max(0, end - now))
                return
            if due > now or len(batch) >= FULL_BATCH:
                batch = self._hand_over(batch)
                if now >= self._next_labels:
                    self._write_labels()
                    self._next_labels = now + _LABELS_EVERY
            if due > now:
                # Never shorter: what falls due close together goes out together.
                self._clock.wait(max(due - now, _BREATH_MS))
                continue
            batch.append(record)
            if self._enough(batch, max_events):
                break
            record = next(arriving)
        self._hand_over(batch)

    def _enough(self, batch: list[Record], max_events: int | None) -> bool:
        if max_events is None or self._result.events + len(batch) < max_events:
            return False
        return self._result.events + sum(not record.heartbeat for record in batch) >= max_events

    def _hand_over(self, batch: list[Record]) -> list[Record]:
        if batch:
            self._send(batch)
            heartbeats = sum(record.heartbeat for record in batch)
            self._result.heartbeats += heartbeats
            self._result.events += len(batch) - heartbeats
        return []

    def _write_labels(self) -> None:
        if self.labels is not None:
            write_labels(self.labels, self._simulation.labels())
            self._result.labels = self.labels


def _settled(
    settings: SimulatorSettings, config: Config, plan: Pace, incidents: Sequence[str], per_week: float
) -> SimulatorSettings:
    """The settings with all that only the run knows."""
    settings = msgspec.structs.replace(
        settings,
        start=plan.start,
        end=None,
        # A run that is started again in the same month goes on with the same shop.
        reference=plan.live - plan.live % (30 * DAY) if settings.reference is None else settings.reference,
        timezone=config.business.timezone,
        currency=config.business.currency,
        max_delay=max(0, min(settings.max_delay, config.time.out_of_order - 1_000)),
        heartbeat_until=plan.heartbeats(settings.heartbeat),
    )
    wanted = [*settings.incidents, *(parse_incident(text, plan.live) for text in incidents)]
    if per_week:
        wanted += random_incidents(settings, plan.start, plan.live, per_week)
    return msgspec.structs.replace(settings, incidents=wanted)


def _ms(delta: timedelta) -> int:
    return round(delta.total_seconds() * 1000)


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask for a stop; a second one means it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _rare_collection() -> Iterator[None]:
    """Orders and tickets hold no cycles: looking for some among hundreds of thousands costs a third of
    the speed."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
