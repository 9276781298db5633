"""The core behind the kernels, without the shell: steps of source partitions in, judged values and incidents out.

The same book, watch and response as in a worker, called one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import gcd
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from detectors.incidents.incident import Incident
from detectors.response.inputs import Inputs
from detectors.response.response import Response
from detectors.watch.watch import Watch
from streams.history.replay.lane import Counts, Step
from streams.kpis.book import SeriesBook
from streams.kpis.definitions import Definitions
from streams.kpis.grid import HOUR_MS
from streams.kpis.plan import Plan
from streams.kpis.values import KpiValue

_YEARS = range(1970, 2100)


class News(NamedTuple):
    """What has become final or was corrected, and the incidents that are others than before."""

    values: list[KpiValue]
    incidents: list[Incident]


def coarse(definitions: Definitions, step_ms: int = 0) -> Definitions:
    """The same with the widest panes that grains and windows consist of, and steps of ``step_ms`` where somebody looks
    at what is between.

    What is final is the same, and there are far fewer cells to keep and to tell of.
    """
    spans = [step_ms, *(span.ms for kpi in definitions.kpis for span in (kpi.grain, *kpi.windows))]
    return msgspec.structs.replace(definitions, pane_ms=gcd(HOUR_MS, *_offsets(definitions.timezone), *spans))


def _offsets(timezone: str) -> set[int]:
    """How far a time zone is from UTC at one time or another, in ms: days begin on these."""
    zone = ZoneInfo(timezone)
    first_days = (datetime(year, month, 1, tzinfo=zone) for year in _YEARS for month in range(1, 13))
    return {int((day.utcoffset() or timedelta()).total_seconds()) * 1000 for day in first_days}


class Engine:
    """For so many source ``partitions``. Without a ``watch`` nothing is judged, without a ``response`` there are no
    incidents."""

    def __init__(
        self,
        definitions: Definitions,
        partitions: int,
        watch: Watch | None = None,
        response: Response | None = None,
    ) -> None:
        self.definitions = definitions
        self.counts = Counts()
        self._book = SeriesBook(definitions, partitions, Plan(definitions).fingerprint)
        self._watch, self._response = watch, response
        self._last = 0

    @property
    def told_every(self) -> int | None:
        """The span (ms) after which a step is to be told, so that values are judged as they were known then; None where
        none is."""
        return None if self._watch is None else min(kpi.grain.ms for kpi in self.definitions.kpis)

    def take(self, step: Step) -> News:
        """Take in what a partition tells."""
        self.counts = self.counts.plus(step.counts)
        for partial in step.partials:
            self._book.apply(partial)
            self._last = max(self._last, partial.watermark or 0)
        values = self._book.advance()
        if self._watch is not None:
            values = self._watch.step(values)
        return News(values, self._respond(values, late=False) if self._response is not None else [])

    def finish(self) -> News:
        """What is left, once all has been taken in. Hours that no event or heartbeat has shown to be over stay open."""
        return News([], self._respond([], late=True) if self._response is not None else [])

    def _respond(self, values: Sequence[KpiValue], late: bool) -> list[Incident]:
        grains = tuple(value for value in values if not value.rolling)
        if not grains and not late:
            return []
        assert self._response is not None
        at = max((value.end for value in grains), default=self._last)
        return self._response.step(Inputs(at=at, values=grains, late=late)).changed
