"""Files of events as something to replay.

A file says when something happened, not when it arrived: each event is taken as if it had arrived when it happened,
and all of them in that order, whichever file and line they are in. A line that is no event is what such a record is
live: it is counted as rejected, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from streams.events.times import format_time
from streams.history.replay.lines import lines_of, size_of
from streams.history.replay.rows import CALENDAR, HEARTBEAT, ODD, Odd, Rows
from streams.history.replay.scratch import Scratch
from streams.history.replay.source import EVER, ReplayError, Source, source_of
from streams.ingest.imports.spool import Encoded, Spool
from streams.kpis.watermark import FAMILIES
from streams.runtime.partitions import partition_of

if TYPE_CHECKING:
    from streams.config import Config


def source_of_files(
    config: Config,
    paths: Sequence[Path],
    scratch: Path,
    between: tuple[int, int] = EVER,
    *,
    now: int,
    odd: Callable[[Odd], None],
    progress: Callable[[int], None] = lambda read: None,
) -> Source:
    """The events of files, put down in a ``scratch`` folder: those that happened from the one up to, not including, the
    other time of ``between``. Nothing is taken to have arrived after ``now``, so what is from the future is turned away
    as it is live; times are epoch ms. Partitions are those in which a producer would place them.

    ``odd`` is told of each line that is no event, ``progress`` how many bytes have been read. Raises
    :class:`~streams.history.replay.source.ReplayError` where a file cannot be read or no line of it is an event, or
    nothing happened in that time.
    """
    size_of(paths)
    events, runs = scratch / "events", scratch / "runs"
    runs.mkdir(parents=True)
    rows, spool = Rows(config, now), Spool(runs)
    times: list[int] = []
    for number, path in enumerate(paths):
        before, lines, faults = size_of(paths[:number]), 0, 0
        first_odd: Odd | None = None
        for some in lines_of(path, lambda read, before=before: progress(before + read)):  # type: ignore[misc]
            frame, found = rows.take(some)
            lines, faults = lines + len(frame), faults + len(found)
            for one in found:
                first_odd = first_odd or one
                odd(one)
            sound = frame.filter(pl.col("rule") != ODD)["time"]
            times += [min(sound), max(sound)] if len(sound) else []
            spool.add(frame.filter(pl.col("time").is_between(*between, closed="left")))
        if first_odd is not None and faults == lines:
            raise ReplayError(f"{first_odd.file}: no line of it is an event (line {first_odd.line}: {first_odd.why})")
    if not times:
        raise ReplayError(f"{', '.join(map(str, paths))}: there is no event in it")
    if not _put(spool, events, config.kafka.partitions):
        first, last = (format_time(ms) for ms in (min(times), max(times)))
        raise ReplayError(f"nothing happened in that time (what there is happened from {first} to {last})")
    return source_of(events)


def _put(rows: Iterable[Encoded], folder: Path, partitions: int) -> int:
    """Write rows as an archive; how many records of the event topics it has."""
    scratch, placed = Scratch(folder), 0
    for topic, partition, arrival, key, value in _placed(rows, partitions):
        scratch.put(topic, partition, arrival, key, value)
        placed += topic in FAMILIES
    scratch.flush()
    return placed


def _placed(rows: Iterable[Encoded], partitions: int) -> Iterator[tuple[str, int, int, bytes | None, bytes]]:
    """Topic, partition, arrival, key and value of the records that rows become, which come by time.

    Nothing older follows a heartbeat here, in whatever topic. So it goes to all partitions of all of them; and of
    those of one time, as producers write them to each partition, one is enough.
    """
    beaten = EVER[0]
    for time, _, kind, subject, _, value in rows:
        key = subject.encode()
        if kind == HEARTBEAT:
            if time > beaten:
                beaten = time
                yield from ((topic, number, time, key, value) for topic in FAMILIES for number in range(partitions))
        elif kind == ODD:
            yield FAMILIES[0], 0, time, None, value
        elif kind == CALENDAR:
            yield "calendar", 0, time, key, value
        else:
            yield FAMILIES[kind], partition_of(key, partitions), time, key, value
