"""One import from end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.config import Config
from streams.events.identity import customer_key, pseudonym
from streams.ingest.imports.convert import Converter
from streams.ingest.imports.grouping import whole_groups
from streams.ingest.imports.mapping import Mapping
from streams.ingest.imports.progress import Progress
from streams.ingest.imports.reader import Pseudonym, Source
from streams.ingest.imports.report import ImportReport
from streams.ingest.imports.send import Sink, Stream, closing_time, discard
from streams.ingest.imports.spool import Spool


def run_import(
    files: Sequence[Path],
    mapping: Mapping,
    config: Config,
    *,
    sink: Sink | None = None,
    progress: bool = True,
    limit: int | None = None,
    now: Callable[[], float] = time.time,
) -> ImportReport:
    """Import files: read, convert, sort by event time, send.

    ``sink`` takes the records; without one they go to the configured broker, whose topics are made if need be
    (:func:`.send.discard` makes it a dry run). ``limit``: read only so many rows of the main files.
    ``progress``: show how far it is, where there is somebody to see it. ``now``: the clock, in epoch seconds.

    Raises :class:`MappingError` where the files do not fit the mapping, :class:`BrokerError` where the broker
    does not take the events. Rows that cannot become events raise nothing: the report tells of them.
    """
    report = ImportReport(source=mapping.name)
    started = time.monotonic()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="daybook-import-")))
        shown = stack.enter_context(Progress(progress))
        source = Source(files, mapping, scratch)
        report.place_of = source.place_of
        converter = Converter(
            mapping,
            report,
            latest=int(now() * 1000) + config.time.future_limit,
            max_bytes=config.limits.event_bytes,
        )
        # A dry run leaves nothing behind, not even a key.
        key = bytes(32) if sink is discard or not mapping.private else customer_key(config.data_dir)
        spool = Spool(scratch)
        _read(source, mapping, converter, spool, limit, lambda value: pseudonym(value, key), shown)
        send = stack.enter_context(_to_kafka(config)) if sink is None else sink
        stream = Stream(mapping, config.kafka.partitions, report)
        with shown.phase("sending events", len(spool)) as advance:
            for batch in stream.batches(spool, lambda last: closing_time(config, last, int(now() * 1000))):
                send(batch)
                advance(sum(record.partition is None for record in batch))
    report.seconds = time.monotonic() - started
    return report


def _to_kafka(config: Config) -> AbstractContextManager[Sink]:
    # Slow to import, and a dry run needs no broker.
    from streams.ingest.imports.kafka_sink import kafka_sink

    return kafka_sink(config)


def _read(
    source: Source,
    mapping: Mapping,
    converter: Converter,
    spool: Spool,
    limit: int | None,
    hide: Pseudonym,
    shown: Progress,
) -> None:
    """All rows of the files into the spool."""
    rows = source.rows()
    rows = rows if limit is None else min(rows, limit)
    keys = mapping.lines_of or ((mapping.states_of,) if mapping.states_of else ())
    with shown.phase("reading rows", rows) as advance:
        for frame in whole_groups(source.batches(limit, hide), keys, rows, source.scratch):
            for encoded in converter.convert(frame):
                spool.add(encoded)
            advance(len(frame))
