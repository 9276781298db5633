"""The lanes of a replay: in this process, or in several so that all processors are at work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from streams.errors import DaybookError
from streams.history.replay.lane import Step, lane, side_by_side
from streams.history.replay.source import ReplayError, Source
from streams.kpis.definitions import Definitions

MANY = 300_000
"""From so many records on it is worth it to start processes."""


def steps_of(
    definitions: Definitions,
    source: Source,
    event_bytes: int,
    told_every: int | None = None,
    processes: int | None = None,
) -> Iterator[Step]:
    """What the partitions of a source tell, side by side in event time; the same in however many ``processes`` (None:
    as many as there are processors, where that is worth it; 1: in this one). ``told_every`` as for
    :func:`~streams.history.replay.lane.lane`.

    Raises :class:`~streams.history.replay.source.ReplayError` where a process ends that should not, and what reading
    the source raises.
    """
    partitions = range(source.partitions)
    if processes is None:
        processes = 1 if source.records < MANY else len(os.sched_getaffinity(0))
    processes = min(processes, len(partitions))
    if processes <= 1:
        yield from _here(definitions, source, event_bytes, told_every, partitions)
        return
    context = get_context("spawn")  # a fork would copy locks that other threads hold
    running, ends = [], {}
    try:
        for number in range(processes):
            mine = partitions[number::processes]
            receiver, sender = context.Pipe(duplex=False)
            ends.update(dict.fromkeys(mine, receiver))
            one = context.Process(
                target=_there, args=(sender, definitions, source, event_bytes, told_every, mine), daemon=True
            )
            one.start()
            running.append(one)
            sender.close()
        # A process tells of its lanes in the order in which they are asked for here.
        yield from side_by_side({partition: partial(_received, end) for partition, end in sorted(ends.items())})
    finally:
        for one in running:
            one.terminate()
            one.join()


def _here(
    definitions: Definitions, source: Source, event_bytes: int, told_every: int | None, partitions: Sequence[int]
) -> Iterator[Step]:
    lanes = {number: lane(definitions, number, event_bytes, source.logs(number), told_every) for number in partitions}
    return side_by_side({number: steps.__next__ for number, steps in lanes.items()})


def _there(
    sender: Connection,
    definitions: Definitions,
    source: Source,
    event_bytes: int,
    told_every: int | None,
    partitions: Sequence[int],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this one ends it
    try:
        for step in _here(definitions, source, event_bytes, told_every, partitions):
            sender.send(step)
    except DaybookError as error:
        sender.send(error)


def _received(end: Connection) -> Step:
    try:
        told: Step | DaybookError = end.recv()
    except (EOFError, OSError):
        raise ReplayError(
            "a process of the replay has ended before its work was done (was there memory enough?)"
        ) from None
    if isinstance(told, DaybookError):
        raise told
    return told
