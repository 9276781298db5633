"""One source partition in a worker: its kernel, how far it has read, and what is still to be published."""

from __future__ import annotations

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
from streams.runtime.agents.owned import Owned, Publication
from streams.runtime.agents.pieces import pieces
from streams.runtime.agents.poison import Failure, Poison
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Record
from streams.runtime.state.frames import Step
from streams.runtime.topics import TopicNames
from streams.runtime.transport import Position

I64 = npt.NDArray[np.int64]

SLICE_SECONDS = 0.04
"""How long events are decoded and folded before others get a turn. Shorter turns cost more than they give: a
call has about a millisecond of its own, whatever the number of events."""
SMALLEST_SLICE, FIRST_SLICE, LARGEST_SLICE = 1_000, 2_000, 10_000
STEP_WORK = 2_000
"""Events that take as long to fold again as a step does that has none: 2 to 5 ms. Where few come, a recovery goes
through a step for each second."""


MOVES_WITHIN = 10.0
"""Seconds after which a topic of which nothing comes holds no other back, whatever there is to read of it."""


class KernelLike(Protocol):
    """What is used of a :class:`~streams.kpis.kernel.Kernel`."""

    @property
    def sequence(self) -> int: ...
    @property
    def offsets(self) -> tuple[int, int, int]: ...
    @property
    def reached(self) -> tuple[int, ...]: ...
    @property
    def stirred(self) -> bool: ...
    @property
    def noted(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def watermark(self) -> int | None: ...
    @property
    def open_cases(self) -> int: ...
    @property
    def folded(self) -> dict[str, int]: ...
    def process(self, family: int, events: Sequence[BusinessEvent | None], offsets: I64, arrivals: I64) -> Outcome: ...
    def process_raw(
        self, decoder: ChunkDecoder, values: Sequence[bytes | None], offsets: I64, arrivals: I64
    ) -> Outcome: ...
    def set_idle(self, families: set[int]) -> None: ...
    def drain(self) -> list[Partial]: ...
    def journal(self) -> Delta: ...
    def state(self) -> dict[str, Any]: ...


class SourcePartition(Owned):
    """orders-p, deliveries-p and support-p. ``kernel`` is ``None`` until it has been recovered; ``next`` are the
    offsets to read on from."""

    def __init__(
        self,
        number: int,
        names: TopicNames,
        pane_ms: int,
        decoders: Sequence[ChunkDecoder],
        metrics: Metrics,
        poison: Poison,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(number, clock())
        self.poison = poison
        self.kernel: KernelLike | None = None
        self.next = [0] * len(FAMILIES)
        self._topics, self._partials, self._pane_ms = names.events, names.partials, pane_ms
        self._family = {topic: family for family, topic in enumerate(names.events)}
        self._told: dict[str, tuple[int | None, bool]] = {}
        self._epochs: list[int | None] = [None] * len(FAMILIES)
        self._decoders = decoders
        self._metrics = metrics
        self._clock = clock
        self._heard = [self.begun] * len(FAMILIES)
        self._slice = FIRST_SLICE
        self.held: set[int] = set()
        """The topics that are not read on until the others have come as far."""

    # -- where it stands ----------------------------------------------------------------------------------------

    def begin(self, kernel: KernelLike) -> None:
        """Go on with a kernel that is as the state log says."""
        self.kernel = kernel
        self.next = list(kernel.offsets)
        self._heard = [self._clock()] * len(FAMILIES)

    @property
    def recovered(self) -> bool:
        return self.kernel is not None

    @property
    def placed(self) -> bool:
        return None not in self._epochs

    def wanted(self, topic: str) -> int:
        return self.next[self._family[topic]]

    def place(self, topic: str, position: Position) -> bool:
        family = self._family[topic]
        wanted = self.next[family]
        self._epochs[family] = position.epoch
        self.next[family] = max(position.offset, wanted)
        return position.offset <= wanted

    def expects(self, family: int, chunk: Chunk) -> bool:
        """Whether the chunk was fetched since the last seek, so that it follows what has been read."""
        return self.kernel is not None and not self.failed and self._epochs[family] == chunk.epoch

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
            values, arrivals = chunk.values[start:stop], chunk.arrivals[start:stop]
            outcome = self.kernel.process_raw(self._decoders[family], values, offsets, arrivals)
        except Exception as error:
            self.failed = True
            raise Failure(family, first, last, error) from error
        self.next[family] = last + 1
        self._adapt(stop - start, time.perf_counter() - began)
        self._heard[family] = self._clock()
        self._count(family, stop - start, outcome)
        for place, rejection in outcome.rejected:
            self.letters.append(self._letter(family, chunk, start + place, rejection))

    def finish(self, family: int, chunk: Chunk) -> None:
        """What may be folded of the chunk has been; it may end with offsets that hold no record."""
        self.next[family] = max(self.next[family], chunk.end)

    def backlogged(self, noted: int, pending: int, letters: int) -> bool:
        """Whether more than so many events wait to be recorded, cells to be told of, or letters to be acknowledged."""
        kernel = self.kernel
        assert kernel is not None
        return kernel.noted > noted or kernel.pending > pending or len(self.letters) > letters

    def condemn(self, failure: Failure, chunk: Chunk) -> None:
        """Leave out what the kernel failed on when it is read again; set it aside once it is known to the record."""
        if self.poison.note(failure):
            place = int((chunk.offsets == failure.first).argmax())
            rejection = Rejection(reason=str(failure), code="processing_failed")
            self.condemned.append(self._letter(failure.family, chunk, place, rejection, attempts=2))

    def _letter(self, family: int, chunk: Chunk, place: int, rejection: Rejection, attempts: int = 1) -> Record:
        topic, offset = self._topics[family], int(chunk.offsets[place])
        self._metrics.dead_letters.labels(topic, rejection.code).inc()
        key, value = chunk.keys[place], chunk.values[place]
        return dead_letter(topic, self.number, offset, key, value, rejection, attempts=attempts)

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

    def align(self, ends: Sequence[int | None], most_ms: int) -> bool:
        """Hold back the topics whose event time is more than ``most_ms`` ahead of one that is being read and has not
        come to its end; whether they are others than before."""
        assert self.kernel is not None
        reached, now = self.kernel.reached, self._clock()
        behind = [
            reached[family]
            for family, (at, end) in enumerate(zip(self.next, ends, strict=True))
            if end is not None and at < end and now - self._heard[family] < MOVES_WITHIN
        ]
        before, self.held = self.held, {f for f, time in enumerate(reached) if behind and time - min(behind) > most_ms}
        return self.held != before

    def _adapt(self, events: int, took: float) -> None:
        self._metrics.kernel.observe(took)
        if events >= SMALLEST_SLICE:
            fitting = int(events * SLICE_SECONDS / max(took, 1e-6))
            self._slice = min(max((self._slice + fitting) // 2, SMALLEST_SLICE), LARGEST_SLICE)

    def _count(self, family: int, records: int, outcome: Outcome) -> None:
        metrics = self._metrics
        metrics.events.labels(self._topics[family]).inc(records - outcome.heartbeats)
        for counter, count in (
            (metrics.late, outcome.late),
            (metrics.duplicates, outcome.duplicates),
            (metrics.heartbeats, outcome.heartbeats),
        ):
            if count:
                counter.inc(count)

    # -- results out --------------------------------------------------------------------------------------------

    def take_news(self) -> Publication | None:
        """What has changed since the last time, as partials. One that says nothing new of a KPI, in panes, is left
        out."""
        kernel = self.kernel
        if kernel is None or not kernel.stirred:
            return None
        records: list[Record] = []
        for partial in kernel.drain():
            news = None if partial.watermark is None else partial.watermark // self._pane_ms, partial.idle
            if partial.cells or self._told.get(partial.kpi) != news:
                self._told[partial.kpi] = news
                key = partial.kpi.encode()
                records += [Record(self._partials, key, piece.encode()) for piece in pieces(partial)]
        weight = STEP_WORK + kernel.noted
        delta = kernel.journal()
        step = Step(self.recorded, kernel.sequence, delta.begin, delta.end, b"", weight)
        self.publication = Publication(step, records, len(self.letters), delta.encode)
        return self.publication

    def state(self) -> dict[str, Any]:
        assert self.kernel is not None
        return self.kernel.state()
