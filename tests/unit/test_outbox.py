"""Sending and awaiting acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from streams.runtime.outbox import PAUSE_EVERY, Record, deliver
from tests.support.agents import until

RECORDS = [Record("topic", b"%d" % number, b"") for number in range(PAUSE_EVERY + 2)]


class Broker:
    """Acknowledges when told to; takes no more than ``most`` records."""

    def __init__(self, most: int = 1 << 60) -> None:
        self.acknowledgements: list[asyncio.Future[None]] = []
        self.most = most

    async def send(self, record: Record) -> Awaitable[None]:
        if len(self.acknowledgements) >= self.most:
            raise ConnectionError("no more")
        self.acknowledgements.append(asyncio.get_running_loop().create_future())
        return self.acknowledgements[-1]

    async def has_all(self, count: int) -> None:
        await until(lambda: len(self.acknowledgements) == count)


async def test_it_ends_when_all_are_acknowledged() -> None:
    broker = Broker()
    delivering = asyncio.ensure_future(deliver(broker.send, RECORDS))
    await broker.has_all(len(RECORDS))
    for one in broker.acknowledgements[:-1]:
        one.set_result(None)
    await asyncio.sleep(0)
    assert not delivering.done()
    broker.acknowledgements[-1].set_result(None)
    await delivering


async def test_the_first_refusal_is_told_when_all_have_an_end() -> None:
    broker = Broker()
    delivering = asyncio.ensure_future(deliver(broker.send, RECORDS[:3]))
    await broker.has_all(3)
    broker.acknowledgements[1].set_exception(ConnectionError("refused"))
    await asyncio.sleep(0)
    assert not delivering.done()
    broker.acknowledgements[0].set_result(None)
    broker.acknowledgements[2].set_exception(ConnectionError("later"))
    with pytest.raises(ConnectionError, match="refused"):
        await delivering


async def test_what_cannot_be_sent_is_told_after_what_was() -> None:
    broker = Broker(most=1)
    delivering = asyncio.ensure_future(deliver(broker.send, RECORDS[:3]))
    await broker.has_all(1)
    await asyncio.sleep(0)
    assert not delivering.done()
    broker.acknowledgements[0].set_result(None)
    with pytest.raises(ConnectionError, match="no more"):
        await delivering


async def test_whoever_gives_up_does_not_wait_for_a_silent_broker() -> None:
    broker = Broker()
    delivering = asyncio.ensure_future(deliver(broker.send, RECORDS[:3]))
    await broker.has_all(3)
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(delivering, 5)
