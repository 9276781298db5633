"""Files of events as something to replay.

A file says when something happened, not when it arrived: each event is taken as if it had arrived when it happened,
and all of them in that order, whichever file and line they are in. A line that is no event is what such a record is
live: it is counted as rejected, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from streams.events.times import format_time
from streams.history.replay.lines import Lines, lines_of, size_of
from streams.history.replay.rows import CALENDAR, HEARTBEAT, ODD, Odd, Rows
from streams.history.replay.scratch import Scratch
from streams.history.replay.source import EVER, ReplayError, Source, source_of
from streams.ingest.imports.spool import Encoded, Spool
from streams.kpis.grid import DAY_MS
from streams.kpis.watermark import FAMILIES
from streams.runtime.partitions import partition_of

if TYPE_CHECKING:
    from streams.config import Config

QUIET_MS = 35 * DAY_MS
"""Where nothing happens for so long a time may be wrong."""
_EVERY = 5_000
"""Rows after which it is said how many have been written."""


def source_of_files(
    config: Config,
    paths: Sequence[Path],
    scratch: Path,
    between: tuple[int, int] = EVER,
    *,
    now: int,
    odd: Callable[[Odd], None],
    quiet: Callable[[int, int], None] = lambda since, until: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Source:
    """The events of files, put down in a ``scratch`` folder: those that happened from the one up to, not including, the
    other time of ``between``, and the whole calendar. Nothing is taken to have arrived after ``now``, so what is from
    the future is turned away as it is live; times are epoch ms. Partitions are those in which a producer would place
    them.

    ``odd`` is told of each line that is no event, ``quiet`` of the longest time in which nothing happened, from when
    to when, if that is longer than :data:`QUIET_MS`; ``progress`` how much has been done, of how much. Raises
    :class:`~streams.history.replay.source.ReplayError` where a file cannot be read or no line of it is an event, or
    nothing happened in that time.
    """
    size = size_of(paths)
    events, runs = scratch / "events", scratch / "runs"
    runs.mkdir(parents=True)
    rows, spool = Rows(config, now), Spool(runs)
    times: list[int] = []
    read = 0
    for path in paths:
        reading = lines_of(path, config.limits.event_bytes, partial(_say, progress, read, 2 * size))
        read += size_of([path])
        for frame in _sound(reading, rows, odd):
            times += _ends(frame.filter(pl.col("rule") != ODD)["time"])
            wanted = pl.col("time").is_between(*between, closed="left") | (pl.col("rule") == CALENDAR)
            spool.add(frame.filter(wanted))
    if not times:
        raise ReplayError(f"{', '.join(map(str, paths))}: there is no event in it")
    # Writing takes about as long as reading.
    say = partial(_say, progress, len(spool), 2 * len(spool))
    if not _put(_heard(spool, quiet), events, config.kafka.partitions, say):
        if between == EVER:
            raise ReplayError(f"{', '.join(map(str, paths))}: no order, delivery or ticket is in it")
        first, last = (format_time(ms) for ms in (min(times), max(times)))
        raise ReplayError(f"nothing happened in that time (what there is happened from {first} to {last})")
    return source_of(events)


def _say(progress: Callable[[int, int], None], before: int, of: int, done: int) -> None:
    progress(before + done, of)


def _sound(reading: Iterable[Lines], rows: Rows, odd: Callable[[Odd], None]) -> Iterator[pl.DataFrame]:
    """The rows of a file. Raises :class:`~streams.history.replay.source.ReplayError` where none is of an event."""
    lines, faults, first = 0, 0, None
    for some in reading:
        frame, found = rows.take(some)
        lines, faults = lines + len(frame), faults + len(found)
        for one in found:
            first = first or one
            odd(one)
        yield frame
    if first is not None and faults == lines:
        raise ReplayError(f"{first.file}: no line of it is an event (line {first.line}: {first.why})")


def _ends(times: pl.Series) -> list[int]:
    """The first and the last, where there are any."""
    found = times.to_numpy()
    return [int(found.min()), int(found.max())] if len(found) else []


def _put(rows: Iterable[Encoded], folder: Path, partitions: int, progress: Callable[[int], None]) -> int:
    """Write rows as an archive; how many records of the event topics it has."""
    scratch, placed = Scratch(folder), 0
    for topic, partition, arrival, key, value in _placed(_counted(rows, progress), partitions):
        scratch.put(topic, partition, arrival, key, value)
        placed += topic in FAMILIES
    scratch.flush()
    return placed


def _heard(rows: Iterable[Encoded], quiet: Callable[[int, int], None]) -> Iterator[Encoded]:
    """The same; says how long nothing happened."""
    before: int | None = None
    longest = (0, QUIET_MS)
    for row in rows:
        time, _, kind, *_ = row
        if kind < HEARTBEAT and kind != CALENDAR:
            if before is not None and time - before > longest[1] - longest[0]:
                longest = (before, time)
            before = time
        yield row
    if longest[0]:
        quiet(*longest)


def _counted(rows: Iterable[Encoded], progress: Callable[[int], None]) -> Iterator[Encoded]:
    number = 0
    for number, row in enumerate(rows, 1):
        yield row
        if number % _EVERY == 0:
            progress(number)
    progress(number)


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
