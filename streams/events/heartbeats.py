"""A source's heartbeats: in every partition of the three event topics, each an event of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.events.codec import encode
from streams.events.times import format_time
from streams.events.types import SourceHeartbeat

FAMILIES = 3


class Heartbeat(NamedTuple):
    """A record to be written. ``family`` is the topic: 0 orders, 1 deliveries, 2 support."""

    family: int
    partition: int
    key: bytes
    value: bytes


def heartbeats(source: str, time: int, partitions: int) -> Iterator[Heartbeat]:
    """The records that tell every partition that nothing older than ``time`` (epoch ms, UTC) follows from ``source``.

    The same call gives the same events, ids included.
    """
    at = format_time(time)
    key = source.encode()
    for family in range(FAMILIES):
        for partition in range(partitions):
            # No two events of a source have one id, in whatever topic: so the place is in it.
            event = SourceHeartbeat(id=f"heartbeat-{family}-{partition}-{time}", source=source, time=at, subject=source)
            yield Heartbeat(family, partition, key, encode(event))
