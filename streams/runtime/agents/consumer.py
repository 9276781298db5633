"""What the agents use of the consumer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from faust.types import TP

PLACED_WITHIN = 10.0
"""Seconds after which a partition that has not been told where to read on is placed again."""


class ConsumerLike(Protocol):
    """What is used of a :class:`~streams.runtime.transport.Consumer`."""

    async def rewind(self, tps: Iterable[TP]) -> dict[TP, int]: ...
    async def commit_published(self, offsets: Mapping[TP, int]) -> bool: ...
    def highwater(self, tp: TP) -> int | None: ...
    def pause_partitions(self, tps: Iterable[TP]) -> None: ...
    def resume_partitions(self, tps: Iterable[TP]) -> None: ...
    def hold(self, tps: Iterable[TP]) -> None: ...


def highwater(consumer: ConsumerLike, tp: TP) -> int | None:
    """The offset after the newest record, as the last fetch told it; ``None`` where nothing was fetched
    yet."""
    try:
        return consumer.highwater(tp)
    except AssertionError:  # aiokafka's way to say that the partition is not ours at this moment
        return None
