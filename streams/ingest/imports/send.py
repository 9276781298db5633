"""Events on their way out: in event-time order over all topics, heartbeats between them, nothing twice.

The order is what makes an import exact. Each partition of each topic is written in event-time order, so no
event is late by its own topic's watermark; and every partition of all three topics gets a heartbeat before
the first event, then after every :data:`BEAT_EVENTS` events and at the end, so that a topic with few events
(or none) holds nobody back and is never taken for idle. A heartbeat's time is that of the next event: nothing
older follows, in any partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from streams.config import Config
from streams.config.structs import WEEKDAYS
from streams.events.heartbeats import heartbeats
from streams.ingest.imports.contracts import CONTRACTS
from streams.ingest.imports.mapping import Mapping
from streams.ingest.imports.report import ImportReport
from streams.ingest.imports.spool import Encoded
from streams.kpis.grid import Grid

BEAT_EVENTS = 1_000
BATCH_EVENTS = 500


class Record(NamedTuple):
    """A record to be written. ``family`` is the topic: 0 orders, 1 deliveries, 2 support. ``partition`` is
    None where the key decides. ``time`` is the event time in epoch ms."""

    family: int
    partition: int | None
    key: bytes
    value: bytes
    time: int


Sink = Callable[[Sequence[Record]], None]
"""Writes records, those of a partition in the order they come in."""


def discard(records: Sequence[Record]) -> None:
    """The sink of a dry run."""


class Stream:
    """The records of an import, in the order they are sent; the report is told of each."""

    def __init__(self, mapping: Mapping, partitions: int, report: ImportReport) -> None:
        self._source = mapping.name
        self._types = [rule.type for rule in mapping.rules]
        self._families = [CONTRACTS[rule.type].family for rule in mapping.rules]
        self._partitions = partitions
        self._report = report

    def batches(self, events: Iterable[Encoded], closing: Callable[[int], int]) -> Iterator[list[Record]]:
        """Batches of records. ``closing`` gives the last heartbeat's time from the last event's.

        The report counts what was handed out when the last batch was.
        """
        batch: list[Record] = []
        report = self._report
        sent = dict.fromkeys(self._types, 0)
        seen: set[str] = set()
        since = BEAT_EVENTS
        for time, row, rule, key, id_, value in events:
            type_ = self._types[rule]
            if time != report.last_time:
                seen.clear()
                report.last_time = time
            if id_ in seen:
                report.leave_out(type_, "the same event twice", [row], 1)
                continue
            seen.add(id_)
            if report.first_time is None:
                report.first_time = time
            if since == BEAT_EVENTS:
                since = 0
                batch += self._heartbeats(time)
            since += 1
            batch.append(Record(self._families[rule], None, key.encode(), value, time))
            sent[type_] += 1
            if len(batch) >= BATCH_EVENTS:
                yield batch
                batch = []
        report.sent = {type_: count for type_, count in sent.items() if count}
        if report.last_time is not None:
            report.closed_until = closing(report.last_time)
            batch += self._heartbeats(report.closed_until)
        if batch:
            yield batch

    def _heartbeats(self, time: int) -> list[Record]:
        """One for every partition of the three topics."""
        records = [Record(*beat, time) for beat in heartbeats(self._source, time, self._partitions)]
        self._report.heartbeats += len(records)
        return records


def closing_time(config: Config, last: int, now: int) -> int:
    """When everything up to the event time ``last`` is final: the end of the longest grain around it, and the
    time the worker waits for stragglers. Not after ``now``: nobody can promise the future. All epoch ms."""
    week_starts = WEEKDAYS.index(config.business.week_starts)
    zone = config.business.timezone
    ends = [Grid(span, zone, week_starts).around(last)[1] for span in {kpi.grain for kpi in config.kpis}]
    time = config.time
    final = max(ends, default=last) + time.pane + time.out_of_order + time.allowed_lateness
    return max(last, min(final, now))
