"""The series of one KPI: partials of all partitions merged, grains closed on the watermark, windows kept rolling.

Sums of all series are held side by side, :func:`~streams.kpis.evaluate.width` of them for each, so that a partial's
cells are added in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.kpis.absolutes import Absolutes
from streams.kpis.definitions import Definitions, KpiDefinition, LevelKpi
from streams.kpis.evaluate import evaluate, place, width
from streams.kpis.grains import Grain
from streams.kpis.grid import DAY_MS, Grid
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue, Status
from streams.kpis.watermark import MergedWatermark
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


class KpiSeries:
    """All slices of one KPI, merged over the partitions."""

    def __init__(self, kpi: KpiDefinition, definitions: Definitions, partitions: int) -> None:
        self.kpi = kpi
        self.slices: list[Slice] = []
        self.watermark = MergedWatermark(partitions)
        self.sealed_cells = 0
        """Cells that came for panes which were sealed: repeats after a restart, or news that came too late."""
        self._is_level = isinstance(kpi, LevelKpi)
        self._width = width(kpi)
        self._pane_ms = definitions.pane_ms
        self._lateness_ms = definitions.allowed_lateness_ms
        self._silence_ms = max(SILENT_DAYS * DAY_MS, SILENT_GRAINS * kpi.grain.ms)
        self._aligned_to = f"{definitions.timezone} {definitions.week_starts}"
        self._grid = Grid(kpi.grain, definitions.timezone, definitions.week_starts)
        self._numbers: dict[Slice, int] = {}
        self._sequence: dict[int, int] = {}
        # By partition: its open sums, and the time before which it can tell nothing new.
        self._absolutes: dict[int, Absolutes] = {}
        self._told_below: dict[int, int] = {}
        self._sealed_below: int | None = None
        self._head: int | None = None
        self._next_grain: int | None = None
        self._correct = False
        self._grains: dict[int, Grain] = {}
        self._windows = [] if self._is_level else [Rolling(span, definitions.pane_ms) for span in kpi.windows]
        # By series: where it begins, and from which grain on it is told of; when it was last heard of, and when as of
        # the grains that were closed; what stands before the grains that are kept, and now.
        self._born: I64 = np.zeros(0, dtype=np.int64)
        self._told_from: I64 = np.zeros(0, dtype=np.int64)
        self._heard: I64 = np.zeros(0, dtype=np.int64)
        self._heard_closed: I64 = np.zeros(0, dtype=np.int64)
        self._before: I64 = np.zeros(0, dtype=np.int64)
        self._now: I64 = np.zeros(0, dtype=np.int64)

    def newer(self, partition: int, sequence: int) -> bool:
        """Whether a partial is at least as new as the last one applied of its partition."""
        known = self._sequence.get(partition)
        return known is None or sequence >= known

    def apply(self, partial: Partial) -> None:
        """Set one partition's absolute sums, then take in its watermark."""
        self._sequence[partial.partition] = partial.sequence
        if partial.began is not None:
            self._begin(partial.began)
        rows = partial.rows
        if partial.partition in self._told_below and rows.size:
            open_ = (rows[:, 3] + 1) * self._pane_ms > self._told_below[partial.partition]
            self.sealed_cells += int(rows.shape[0] - np.count_nonzero(open_))
            rows = rows[open_]
        if rows.size:
            measure, slice_, bucket, pane, value = rows.T
            names = [tuple((name, of) for name, of in pairs) for pairs in partial.slices]
            numbers = np.array([self._number(name) for name in names], dtype=np.int64)
            self._add(partial.partition, numbers[slice_], place(self.kpi, measure, bucket), pane, value)
        self.watermark.observe(partial.partition, partial.watermark, partial.idle)
        if partial.watermark is not None:
            floor = partial.watermark - self._lateness_ms
            floor = self._told_below[partial.partition] = max(floor, self._told_below.get(partial.partition, floor))
            if partial.partition in self._absolutes:
                self._absolutes[partial.partition].seal(floor // self._pane_ms)

    def _add(self, partition: int, series: I64, sum_: I64, pane: I64, value: I64) -> None:
        absolutes = self._absolutes.setdefault(partition, Absolutes())
        delta = absolutes.replace(series.copy(), sum_.copy(), pane.copy(), value.copy())
        news = delta != 0
        if self._sealed_below is not None:
            sealed = news & ((pane + 1) * self._pane_ms <= self._sealed_below)
            if sealed.any():
                self._add_too_late(series[sealed], delta[sealed])
                news &= ~sealed
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

    def _add_too_late(self, series: I64, delta: I64) -> None:
        """News of panes the other partitions have sealed: what was told of them stays. But who has entered a level
        will leave it, so a level takes them in from here on."""
        self.sealed_cells += series.size
        if not self._is_level:
            return
        assert self._sealed_below is not None
        np.minimum.at(self._born, series, self._sealed_below)
        np.add.at(self._now, series, delta)
        np.add.at(self._before, series, delta)
        for grain in self._grains.values():
            grain.widen(self._now.size)
            grain.changed[series] = True
        self._correct = True
        # A slice that is new is told of from the first grain that can still be corrected on, as the total is.
        self._close_from(self._sealed_below)

    def _add_to_grains(self, series: I64, where: I64, time: I64, delta: I64) -> int:
        left = np.ones(time.size, dtype=np.bool_)
        earliest = self._grid.around(int(time.min()))[0]
        while left.any():
            start, end = self._grid.around(int(time[left].min()))
            mine = left & (time < end)
            grain = self._grain(start, end)
            grain.sums.add(where[mine], delta[mine])
            grain.changed[series[mine]] = True
            grain.heard[series[mine]] = True
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
            pane = time // self._pane_ms
            self._head = pane if self._head is None else max(self._head, pane)
            self._close_from(self._grid.around(time)[0])

    def _close_from(self, start: int) -> None:
        if self._sealed_below is not None and self._grid.around(start)[1] <= self._sealed_below:
            # What is sealed was told of, or is not told of any more.
            start = self._grid.around(self._sealed_below)[0]
        if self._next_grain is None or start < self._next_grain:
            self._next_grain = start

    def _number(self, slice_: Slice) -> int:
        number = self._numbers.get(slice_)
        if number is None:
            number = self._numbers[slice_] = len(self.slices)
            self.slices.append(slice_)
            self._born = np.append(self._born, _NEVER)
            self._told_from = np.append(self._told_from, _NEVER)
            self._heard = np.append(self._heard, _AT_ONCE)
            self._heard_closed = np.append(self._heard_closed, _AT_ONCE)
            self._before = np.append(self._before, 0)
            self._now = np.append(self._now, 0)
        return number

    def _alive(self, start: int, end: int, heard: I64, level: I64) -> I64:
        """The series there is anything to say of in a grain: born, and heard of not too long ago."""
        since = np.maximum(heard, np.where(self._born == _NEVER, _AT_ONCE, self._born))
        spoken = since >= start - self._silence_ms
        if self._is_level:
            spoken |= level != 0
        return np.flatnonzero((self._born < end) & spoken)

    def advance(self) -> Iterator[KpiValue]:
        """What the watermark has made final, and what late events have corrected, since the last call."""
        reached = self.watermark.value
        if reached is None:
            return
        if self._correct:
            self._correct = False
            yield from self._corrections(reached)
        level = self._level_before(self._next_grain)
        while self._next_grain is not None:
            start, end = self._grid.around(self._next_grain)
            if end > reached:
                break
            grain = self._grain(start, end)
            sums = self._sums(grain, level)
            self._begins(start, grain, sums)
            self._heard_closed[grain.heard] = np.maximum(self._heard_closed[grain.heard], start)
            alive = self._alive(start, end, self._heard_closed, sums)
            alive = alive[self._told_from[alive] <= start]
            # A grain that was told is walked over without a word: only what changed is news.
            yield from self._close(start, grain, alive[grain.changed[alive]], sums)
            level = sums
            self._next_grain = end if alive.size else min((s for s in self._grains if s >= end), default=None)
        self._seal(reached - self._lateness_ms)

    def _begins(self, start: int, grain: Grain, sums: I64) -> None:
        """Note which slices have something in a grain that is closed. What was counted in another may belong elsewhere
        after all, as that of a parcel whose order was read after it; and what went in and out again has left nothing.
        So what is told does not depend on which topic was read first."""
        there: npt.NDArray[np.bool_] = np.any(sums.reshape(-1, self._width), axis=1)
        if (total := self._numbers.get(())) is not None:
            there[total] = True  # it is told of from its own beginning on
        if not self._is_level:
            grain.heard &= there
        self._told_from[there] = np.minimum(self._told_from[there], start)

    def _corrections(self, reached: int) -> Iterator[KpiValue]:
        level = self._before.copy()
        for start, grain in sorted(self._grains.items()):
            if grain.end > reached:
                break
            grain.widen(self._now.size)
            sums = level = self._sums(grain, level)
            told = np.flatnonzero(grain.revision >= 0)
            yield from self._close(start, grain, told[grain.changed[told]], sums)

    def _level_before(self, start: int | None) -> I64:
        """What a level stands at when a grain begins; of no meaning for other KPIs."""
        level = self._before.copy()
        if self._is_level and start is not None:
            for begin, grain in self._grains.items():
                if begin < start:
                    grain.sums.add_to(level)
        return level

    def _sums(self, grain: Grain, level: I64) -> I64:
        """A grain's sums; of a level what it stands at when the grain ends, given what it stood at when it began."""
        sums = level.copy() if self._is_level else np.zeros(self._now.size * self._width, dtype=np.int64)
        grain.sums.add_to(sums)
        return sums

    def _close(self, start: int, grain: Grain, series: I64, sums: I64) -> Iterator[KpiValue]:
        grain.changed[series] = False
        grain.revision[series] += 1
        first = series[grain.revision[series] == 0]
        again = series[grain.revision[series] > 0]
        span = self.kpi.grain.text
        yield from self._values(first, sums, span, False, start, grain.end, "final", grain.revision)
        yield from self._values(again, sums, span, False, start, grain.end, "corrected", grain.revision)

    def _seal(self, floor: int) -> None:
        self._sealed_below = floor
        for start in sorted(start for start, grain in self._grains.items() if grain.end <= floor):
            grain = self._grains.pop(start)
            if self._is_level:
                grain.sums.add_to(self._before)

    @property
    def shape(self) -> str:
        """What a state's form follows from, beside the plan."""
        spans = (self.kpi.grain.text, *(window.span.text for window in self._windows))
        return f"{' '.join(spans)} {self._aligned_to}"

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays: what :meth:`load` makes the same series of."""
        return {
            "slices": list(self.slices),
            "sequence": dict(self._sequence),
            "watermark": self.watermark.state(),
            "absolutes": {partition: absolutes.state() for partition, absolutes in self._absolutes.items()},
            "told_below": dict(self._told_below),
            "reach": [self._sealed_below, self._head, self._next_grain, self._correct, self.sealed_cells],
            "grains": {start: grain.state() for start, grain in self._grains.items()},
            "windows": [window.state() for window in self._windows],
            "series": [array.copy() for array in self._arrays()],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state` told of."""
        self.slices = [tuple((name, value) for name, value in slice_) for slice_ in state["slices"]]
        self._numbers = {slice_: number for number, slice_ in enumerate(self.slices)}
        self._sequence = dict(state["sequence"])
        self.watermark.load(state["watermark"])
        self._absolutes = {}
        for partition, rows in state["absolutes"].items():
            self._absolutes[partition] = Absolutes()
            self._absolutes[partition].load(rows)
        self._told_below = dict(state["told_below"])
        self._sealed_below, self._head, self._next_grain, self._correct, self.sealed_cells = state["reach"]
        self._grains = {start: Grain.of(grain) for start, grain in state["grains"].items()}
        for window, known in zip(self._windows, state["windows"], strict=True):
            window.load(known)
        arrays = state["series"]
        self._born, self._told_from, self._heard, self._heard_closed, self._before, self._now = arrays

    def _arrays(self) -> tuple[I64, ...]:
        return self._born, self._told_from, self._heard, self._heard_closed, self._before, self._now

    def current(self) -> Iterator[KpiValue]:
        """The provisional values as of the newest pane or the watermark, whichever is later."""
        if self._head is None:
            return
        pane = self._head
        if self.watermark.value is not None:
            pane = max(pane, self.watermark.value // self._pane_ms)
        start, end = self._grid.around(pane * self._pane_ms)
        series = self._alive(start, end, self._heard, self._now)
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
        sums = self._sums(grain, self._level_before(start))
        yield from self._values(series, sums, self.kpi.grain.text, False, start, end, "provisional", grain.revision)

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
        if not series.size:
            return
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
