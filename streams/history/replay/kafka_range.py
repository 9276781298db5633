"""What the event topics hold, by arrival, as something to replay.

Read on the side: without a group, with nothing committed and nothing written to a topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from streams.errors import BrokerError
from streams.events.times import format_time
from streams.history.replay.scratch import Scratch
from streams.history.replay.source import EVER, ReplayError, Source, source_of
from streams.kpis.watermark import FAMILIES
from streams.runtime.client_errors import brief
from streams.runtime.offsets import offset_ranges
from streams.runtime.ports import require_reachable
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

SKEW_MS = 600_000
"""By so much the clocks that say when a record arrived differ at the most: behind one that arrived so long after the
end, none is looked for that arrived before it."""
_Offsets = Mapping[TopicPartition, int]


def source_of_kafka(
    config: Config,
    scratch: Path,
    between: tuple[int, int] = EVER,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Source:
    """The records of the event topics that arrived from the one up to, not including, the other time of ``between``
    (epoch ms), put down in a ``scratch`` folder; and the whole calendar. What arrives from now on is not waited for.

    ``progress`` is told how many records have been read, of how many at the most. Raises
    :class:`~streams.errors.BrokerError` where no broker answers or a topic is missing, and
    :class:`~streams.history.replay.source.ReplayError` where nothing arrived in that time.
    """
    require_reachable(config.kafka.bootstrap)
    writer, done = Scratch(scratch), 0
    with _reader(config) as reader:
        topics = _partitions(config, reader)
        ranges = offset_ranges(config, topics)
        ends = {partition: end for partition, (_, end) in ranges.items()}
        events = {partition: end for partition, end in ends.items() if topics[partition] in FAMILIES}
        starts = {partition: begin for partition, (begin, _) in ranges.items()}
        since = _starts(reader, events, starts, between[0])
        total = sum(end - since[partition] for partition, end in events.items())
        taken = 0
        for record in _until(reader, since, events, between[1] + SKEW_MS):
            done += 1
            if done % 1_000 == 0:
                progress(done, total)
            if between[0] <= record.timestamp < between[1]:
                taken += 1
                topic = topics[TopicPartition(record.topic, record.partition)]
                writer.put(topic, record.partition, record.timestamp, record.key, record.value)
        if not taken:
            raise ReplayError(_nothing(config, reader, starts, events))
        calendar = {partition: end for partition, end in ends.items() if partition not in events}
        for record in records(reader, {one: starts[one] for one in calendar}, calendar):
            writer.put("calendar", record.partition, record.timestamp, record.key, record.value)
    writer.flush()
    progress(total, total)
    return source_of(scratch)


@contextmanager
def _reader(config: Config) -> Iterator[Any]:
    reader = consumer(config, strict=True)
    bootstrap = config.kafka.bootstrap
    try:
        yield reader
    except OffsetOutOfRangeError:
        raise BrokerError(f"{bootstrap}: records were let go of while they were read; try again") from None
    except KafkaError as error:
        raise BrokerError(f"{bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)


def _partitions(config: Config, reader: Any) -> dict[TopicPartition, str]:
    """The partitions of the topics, and what the archive calls the topic of each."""
    names = TopicNames(config.namespace)
    found: dict[TopicPartition, str] = {}
    for topic, name in zip((*names.events, names.calendar), (*FAMILIES, "calendar"), strict=True):
        numbers = reader.partitions_for_topic(topic)
        if not numbers and name in FAMILIES:
            raise BrokerError(
                f"{config.kafka.bootstrap}: there is no topic {topic} (is {config.namespace} the namespace? "
                "daybook topics tells what there is)"
            )
        found |= {TopicPartition(topic, number): name for number in sorted(numbers or ())}
    return found


def _starts(reader: Any, ends: _Offsets, begins: _Offsets, since: int) -> dict[TopicPartition, int]:
    """Where to begin: at the first record that arrived at ``since`` or later, or before it, for the embedded broker
    finds records by time only roughly."""
    if since <= 0:
        return {partition: begins[partition] for partition in ends}
    found = reader.offsets_for_times(dict.fromkeys(ends, since))
    return {partition: found[partition].offset if found.get(partition) else end for partition, end in ends.items()}


def _until(reader: Any, starts: _Offsets, ends: _Offsets, until: int) -> Iterator[Any]:
    """The records of each partition up to the first that arrived at ``until`` or later."""
    for partition, end in ends.items():
        for record in records(reader, {partition: starts[partition]}, {partition: end}):
            if record.timestamp >= until:
                break
            yield record


def _nothing(config: Config, reader: Any, begins: _Offsets, ends: _Offsets) -> str:
    """That nothing arrived in a time, and when what there is did."""
    filled = {partition: end for partition, end in ends.items() if end > begins[partition]}
    where = f"{config.kafka.bootstrap}, namespace {config.namespace}"
    if not filled:
        return f"{where}: there is no event in the topics"
    first = records(reader, {one: begins[one] for one in filled}, {one: begins[one] + 1 for one in filled})
    oldest = min(record.timestamp for record in first)
    last = records(reader, {one: end - 1 for one, end in filled.items()}, filled)
    newest = max(record.timestamp for record in last)
    return (
        f"{where}: nothing arrived in that time (what there is arrived from {format_time(oldest)} "
        f"to {format_time(newest)})"
    )
