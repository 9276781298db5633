"""The KPI topic into the board, from a bounded time back: what is now first, then what was before.

A worker tells the value of every series at least once a minute, and each hour's once: after a few days most
of the topic is of no use to a table any more, but has to be read to find the rest. So one consumer follows
the end, and another one fills in the past beside it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.kpis.values import KpiValue
from streams.runtime.client_errors import brief
from streams.runtime.reader import consumer
from streams.runtime.topics import TopicNames
from streams.top.board import Board

if TYPE_CHECKING:
    from streams.config import Config

NOW_MS = 3 * 60_000
"""Everything that is current has been told within this time."""
MOST_RECORDS = 2_000_000
"""However far back the start lies, no more than about so many records of the past are read."""
AT_ONCE = 5_000


class KpiFeed:
    """Reads the KPI topic of ``config`` into ``board``, beginning ``since`` ms ago. Use as a context manager.

    Raises :class:`BrokerError` when no broker answers or the topic is not there.
    """

    def __init__(self, config: Config, board: Board, since: int) -> None:
        self._board = board
        self.unreadable = 0
        """Records that were no KPI values."""
        topic = TopicNames(config.namespace).kpis
        self._open: list[Any] = []
        try:
            self._live = self._consumer(config)
            numbers = self._live.partitions_for_topic(topic)
            if not numbers:
                raise BrokerError(
                    f"{config.kafka.bootstrap}: there is no topic {topic}; does a worker run with this "
                    "namespace? (everything as one: daybook run)"
                )
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            self._live.assign(partitions)
            begin, end = self._live.beginning_offsets(partitions), self._live.end_offsets(partitions)
            self._recent = self._offsets(partitions, NOW_MS, end)
            for partition, offset in self._recent.items():
                self._live.seek(partition, offset)
            self._start = {
                partition: max(offset, begin[partition], self._recent[partition] - MOST_RECORDS // len(partitions))
                for partition, offset in self._offsets(partitions, max(since, NOW_MS), end).items()
            }
            self._newest = end
            self._past = self._consumer(config) if self._start != self._recent else None
            if self._past is not None:
                self._past.assign(partitions)
                for partition, offset in self._start.items():
                    self._past.seek(partition, offset)
        except KafkaError as error:
            self.close()
            raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
        except BaseException:
            self.close()
            raise

    @property
    def progress(self) -> float:
        """How much of the past has been read, 0 to 1."""
        if self._past is None:
            return 1.0
        total = sum(self._recent[partition] - start for partition, start in self._start.items())
        done = sum(
            min(self._past.position(partition), self._recent[partition]) - start
            for partition, start in self._start.items()
        )
        return done / total if total else 1.0

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been read."""
        return self._past is None and all(
            self._live.position(partition) >= end for partition, end in self._newest.items()
        )

    def poll(self, seconds: float) -> int:
        """Take in what has arrived, and more of the past, waiting at most ``seconds``; how many values it
        was."""
        if self._past is None:
            return self._take(self._live, seconds)
        count = self._take(self._live, 0.0) + self._take(self._past, min(seconds, 0.1))
        if all(self._past.position(partition) >= end for partition, end in self._recent.items()):
            self._past.close(autocommit=False)
            self._open.remove(self._past)
            self._past = None
        return count

    def catch_up(self, seconds: float) -> bool:
        """Read until nothing older is left, at most so long; whether that was reached."""
        deadline = time.monotonic() + seconds
        while not self.caught_up:
            if time.monotonic() >= deadline:
                return False
            self.poll(0.1)
        return True

    def close(self) -> None:
        """Leave the broker."""
        while self._open:
            self._open.pop().close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _consumer(self, config: Config) -> Any:
        made = consumer(config)
        self._open.append(made)
        return made

    def _offsets(
        self, partitions: list[TopicPartition], ago: int, end: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The first offsets of what arrived within ``ago`` ms; the end where nothing did."""
        start = int(time.time() * 1000) - ago
        found = self._live.offsets_for_times(dict.fromkeys(partitions, start))
        return {
            partition: found[partition].offset if found.get(partition) else end[partition] for partition in partitions
        }

    def _take(self, source: Any, seconds: float) -> int:
        count = 0
        for partition, records in source.poll(int(seconds * 1000), max_records=AT_ONCE).items():
            old = source is self._past
            for record in records:
                if old and record.offset >= self._recent[partition]:
                    break
                if record.value is None:
                    continue
                try:
                    value = KpiValue.decode(record.value)
                except msgspec.MsgspecError:
                    self.unreadable += 1
                    continue
                self._board.apply(value, old=old)
                count += 1
        return count
