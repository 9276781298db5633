"""Waiting for a worker."""

from __future__ import annotations

import time

from tests.benchmarks.errors import BenchmarkError
from tests.benchmarks.laboratory import Worker

_STALLED = 120.0


def read(worker: Worker, count: int) -> None:
    """Wait until it has read so many events. Raises :class:`BenchmarkError` where it stands still for long."""
    last, moved = -1.0, time.monotonic()
    while (now := worker.total("daybook_events_total")) < count:
        if now != last:
            last, moved = now, time.monotonic()
        if time.monotonic() - moved > _STALLED:
            raise BenchmarkError(f"the worker stands still at {now:,.0f} of {count:,} events")
        time.sleep(0.2)
