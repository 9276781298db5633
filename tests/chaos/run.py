"""One run: everything started, faults done as planned, everything settled, then the verdict."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from streams.config import Config
from streams.errors import BrokerError
from streams.kpis.definitions import Definitions
from streams.runtime.bulk import BulkProducer
from streams.runtime.producer import send_heartbeats
from streams.runtime.status import MetricsError
from streams.runtime.topics import TopicNames, create_topics
from tests.chaos import facts, verdict
from tests.chaos.crew import Crew
from tests.chaos.errors import ChaosError
from tests.chaos.faults import Faults
from tests.chaos.ground import COUNTED, Ground
from tests.chaos.load import Sender, outgoing
from tests.chaos.outcome import Outcome, Sizes
from tests.chaos.plan import Plan, schedule
from tests.chaos.truth import Slice, Taken, take, truth
from tests.chaos.watch import Sample, Watch

Say = Callable[[str], None]

_STARTED_WITHIN = 90.0
_SETTLED_WITHIN = 240.0
_QUIET_FOR = 4.0
_SAY_EVERY = 15.0
_SENT_WITHIN = 300.0
_STEP = 0.05


def run(plan: Plan, seed: int, folder: Path, say: Say) -> Outcome:
    """Make a run; logs stay in ``folder``. Raises :class:`ChaosError` or another
    :class:`~streams.errors.DaybookError` where it could not be made, which says nothing about Daybook."""
    with Ground(plan, folder, say) as ground:
        setup = ground.configuration(f"chaos-{plan.name}-{seed}")
        create_topics(setup.config)
        return _Run(plan, seed, ground, setup.config, Crew(setup, folder, time.monotonic), say).run()


class _Run:
    def __init__(self, plan: Plan, seed: int, ground: Ground, config: Config, crew: Crew, say: Say) -> None:
        self.plan, self.seed, self.ground, self.config, self.crew, self.say = plan, seed, ground, config, crew, say
        self.places = 3 * config.kafka.partitions
        self.sender = Sender(config, outgoing(plan, seed), plan.speed)
        self.watch = Watch(crew.awake, lambda: self.sender.attempted, time.monotonic)
        self.end = 0
        self.began = time.monotonic()

    def run(self) -> Outcome:
        started = time.monotonic()
        faults = Faults(self.plan, schedule(self.plan, self.seed), self.ground, self.crew, self.sender, self.say)
        with ExitStack() as stack:
            stack.enter_context(_clients_log(self.ground.folder / "clients.log"))
            stack.callback(self.crew.close)
            stack.callback(self.watch.stop)
            stack.callback(self.sender.stop)
            for _ in range(self.plan.workers):
                self.crew.start()
            self.watch.start()
            self._await(self._all_read, _STARTED_WITHIN, "the workers were not given all partitions")
            self.say(f"{self.plan.workers} workers run; sending {self.plan.rate:g} events a second")
            self.began = time.monotonic()
            self.sender.start()
            self._suffer(faults)
            settling = time.monotonic()
            self._vouch()
            settled = self._settle()
            settling = time.monotonic() - settling
            self.say(f"settled after {settling:.0f} s" if settled else "did not settle")
            self.watch.stop()
            shown = self._shown()
            for worker in self.crew.workers:
                self.crew.remove(worker)
            outcome = self._judge(faults, shown)
            outcome.settled, outcome.settling = settled, settling
        outcome.seconds = time.monotonic() - started
        return outcome

    # -- while it runs ------------------------------------------------------------------------------------------

    def _suffer(self, faults: Faults) -> None:
        """All faults, then the rest of the events."""
        said = time.monotonic()
        gone = self.began + self.plan.seconds + _SENT_WITHIN
        while faults.left or self.sender.is_alive() or self.crew.waiting:
            faults.step(time.monotonic() - self.began)
            for line in self.crew.tend():
                self.say(f"  by itself: {line}")
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                self.say(self._standing())
            if time.monotonic() > gone:
                raise ChaosError(f"the events were not sent in time ({self.sender.records:,} records were)")
            time.sleep(_STEP)
        for thread in (self.sender, self.watch):
            if thread.error is not None:
                raise ChaosError(f"the {thread.name} failed: {thread.error}") from thread.error

    def _standing(self) -> str:
        sample = self._last()
        shown = max(sample.shown.values(), default=0)
        lag = sum(max(said.values()) for said in sample.lag.values())
        return (
            f"  {self.sender.records:,} records sent ({self.sender.behind:.0f} s behind), {self.sender.acknowledged:,} "
            f"orders, {shown:,.0f} shown; lag {lag:,.0f} over {len(sample.lag)} of {self.places}; "
            f"{len(self.crew.awake())} workers"
        )

    def _last(self) -> Sample:
        return self.watch.samples[-1] if self.watch.samples else Sample(0.0, 0, {}, {}, {})

    def _all_read(self) -> bool:
        return len(self._last().lag) == self.places

    def _await(self, condition: Callable[[], bool], within: float, otherwise: str) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise ChaosError(f"{otherwise} within {within:.0f} s")
            self.crew.tend()
            time.sleep(_STEP)

    # -- settling -----------------------------------------------------------------------------------------------

    def _vouch(self) -> None:
        """All sources say that nothing older follows."""
        self.end = _end_of(self.plan, self.sender.last, self.config.definitions())
        with BulkProducer(self.config) as producer:
            send_heartbeats(
                producer, TopicNames(self.config.namespace), self.config.kafka.partitions, self.end, "/chaos"
            )

    def _settle(self) -> bool:
        """Until all is read, all time has come to its end, and nothing more is told."""
        deadline = time.monotonic() + _SETTLED_WITHIN
        topic = [TopicNames(self.config.namespace).kpis]
        told, since = -1, time.monotonic()
        while time.monotonic() < deadline:
            for line in self.crew.tend():
                self.say(f"  by itself: {line}")
            time.sleep(0.5)
            if not self._read_and_passed():
                since = time.monotonic()
                continue
            try:
                count = facts.ends(self.config, topic)
            except BrokerError:
                continue
            if count != told:
                told, since = count, time.monotonic()
            elif time.monotonic() - since >= _QUIET_FOR:
                return True
        return False

    def _read_and_passed(self) -> bool:
        sample = self._last()
        return (
            len(sample.lag) == self.places
            and not any(any(said.values()) for said in sample.lag.values())
            and len(sample.watermark) == self.config.kafka.partitions
            and all(min(said.values()) >= self.end for said in sample.watermark.values())
        )

    def _shown(self) -> dict[str, dict[tuple[str, Slice], float]]:
        """What each worker's metrics say of KPIs."""
        names = {verdict.exported(kpi, "value", (), "")[0] for kpi in self.config.definitions().kpis}
        found: dict[str, dict[tuple[str, Slice], float]] = {}
        for worker in self.crew.awake():
            try:
                samples = worker.scrape(timeout=10.0)
            except MetricsError as error:
                self.say(f"  {worker.name}: {error}")
                continue
            found[worker.name] = {
                (name, tuple(sorted((label, text) for label, text in labels if text))): value
                for name in names
                for labels, value in samples.get(name, {}).items()
            }
        return found

    # -- the verdict --------------------------------------------------------------------------------------------

    def _judge(self, faults: Faults, shown: dict[str, dict[tuple[str, Slice], float]]) -> Outcome:
        self.say("reading the topics")
        definitions = self.config.definitions()
        taken: Taken = take(facts.raw_records(self.config), definitions)
        told = verdict.newest(facts.kpi_values(self.config))
        letters = facts.dead_letters(self.config)
        self.say(f"computing every value from {len(taken.events):,} events")
        true = truth(taken.events, definitions, self.end)
        samples = self.watch.samples
        faults.note_recoveries(samples, self.places)
        return Outcome(
            plan=self.plan,
            seed=self.seed,
            seconds=0.0,
            sizes=Sizes(
                records=facts.ends(self.config, TopicNames(self.config.namespace).events),
                events=len(taken.events),
                distinct=len({(event.source, event.id) for event in taken.events}),
                late=taken.late,
                malformed=len(taken.bad),
                sent_again=self.sender.sent_again,
                told=facts.ends(self.config, [TopicNames(self.config.namespace).kpis]),
            ),
            faults=faults.relative_to(self.began),
            not_simulated=faults.not_simulated,
            events=verdict.events(true.final, told.final, COUNTED),
            final=verdict.compare(true.final, told.final),
            rolling=verdict.compare(true.rolling, told.rolling),
            metrics=verdict.metrics(true, definitions.kpis, shown),
            letters=verdict.letters(taken.bad, letters),
            jumps=[
                msgspec.structs.replace(jump, at=round(jump.at - self.began, 1)) for jump in self.watch.witness.jumps
            ],
            shared=max((end - begin for begin, end in self.watch.witness.shared.values()), default=0.0),
            repeated=told.repeated,
            restated=told.restated,
            unasked=[one._replace(at=round(one.at - self.began, 1)) for one in self.crew.unasked],
            settled=False,
            settling=0.0,
            folder=str(self.ground.folder),
            timeline=[
                (round(sample.at - self.began, 2), float(sample.sent), max(sample.shown.values(), default=0.0))
                for sample in samples
            ],
        )


@contextmanager
def _clients_log(file: Path) -> Iterator[None]:
    """What Kafka's clients in this process say goes to a file: while the broker is away they say a lot."""
    handler = logging.FileHandler(file, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("aiokafka", "kafka")]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagates in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagates
        handler.close()


def _end_of(plan: Plan, last: int, definitions: Definitions) -> int:
    """When event time ends: beyond every event and every promise, on the border of a grain."""
    grain = max(kpi.grain.ms for kpi in definitions.kpis)
    beyond = last + round(420_000 * plan.pace) + 600_000
    return -(-beyond // grain) * grain
