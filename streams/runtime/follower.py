"""Following a small topic from its beginning, in a thread of its own: all that it says is known before work begins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.runtime.background import Background
from streams.runtime.reader import consumer

if TYPE_CHECKING:
    from streams.config import Config

log = structlog.get_logger(__name__)

CAUGHT_UP_WITHIN = 10.0
"""Seconds after which a worker goes on without having read all there is."""
_AGAIN_AFTER = 5.0


class Follower(Background):
    """Gives every record of ``topic`` to ``apply``, in the order of its partition; all of them again where the broker
    went away in between."""

    def __init__(self, config: Config, topic: str, apply: Callable[[Any], None]) -> None:
        super().__init__(topic)
        self._config, self._topic, self._apply = config, topic, apply
        self._caught_up = threading.Event()

    def start(self) -> None:
        """Begin to read; returns once all that is there has been read, or after :data:`CAUGHT_UP_WITHIN`."""
        super().start()
        if not self._caught_up.wait(CAUGHT_UP_WITHIN):
            log.warning("a topic has not been read in time, going on without", topic=self._topic)

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self._follow()
            except (KafkaError, BrokerError) as error:
                reason = str(error) or type(error).__name__
                log.warning("a topic is not read, trying again", topic=self._topic, error=reason)
                self._ends.wait(_AGAIN_AFTER)

    def _take(self, record: Any) -> None:
        try:
            self._apply(record)
        except Exception as error:  # somebody else's record, whatever it is, must not end it
            log.error("a record is passed over", topic=self._topic, offset=record.offset, error=str(error))

    def _follow(self) -> None:
        reader = consumer(self._config)
        try:
            numbers = reader.partitions_for_topic(self._topic) or ()
            partitions = [TopicPartition(self._topic, number) for number in numbers]
            if not partitions:
                raise BrokerError(f"there is no topic {self._topic}")
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            ends = reader.end_offsets(partitions)
            while not self._ends.is_set():
                for records in reader.poll(500, max_records=1_000).values():
                    for record in records:
                        self._take(record)
                if all(reader.position(partition) >= end for partition, end in ends.items()):
                    self._caught_up.set()
        finally:
            reader.close(autocommit=False)
