"""One source partition of a replay: records of its three topics in, partials out. Lanes run side by side in event time.

Which lane is next follows from what the lanes have told alone. So what comes of a replay is the same in whichever
process a lane runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events.codec import ChunkDecoder
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Chunk, Kernel, Outcome
from streams.kpis.partials import Partial
from streams.kpis.plan import Plan
from streams.kpis.watermark import FAMILIES

I64 = npt.NDArray[np.int64]

DRAIN_AFTER = 200_000
"""Records of a partition after which its cells are told of."""
AHEAD_MS = 86_400_000
"""How far a topic gets ahead of another in event time, at the most, about."""
TOLD_AFTER_MS = 60_000
"""So long after an hour is over it is told of: heartbeats have shown by then that it is."""
OVER = int(np.iinfo(np.int64).max)
"""How far a lane has come that has ended."""


class Batch(NamedTuple):
    """Records of one topic, in the order of its log. ``arrivals`` are epoch ms, one for each."""

    values: Sequence[bytes | None]
    arrivals: I64


Logs = Mapping[int, Iterator[Batch]]
"""The logs of a partition's topics (0 orders, 1 deliveries, 2 support), those that there are."""


class Counts(NamedTuple):
    """Of all records that were fed: ``events`` that counted, and those that did not, by why."""

    records: int = 0
    events: int = 0
    heartbeats: int = 0
    late: int = 0
    duplicates: int = 0
    rejected: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*(one + more for one, more in zip(self, other, strict=True)))


class Step(NamedTuple):
    """What a partition tells: of which ``counts`` since the step before. ``reached`` is how far event time has come in
    its topic that is furthest behind (epoch ms): the lane for which that is least is next."""

    partition: int
    partials: list[Partial]
    counts: Counts
    reached: int


def lane(
    definitions: Definitions, partition: int, event_bytes: int, logs: Logs, told_every: int | None = None
) -> Iterator[Step]:
    """Run through a partition's logs in the order in which records arrived, as a worker did that was not behind; but no
    topic gets further ahead of another in event time than :data:`AHEAD_MS`, however they arrived.

    It tells whenever enough has been taken in, and where ``told_every`` is given (ms) each time so much has passed by
    arrival: then what is told first is what was known then, and what came later corrects it. A topic that has ended
    holds the others back no longer; nor does the whole lane, once all have.
    """
    kernel = Kernel(Plan(definitions), partition)
    decoders = [ChunkDecoder(family, event_bytes) for family in FAMILIES]
    heads = {family: _Head(log) for family, log in logs.items()}
    everybody = set(range(len(FAMILIES)))
    counts, fed, due = Counts(), 0, OVER
    while waiting := {family: head for family, head in heads.items() if head.there}:
        kernel.set_idle(everybody - waiting.keys())
        reached = {family: kernel.reached[family] for family in waiting}
        near = [family for family in waiting if reached[family] <= min(reached.values()) + AHEAD_MS]
        arrival = min(waiting[family].arrival for family in near)
        if fed >= DRAIN_AFTER or (fed and arrival > due):
            yield Step(partition, kernel.drain(), counts, min(reached.values()))
            counts, fed = Counts(), 0
        if told_every is not None:
            due = ((arrival - TOLD_AFTER_MS) // told_every + 1) * told_every + TOLD_AFTER_MS
        until = min(due, *(waiting[family].until for family in near))
        taken = {family: batch for family in near if len((batch := waiting[family].take(until)).values)}
        for outcome, batch in zip(_feed(kernel, decoders, taken), taken.values(), strict=True):
            counts = counts.plus(_counted(outcome, len(batch.values)))
            fed += len(batch.values)
    yield Step(partition, kernel.drain(), counts, OVER - 1)
    kernel.set_idle(everybody)
    yield Step(partition, kernel.drain(), Counts(), OVER)


class _Head:
    """Where the reading of a log stands: the batch that is being taken."""

    def __init__(self, log: Iterator[Batch]) -> None:
        self._log = log
        self._batch = Batch([], np.zeros(0, dtype=np.int64))
        self._latest = self._batch.arrivals
        self._at = 0

    @property
    def there(self) -> bool:
        """Whether there is anything left to take."""
        while self._at == len(self._batch.values):
            batch = next(self._log, None)
            if batch is None:
                return False
            self._batch, self._at = batch, 0
            self._latest = np.maximum.accumulate(batch.arrivals)
        return True

    @property
    def arrival(self) -> int:
        """When the next record arrived, epoch ms."""
        return int(self._latest[self._at])

    @property
    def until(self) -> int:
        """Up to which arrival all is at hand."""
        return int(self._latest[-1])

    def take(self, until: int) -> Batch:
        """What comes before the first record that arrived after ``until``."""
        begin, self._at = self._at, int(np.searchsorted(self._latest, until, side="right"))
        return Batch(self._batch.values[begin : self._at], self._batch.arrivals[begin : self._at])


def _feed(kernel: Kernel, decoders: Sequence[ChunkDecoder], taken: Mapping[int, Batch]) -> list[Outcome]:
    chunks = []
    for family, (values, arrivals) in taken.items():
        first = kernel.offsets[family]
        offsets = np.arange(first, first + len(values), dtype=np.int64)
        chunks.append(Chunk(decoders[family], values, offsets, arrivals))
    return kernel.process_together(chunks)


def _counted(outcome: Outcome, records: int) -> Counts:
    return Counts(
        records, outcome.accepted, outcome.heartbeats, outcome.late, outcome.duplicates, len(outcome.rejected)
    )


def side_by_side(lanes: Mapping[int, Callable[[], Step]]) -> Iterator[Step]:
    """The steps of several lanes, given by partition as what brings the next step of each. Each time it is the turn of
    the lane that is furthest behind."""
    reached = dict.fromkeys(lanes, -OVER)
    while reached:
        partition = min(reached, key=lambda one: (reached[one], one))
        step = lanes[partition]()
        reached[partition] = step.reached
        if step.reached == OVER:
            del reached[partition]
        yield step
