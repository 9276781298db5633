"""One source partition in a worker: its kernel, how far it has read, and what is still to be published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.events.codec import ChunkDecoder, Rejection
from streams.events.types import BusinessEvent
from streams.kpis.kernel import Outcome
from streams.kpis.partials import Partial
from streams.kpis.watermark import FAMILIES
from streams.runtime.agents.pieces import pieces
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.transport import Position

I64 = npt.NDArray[np.int64]

SLICE_SECONDS = 0.04
"""How long events are decoded and folded before others get a turn. Shorter turns cost more than they give: a call has
about a millisecond of its own, whatever the number of events."""
SMALLEST_SLICE, FIRST_SLICE, LARGEST_SLICE = 1_000, 2_000, 10_000


class KernelLike(Protocol):
    """What is used of a :class:`~streams.kpis.kernel.Kernel`."""

    @property
    def watermark(self) -> int | None: ...
    @property
    def open_cases(self) -> int: ...
    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome: ...
    def set_idle(self, families: set[int]) -> None: ...
    def drain(self) -> list[Partial]: ...


class SourcePartition:
    """orders-p, deliveries-p and support-p.

    ``next`` are the offsets to read on from, ``None`` until placed. What is below ``published`` has been
    published, by this worker or by another one before; reading it again rebuilds state and tells nobody
    anything.
    """

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
        self.number, self.topics, self.kernel, self.poison = number, tuple(topics), kernel, poison
        self.next: list[int | None] = [None] * len(FAMILIES)
        self.published = [0] * len(FAMILIES)
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.partials: list[Record] = []
        """Partials not yet acknowledged; see :meth:`settle`."""
        self.begun = clock()
        self._drained: tuple[int, ...] | None = None
        self._told: dict[str, tuple[int | None, bool]] = {}
        self._epochs = [0] * len(FAMILIES)
        self._decoders = decoders
        self._metrics = metrics
        self._clock = clock
        self._heard = [self.begun] * len(FAMILIES)
        self._slice = FIRST_SLICE

    # -- where it stands ----------------------------------------------------------------------------------------

    def place(self, family: int, position: Position) -> bool:
        """Read a topic on from there. False where records were lost: the log begins later than was wanted."""
        wanted = self.next[family]
        self._epochs[family] = position.epoch
        self.published[family] = max(self.published[family], position.committed)
        self.next[family] = max(position.offset, wanted or 0)
        return wanted is None or position.offset <= wanted

    def ends_at(self, family: int, end: int) -> None:
        """The topic's log ends there. Where more was published, the topic was deleted and made again while
        its group was not: then nothing of it was."""
        if end < self.published[family]:
            self.published[family] = 0

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
        """Whether something was published, and nothing beyond it has been read."""
        return any(self.published) and all(
            at is None or at <= done for at, done in zip(self.next, self.published, strict=True)
        )

    # -- events in ----------------------------------------------------------------------------------------------

    def slices(self, family: int, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """The parts to fold one after the other, as places in the chunk; what has been read already is left
        out."""
        offsets = chunk.offsets
        at = int(np.searchsorted(offsets, self.next[family] or 0))
        new = int(np.searchsorted(offsets, self.published[family]))
        while at < len(chunk):
            stop = min(at + self._slice, len(chunk))
            if at < new < stop:
                stop = new
            if self.poison.suspected(family, int(offsets[at]), int(offsets[stop - 1])):
                stop = at + 1
            yield at, stop
            at = stop

    def fold(self, family: int, chunk: Chunk, start: int, stop: int) -> None:
        """Decode and fold a part of a chunk. Raises :class:`Failure` where the kernel fails."""
        offsets = chunk.offsets[start:stop]
        first, last = int(offsets[0]), int(offsets[-1])
        if first == last and self.poison.bad(family, first):
            self.next[family] = last + 1
            return
        began = time.perf_counter()
        try:
            events, rejected = self._decoders[family].decode_chunk(chunk.values[start:stop])
            outcome = self.kernel.process(family, events, offsets, chunk.arrivals[start:stop])
        except Exception as error:
            raise Failure(family, first, last, error) from error
        self._adapt(stop - start, time.perf_counter() - began)
        self.next[family] = last + 1
        self._heard[family] = self._clock()
        if first < self.published[family]:
            self._metrics.rebuilt.inc(stop - start)
            return
        self._count(family, stop - start, outcome)
        for place, rejection in (*rejected, *outcome.rejected):
            self.set_aside(family, chunk, start + place, rejection)

    def finish(self, family: int, chunk: Chunk) -> None:
        """The chunk has been folded; it may end with offsets that hold no record."""
        self.next[family] = max(self.next[family] or 0, chunk.end)

    def set_aside(self, family: int, chunk: Chunk, place: int, rejection: Rejection, attempts: int = 1) -> None:
        """Make a dead letter of a record."""
        topic, offset = self.topics[family], int(chunk.offsets[place])
        key, value = chunk.keys[place], chunk.values[place]
        letter = dead_letter(topic, self.number, offset, key, value, rejection, attempts=attempts)
        self.letters.append(letter)
        self._metrics.dead_letters.labels(topic, rejection.code).inc()

    def mark_idle(self, ends: Sequence[int | None], idle_after: float) -> None:
        """Tell the kernel which topics are silent: read to their ends, and nothing new for ``idle_after``
        seconds."""
        now = self._clock()
        silent: set[int] = set()
        for family, (at, end) in enumerate(zip(self.next, ends, strict=True)):
            if at is not None and end is not None:
                self.ends_at(family, end)
                if at >= end and now - self._heard[family] >= idle_after:
                    silent.add(family)
        self.kernel.set_idle(silent)

    def _adapt(self, events: int, took: float) -> None:
        self._metrics.kernel.observe(took)
        if events >= SMALLEST_SLICE:
            fitting = int(events * SLICE_SECONDS / max(took, 1e-6))
            self._slice = min(max((self._slice + fitting) // 2, SMALLEST_SLICE), LARGEST_SLICE)

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

    # -- results out --------------------------------------------------------------------------------------------

    def drain(self, topic: str, pane_ms: int) -> None:
        """Take what has changed out of the kernel, as partials for ``topic``.

        What was published before is let go. Until all three topics have come as far as that, nothing is
        taken: the kernel keeps it. A partial that says nothing new of a KPI, in panes, is left out.
        """
        if self.rereading and self.rebuilding:
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
