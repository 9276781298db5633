"""Guessing passwords takes long: attempts of one address come one after the other, each later than the one before."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

FIRST_S, SLOWEST_S = 0.25, 30.0
MOST_WAITING = 5
MOST_ADDRESSES = 10_000


class TooManyAttemptsError(Exception):
    """As many attempts of this address wait already as may."""


@dataclass
class _Address:
    failures: int = 0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Attempts:
    """``sleep`` waits so many seconds."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    async def of(self, address: str, attempt: Callable[[], str | None]) -> str | None:
        """What the attempt gives when its turn has come; None is a failure, after which the next has to wait for twice
        as long. Raises :class:`TooManyAttemptsError` at once where too many wait."""
        known = self._addresses.setdefault(address, _Address())
        self._addresses.move_to_end(address)
        if known.waiting >= MOST_WAITING:
            raise TooManyAttemptsError
        known.waiting += 1
        try:
            async with known.turn:
                if known.failures:
                    await self._sleep(min(SLOWEST_S, FIRST_S * 2.0 ** min(known.failures - 1, 10)))
                found = attempt()
                known.failures = 0 if found is not None else known.failures + 1
                return found
        finally:
            known.waiting -= 1
            self._forget()

    def _forget(self) -> None:
        while len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
