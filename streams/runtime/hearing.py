"""Hearing of the sources: who sends the records of the event topics, and whether they come in time and legible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from kafka import TopicPartition

from detectors.incidents.feeds import Feeds
from streams.events.times import NO_TIME, parse_times
from streams.events.types import TYPE_NAMES, SourceHeartbeat
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config
    from streams.events.types import BusinessEvent


class _Sent(msgspec.Struct):
    source: str


_SENT = msgspec.json.Decoder(_Sent)


def source_of(raw: bytes | None) -> str:
    """Who a record that cannot be read says it is from; empty where that cannot be read either."""
    try:
        return _SENT.decode(raw or b"").source
    except msgspec.MsgspecError:
        return ""


class Hearing:
    """Tells ``feeds`` of each record, in the order in which they are in the log."""

    def __init__(self, config: Config) -> None:
        self.feeds = Feeds(config.time.allowed_lateness)
        self._future_ms = config.time.future_limit
        self._family = {topic: family for family, topic in enumerate(TopicNames(config.namespace).events)}
        self._fields: dict[str, list[tuple[str, str]]] = {name: [] for name in TYPE_NAMES}
        for dimension in config.dimensions:
            for type_, field in dimension.sources:
                self._fields[type_].append((dimension.name, field))

    def take(self, partition: TopicPartition, records: Sequence[Any], events: Sequence[BusinessEvent | None]) -> None:
        """A chunk of a partition: its records, and the events they are; None stands for what cannot be read."""
        family, number = self._family[partition.topic], partition.partition
        times, _ = parse_times([None if event is None else event.time for event in events])
        for event, at, record in zip(events, times.tolist(), records, strict=True):
            if event is None or at == NO_TIME or at > record.timestamp + self._future_ms:
                self.feeds.unreadable(source_of(record.value) or partition.topic, family)
            elif isinstance(event, SourceHeartbeat):
                self.feeds.take(
                    event.source, family, at, {}, heartbeat=True, partition=number, arrived=record.timestamp
                )
            else:
                fields = self._fields[str(event.__struct_config__.tag)]
                told = {name: value for name, field in fields if (value := getattr(event.data, field))}
                self.feeds.take(event.source, family, at, told, partition=number, arrived=record.timestamp)
