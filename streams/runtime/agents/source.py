"""One source partition in a worker: its kernel, how far it has read, and what is still to be published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streams.events.codec import ChunkDecoder, Rejection
from streams.events.types import BusinessEvent
from streams.kpis.journal import Delta
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
"""How long events are decoded and folded before others get a turn. Shorter turns cost more than they give: a
call has about a millisecond of its own, whatever the number of events."""
SMALLEST_SLICE, FIRST_SLICE, LARGEST_SLICE = 1_000, 2_000, 10_000


class KernelLike(Protocol):
    """What is used of a :class:`~streams.kpis.kernel.Kernel`."""

    @property
    def sequence(self) -> int: ...
    @property
    def offsets(self) -> tuple[int, int, int]: ...
    @property
    def stirred(self) -> bool: ...
    @property
    def noted(self) -> int: ...
    @property
    def watermark(self) -> int | None: ...
    @property
    def open_cases(self) -> int: ...
    @property
    def folded(self) -> dict[str, int]: ...
    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome: ...
    def set_idle(self, families: set[int]) -> None: ...
    def drain(self) -> list[Partial]: ...
    def journal(self) -> Delta: ...
    def state(self) -> dict[str, Any]: ...


class Publication:
    """What was drained at one point: to be recorded in the state log, then published, then committed.

    ``letters`` of the partition's dead letters go before it. ``snapshot`` is the state after it, where one is due.
    """

    def __init__(self, sequence: int, delta: Delta, weight: int, records: list[Record], letters: int) -> None:
        self.sequence, self.delta, self.weight = sequence, delta, weight
        self.records, self.letters = records, letters
        self.recorded = False
        self.snapshot: dict[str, Any] | None = None


class SourcePartition:
    """orders-p, deliveries-p and support-p. ``kernel`` is ``None`` until it has been recovered; ``next`` are the
    offsets to read on from."""

    def __init__(
        self,
        number: int,
        topics: Sequence[str],
        decoders: Sequence[ChunkDecoder],
        metrics: Metrics,
        poison: Poison,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number, self.topics, self.poison = number, tuple(topics), poison
        self.kernel: KernelLike | None = None
        self.next = [0] * len(FAMILIES)
        self.placed: set[int] = set()
        """Topics that are known to be read on from there."""
        self.failed = False
        """Whether the kernel failed on something, so that its state is undefined."""
        self.recorded = 0
        """The number of the state that was recorded last."""
        self.trusted = False
        """Whether nobody else has written to the state log, as far as we know: only then is anything recorded."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.publication: Publication | None = None
        """What is under way."""
        self.busy = asyncio.Lock()
        """Held by whoever has the kernel to itself: it folds in a thread."""
        self.begun = clock()
        self._told: dict[str, tuple[int | None, bool]] = {}
        self._epochs = [0] * len(FAMILIES)
        self._decoders = decoders
        self._metrics = metrics
        self._clock = clock
        self._heard = [self.begun] * len(FAMILIES)
        self._slice = FIRST_SLICE

    # -- where it stands ----------------------------------------------------------------------------------------

    def begin(self, kernel: KernelLike, recorded: int) -> None:
        """Go on with a kernel that is as the state log says, in the state of that number."""
        self.kernel, self.trusted, self.recorded = kernel, True, recorded
        self.next = list(kernel.offsets)
        self.begun = self._clock()
        self._heard = [self.begun] * len(FAMILIES)

    def place(self, family: int, position: Position) -> bool:
        """Read a topic on from there. False where records were lost: the log begins later than was wanted."""
        wanted = self.next[family]
        self._epochs[family] = position.epoch
        self.next[family] = max(position.offset, wanted)
        self.placed.add(family)
        return position.offset <= wanted

    def expects(self, family: int, chunk: Chunk) -> bool:
        """Whether the chunk was fetched since the last seek, so that it follows what has been read."""
        return self.kernel is not None and family in self.placed and self._epochs[family] == chunk.epoch

    def begins_anew(self, family: int, chunk: Chunk, end: int | None) -> bool:
        """Whether a topic's log ends before what has been read of it: it was deleted and made again, or has lost its
        end. It is then read from its beginning: what was counted is known as a repeat or as too late."""
        anew = end is not None and chunk.start < self.next[family] and end < self.next[family]
        if anew:
            self.next[family] = chunk.start
        return anew

    # -- events in ----------------------------------------------------------------------------------------------

    def slices(self, family: int, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """The parts to fold one after the other, as places in the chunk; what has been read already is left out."""
        offsets, last = chunk.offsets, len(chunk)
        at = int(np.searchsorted(offsets, self.next[family]))
        while at < last:
            stop = min(at + self._slice, last)
            if self.poison.suspected(family, int(offsets[at]), int(offsets[stop - 1])):
                stop = at + 1
            yield at, stop
            at = stop

    def fold(self, family: int, chunk: Chunk, start: int, stop: int) -> None:
        """Decode and fold a part of a chunk. Raises :class:`Failure` where the kernel fails."""
        assert self.kernel is not None
        offsets = chunk.offsets[start:stop]
        first, last = int(offsets[0]), int(offsets[-1])
        if first == last and self.poison.bad(family, first):
            self.kernel.process(family, [None], offsets, chunk.arrivals[start:stop])
            self.next[family] = last + 1
            return
        began = time.perf_counter()
        try:
            events, rejected = self._decoders[family].decode_chunk(chunk.values[start:stop])
            outcome = self.kernel.process(family, events, offsets, chunk.arrivals[start:stop])
        except Exception as error:
            self.failed = True
            raise Failure(family, first, last, error) from error
        self._adapt(stop - start, time.perf_counter() - began)
        self.next[family] = last + 1
        self._heard[family] = self._clock()
        self._count(family, stop - start, outcome)
        for place, rejection in (*rejected, *outcome.rejected):
            self.set_aside(family, chunk, start + place, rejection)

    def finish(self, family: int, chunk: Chunk) -> None:
        """What may be folded of the chunk has been; it may end with offsets that hold no record."""
        self.next[family] = max(self.next[family], chunk.end)

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
        assert self.kernel is not None
        now = self._clock()
        silent = {
            family
            for family, (at, end) in enumerate(zip(self.next, ends, strict=True))
            if end is not None and at >= end and now - self._heard[family] >= idle_after
        }
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

    def drain(self, topic: str, pane_ms: int) -> Publication | None:
        """Take what has changed out of the kernel, as partials for ``topic``; None where nothing has happened.

        A partial that says nothing new of a KPI, in panes, is left out.
        """
        kernel = self.kernel
        if kernel is None or not kernel.stirred:
            return None
        records: list[Record] = []
        for partial in kernel.drain():
            news = None if partial.watermark is None else partial.watermark // pane_ms, partial.idle
            if partial.cells or self._told.get(partial.kpi) != news:
                self._told[partial.kpi] = news
                key = partial.kpi.encode()
                records += [Record(topic, key, piece.encode()) for piece in pieces(partial)]
        weight = 1 + kernel.noted
        self.publication = Publication(kernel.sequence, kernel.journal(), weight, records, len(self.letters))
        return self.publication
