"""The series of one KPI: partials of all partitions merged, grains closed on the watermark, windows kept rolling."""

from __future__ import annotations

from collections.abc import Iterator

from streams.kpis.definitions import Definitions, KpiDefinition, LevelKpi
from streams.kpis.evaluate import evaluate
from streams.kpis.grid import DAY_MS, Grid
from streams.kpis.values import KpiValue, Status
from streams.kpis.windows import Bag, Rolling, add_to

Slice = tuple[tuple[str, str], ...]
"""Dimension and value pairs, in the order of the definition; empty for the total."""

SILENT_DAYS = 35
SILENT_GRAINS = 10
"""A series that nothing was heard of for so long, whichever is longer, is not told of again until it speaks."""

NOW = "now"
"""The span of a level's current value."""


class Grain:
    """One span's sums, and what was said of it. ``revision`` is -1 until its value was final once."""

    __slots__ = ("bag", "changed", "end", "revision")

    def __init__(self, end: int) -> None:
        self.end = end
        self.bag: Bag = {}
        self.revision = -1
        self.changed = True


class Series:
    """One slice of one KPI."""

    def __init__(self, kpi: KpiDefinition, slice_: Slice, pane_ms: int) -> None:
        self.kpi = kpi
        self.slice = dict(slice_)
        self.born: int | None = None
        self.heard: int | None = None
        """Start of the newest pane with data."""
        self.grains: dict[int, Grain] = {}
        self.level = 0
        """Sum of all deltas so far: what a level stands at now."""
        self.is_level = isinstance(kpi, LevelKpi)
        self._sealed_level = 0
        self._silence_ms = max(SILENT_DAYS * DAY_MS, SILENT_GRAINS * kpi.grain.ms)
        self._windows = [] if self.is_level else [Rolling(span, pane_ms) for span in kpi.windows]
        self._pane_ms = pane_ms

    def add(self, pane: int, key: int, delta: int, start: int, end: int) -> None:
        """Add to a pane, which lies in the grain from ``start`` to ``end``."""
        time = pane * self._pane_ms
        self.bear(time)
        self.heard = time if self.heard is None else max(self.heard, time)
        grain = self.grains.get(start)
        if grain is None:
            grain = self.grains[start] = Grain(end)
        add_to(grain.bag, key, delta)
        grain.changed = True
        if self.is_level:
            self.level += delta
            for begin, other in self.grains.items():
                if begin > start:
                    other.changed = True
        for window in self._windows:
            window.add(pane, key, delta)

    def bear(self, time: int) -> None:
        """Let the series begin at ``time`` at the latest, with or without data."""
        self.born = time if self.born is None else min(self.born, time)

    def alive(self, start: int, end: int) -> bool:
        """Whether there is anything to say of a grain: the series was born, and heard of not too long ago."""
        if self.born is None or self.born >= end:
            return False
        heard = self.born if self.heard is None else self.heard
        return heard >= start - self._silence_ms or self.level != 0

    def close(self, start: int, end: int) -> Iterator[KpiValue]:
        """The values of a grain the watermark has passed, where they are news: first final, then corrected."""
        grain = self.grains.get(start)
        if grain is None:
            grain = self.grains[start] = Grain(end)
        if not grain.changed:
            return
        grain.changed = False
        grain.revision += 1
        yield from self._told(start, grain, "corrected" if grain.revision else "final")

    def corrections(self, watermark: int) -> Iterator[KpiValue]:
        """What changed in grains that were closed before."""
        for start, grain in sorted(self.grains.items()):
            if grain.changed and grain.end <= watermark:
                yield from self.close(start, grain.end)

    def seal(self, floor: int) -> None:
        """Let go of the grains that end at ``floor`` or before: nothing can change them, and they were told."""
        for start in [start for start, grain in self.grains.items() if grain.end <= floor and not grain.changed]:
            grain = self.grains.pop(start)
            if self.is_level:
                self._sealed_level += sum(grain.bag.values())

    def current(self, pane: int, start: int, end: int) -> Iterator[KpiValue]:
        """Rolling windows up to a pane, and the grain still open."""
        until = (pane + 1) * self._pane_ms
        if self.is_level:
            yield from self._values({0: self.level}, NOW, True, until, until, "provisional", 0)
        for window in self._windows:
            window.advance(pane)
            yield from self._values(
                window.bag, window.span.text, True, until - window.span.ms, until, "provisional", 0
            )
        grain = self.grains.get(start) or Grain(end)
        yield from self._told(start, grain, "provisional")

    def _told(self, start: int, grain: Grain, status: Status) -> Iterator[KpiValue]:
        bag = grain.bag
        if self.is_level:
            upto = sum(sum(other.bag.values()) for begin, other in self.grains.items() if begin <= start)
            bag = {0: self._sealed_level + upto}
        revision = max(grain.revision, 0)
        yield from self._values(bag, self.kpi.grain.text, False, start, grain.end, status, revision)

    def _values(
        self, bag: Bag, span: str, rolling: bool, start: int, end: int, status: Status, revision: int
    ) -> Iterator[KpiValue]:
        kpi = self.kpi
        for reading in evaluate(kpi, bag):
            yield KpiValue(
                kpi=kpi.name,
                stat=reading.stat,
                slice=self.slice,
                span=span,
                rolling=rolling,
                start=start,
                end=end,
                value=reading.value,
                weight=reading.weight,
                parts=reading.parts,
                status=status,
                revision=revision,
                unit=kpi.unit,
                better=kpi.better,
            )


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
        self.series: dict[Slice, Series] = {}
        self.watermark = Watermark(partitions)
        self.sealed_cells = 0
        """Cells that came for panes which were sealed: repeats after a restart, or news that came too late."""
        self._pane_ms = definitions.pane_ms
        self._lateness_ms = definitions.allowed_lateness_ms
        self._grid = Grid(kpi.grain, definitions.timezone, definitions.week_starts)
        self._as_of: dict[int, tuple[int, int, int]] = {}
        self._absolute: dict[int, dict[tuple[int, Slice, int], int]] = {}
        self._sealed_below: int | None = None
        self._head: int | None = None
        self._next_grain: int | None = None
        self._corrected: set[Slice] = set()

    def newer(self, partition: int, as_of: tuple[int, int, int]) -> bool:
        """Whether a partial is at least as new as the last one applied of its partition."""
        known = self._as_of.get(partition)
        return known is None or all(new >= old for new, old in zip(as_of, known, strict=True))

    def apply(
        self,
        partition: int,
        as_of: tuple[int, int, int],
        began: int | None,
        watermark: int | None,
        idle: bool,
        cells: Iterator[tuple[Slice, int, int, int]],
    ) -> None:
        """Set absolute sums ``(slice, key, pane, value)`` of one partition, then take in its watermark."""
        self._as_of[partition] = as_of
        if began is not None:
            self._begin(began)
        for slice_, key, pane, value in cells:
            if self._sealed_below is not None and (pane + 1) * self._pane_ms <= self._sealed_below:
                self.sealed_cells += 1
                continue
            known = self._absolute.setdefault(pane, {})
            place = (partition, slice_, key)
            delta = value - known.get(place, 0)
            if delta:
                known[place] = value
                self._add(slice_, key, pane, delta)
        self.watermark.observe(partition, watermark, idle)

    def _add(self, slice_: Slice, key: int, pane: int, delta: int) -> None:
        start, end = self._grid.around(pane * self._pane_ms)
        self._series(slice_).add(pane, key, delta, start, end)
        self._head = pane if self._head is None else max(self._head, pane)
        if self.watermark.value is not None and end <= self.watermark.value:
            self._corrected.add(slice_)
        self._close_from(start)

    def _begin(self, time: int) -> None:
        """The total is told of from the first event on, be it zero; values told before are not repeated."""
        total = self._series(())
        if total.born is None or time < total.born:
            total.bear(time)
            self._close_from(self._grid.around(time)[0])

    def _close_from(self, start: int) -> None:
        if self._next_grain is None or start < self._next_grain:
            self._next_grain = start

    def _series(self, slice_: Slice) -> Series:
        series = self.series.get(slice_)
        if series is None:
            series = self.series[slice_] = Series(self.kpi, slice_, self._pane_ms)
        return series

    def advance(self) -> Iterator[KpiValue]:
        """What the watermark has made final, and what late events have corrected, since the last call."""
        reached = self.watermark.value
        if reached is None:
            return
        for slice_ in sorted(self._corrected):
            yield from self.series[slice_].corrections(reached)
        self._corrected.clear()
        # A grain that was told is walked over without a word: close() tells only news.
        while self._next_grain is not None:
            start, end = self._grid.around(self._next_grain)
            if end > reached:
                break
            spoke = False
            for series in self.series.values():
                if series.alive(start, end):
                    spoke = True
                    yield from series.close(start, end)
            self._next_grain = end if spoke else self._resume(end)
        self._seal(reached - self._lateness_ms)

    def _resume(self, after: int) -> int | None:
        """The next grain with anything in it, when all series have fallen silent."""
        starts = [start for series in self.series.values() for start in series.grains if start >= after]
        return min(starts) if starts else None

    def _seal(self, floor: int) -> None:
        self._sealed_below = floor
        for pane in [pane for pane in self._absolute if (pane + 1) * self._pane_ms <= floor]:
            del self._absolute[pane]
        for series in self.series.values():
            series.seal(floor)

    def current(self) -> Iterator[KpiValue]:
        """The provisional values as of the newest pane or the watermark, whichever is later."""
        if self._head is None:
            return
        pane = self._head
        if self.watermark.value is not None:
            pane = max(pane, self.watermark.value // self._pane_ms)
        start, end = self._grid.around(pane * self._pane_ms)
        for series in self.series.values():
            if series.alive(start, end):
                yield from series.current(pane, start, end)
