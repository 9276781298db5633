"""What is in the topics in the end, read back from Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.config import Config
from streams.kpis.values import KpiValue
from streams.runtime.client_errors import broker_errors
from streams.runtime.letters import read_letters
from streams.runtime.topics import TopicNames, topic_layout
from tests.chaos.errors import ChaosError
from tests.chaos.load import MARK

_ANSWERS_WITHIN = 60.0

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Raw(NamedTuple):
    """A record of an event topic; ``mark`` says what it is where it was injected."""

    place: Place
    arrival: int
    value: bytes | None
    mark: bytes | None


def ends(config: Config, topics: Sequence[str]) -> int:
    """How many records these topics have had, all together."""
    with broker_errors(config.kafka.bootstrap):
        return asyncio.run(_ends(config, topics))


def raw_records(config: Config) -> Iterator[Raw]:
    """All records of the event topics, each partition's in its order."""
    for record in _records(config, TopicNames(config.namespace).events):
        mark = dict(record.headers).get(MARK)
        yield Raw((record.topic, record.partition, record.offset), record.timestamp, record.value, mark)


def kpi_values(config: Config) -> Iterator[KpiValue]:
    """All that was told of KPIs, each series' values in their order."""
    for record in _records(config, [TopicNames(config.namespace).kpis]):
        yield KpiValue.decode(record.value)


def dead_letters(config: Config) -> list[Place]:
    """Where each dead letter came from, as often as it is there."""
    return [(letter.topic, letter.partition, letter.offset) for letter in read_letters(config, None, None)]


def _records(config: Config, topics: Sequence[str]) -> Iterable[Any]:
    with broker_errors(config.kafka.bootstrap):
        return asyncio.run(_read(config, topics))


async def _open(config: Config, topics: Sequence[str]) -> tuple[Any, list[Any], dict[Any, int]]:
    reader = AIOKafkaConsumer(
        bootstrap_servers=config.kafka.bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    await reader.start()
    try:
        layout = topic_layout(config)
        places = [
            TopicPartition(topic, number) for topic in topics for number in range(layout[topic]["num_partitions"])
        ]
        reader.assign(places)
        return reader, places, await reader.end_offsets(places)
    except BaseException:
        await reader.stop()
        raise


async def _ends(config: Config, topics: Sequence[str]) -> int:
    reader, _, end = await _open(config, topics)
    await reader.stop()
    return sum(end.values())


async def _read(config: Config, topics: Sequence[str]) -> list[Any]:
    reader, places, end = await _open(config, topics)
    found: list[Any] = []
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ANSWERS_WITHIN
    try:
        await reader.seek_to_beginning(*places)
        left = {place for place in places if end[place] > 0}
        while left:
            for place, records in (await reader.getmany(timeout_ms=500)).items():
                found += [record for record in records if record.offset < end[place]]
                deadline = loop.time() + _ANSWERS_WITHIN
            left = {place for place in left if await reader.position(place) < end[place]}
            if loop.time() > deadline:
                raise ChaosError(f"the broker has sent nothing more of {', '.join(topics)} for {_ANSWERS_WITHIN:.0f} s")
    finally:
        await reader.stop()
    return found


__all__ = ["Place", "Raw", "dead_letters", "ends", "kpi_values", "raw_records"]
