"""Who sends events, and when each was heard of last: by the newest records of the event topics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError

from streams.errors import BrokerError
from streams.events.codec import UNREADABLE
from streams.events.times import NO_TIME, parse_times
from streams.runtime.client_errors import brief
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

NEWEST = 300
"""So many records of each partition are read."""
HEARTBEAT = "source.heartbeat"


class _Sent(msgspec.Struct):
    source: str
    type: str
    time: str


_DECODER = msgspec.json.Decoder(_Sent)


class Source(NamedTuple):
    """A source: its newest event and its newest heartbeat (event times, epoch ms; None where none was heard), and how
    many of the records that were read are its."""

    name: str
    event: int | None
    heartbeat: int | None
    records: int


def read_sources(config: Config) -> list[Source]:
    """The sources of the newest records, by name. Raises :class:`BrokerError`."""
    reader = consumer(config)
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in TopicNames(config.namespace).events
            for number in sorted(reader.partitions_for_topic(topic) or ())
        ]
        ranges = offset_ranges(config, partitions)
        starts = {each: max(begin, end - NEWEST) for each, (begin, end) in ranges.items()}
        ends = {each: end for each, (_, end) in ranges.items()}
        return sources_of(record.value for record in records(reader, starts, ends))
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)


def sources_of(raw: Iterable[bytes | None]) -> list[Source]:
    """The sources of records, by name; what is no event is passed over. Pure."""
    found: dict[str, Source] = {}
    sent = []
    for value in raw:
        try:
            sent.append(_DECODER.decode(value or b""))
        except UNREADABLE:
            continue
    times, _ = parse_times([one.time for one in sent])
    for one, at in zip(sent, times.tolist(), strict=True):
        if at == NO_TIME:
            continue
        known = found.get(one.source, Source(one.source, None, None, 0))
        beats = one.type == HEARTBEAT
        found[one.source] = Source(
            one.source,
            known.event if beats else max(at, known.event or at),
            max(at, known.heartbeat or at) if beats else known.heartbeat,
            known.records + 1,
        )
    return [found[name] for name in sorted(found)]
