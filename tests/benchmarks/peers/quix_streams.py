"""Quix Streams: an application, a streaming dataframe for each topic, and one of two ways to keep the sums.

``python -m tests.benchmarks.peers.quix_streams … VARIANT`` runs it (see :mod:`tests.benchmarks.peers.job`):

``windows``
    as its documentation shows it: ``group_by`` region, which sends the orders through a topic of their own, then a
    tumbling window reduced in RocksDB, up to a quarter of an hour late.
``dictionary``
    as stock Faust does it here: the sums in a dictionary of the process, gone with it. Less than Quix Streams offers,
    and the fastest it can be.

At-least-once, offsets (and the windows' state) committed every five seconds, both as by default. Without changelog
topics: state would not outlive its disk. The deserializer ignores what is not an order, which spares Quix most of its
work for them; the watch for a broker that is gone is off (a tenth). More prefetching makes no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from quixstreams import Application
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.models.serializers import Deserializer, IgnoreMessage

from tests.benchmarks.peers.job import Arguments, Job, Row, Sums, arguments, p95

MINUTE_MS = 60_000
LATENESS_MS = 15 * MINUTE_MS


class OrderDeserializer(Deserializer):
    """From an event to the order it places; other events are ignored. Tells ``seen`` of each when it is enough."""

    def __init__(self, job: Job, seen: Callable[[], None]) -> None:
        super().__init__()
        self._job, self._seen = job, seen

    def __call__(self, value: bytes, ctx: Any) -> dict[str, Any]:
        order = self._job.take(value)
        if order is None:
            if self._job.enough:
                self._seen()
            raise IgnoreMessage
        return {"region": order.region, "amount": order.amount, "time": order.time}


class Ending:
    """Stops the application when the job has seen enough and all it took is counted."""

    def __init__(self, app: Application, job: Job) -> None:
        self._app, self._job = app, job
        self.counted = 0

    def count(self) -> None:
        """One more order is in the KPIs."""
        self.counted += 1
        if self._job.enough:
            self.look()

    def look(self) -> None:
        """Whether this is the end."""
        if self.counted >= self._job.placed:
            self._app.stop()


def in_windows(orders: StreamingDataFrame, ending: Ending) -> Callable[[], Iterable[Row]]:
    """The orders in Quix's windows; what to call for the rows found."""
    latest: dict[tuple[str, int], dict[str, Any]] = {}

    def first(order: dict[str, Any]) -> dict[str, Any]:
        return {"count": 1, "sum": order["amount"], "amounts": [order["amount"]]}

    def add(sums: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
        sums["count"] += 1
        sums["sum"] += order["amount"]
        sums["amounts"].append(order["amount"])
        return sums

    def keep(window: dict[str, Any], key: str, timestamp: int, headers: Any) -> None:
        latest[key, window["start"]] = window["value"]
        ending.count()

    minutes = orders.group_by("region").tumbling_window(MINUTE_MS, grace_ms=LATENESS_MS)
    minutes.reduce(add, first).current().update(keep, metadata=True)

    def rows() -> Iterable[Row]:
        for (region, start), sums in latest.items():
            minute = datetime.fromtimestamp(start / 1000, UTC).isoformat()[:16]
            yield Row(region, minute, sums["count"], sums["sum"], p95(sums["amounts"]))

    return rows


def in_a_dictionary(orders: StreamingDataFrame, ending: Ending) -> Callable[[], Iterable[Row]]:
    """The orders in a dictionary; what to call for the rows found."""
    kpis: defaultdict[tuple[str, str], Sums] = defaultdict(Sums)

    def keep(order: dict[str, Any]) -> None:
        kpis[order["region"], order["time"][:16]].add(order["amount"])
        ending.count()

    orders.update(keep)
    return lambda: (sums.row(region, minute) for (region, minute), sums in kpis.items())


VARIANTS = {"windows": in_windows, "dictionary": in_a_dictionary}


def event_time(order: dict[str, Any], headers: Any, timestamp: float, kind: Any) -> int:
    """In ms, instead of the record's own."""
    return round(datetime.fromisoformat(order["time"]).timestamp() * 1000)


def main(given: Arguments) -> None:
    app = Application(
        given.bootstrap,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        state_dir=given.folder / "state",
        use_changelog_topics=False,
        broker_availability_timeout=0,
        loglevel="WARNING",
    )
    job = Job(given.events, given.seconds)
    ending = Ending(app, job)
    orders, *_ = (
        app.dataframe(
            app.topic(
                name,
                value_deserializer=OrderDeserializer(job, ending.look),
                timestamp_extractor=event_time if given.variant == "windows" else None,
            )
        )
        for name in given.topics
    )
    rows = VARIANTS[given.variant](orders, ending)
    app.run()
    job.tell(rows(), given.folder)


if __name__ == "__main__":
    main(arguments())
