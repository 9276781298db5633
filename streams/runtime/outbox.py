"""Records on their way to Kafka: sent, then acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """What is to be produced; the partition follows from the key where none is given."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


Send = Callable[[Record], Awaitable[Awaitable[object]]]
"""Hands a record to the producer; what it returns is done when the broker has acknowledged it."""

PAUSE_EVERY = 200
"""Records handed over before others get a turn: handing one over takes some 20 µs of the event loop."""


async def deliver(send: Send, records: Iterable[Record]) -> None:
    """Send the records in their order and wait until all are acknowledged.

    Raises the first error, when all others are acknowledged or have failed as well.
    """
    waiting: list[Awaitable[object]] = []
    failure: Exception | None = None
    try:
        for number, record in enumerate(records, 1):
            waiting.append(await send(record))
            if number % PAUSE_EVERY == 0:
                await asyncio.sleep(0)
    except asyncio.CancelledError:
        # Whoever gives up does not wait for a broker that may not answer for long.
        asyncio.gather(*waiting, return_exceptions=True).cancel()
        raise
    except Exception as error:
        failure = error
    for outcome in (*await asyncio.gather(*waiting, return_exceptions=True), failure):
        if isinstance(outcome, BaseException):
            raise outcome
