"""The KPI topic into the board: a consumer without a group, from a bounded time back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.kpis.values import KpiValue
from streams.runtime.reader import consumer
from streams.runtime.topics import TopicNames
from streams.top.board import Board

if TYPE_CHECKING:
    from streams.config import Config

MOST_RECORDS = 2_000_000
"""However far back the start lies, no more than about this many records are read to catch up."""


class KpiFeed:
    """Reads the KPI topic of ``config`` into ``board``, beginning ``since`` ms ago. Use as a context manager.

    Raises :class:`BrokerError` when no broker answers or the topic is not there.
    """

    def __init__(self, config: Config, board: Board, since: int) -> None:
        self._board = board
        self.unreadable = 0
        """Records that were no KPI values."""
        topic = TopicNames(config.namespace).kpis
        self._consumer = consumer(config)
        try:
            numbers = self._consumer.partitions_for_topic(topic)
            if not numbers:
                raise BrokerError(
                    f"{config.kafka.bootstrap}: there is no topic {topic}; does a worker run with this "
                    "namespace? (everything as one: daybook run)"
                )
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            self._consumer.assign(partitions)
            self._end = self._consumer.end_offsets(partitions)
            self._seek(partitions, since)
        except KafkaError as error:
            self.close()
            raise BrokerError(f"{config.kafka.bootstrap}: {type(error).__name__}") from None
        except BaseException:
            self.close()
            raise

    def _seek(self, partitions: list[TopicPartition], since: int) -> None:
        start = int(time.time() * 1000) - since
        found = self._consumer.offsets_for_times(dict.fromkeys(partitions, start))
        begin = self._consumer.beginning_offsets(partitions)
        most = MOST_RECORDS // len(partitions)
        for partition in partitions:
            # None found: there is nothing since then.
            offset = found[partition].offset if found.get(partition) else self._end[partition]
            self._consumer.seek(partition, max(offset, begin[partition], self._end[partition] - most))

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been read."""
        return all(self._consumer.position(partition) >= end for partition, end in self._end.items())

    def poll(self, seconds: float) -> int:
        """Take in what has arrived, waiting at most ``seconds`` for it; how many values it was."""
        count = 0
        for records in self._consumer.poll(int(seconds * 1000), max_records=10_000).values():
            for record in records:
                if record.value is None:
                    continue
                try:
                    value = KpiValue.decode(record.value)
                except msgspec.MsgspecError:
                    self.unreadable += 1
                    continue
                self._board.apply(value)
                count += 1
        return count

    def catch_up(self, seconds: float) -> bool:
        """Read until nothing older is left, at most so long; whether that was reached."""
        deadline = time.monotonic() + seconds
        while not self.caught_up:
            if time.monotonic() >= deadline:
                return False
            self.poll(0.2)
        return True

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
