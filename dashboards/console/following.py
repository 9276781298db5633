"""The KPI and incident topics into the console's history and its board, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from dashboards.console.history import History, HistoryError, Place
from detectors.incidents.incident import Incident
from streams.errors import BrokerError
from streams.events.codec import UNREADABLE
from streams.kpis.grid import DAY_MS
from streams.kpis.values import KpiValue
from streams.runtime.background import Background
from streams.runtime.offsets import offset_ranges
from streams.runtime.ports import require_reachable
from streams.runtime.reader import consumer, goes_on
from streams.runtime.topics import TopicNames
from streams.top.board import Board
from streams.top.feed import NOW_MS

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

AT_ONCE = 5_000
"""Records of one poll."""
KEEP_EVERY = 1.0
"""Seconds between two transactions."""
FORGET_EVERY = 3_600.0
AGAIN_AFTER = 3.0
"""Seconds after which it is tried again where the broker went away."""
_LARGEST = 1 << 62
BOARD_MS = 3 * DAY_MS
"""So much of the past is on the board after a restart."""


class Following(Background):
    """Follows the topics into ``history`` and ``board``. ``board`` is to be used with :attr:`lock` held; ``version``
    counts what has changed. ``wall`` gives epoch seconds."""

    def __init__(
        self, config: Config, history: History, board: Board, keep_ms: int, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__("console", within=10.0)
        names = TopicNames(config.namespace)
        self._config, self._history, self._board, self._keep_ms, self._wall = config, history, board, keep_ms, wall
        self._kpis, self._incidents = names.kpis, names.incidents
        self.lock = threading.Lock()
        self.version = 0
        self.incident_version = 0
        self.error = ""
        """Why nothing is read at the moment, empty where it is."""
        self.waiting = 0
        """Records that were there when reading began and have not been read yet: until it is 0 the board may have old
        values of some series beside new ones of others."""
        self._values: list[KpiValue] = []
        self._changed: list[Incident] = []
        self._places: dict[tuple[str, int], Place] = {}
        self._until: dict[TopicPartition, int] = {}
        self._kept = self._forgotten = 0.0

    def start(self) -> None:
        """Put what is kept on the board, and begin to read."""
        newest = self._history.newest()
        if newest is not None:
            for value in self._history.since(newest - BOARD_MS):
                self._board.apply(value)
        super().start()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._follow()
            except (KafkaError, BrokerError, HistoryError) as error:
                self.error = str(error) or type(error).__name__
                log.warning("the console reads nothing, trying again", error=self.error)
                self._ends.wait(AGAIN_AFTER)
            except Exception as error:  # a fault of ours: whoever looks is to be told that nothing is read
                self.error = f"{type(error).__name__}: {error}"
                log.exception("the console reads nothing, trying again")
                self._ends.wait(AGAIN_AFTER)

    def _follow(self) -> None:
        require_reachable(self._config.kafka.bootstrap)
        reader = consumer(self._config, strict=True)
        self._values, self._changed, self._places = [], [], {}
        try:
            starts = self._begin(reader)
            reader.assign(list(starts))
            for partition, offset in starts.items():
                reader.seek(partition, offset)
            self.error = ""
            while not self._ends.is_set():
                for partition, found in reader.poll(300, max_records=AT_ONCE).items():
                    if found[0].offset < starts[partition]:
                        raise BrokerError(f"{partition.topic} was made again")
                    starts[partition] = found[-1].offset + 1
                    self._take(partition, found)
                if self.waiting:
                    self.waiting = sum(max(0, end - reader.position(each)) for each, end in self._until.items())
                self._keep()
            self._keep(at_once=True)
        finally:
            reader.close(autocommit=False)

    def _take(self, partition: TopicPartition, found: list[Any]) -> None:
        with self.lock:
            for record in found:
                try:
                    if partition.topic == self._incidents:
                        self._changed.append(Incident.decode(record.value or b""))
                    elif record.value is not None:
                        self._value(KpiValue.decode(record.value))
                except UNREADABLE:
                    continue  # of another version, or not ours
            self.version += 1
        self._places[partition.topic, partition.partition] = Place(found[-1].offset + 1, _known_by(found[-1]))

    def _value(self, value: KpiValue) -> None:
        if not all(abs(number) < _LARGEST for number in (value.start, value.end, value.weight, value.revision)):
            return
        self._board.apply(value)
        if value.status != "provisional" and not value.rolling:
            self._values.append(value)

    def _keep(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._places and (at_once or now - self._kept >= KEEP_EVERY):
            self._history.take(self._values, self._changed, self._places)
            self.incident_version += bool(self._changed)
            self._values, self._changed, self._places = [], [], {}
            self._kept = now
        if now - self._forgotten >= FORGET_EVERY or not self._forgotten:
            newest = self._history.newest()
            if newest is not None:
                self._history.forget(newest - self._keep_ms)
            self._forgotten = now

    def _begin(self, reader: Any) -> dict[TopicPartition, int]:
        """Where each partition is read on: where that ended, or at the beginning of one that is new or was made
        again."""
        partitions = [
            TopicPartition(topic, number)
            for topic in (self._kpis, self._incidents)
            for number in sorted(reader.partitions_for_topic(topic) or ())
        ]
        if not partitions:
            raise BrokerError(f"there are no topics of namespace {self._config.namespace}: does a worker run?")
        ranges, known = offset_ranges(self._config, partitions), self._history.places()
        starts = {}
        for partition in partitions:
            begin, end = ranges[partition]
            place = known.get((partition.topic, partition.partition))
            if place is not None and not _goes_on(reader, partition, place, (begin, end)):
                log.warning("a topic was made again, it is read from its beginning", topic=partition.topic)
                self._history.begin_anew(partition.topic, incidents=partition.topic == self._incidents)
                self._show_anew()
                place = None
            if place is None:
                starts[partition] = self._first(reader, partition, begin)
            else:
                starts[partition] = max(begin, min(place.next, self._current(reader, partition, place.next)))
        self._until = {partition: end for partition, (_, end) in ranges.items()}
        self.waiting = sum(max(0, end - starts[each]) for each, end in self._until.items())
        return starts

    def _show_anew(self) -> None:
        """Nothing of before is shown any more."""
        with self.lock:
            self._board.clear()
            self.version += 1
        self.incident_version += 1

    def _current(self, reader: Any, partition: TopicPartition, next_: int) -> int:
        """Rolling windows are kept by nobody: what is current has been told lately, and is read once more."""
        if partition.topic != self._kpis:
            return next_
        found = reader.offsets_for_times({partition: int(self._wall() * 1000) - NOW_MS})[partition]
        return next_ if found is None else int(found.offset)

    def _first(self, reader: Any, partition: TopicPartition, begin: int) -> int:
        """What arrived before the time that is kept is not read."""
        if partition.topic == self._incidents:
            return begin
        since = int(self._wall() * 1000) - self._keep_ms
        found = reader.offsets_for_times({partition: since})[partition]
        return begin if found is None else max(begin, found.offset)


def _goes_on(reader: Any, partition: TopicPartition, place: Place, bounds: tuple[int, int]) -> bool:
    return goes_on(reader, partition, place.next, bounds, lambda record: _known_by(record) == place.last)


def _known_by(record: Any) -> str:
    """What tells a record from another one at the same offset."""
    return f"{record.timestamp}-{blake2b(record.value or b'', digest_size=8).hexdigest()}"
