"""The series of one KPI: partials of all partitions merged, grains closed on the watermark, windows kept rolling.

Sums of all series are held side by side, :func:`~streams.kpis.evaluate.width` of them for each, so that a partial's
cells are added in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from streams.kpis.absolutes import Absolutes
from streams.kpis.definitions import Definitions, KpiDefinition, LevelKpi
from streams.kpis.evaluate import evaluate, place, width
from streams.kpis.grid import DAY_MS, Grid
from streams.kpis.partials import Partial
from streams.kpis.sums import Sums
from streams.kpis.values import KpiValue, Status
from streams.kpis.windows import Rolling

I64 = npt.NDArray[np.int64]

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, in the order of the definition; empty for the total."""

SILENT_DAYS = 35
SILENT_GRAINS = 10
"""A series that nothing was heard of for so long, whichever is longer, is not told of again until it speaks."""

NOW = "now"
"""The span of a level's current value."""

_NEVER = np.iinfo(np.int64).max
_AT_ONCE = np.iinfo(np.int64).min


class Grain:
    """One span's sums of all series, and what was said of them.

    ``revision`` (series,) is -1 until a series' value was final once; ``changed`` (series,) marks what is news.
    """

    def __init__(self, end: int) -> None:
        self.end = end
        self.sums = Sums()
        self.revision: I64 = np.zeros(0, dtype=np.int64)
        self.changed: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def widen(self, series: int) -> None:
        """Have room for so many series."""
        more = series - self.revision.size
        if more > 0:
            self.revision = np.concatenate([self.revision, np.full(more, -1, dtype=np.int64)])
            self.changed = np.concatenate([self.changed, np.ones(more, dtype=np.bool_)])


class Watermark:
    """The watermark over all partitions: the smallest, idle ones left out; unknown until each has spoken."""

    def __init__(self, partitions: int) -> None:
        self._missing = set(range(partitions))
        self._known: dict[int, int] = {}
        self.value: int | None = None

    def observe(self, partition: int, watermark: int | None, idle: bool) -> None:
        """Take in one partition's watermark."""
        if watermark is not None or idle:
            self._missing.discard(partition)
        if watermark is not None and not idle:
            self._known[partition] = watermark
        elif idle:
            self._known.pop(partition, None)
        if not self._missing and self._known:
            lowest = min(self._known.values())
            self.value = lowest if self.value is None else max(self.value, lowest)


class KpiSeries:
    """All slices of one KPI, merged over the partitions."""

    def __init__(self, kpi: KpiDefinition, definitions: Definitions, partitions: int) -> None:
        self.kpi = kpi
        self.slices: list[Slice] = []
        self.watermark = Watermark(partitions)
        self.sealed_cells = 0
        """Cells that came for panes which were sealed: repeats after a restart, or news that came too late."""
        self._is_level = isinstance(kpi, LevelKpi)
        self._width = width(kpi)
        self._pane_ms = definitions.pane_ms
        self._lateness_ms = definitions.allowed_lateness_ms
        self._silence_ms = max(SILENT_DAYS * DAY_MS, SILENT_GRAINS * kpi.grain.ms)
        self._grid = Grid(kpi.grain, definitions.timezone, definitions.week_starts)
        self._numbers: dict[Slice, int] = {}
        self._as_of: dict[int, tuple[int, int, int]] = {}
        self._absolutes = Absolutes()
        self._sealed_below: int | None = None
        self._head: int | None = None
        self._next_grain: int | None = None
        self._correct = False
        self._grains: dict[int, Grain] = {}
        self._windows = [] if self._is_level else [Rolling(span, definitions.pane_ms) for span in kpi.windows]
        # By series: where it begins, when it was last heard of, what stands before the grains that are kept and now.
        self._born: I64 = np.zeros(0, dtype=np.int64)
        self._heard: I64 = np.zeros(0, dtype=np.int64)
        self._before: I64 = np.zeros(0, dtype=np.int64)
        self._now: I64 = np.zeros(0, dtype=np.int64)

    def newer(self, partition: int, as_of: tuple[int, int, int]) -> bool:
        """Whether a partial is at least as new as the last one applied of its partition."""
        known = self._as_of.get(partition)
        return known is None or all(new >= old for new, old in zip(as_of, known, strict=True))

    def apply(self, partial: Partial) -> None:
        """Set one partition's absolute sums, then take in its watermark."""
        self._as_of[partial.partition] = partial.as_of
        if partial.began is not None:
            self._begin(partial.began)
        measure, slice_, bucket, pane, value = partial.rows.T
        if self._sealed_below is not None and pane.size:
            open_ = (pane + 1) * self._pane_ms > self._sealed_below
            self.sealed_cells += int(pane.size - np.count_nonzero(open_))
            measure, slice_, bucket, pane, value = partial.rows[open_].T
        if pane.size:
            names = [tuple((name, of) for name, of in pairs) for pairs in partial.slices]
            numbers = np.array([self._number(name) for name in names], dtype=np.int64)
            self._add(partial.partition, numbers[slice_], place(self.kpi, measure, bucket), pane, value)
        self.watermark.observe(partial.partition, partial.watermark, partial.idle)

    def _add(self, partition: int, series: I64, sum_: I64, pane: I64, value: I64) -> None:
        delta = self._absolutes.replace(partition, series.copy(), sum_.copy(), pane.copy(), value.copy())
        news = delta != 0
        if not news.any():
            return
        series, sum_, pane, delta = series[news], sum_[news], pane[news], delta[news]
        time = pane * self._pane_ms
        np.minimum.at(self._born, series, time)
        np.maximum.at(self._heard, series, time)
        np.add.at(self._now, series, delta)
        where = series * self._width + sum_
        for window in self._windows:
            window.widen(self._now.size * self._width)
            window.add(pane, where, delta)
        newest = int(pane.max())
        self._head = newest if self._head is None else max(self._head, newest)
        earliest = self._add_to_grains(series, where, time, delta)
        reached = self.watermark.value
        self._correct |= reached is not None and self._grains[earliest].end <= reached
        self._close_from(earliest)

    def _add_to_grains(self, series: I64, where: I64, time: I64, delta: I64) -> int:
        left = np.ones(time.size, dtype=np.bool_)
        earliest = self._grid.around(int(time.min()))[0]
        while left.any():
            start, end = self._grid.around(int(time[left].min()))
            mine = left & (time < end)
            grain = self._grain(start, end)
            grain.sums.add(where[mine], delta[mine])
            grain.changed[series[mine]] = True
            if self._is_level:
                for begin, later in self._grains.items():
                    if begin > start:
                        later.widen(self._now.size)
                        later.changed[series[mine]] = True
            left &= ~mine
        return earliest

    def _grain(self, start: int, end: int) -> Grain:
        grain = self._grains.get(start)
        if grain is None:
            grain = self._grains[start] = Grain(end)
        grain.widen(self._now.size)
        return grain

    def _begin(self, time: int) -> None:
        """The total is told of from the first event on, be it zero; values told before are not repeated."""
        total = self._number(())
        if time < self._born[total]:
            self._born[total] = time
            self._close_from(self._grid.around(time)[0])

    def _close_from(self, start: int) -> None:
        if self._next_grain is None or start < self._next_grain:
            self._next_grain = start

    def _number(self, slice_: Slice) -> int:
        number = self._numbers.get(slice_)
        if number is None:
            number = self._numbers[slice_] = len(self.slices)
            self.slices.append(slice_)
            self._born = np.append(self._born, _NEVER)
            self._heard = np.append(self._heard, _AT_ONCE)
            self._before = np.append(self._before, 0)
            self._now = np.append(self._now, 0)
        return number

    def _alive(self, start: int, end: int) -> I64:
        """The series there is anything to say of in a grain: born, and heard of not too long ago."""
        heard = np.maximum(self._heard, np.where(self._born == _NEVER, _AT_ONCE, self._born))
        spoken = heard >= start - self._silence_ms
        if self._is_level:
            spoken |= self._now != 0
        return np.flatnonzero((self._born < end) & spoken)

    def advance(self) -> Iterator[KpiValue]:
        """What the watermark has made final, and what late events have corrected, since the last call."""
        reached = self.watermark.value
        if reached is None:
            return
        if self._correct:
            self._correct = False
            for start, grain in sorted(self._grains.items()):
                if grain.end <= reached:
                    told = np.flatnonzero(grain.revision >= 0)
                    yield from self._close(start, grain, told[grain.changed[told]])
        while self._next_grain is not None:
            start, end = self._grid.around(self._next_grain)
            if end > reached:
                break
            alive = self._alive(start, end)
            grain = self._grain(start, end)
            # A grain that was told is walked over without a word: only what changed is news.
            yield from self._close(start, grain, alive[grain.changed[alive]])
            self._next_grain = end if alive.size else min((s for s in self._grains if s >= end), default=None)
        self._seal(reached - self._lateness_ms)

    def _close(self, start: int, grain: Grain, series: I64) -> Iterator[KpiValue]:
        grain.changed[series] = False
        grain.revision[series] += 1
        first = series[grain.revision[series] == 0]
        yield from self._told(start, grain, first, "final")
        yield from self._told(start, grain, series[grain.revision[series] > 0], "corrected")

    def _seal(self, floor: int) -> None:
        self._sealed_below = floor
        self._absolutes.seal(floor // self._pane_ms)
        for start in sorted(start for start, grain in self._grains.items() if grain.end <= floor):
            grain = self._grains.pop(start)
            if self._is_level:
                grain.sums.add_to(self._before)

    def current(self) -> Iterator[KpiValue]:
        """The provisional values as of the newest pane or the watermark, whichever is later."""
        if self._head is None:
            return
        pane = self._head
        if self.watermark.value is not None:
            pane = max(pane, self.watermark.value // self._pane_ms)
        start, end = self._grid.around(pane * self._pane_ms)
        series = self._alive(start, end)
        until = (pane + 1) * self._pane_ms
        if self._is_level:
            yield from self._values(series, self._now, NOW, True, until, until, "provisional")
        for window in self._windows:
            window.widen(self._now.size * self._width)
            window.advance(pane)
            begin = until - window.span.ms
            yield from self._values(series, window.totals, window.span.text, True, begin, until, "provisional")
        grain = self._grains.get(start) or Grain(end)
        grain.widen(self._now.size)
        yield from self._told(start, grain, series, "provisional")

    def _told(self, start: int, grain: Grain, series: I64, status: Status) -> Iterator[KpiValue]:
        if not series.size:
            return
        sums = np.zeros(self._now.size * self._width, dtype=np.int64)
        if self._is_level:
            sums += self._before
            for begin, other in self._grains.items():
                if begin <= start:
                    other.sums.add_to(sums)
        else:
            grain.sums.add_to(sums)
        span = self.kpi.grain.text
        yield from self._values(series, sums, span, False, start, grain.end, status, grain.revision)

    def _values(
        self,
        series: I64,
        sums: I64,
        span: str,
        rolling: bool,
        start: int,
        end: int,
        status: Status,
        revision: I64 | None = None,
    ) -> Iterator[KpiValue]:
        kpi = self.kpi
        for number, readings in zip(series.tolist(), evaluate(kpi, sums.reshape(-1, self._width)[series]), strict=True):
            for reading in readings:
                yield KpiValue(
                    kpi=kpi.name,
                    stat=reading.stat,
                    slice=dict(self.slices[number]),
                    span=span,
                    rolling=rolling,
                    start=start,
                    end=end,
                    value=reading.value,
                    weight=reading.weight,
                    parts=reading.parts,
                    status=status,
                    revision=0 if revision is None else max(0, int(revision[number])),
                    unit=kpi.unit,
                    better=kpi.better,
                )


def by_slice(values: Iterable[KpiValue]) -> list[KpiValue]:
    """Values in an order that does not depend on which slice was heard of first."""
    return sorted(values, key=lambda value: (value.start, sorted(value.slice.items()), value.stat, value.span))
