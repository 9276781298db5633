"""Handing what is due to those who send it, and what became of it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from detectors.notification.message import Message
from detectors.response.inputs import Delivered
from detectors.response.response import Response
from streams.runtime.notify.channel import Channel, Result
from streams.runtime.notify.deliverer import Deliverer
from streams.runtime.notify.metrics import NotifyMetrics


class Messenger:
    """Sends the messages of the incidents that this worker has over ``channels``; ``delivered`` is told of each."""

    def __init__(
        self, channels: Sequence[Channel], delivered: Callable[[Delivered], None], metrics: NotifyMetrics
    ) -> None:
        self._delivered, self._metrics = delivered, metrics
        self._deliverer = Deliverer(channels, self._report, metrics)

    def tend(self, response: Response | None, messages: Sequence[Message]) -> None:
        """Send; returns at once. What another worker has now is that one's to send."""
        if response is None:
            self._deliverer.drop()
            self._metrics.nothing()
        else:
            self._deliverer.offer(messages)
            self._metrics.tell(response.notices, time.time_ns() // 1_000_000, response.maintenance)

    async def close(self) -> None:
        """Send nothing more."""
        await self._deliverer.close()

    def _report(self, result: Result) -> None:
        self._delivered(Delivered(result.message, result.channel, result.error, result.permanent, result.perhaps))
