"""The core without the shell: records of source partitions in, judged values and incidents out.

The same kernels, book, watch and response as in a worker, called one after the other. Whatever the order in which
partitions and topics are fed, and in pieces of whatever size, the final values are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.incidents.incident import Incident
from detectors.response.inputs import Inputs
from detectors.response.response import Response
from detectors.watch.watch import Watch
from streams.events.codec import ChunkDecoder
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue
from streams.kpis.watermark import FAMILIES

I64 = npt.NDArray[np.int64]

DRAIN_AFTER = 50_000
"""Events of a partition after which its cells are taken to the book."""


class News(NamedTuple):
    """What has become final or was corrected, and the incidents that are others than before."""

    values: list[KpiValue]
    incidents: list[Incident]


class Counts(NamedTuple):
    """Of all records that were fed: ``events`` that counted, and those that did not, by why."""

    records: int = 0
    events: int = 0
    heartbeats: int = 0
    late: int = 0
    duplicates: int = 0
    rejected: int = 0


class Engine:
    """For so many source ``partitions``. Without a ``watch`` nothing is judged, without a ``response`` there are no
    incidents. ``event_bytes`` is the largest event that is taken."""

    def __init__(
        self,
        definitions: Definitions,
        partitions: int,
        event_bytes: int,
        watch: Watch | None = None,
        response: Response | None = None,
    ) -> None:
        plan = Plan(definitions)
        self._kernels = [Kernel(plan, number) for number in range(partitions)]
        self._decoders = [ChunkDecoder(family, event_bytes) for family in FAMILIES]
        self._book = SeriesBook(definitions, partitions, plan.fingerprint)
        self._watch, self._response = watch, response
        self._fed = [0] * partitions
        self._ended: list[set[int]] = [set() for _ in range(partitions)]
        self.counts = Counts()

    def reached(self, partition: int, family: int) -> int:
        """How far event time has come in a topic of a partition, epoch ms: who is behind is to be fed next."""
        return self._kernels[partition].reached[family]

    @property
    def watermark(self) -> int | None:
        """How far event time has come in all partitions, epoch ms."""
        known = [kernel.watermark for kernel in self._kernels]
        some = [one for one in known if one is not None]
        return min(some) if len(some) == len(known) else None

    def feed(self, partition: int, family: int, values: Sequence[bytes | None], arrivals: I64) -> News:
        """Take in records of a topic (0 orders, 1 deliveries, 2 support), in the order of its log. ``arrivals`` are
        epoch ms, one for each."""
        kernel = self._kernels[partition]
        first = kernel.offsets[family]
        offsets = np.arange(first, first + len(values), dtype=np.int64)
        outcome = kernel.process_raw(self._decoders[family], values, offsets, arrivals)
        self.counts = Counts(
            self.counts.records + len(values),
            self.counts.events + outcome.accepted,
            self.counts.heartbeats + outcome.heartbeats,
            self.counts.late + outcome.late,
            self.counts.duplicates + outcome.duplicates,
            self.counts.rejected + len(outcome.rejected),
        )
        self._fed[partition] += len(values)
        return self._drain(partition) if self._fed[partition] >= DRAIN_AFTER else News([], [])

    def end(self, partition: int, family: int) -> None:
        """Nothing more of a topic follows: it holds the others back no longer."""
        self._ended[partition].add(family)
        # As in a worker, not before all it said has been taken in; and not all at once, for then nothing would be known
        # of how far time has come.
        if len(self._ended[partition]) < len(FAMILIES):
            self._kernels[partition].set_idle(set(self._ended[partition]))

    def finish(self) -> News:
        """What is left, once all has been fed. Hours that no event or heartbeat has shown to be over stay open."""
        told = [self._drain(number) for number in range(len(self._kernels))]
        values = [value for news in told for value in news.values]
        incidents = [one for news in told for one in news.incidents]
        if self._response is not None:
            incidents += self._respond([], late=True)
        return News(values, incidents)

    def _drain(self, partition: int) -> News:
        self._fed[partition] = 0
        for partial in self._kernels[partition].drain():
            self._book.apply(partial)
        values = self._book.advance()
        if self._watch is not None:
            values = self._watch.step(values)
        return News(values, self._respond(values, late=False) if self._response is not None else [])

    def _respond(self, values: Sequence[KpiValue], late: bool) -> list[Incident]:
        grains = tuple(value for value in values if not value.rolling)
        if not grains and not late:
            return []
        assert self._response is not None
        at = max((value.end for value in grains), default=self.watermark or 0)
        return self._response.step(Inputs(at=at, values=grains, late=late)).changed
