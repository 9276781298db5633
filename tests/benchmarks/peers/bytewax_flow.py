"""Bytewax: its Kafka source, an event-time clock, tumbling windows folded in Python.

``python -m tests.benchmarks.peers.bytewax_flow …`` runs it (see :mod:`tests.benchmarks.peers.job`). Where it has
seen enough its input ends, and with it all windows close.

The fastest of what was tried: one worker (two share Python's lock and are slower), batches of 1,000 as by default (300
and 5,000 are as fast), librdkafka's statistics off (a tenth). No recovery store: after a failure Bytewax begins at the
beginning again, nothing is committed and no state is kept, so it does less than a Daybook worker does. Orders go into
their windows in the order they come (``ordered=False``), up to a quarter of an hour late.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatefulSourcePartition
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from tests.benchmarks.peers.job import Arguments, Job, Order, Row, Sums, arguments

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATENESS = timedelta(minutes=15)


class RowSink(DynamicSink[Row]):
    """Appends to a list."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Rows:
        return _Rows(self._rows)


class _Rows(StatelessSinkPartition[Row]):
    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def write_batch(self, items: list[Row]) -> None:
        self._rows.extend(items)


class BoundedSource(KafkaSource):
    """Ends when the job has seen enough: a dataflow ends with its input only, and closes its windows then."""

    def __init__(self, job: Job, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._job = job

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _BoundedPartition:
        return _BoundedPartition(self._job, super().build_part(step_id, for_part, resume_state))


class _BoundedPartition(StatefulSourcePartition[Any, int | None]):
    def __init__(self, job: Job, of: StatefulSourcePartition[Any, int | None]) -> None:
        self._job, self._of = job, of

    def next_batch(self) -> Iterable[Any]:
        if self._job.enough:
            raise StopIteration
        return self._of.next_batch()

    def snapshot(self) -> int | None:
        return self._of.snapshot()

    def close(self) -> None:
        self._of.close()


def make_flow(given: Arguments, job: Job, rows: list[Row]) -> Dataflow:
    """The dataflow from the topics to ``rows``."""

    def orders(messages: list[Any]) -> Iterable[tuple[str, Order]]:
        return [(order.region, order) for message in messages if (order := job.take(message.value)) is not None]

    flow = Dataflow("kpis")
    servers, settings = given.bootstrap.split(","), {"statistics.interval.ms": "0"}
    source = BoundedSource(job, servers, given.topics, tail=False, add_config=settings)
    events = op.input("events", flow, source)
    placed = op.flat_map_batch("orders", events, orders)
    minutes = fold_window(
        "minutes",
        placed,
        EventClock(lambda order: datetime.fromisoformat(order.time), LATENESS),
        TumblingWindower(MINUTE, EPOCH),
        Sums,
        lambda sums, order: sums.add(order.amount),
        Sums.merge,
        ordered=False,
    )
    op.output("rows", op.map("row", minutes.down, _row), RowSink(rows))
    return flow


def _row(item: tuple[str, tuple[int, Sums]]) -> Row:
    region, (window, sums) = item
    return sums.row(region, (EPOCH + window * MINUTE).isoformat()[:16])


if __name__ == "__main__":
    given = arguments()
    job, rows = Job(given.events, given.seconds), list[Row]()
    cli_main(make_flow(given, job, rows))
    job.tell(rows, given.folder)
