"""Delivering what is due, without anybody's waiting for anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import structlog

from detectors.notification.message import Message
from streams.runtime.notify.channel import Channel, Result, Undelivered
from streams.runtime.notify.metrics import NotifyMetrics

log = structlog.get_logger(__name__)

_ENDS_WITHIN = 2.0


class Deliverer:
    """Sends messages over ``channels`` and says of each what became of it, in the event loop, by ``report``.

    A message is on its way once at a time. A channel that hangs holds up its own messages only. What has not been
    reported when it closes has a fate that nobody knows.
    """

    def __init__(self, channels: Sequence[Channel], report: Callable[[Result], None], metrics: NotifyMetrics) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._free = {channel.name: asyncio.Semaphore(channel.at_once) for channel in channels}
        self._report, self._metrics = report, metrics
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        metrics.watch(self._channels)

    @property
    def under_way(self) -> int:
        """How many messages wait for an answer, or for their turn."""
        return len(self._under_way)

    def offer(self, messages: Iterable[Message]) -> None:
        """Send them; returns at once. Those that are on their way already are passed over."""
        for message in messages:
            key = (message.channel, message.id)
            if key not in self._under_way:
                self._under_way[key] = asyncio.get_running_loop().create_task(self._deliver(message))

    def drop(self) -> None:
        """Send nothing of what is under way any more: somebody else does now."""
        for task in self._under_way.values():
            task.cancel()

    async def close(self) -> None:
        """Send nothing more, wait for nothing more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_ENDS_WITHIN)
        for channel in self._channels.values():
            await channel.close()

    async def _deliver(self, message: Message) -> None:
        try:
            result = await self._outcome(message)
        finally:
            # Before it is reported: what is due then may be this again.
            self._under_way.pop((message.channel, message.id), None)
        self._metrics.counted(result)
        if result.error:
            log.warning(
                "notification refused" if result.permanent else "notification not delivered, tried again later",
                channel=message.channel,
                message=message.id,
                error=result.error,
            )
        try:
            self._report(result)
        except Exception:
            log.exception("a fault of ours", channel=message.channel, message=message.id)

    async def _outcome(self, message: Message) -> Result:
        channel = self._channels.get(message.channel)
        if channel is None:
            return Result(message.id, message.channel, "there is no such channel", permanent=True)
        async with self._free[channel.name]:
            began = monotonic()
            try:
                await channel.send(message)
            except Undelivered as error:
                return Result(message.id, channel.name, error.error, error.permanent, error.perhaps)
            except Exception as error:
                log.exception("a fault of ours", channel=channel.name, message=message.id)
                return Result(message.id, channel.name, f"a fault of ours ({type(error).__name__})", perhaps=True)
            finally:
                self._metrics.took(channel.name, monotonic() - began)
        return Result(message.id, channel.name)
