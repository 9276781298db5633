"""Stock Faust: its own transport, ``async for``, a dictionary of sums.

``python -m tests.benchmarks.peers.stock_faust …`` runs it (see :mod:`tests.benchmarks.peers.job`).

The dictionary is gone with the process; offsets are committed as by default. The event loop is uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

import faust

from tests.benchmarks.peers.job import Arguments, Job, Sums, arguments


def make_app(given: Arguments) -> faust.App:
    """The app, without agents."""
    return faust.App(
        given.group,
        broker=[f"kafka://{address}" for address in given.bootstrap.split(",")],
        datadir=given.folder,
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )


async def main(given: Arguments) -> None:
    app = make_app(given)
    events = app.topic(*given.topics, value_serializer="raw")
    kpis: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)
    job = Job(given.events, given.seconds)
    done = asyncio.Event()

    @app.agent(events)
    async def aggregate(stream: Any) -> None:
        async for raw in stream:
            order = job.take(raw)
            if order is not None:
                kpis[order.region, order.minute].add(order.amount)
            if job.enough:
                break
        done.set()

    await app.start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), given.seconds + 15.0)
    job.tell((sums.row(region, minute) for (region, minute), sums in kpis.items()), given.folder)
    # A stop leaves its groups and waits for timers; nobody needs that here.
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(app.stop(), 5.0)


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    asyncio.run(main(arguments()))
