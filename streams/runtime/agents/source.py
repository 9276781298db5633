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
from streams.runtime.agents.marks import Mark, Offsets
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
    def watermark(self) -> int | None: ...
    @property
    def open_cases(self) -> int: ...
    @property
    def folded(self) -> dict[str, int]: ...
    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome: ...
    def set_idle(self, families: set[int]) -> None: ...
    def drain(self) -> list[Partial]: ...


class SourcePartition:
    """orders-p, deliveries-p and support-p.

    ``next`` are the offsets to read on from, ``None`` until placed. A new kernel is first rebuilt: it reads
    to each of ``stops`` in turn, no topic further than there (see :mod:`streams.runtime.agents.marks`), and
    tells nobody what was told before. ``stops`` is ``None`` until the mark of the last publication is known,
    and empty when it is through.
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
        self.stops: list[Offsets] | None = None
        self.held: set[int] = set()
        """Topics that wait for the others, and are not fetched meanwhile."""
        self.confirmed = False
        """Whether the last mark in the log is one we know of: nothing is published before that is certain."""
        self.contradicted = False
        """Whether another worker has published what this kernel knows nothing of."""
        self.asked: set[str] = set()
        """Topics whose positions were asked of this object: a seek under way may have been for the one
        before."""
        self.state_epoch = 0
        self.mark: Mark | None = None
        """To be written before what was drained."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged."""
        self.partials: list[Record] = []
        """Partials not yet acknowledged; see :meth:`settle`."""
        self.begun = clock()
        self._known: Mark | None = None
        self._loud = False
        self._done: Offsets = (0, 0, 0)
        self._told_up_to: Offsets = (0, 0, 0)
        self._drained: Offsets | None = None
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
        self.next[family] = max(position.offset, wanted or 0)
        return wanted is None or position.offset <= wanted

    def learn(self, mark: Mark | None, edition: str) -> bool:
        """The last mark in the log is this one. False where it contradicts what the kernel was made of:
        another worker has published meanwhile."""
        if self.stops is None:
            self.stops = [] if mark is None else sorted({mark.done, mark.reached})
            if mark is not None:
                self._loud = mark.edition != edition
                self._done, self._told_up_to = mark.done, mark.reached
            self._known = mark
        elif mark not in (self._known, self.mark):
            return False
        self.confirmed = True
        return True

    def ends_at(self, family: int, end: int) -> None:
        """The topic's log ends there. Where more was published, the topic was deleted and made again, or has
        lost its end: what was published of it is nothing to wait for."""
        if self.stops and end < self.stops[-1][family]:
            self.stops = []
            self._done = self._told_up_to = (0, 0, 0)

    def expects(self, family: int, chunk: Chunk) -> bool:
        """Whether the chunk was fetched since the last seek, so that it follows what has been read."""
        return self._epochs[family] == chunk.epoch

    def waits(self, family: int) -> bool:
        """Whether a topic has come as far as it may before the others have."""
        limit = self._limit(family)
        return limit is not None and (self.next[family] or 0) >= limit

    def _limit(self, family: int) -> int | None:
        if self.stops is None:
            return 0
        return self.stops[0][family] if self.stops else None

    # -- events in ----------------------------------------------------------------------------------------------

    def slices(self, family: int, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """The parts to fold one after the other, as places in the chunk; what has been read already is left
        out, and what is beyond the next stop."""
        offsets, limit = chunk.offsets, self._limit(family)
        at = int(np.searchsorted(offsets, self.next[family] or 0))
        last = len(chunk) if limit is None else int(np.searchsorted(offsets, limit))
        while at < last:
            stop = min(at + self._slice, last)
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
        if first < self._told_up_to[family]:
            self._metrics.rebuilt.inc(stop - start)
        else:
            self._count(family, stop - start, outcome)
        if last >= self._done[family]:
            for place, rejection in (*rejected, *outcome.rejected):
                self.set_aside(family, chunk, start + place, rejection)

    def finish(self, family: int, chunk: Chunk) -> None:
        """What may be folded of the chunk has been; it may end with offsets that hold no record."""
        limit = self._limit(family)
        end = chunk.end if limit is None else min(chunk.end, limit)
        self.next[family] = max(self.next[family] or 0, end)

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
        if self.stops == []:
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

    def pass_stops(self, topic: str, pane_ms: int) -> bool:
        """Go on where all topics have come to a stop. Whether one was passed.

        Up to ``done`` everything was published, and is let go; what was made of the rest may have been, and
        is published again: the same, for it is made at the same point. Under other KPI definitions all of it
        is published.
        """
        passed = False
        while self.stops and all(self.waits(family) for family in range(len(FAMILIES))):
            stop = self.stops.pop(0)
            if self._loud or stop != self._done:
                self._take(topic, pane_ms)
                self._drained = stop
            else:
                self.kernel.drain()
            passed = True
        return passed

    def drain(self, topic: str, pane_ms: int, edition: str, owner: str) -> None:
        """Take what has changed out of the kernel, as partials for ``topic``, with the mark that goes before
        them."""
        if self.stops is None or None in self.next:
            return
        if self.stops:
            # Let go of what was published, while it is certain that all of it was: memory is bounded by that.
            behind = all((at or 0) <= done for at, done in zip(self.next, self._done, strict=True))
            if behind and self._loud:
                self._take(topic, pane_ms)
            elif behind:
                self.kernel.drain()
            return
        reached = self.next[0] or 0, self.next[1] or 0, self.next[2] or 0
        self._take(topic, pane_ms)
        if reached != self._done:
            self.mark, self._drained = Mark(edition, owner, self._done, reached), reached
        elif self._known is not None and self._known.done != self._known.reached:
            self.mark = Mark(edition, owner, reached, reached)

    def marked(self) -> None:
        """The mark is acknowledged."""
        if self.mark is not None:
            self._known, self.mark = self.mark, None

    def settle(self) -> Offsets | None:
        """What was drained is acknowledged: the offsets it was made from, None where nothing was drained."""
        reached, self._drained = self._drained, None
        if reached is not None:
            self._done = reached
        return reached

    def _take(self, topic: str, pane_ms: int) -> None:
        """A partial that says nothing new of a KPI, in panes, is left out."""
        for partial in self.kernel.drain():
            news = None if partial.watermark is None else partial.watermark // pane_ms, partial.idle
            if partial.cells or self._told.get(partial.kpi) != news:
                self._told[partial.kpi] = news
                key = partial.kpi.encode()
                self.partials += [Record(topic, key, piece.encode()) for piece in pieces(partial)]
