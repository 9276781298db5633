"""Metrics of notification: what was delivered, what waits, when it last went well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from detectors.notification.holds import Window
from detectors.notification.notices import Notices
from streams.runtime.notify.channel import Result

OUTCOMES = ("delivered", "failed", "refused")


class NotifyMetrics:
    """Registered in the registry that is handed in. There is nothing of a channel before :meth:`watch`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._channels: tuple[str, ...] = ()
        self.notifications = Counter(
            "daybook_notifications",
            "Attempts to deliver a message or an alert; what failed is tried again, what was refused is not",
            ["channel", "outcome"],
            registry=registry,
        )
        self.pending = Gauge(
            "daybook_notifications_pending", "Messages and alerts not delivered yet", ["channel"], registry=registry
        )
        self.held = Gauge("daybook_notifications_held", "Incidents of which something is held back", registry=registry)
        self.last_success = Gauge(
            "daybook_notification_last_success_timestamp_seconds",
            "When something was delivered last, in epoch seconds",
            ["channel"],
            registry=registry,
        )
        self.seconds = Histogram(
            "daybook_notification_seconds",
            "Time a channel took to take a message, or not to",
            ["channel"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
            registry=registry,
        )

    def watch(self, channels: Iterable[str]) -> None:
        """Begin at nought: a counter that is not there does not increase."""
        self._channels = tuple(channels)
        for channel in self._channels:
            self.pending.labels(channel)
            for outcome in OUTCOMES:
                self.notifications.labels(channel, outcome)

    def counted(self, result: Result) -> None:
        """What became of a message."""
        outcome = "delivered" if not result.error else "refused" if result.permanent else "failed"
        self.notifications.labels(result.channel, outcome).inc()
        if not result.error:
            self.last_success.labels(result.channel).set_to_current_time()

    def took(self, channel: str, seconds: float) -> None:
        """How long a channel took."""
        self.seconds.labels(channel).observe(seconds)

    def nothing(self) -> None:
        """Another worker sends."""
        for channel in self._channels:
            self.pending.labels(channel).set(0)
        self.held.set(0)

    def tell(self, notices: Notices, now: int, maintenance: Sequence[Window] = ()) -> None:
        """What waits, as of ``now`` (epoch ms), with the maintenance that was announced."""
        for channel in self._channels:
            self.pending.labels(channel).set(notices.pending(channel))
        self.held.set(len({one.incident for one in notices.held(now, maintenance)}))
