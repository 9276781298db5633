"""Stock Faust: its own transport, ``async for``, a dictionary of sums.

``python -m tests.benchmarks.peers.stock_faust BOOTSTRAP NAMESPACE GROUP FOLDER EVENTS SECONDS`` reads the three event
topics from the beginning until it has seen so many events or so much time has passed since the first one. Its last
line is JSON: events, seconds, processor seconds, memory in MiB.

Less work than a Daybook worker's: one KPI by region and minute (count, sum, p95) instead of all of them by several
dimensions, no order's life, no duplicates, no late events. JSON is decoded by msgspec, which is faster than what Faust
would take, and the event loop is uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import faust
import msgspec

from streams.runtime.topics import TopicNames


class Sums:
    """Of one region and minute."""

    __slots__ = ("amounts", "count", "sum")

    def __init__(self) -> None:
        self.count = self.sum = 0
        self.amounts: list[int] = []

    def p95(self) -> int:
        """The nearest rank."""
        ranked = sorted(self.amounts)
        return ranked[max(0, -(-95 * len(ranked) // 100) - 1)]


class Envelope(msgspec.Struct):
    """What is read of an event."""

    type: str
    time: str
    data: dict[str, Any]


def make_app(bootstrap: str, namespace: str, group: str, folder: Path) -> faust.App:
    """The app, without agents."""
    return faust.App(
        group,
        broker=[f"kafka://{address}" for address in bootstrap.split(",")],
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )


async def main(bootstrap: str, namespace: str, group: str, folder: Path, limit: int, seconds: float) -> None:
    app = make_app(bootstrap, namespace, group, folder)
    events = app.topic(*TopicNames(namespace).events, value_serializer="raw")
    kpis: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)
    decode = msgspec.json.Decoder(Envelope).decode
    begun, done = asyncio.Event(), asyncio.Event()
    seen = 0
    began, used = 0.0, 0.0

    @app.agent(events)
    async def aggregate(stream: Any) -> None:
        nonlocal seen, began, used
        async for raw in stream:
            if not seen:
                began, used = time.monotonic(), time.process_time()
                begun.set()
            event = decode(raw)
            if event.type == "order.placed":
                sums = kpis[event.data["region"], event.time[:16]]
                sums.count += 1
                sums.sum += event.data["amount"]
                sums.amounts.append(event.data["amount"])
            seen += 1
            if seen >= limit:
                break
        done.set()

    @app.timer(1.0)
    async def publish() -> None:
        for sums in kpis.values():
            sums.p95()

    await app.start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 15.0):
            await begun.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), seconds)
    took, used = time.monotonic() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"events": seen, "seconds": took, "cpu": used, "memory": memory}), flush=True)
    # A stop leaves its groups and waits for timers; nobody needs that here.
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(app.stop(), 5.0)


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    a, b, c, d, e, f = sys.argv[1:]
    asyncio.run(main(a, b, c, Path(d), int(e), float(f)))
