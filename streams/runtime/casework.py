"""The events behind incidents, read from the topics themselves: once, or kept up to date beside the live path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec.structs import replace

from detectors.casework.affected import cases, look_through
from detectors.casework.assess import assess
from detectors.casework.ledger import Ledger
from detectors.casework.promises import Forecast, Promises, Target, targets
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment, Case, Incident
from streams.errors import BrokerError
from streams.events.codec import ChunkDecoder
from streams.events.rejections import Family
from streams.events.times import parse_times
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.runtime.background import Background
from streams.runtime.hearing import Hearing
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import SILENT_S, consumer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config
    from streams.events.types import BusinessEvent

log = structlog.get_logger(__name__)

DAYS = 14
"""So far back a feed begins."""
MOST_AT_ONCE = 5_000
"""Records that are read at once, at the most."""
DUTY = 0.25
"""The share of its time in which a feed that is behind works, or events are looked through; the rest is for the live
path."""
_AGAIN_AFTER = 5.0
_ASK_AGAIN_AFTER = 0.5
_LEARN_EVERY_MS = DAY_MS
_FAMILIES: tuple[Family, ...] = ("orders", "deliveries", "support")


class _Intake:
    """Records to events to lives. ``unreadable`` counts what is passed over: it is a dead letter elsewhere."""

    def __init__(
        self, config: Config, ledger: Ledger, until: int | None = None, hearing: Hearing | None = None
    ) -> None:
        self.ledger, self._hearing = ledger, hearing
        self._until = until
        self.unreadable = 0
        self._future_ms = config.time.future_limit
        self._decoders = {
            topic: ChunkDecoder(family, config.limits.event_bytes)
            for topic, family in zip(TopicNames(config.namespace).events, _FAMILIES, strict=True)
        }

    def put(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        """Take in a chunk of a partition."""
        decoded, rejected = self._decoders[partition.topic].decode_chunk([record.value for record in records])
        self.unreadable += len(rejected)
        events: list[BusinessEvent | None] = list(decoded)
        if self._until is not None:
            times, _ = parse_times([None if event is None else event.time for event in events])
            events = [
                event if time <= self._until else None for event, time in zip(events, times.tolist(), strict=True)
            ]
        if self._hearing is not None:
            self._hearing.take(partition, records, decoded)
        offsets = [record.offset for record in records]
        latest = [record.timestamp + self._future_ms for record in records]
        before = self.ledger.passed_over
        self.ledger.fold(partition.topic, partition.partition, offsets, events, latest)
        self.unreadable += self.ledger.passed_over - before


def read_cases(
    config: Config, since: int, until: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Ledger:
    """All that is in the event topics from an event time on (epoch ms), and up to another where one is given.

    Reads to the ends the partitions have when it is called. Nothing arrives before it happens, but for the clocks that
    are ahead by no more than ``time.future_limit``; so reading begins with what arrived that much before ``since``.
    ``progress`` is told how many records have been read, of how many. Raises :class:`BrokerError` where the broker does
    not answer or there are no topics.
    """
    ledger = Ledger(config.definitions(), since)
    intake = _Intake(config, ledger, until)
    reader = consumer(config)
    try:
        partitions = _partitions(config, reader)
        ends = {each: end for each, (_, end) in offset_ranges(config, partitions).items()}
        begins = _begin(reader, partitions, since - config.time.future_limit, ends)
        left = {each for each in partitions if begins[each] < ends[each]}
        total, done = sum(ends[each] - begins[each] for each in left), 0
        reader.assign(sorted(left))
        for each in left:
            reader.seek(each, begins[each])
        heard = time.monotonic()
        while left:
            fetched = reader.poll(500, max_records=MOST_AT_ONCE)
            if fetched:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_S:
                raise BrokerError(f"the broker has sent nothing more for {SILENT_S:g} s")
            for each, records in fetched.items():
                intake.put(each, [record for record in records if record.offset < ends[each]])
                done += len(records)
            for each in [each for each in left if reader.position(each) >= ends[each]]:
                left.discard(each)
                reader.pause(each)
            if progress is not None:
                progress(min(done, total), total)
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {error or type(error).__name__}") from None
    finally:
        reader.close(autocommit=False)
    if intake.unreadable:
        log.info("events passed over", count=intake.unreadable)
    return ledger


def worklist(config: Config, incident: Incident, progress: Callable[[int, int], None] | None = None) -> list[Case]:
    """All orders and tickets behind an incident, by the events that are kept: of one that is over, up to three days
    after. Raises :class:`BrokerError`."""
    ledger = read_cases(config, incident.since - DAYS * DAY_MS, progress=progress)
    at = ledger.newest if incident.live else min(ledger.newest, incident.until + 3 * DAY_MS)
    return cases(look_through(incident, ledger, config.definitions(), at).hits, ledger)


def _partitions(config: Config, reader: Any) -> list[TopicPartition]:
    found = []
    for topic in TopicNames(config.namespace).events:
        numbers = reader.partitions_for_topic(topic)
        if not numbers:
            raise BrokerError(f"there is no topic {topic}")
        found += [TopicPartition(topic, number) for number in sorted(numbers)]
    return found


def _begin(
    reader: Any, partitions: Iterable[TopicPartition], arrived: int, ends: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The first offset of each partition that arrived at a time (epoch ms) or later; its end where none did."""
    found = reader.offsets_for_times(dict.fromkeys(partitions, max(0, arrived)))
    return {each: ends[each] if found.get(each) is None else found[each].offset for each in partitions}


class CaseFeed(Background):
    """Keeps a ledger up to date in a thread of its own, with a consumer of its own, and assesses incidents by it.

    It begins ``days`` back from the newest event. ``may_run`` is asked before each poll: while it says no, the feed
    waits. While it is behind it works no more than :data:`DUTY` of the time.
    """

    def __init__(self, config: Config, may_run: Callable[[], bool] = lambda: True, days: int = DAYS) -> None:
        super().__init__("casework")
        self._config, self._may_run, self._days = config, may_run, days
        self._definitions = config.definitions()
        self._ledger = Ledger(self._definitions)
        self._hearing = Hearing(config)
        self._intake = _Intake(config, self._ledger, hearing=self._hearing)
        self._targets = targets(self._definitions)
        self._learned: dict[Target, Promises] = {}
        self._lock = threading.Lock()
        self._behind = 1
        self._next: dict[TopicPartition, int] = {}
        self._known_ends: dict[TopicPartition, int] = {}
        self._forgotten = 0

    @property
    def behind(self) -> int:
        """How many records are known to be there that have not been read; 0 when it is up to date."""
        return self._behind

    @property
    def unreadable(self) -> int:
        """How many records have been passed over."""
        return self._intake.unreadable

    @property
    def newest(self) -> int:
        """How far event time has come in what was read, epoch ms; less than 0 where nothing was."""
        with self._lock:
            return self._hearing.feeds.now

    def troubles(self) -> tuple[list[FeedTrouble], int]:
        """What is wrong with the sources, as of an instant of event time, epoch ms. Nothing while it lags: what is
        still to be read may be theirs."""
        with self._lock:
            return ([] if self.lags else self._hearing.feeds.troubles()), self._hearing.feeds.now

    @property
    def lags(self) -> bool:
        """Whether it is further behind than one is who reads what comes in."""
        return self._behind > MOST_AT_ONCE

    def assess(self, incident: Incident, at: int | None = None) -> Assessment:
        """What the events read so far say of an incident, up to an event time (epoch ms; the newest unless given)."""
        with self._lock:
            then = self._ledger.newest if at is None else at
            found = assess(incident, self._ledger, self._definitions, then)
        # What has not been read yet may be about it.
        return replace(found, complete=False) if self.lags else found

    def forecast(self, horizon_ms: int = DAY_MS) -> list[Forecast]:
        """What will miss its promise within so many ms of the newest event, for each thing that is promised; nothing
        before there are events."""
        with self._lock:
            at = self._ledger.newest
            if not len(self._ledger):
                return []
            return [self._promises(target, at).forecast_of(self._ledger, at, horizon_ms) for target in self._targets]

    def _promises(self, target: Target, at: int) -> Promises:
        known = self._learned.get(target)
        if known is None or at - known.at >= _LEARN_EVERY_MS:
            known = self._learned[target] = Promises(self._ledger, target, at)
        return known

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._follow()
            except (KafkaError, BrokerError) as error:
                log.warning("events for casework not read, trying again", error=str(error) or type(error).__name__)
                self._ends.wait(_AGAIN_AFTER)
            except Exception:  # a fault of ours: whoever asks for incidents still wants to be answered
                log.exception("events for casework not read, trying again")
                self._ends.wait(_AGAIN_AFTER)

    def _follow(self) -> None:
        reader = consumer(self._config)
        try:
            partitions = _partitions(self._config, reader)
            if not self._next:
                self._next = self._first(reader, partitions)
            reader.assign(partitions)
            reader.resume(*partitions)
            for each in partitions:
                reader.seek(each, self._next.get(each, 0))
            while not self._ends.is_set():
                if not self._may_run():
                    self._ends.wait(_ASK_AGAIN_AFTER)
                    continue
                begun = time.monotonic()
                found = reader.poll(500, max_records=MOST_AT_ONCE)
                self._take(reader, found)
                if self._behind and found:
                    self._ends.wait((time.monotonic() - begun) * (1.0 / DUTY - 1.0))
        finally:
            reader.close(autocommit=False)

    def _first(self, reader: Any, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to begin: so many days before the newest record."""
        ranges = offset_ranges(self._config, partitions)
        ends = {each: end for each, (_, end) in ranges.items()}
        newest = _newest(reader, ranges)
        since = max(0, newest - self._days * DAY_MS)
        begins = _begin(reader, partitions, since - self._config.time.future_limit, ends)
        # Where all there is is read, nothing is missing, whenever it came.
        all_ = all(begins[each] == begin for each, (begin, _) in ranges.items())
        with self._lock:
            self._ledger.complete_since = 0 if all_ else since
        self._known_ends = ends
        self._behind = sum(ends[each] - begins[each] for each in partitions)
        return begins

    def _take(self, reader: Any, found: dict[TopicPartition, list[Any]]) -> None:
        for each, records in found.items():
            with self._lock:
                self._intake.put(each, records)
            self._next[each] = records[-1].offset + 1
        with self._lock:
            # An hour's worth of forgetting at a time: each looks at every life.
            before = self._ledger.newest - self._days * DAY_MS
            if before - self._forgotten >= HOUR_MS:
                if self._forgotten:
                    self._ledger.forget(before)
                self._forgotten = before
        for each in self._next:
            # Known once something has been fetched.
            self._known_ends[each] = max(self._known_ends.get(each, 0), reader.highwater(each) or 0)
        self._behind = sum(max(0, end - self._next.get(each, 0)) for each, end in self._known_ends.items())


def _newest(reader: Any, ranges: dict[TopicPartition, tuple[int, int]]) -> int:
    """The newest arrival, epoch ms: of the last record of each partition; 0 where there is none."""
    last = {each: end - 1 for each, (begin, end) in ranges.items() if end > begin}
    reader.assign(list(last))
    for each, offset in last.items():
        reader.seek(each, offset)
    newest = 0
    deadline = time.monotonic() + 10.0
    left = set(last)
    while left and time.monotonic() < deadline:
        for each, records in reader.poll(200).items():
            newest = max(newest, records[-1].timestamp)
            left.discard(each)
            reader.pause(each)
    if left:
        raise BrokerError(f"no answer about the end of {', '.join(f'{each.topic}-{each.partition}' for each in left)}")
    return newest
