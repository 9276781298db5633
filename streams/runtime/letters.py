"""Reading the dead letters back; how they are written is in :mod:`streams.runtime.deadletters`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import Struct
from msgspec.structs import replace

from streams.errors import BrokerError
from streams.runtime.client_errors import brief
from streams.runtime.deadletters import REQUEUED, REQUEUED_BY
from streams.runtime.offsets import offset_ranges
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config


class Requeued(Struct, frozen=True):
    """Somebody sent the dead letter of a ``place`` to its topic once more, at an instant in epoch ms."""

    place: str
    by: str
    at: int


class Letter(Struct, frozen=True, kw_only=True):
    """One dead letter: the record as it came, where it was, and what was wrong. ``at`` is its arrival in the
    dead-letter topic, epoch ms; ``bytes`` the size of the original value. ``again`` says that it was sent to its topic
    once more."""

    topic: str
    partition: int
    offset: int
    at: int
    code: str
    error: str
    attempts: int
    key: bytes | None
    value: bytes | None
    bytes: int
    again: Requeued | None = None

    @property
    def place(self) -> str:
        """Where the record was: ``topic/partition/offset``."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def time(self) -> str:
        """The arrival in UTC, to the second."""
        return datetime.fromtimestamp(self.at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def read_letters(config: Config, topic: str | None, since: int | None) -> list[Letter]:
    """The dead letters of the topics whose names contain ``topic``, from ``since`` ms ago (``None``: all),
    oldest first in each topic. Raises :class:`BrokerError`."""
    names = TopicNames(config.namespace)
    sources = [name for name in names.all if names.dlq(name) in names.dead_letters]
    wanted = [names.dlq(name) for name in sources if topic is None or topic in name]
    reader = consumer(config)
    try:
        partitions = [
            TopicPartition(name, number)
            for name in wanted
            for number in sorted(reader.partitions_for_topic(name) or ())
        ]
        return _marked(_read(reader, offset_ranges(config, partitions), since))
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)


def _marked(found: Iterable[Any]) -> list[Letter]:
    letters: list[Letter] = []
    again: dict[str, Requeued] = {}
    for record in found:
        requeued = requeued_of(record)
        if requeued is None:
            letters.append(letter_of(record))
        else:
            again[requeued.place] = requeued
    return [replace(letter, again=again.get(letter.place)) for letter in letters]


def _read(reader: Any, ranges: Mapping[TopicPartition, tuple[int, int]], since: int | None) -> Iterator[Any]:
    if not ranges:
        return
    starts = {partition: begin for partition, (begin, _) in ranges.items()}
    ends = {partition: end for partition, (_, end) in ranges.items()}
    oldest = 0 if since is None else int(time.time() * 1000) - since
    if since is not None:
        found = reader.offsets_for_times(dict.fromkeys(ranges, oldest))
        starts = {tp: found[tp].offset if found.get(tp) else end for tp, end in ends.items()}
    # The embedded broker finds offsets by time only roughly.
    yield from (record for record in records(reader, starts, ends) if record.timestamp >= oldest)


def requeued_of(record: Any) -> Requeued | None:
    """What a record of a dead-letter topic says of a letter that was sent again; None where it is a letter itself."""
    headers = _headers(record)
    if REQUEUED not in headers:
        return None
    return Requeued(headers[REQUEUED], headers.get(REQUEUED_BY, ""), record.timestamp)


def letter_of(record: Any) -> Letter:
    """A record of a dead-letter topic, one that is not about another letter (:func:`requeued_of`)."""
    headers = _headers(record)
    value = record.value
    return Letter(
        topic=headers.get("source_topic", record.topic.removesuffix(".dlq")),
        partition=_number(headers.get("source_partition"), record.partition),
        offset=_number(headers.get("source_offset"), record.offset),
        at=record.timestamp,
        code=headers.get("error_code", "unknown"),
        error=headers.get("error", "no reason was given"),
        attempts=_number(headers.get("attempts"), 1),
        key=record.key,
        value=value,
        bytes=_number(headers.get("original_bytes"), 0 if value is None else len(value)),
    )


def _headers(record: Any) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in record.headers or () if value is not None}


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdigit() else otherwise
