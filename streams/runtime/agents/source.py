"""One source partition in a worker: its kernel, how far it has read, and what is still to be published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streams.events.codec import ChunkDecoder, Rejection
from streams.events.types import BusinessEvent
from streams.kpis.kernel import Outcome
from streams.kpis.partials import Partial
from streams.kpis.watermark import FAMILIES
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.transport import Chunk, Position

I64 = npt.NDArray[np.int64]

SLICE = 2_000
"""Events decoded and folded before others get a turn: some 10 ms."""

FAILED = "processing_failed"


class KernelLike(Protocol):
    """What is used of a :class:`~streams.kpis.kernel.Kernel`."""

    @property
    def watermark(self) -> int | None: ...
    @property
    def open_cases(self) -> int: ...
    def process(
        self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64
    ) -> Outcome: ...
    def set_idle(self, families: set[int]) -> None: ...
    def drain(self) -> list[Partial]: ...


class Failure(Exception):
    """The kernel failed on these offsets of a topic; its state is undefined now."""

    def __init__(self, family: int, first: int, last: int, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.family, self.first, self.last = family, first, last


class Poison:
    """Offsets a kernel has failed on. They outlive the kernel, which is rebuilt without them.

    A slice that failed is first suspected as a whole and taken record by record the next time; the record
    that fails then is set aside for good.
    """

    def __init__(self) -> None:
        self._suspects: list[tuple[int, int, int]] = []
        self._known: set[tuple[int, int]] = set()

    def note(self, failure: Failure) -> bool:
        """Take in a failure; whether it was of one record, which is known for bad now."""
        if failure.first == failure.last:
            self._known.add((failure.family, failure.first))
            return True
        self._suspects.append((failure.family, failure.first, failure.last))
        return False

    def suspected(self, family: int, first: int, last: int) -> bool:
        """Whether any of these offsets is to be taken on its own."""
        return any(f == family and first <= b and a <= last for f, a, b in self._suspects)

    def bad(self, family: int, offset: int) -> bool:
        """Whether the record is set aside."""
        return (family, offset) in self._known


class SourcePartition:
    """orders-p, deliveries-p and support-p. ``next`` are the offsets to read on from, ``None`` until
    placed."""

    def __init__(
        self,
        number: int,
        topics: Sequence[str],
        kernel: KernelLike,
        decoders: Sequence[ChunkDecoder],
        metrics: Metrics,
        poison: Poison,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number, self.topics, self.kernel = number, tuple(topics), kernel
        self.poison = poison
        self.next: list[int | None] = [None] * len(FAMILIES)
        self.published = [0] * len(FAMILIES)
        """What is below has been published, by this worker or by another one before."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.partials: list[Record] = []
        """Partials not yet acknowledged; see :meth:`settle`."""
        self._drained: tuple[int, ...] | None = None
        self._told: dict[str, tuple[int | None, bool]] = {}
        self._epochs = [0] * len(FAMILIES)
        self._decoders = decoders
        self._metrics = metrics
        self._clock = clock
        self._heard = [clock()] * len(FAMILIES)

    def place(self, family: int, position: Position) -> bool:
        """Read a topic on from there. False where records were lost: the log begins later than was wanted."""
        wanted = self.next[family]
        self._epochs[family] = position.epoch
        self.published[family] = max(self.published[family], position.committed)
        self.next[family] = max(position.offset, wanted or 0)
        return wanted is None or position.offset <= wanted

    def expects(self, family: int, chunk: Chunk) -> bool:
        """Whether the chunk was fetched since the last seek, so that it follows what has been read."""
        return self._epochs[family] == chunk.epoch

    @property
    def rebuilding(self) -> bool:
        """Whether any topic is behind what has been published: publishing now would take back what was
        said."""
        return any(at is None or at < done for at, done in zip(self.next, self.published, strict=True))

    @property
    def rereading(self) -> bool:
        """Whether all that has been read so far was published before."""
        return all(at is None or at <= done for at, done in zip(self.next, self.published, strict=True))

    def slices(self, family: int, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """The parts to fold one after the other, as places in the chunk; what has been read already is left
        out."""
        offsets = chunk.offsets
        at = int(np.searchsorted(offsets, self.next[family] or 0))
        done = int(np.searchsorted(offsets, self.published[family]))
        while at < len(chunk):
            stop = min(at + SLICE, len(chunk))
            if at < done < stop:
                stop = done  # read again and new are counted apart
            if self.poison.suspected(family, int(offsets[at]), int(offsets[stop - 1])):
                stop = at + 1
            yield at, stop
            at = stop

    def fold(self, family: int, chunk: Chunk, start: int, stop: int) -> None:
        """Decode and fold a part of a chunk. Raises :class:`Failure` where the kernel fails."""
        offsets = chunk.offsets[start:stop]
        values = chunk.values[start:stop]
        if stop - start == 1 and self.poison.bad(family, int(offsets[0])):
            self.next[family] = int(offsets[0]) + 1
            return
        began = time.perf_counter()
        try:
            events, rejected = self._decoders[family].decode_chunk(values)
            outcome = self.kernel.process(family, events, offsets, chunk.arrivals[start:stop])
        except Exception as error:
            raise Failure(family, int(offsets[0]), int(offsets[-1]), error) from error
        self._metrics.kernel.observe(time.perf_counter() - began)
        self.next[family] = int(offsets[-1]) + 1
        self._heard[family] = self._clock()
        if offsets[0] < self.published[family]:
            self._metrics.rebuilt.inc(len(offsets))
            return
        self._count(family, len(offsets), outcome)
        for place, rejection in (*rejected, *outcome.rejected):
            self.set_aside(family, chunk, start + place, rejection)

    def finish(self, family: int, chunk: Chunk) -> None:
        """The chunk has been folded; it may end with offsets that hold no record."""
        self.next[family] = max(self.next[family] or 0, chunk.end)

    def set_aside(
        self, family: int, chunk: Chunk, place: int, rejection: Rejection, attempts: int = 1
    ) -> None:
        """Let a record be a dead letter."""
        topic = self.topics[family]
        key, value = chunk.keys[place], chunk.values[place]
        offset = int(chunk.offsets[place])
        self.letters.append(dead_letter(topic, self.number, offset, key, value, rejection, attempts=attempts))
        self._metrics.dead_letters.labels(topic, rejection.code).inc()

    def mark_idle(self, highwater: Callable[[int], int | None], idle_after: float) -> None:
        """Tell the kernel which topics are silent: read to their end, and nothing new for ``idle_after``
        seconds."""
        now = self._clock()
        silent = {
            family
            for family, at in enumerate(self.next)
            if at is not None
            and (end := highwater(family)) is not None
            and at >= end
            and now - self._heard[family] >= idle_after
        }
        self.kernel.set_idle(silent)

    def drain(self, topic: str, pane_ms: int) -> None:
        """Take what has changed out of the kernel, as partials for ``topic``.

        What another worker has published before is let go. Until all three topics have come as far as that,
        nothing is taken: the kernel keeps it.
        """
        if self.rereading:
            self.kernel.drain()
        elif not self.rebuilding:
            self._drained = tuple(at or 0 for at in self.next)
            for partial in self.kernel.drain():
                news = None if partial.watermark is None else partial.watermark // pane_ms, partial.idle
                if partial.cells or self._told.get(partial.kpi) != news:
                    self._told[partial.kpi] = news
                    key = partial.kpi.encode()
                    self.partials += [Record(topic, key, piece.encode()) for piece in pieces(partial)]

    def settle(self) -> tuple[int, ...] | None:
        """What was drained is acknowledged: the offsets it was made from, None where nothing was drained."""
        reached, self._drained = self._drained, None
        if reached is not None:
            self.published = [max(new, old) for new, old in zip(reached, self.published, strict=True)]
        return reached

    def _count(self, family: int, records: int, outcome: Outcome) -> None:
        metrics = self._metrics
        metrics.events.labels(self.topics[family]).inc(records - outcome.heartbeats)
        for counter, count in (
            (metrics.late, outcome.late),
            (metrics.duplicates, outcome.duplicates),
            (metrics.heartbeats, outcome.heartbeats),
        ):
            if count:
                counter.inc(count)


CELLS_PER_PARTIAL = 4_000
CELL_BYTES = 40


def pieces(partial: Partial) -> Iterator[Partial]:
    """A partial cut so that its reader is never busy for long. Only the last piece has the watermark: what
    it closes must not miss the cells before it."""
    step = CELLS_PER_PARTIAL * CELL_BYTES
    for start in range(0, len(partial.cells) - step, step):
        cells = partial.cells[start : start + step]
        yield msgspec.structs.replace(partial, cells=cells, watermark=None, idle=False)
    yield msgspec.structs.replace(partial, cells=partial.cells[_last(len(partial.cells), step) :])


def _last(size: int, step: int) -> int:
    return (size - 1) // step * step if size > step else 0
