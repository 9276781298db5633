"""Reading partitions' states back from the state log, in the background, until it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog
from prometheus_client import Gauge, Histogram

from streams.errors import BrokerError
from streams.runtime.agents.ledger import Ledger
from streams.runtime.state.chain import Chain

log = structlog.get_logger(__name__)

Made = TypeVar("Made")
Result = TypeVar("Result")

AT_ONCE = 2
"""Partitions that are read back side by side: while one is fetched another is folded."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0
"""Seconds between two attempts."""


class Recovery(Generic[Made]):
    """Of one agent. ``revive`` makes of a partition's chain what ``done`` is given with it, in a thread of its own.

    ``seconds`` observes how long each took, ``under_way`` says how many partitions wait for their state.
    """

    def __init__(
        self,
        ledger: Ledger,
        revive: Callable[[int, Chain], Made],
        done: Callable[[int, Chain, Made], Awaitable[None]],
        seconds: Histogram,
        under_way: Gauge,
        agent: str,
    ) -> None:
        self._ledger, self._revive, self._done = ledger, revive, done
        self._seconds, self._under_way, self._agent = seconds, under_way, agent
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._checking: asyncio.Task[None] | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        under_way.set_function(lambda: sum(not task.done() for task in list(self._tasks.values())))

    def begin(self, partition: int, wait: float = 0.0) -> None:
        """Read a partition's state after ``wait`` seconds; a reading that is under way is given up."""
        self.cancel(partition)
        self._tasks[partition] = asyncio.ensure_future(self._recover(partition, wait))

    def cancel(self, partition: int) -> None:
        """Give up reading a partition's state."""
        if (task := self._tasks.pop(partition, None)) is not None:
            task.cancel()

    def check(self, partitions: set[int], told: Callable[[set[int], set[int]], None]) -> None:
        """Find out which of the partitions nobody else has written to; ``told`` gets those, and all."""
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None
        if partitions:
            self._checking = asyncio.ensure_future(self._check(partitions, told))

    async def close(self) -> None:
        """Give everything up."""
        tasks = [*self._tasks.values(), *([self._checking] if self._checking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check(self, partitions: set[int], told: Callable[[set[int], set[int]], None]) -> None:
        told(await self._until_it_works(lambda: self._ledger.unchanged(partitions), sorted(partitions)), partitions)

    async def _recover(self, partition: int, wait: float) -> None:
        await asyncio.sleep(wait)
        began = time.monotonic()

        async def attempt() -> tuple[Chain, Made]:
            async with self._turns:
                chain = await self._ledger.recover(partition)
                return chain, await asyncio.to_thread(self._revive, partition, chain)

        chain, made = await self._until_it_works(attempt, [partition])
        took = time.monotonic() - began
        self._seconds.observe(took)
        entries = len(chain.deltas) + (chain.snapshot is not None)
        log.info("state recovered", agent=self._agent, partition=partition, entries=entries, seconds=round(took, 2))
        await self._done(partition, chain, made)

    async def _until_it_works(self, attempt: Callable[[], Awaitable[Result]], partitions: list[int]) -> Result:
        wait = FIRST_WAIT
        while True:
            try:
                return await attempt()
            except BrokerError as error:
                log.warning(
                    "the state log cannot be read, trying again",
                    agent=self._agent,
                    partitions=partitions,
                    error=str(error),
                )
            except Exception:
                # A fault of ours, or somebody else's records: not gone by itself, but another worker may know better.
                log.exception("the state log makes no sense, trying again", agent=self._agent, partitions=partitions)
                wait = LONGEST_WAIT
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
