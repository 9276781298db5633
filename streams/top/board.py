"""What the KPI topic says, kept in a form a table can be made of: pure, fed one value at a time."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from streams.kpis.values import KpiValue

Slice = tuple[tuple[str, str], ...]
"""The dimension values of a series, sorted by dimension; empty for the total."""

DAY_MS = 86_400_000
_STEPS = 96
"""How many past values of a rolling window are kept: one in 15 minutes for those up to a day long."""


def comparable(span: int) -> int:
    """How far back the comparable period lies, in ms: whole days, at least the span. The same hour yesterday
    says more of a shop than the hour before, which is the afternoon compared with lunch."""
    return max(1, -(-span // DAY_MS)) * DAY_MS


@dataclass(slots=True)
class Grains:
    """The values of one series over fixed spans, by start; the newest ``keep`` of them."""

    keep: int
    starts: list[int] = field(default_factory=list)
    values: dict[int, KpiValue] = field(default_factory=dict)

    def add(self, value: KpiValue, *, old: bool = False) -> None:
        """Take a value in. An older revision of what is known changes nothing, nor does a provisional one
        what is final. Of two provisional ones the later counts; ``old`` says that it comes before what is
        known."""
        known = self.values.get(value.start)
        if known is not None:
            if _rank(value) > _rank(known) or (not old and _rank(value) == _rank(known)):
                self.values[value.start] = value
            return
        if len(self.starts) >= self.keep and value.start < self.starts[0]:
            return
        bisect.insort(self.starts, value.start)
        self.values[value.start] = value
        if len(self.starts) > self.keep:
            del self.values[self.starts.pop(0)]

    def trend(self, points: int, *, closed: bool = False) -> list[float | None]:
        """The newest ``points`` values, oldest first, ``None`` where a span is missing; ``closed`` leaves
        out a span that still goes on."""
        starts = self.starts
        if closed and starts and self.values[starts[-1]].status == "provisional":
            starts = starts[:-1]
        if not starts:
            return []
        newest = self.values[starts[-1]]
        length = newest.end - newest.start
        tail: list[float | None] = []
        expected = newest.start
        for start in reversed(starts):
            # A day is 23 to 25 hours long where clocks change: half a span of tolerance.
            while start < expected - length // 2 and len(tail) < points:
                tail.append(None)
                expected -= length
            if len(tail) >= points:
                break
            tail.append(self.values[start].value)
            expected = start - length
        return tail[::-1]

    def over(self, start: int, end: int) -> list[KpiValue] | None:
        """The values that tile ``[start, end)``, or ``None`` where one is missing."""
        low, high = bisect.bisect_left(self.starts, start), bisect.bisect_left(self.starts, end)
        found = [self.values[key] for key in self.starts[low:high]]
        covered = sum(value.end - value.start for value in found)
        return found if found and covered == end - start else None


def _rank(value: KpiValue) -> tuple[bool, int]:
    return value.status != "provisional", value.revision


@dataclass(slots=True)
class Window:
    """The values of one series over a rolling window: the newest, and a thinned past."""

    length: int
    latest: KpiValue | None = None
    past: dict[int, tuple[int, float | None]] = field(default_factory=dict)

    def add(self, value: KpiValue) -> None:
        """Take a value in; one that ends before what is known only fills the past."""
        latest = self.latest
        if latest is None or (value.end, value.revision) >= (latest.end, latest.revision):
            self.latest = value
        bucket = value.end // self.step
        known = self.past.get(bucket)
        if known is None or value.end >= known[0]:
            self.past[bucket] = (value.end, value.value)
        while len(self.past) > _STEPS + 2:
            del self.past[min(self.past)]

    @property
    def step(self) -> int:
        """One past value is kept in each of these many milliseconds."""
        return comparable(self.length) // _STEPS

    def before(self, ago: int) -> float | None:
        """The value ``ago`` milliseconds before the newest, to within a step; ``None`` where none is
        known."""
        if self.latest is None:
            return None
        target = self.latest.end - ago
        near = [
            found
            for bucket in range(target // self.step - 1, target // self.step + 2)
            if (found := self.past.get(bucket)) is not None and abs(found[0] - target) <= self.step
        ]
        return min(near, key=lambda found: abs(found[0] - target))[1] if near else None


@dataclass(slots=True)
class Series:
    """Everything known of one statistic of one KPI in one slice."""

    grains: Grains
    windows: dict[str, Window] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """The observations behind the newest values: the larger, the more a slice matters."""
        latest = [window.latest.weight for window in self.windows.values() if window.latest is not None]
        return max(latest, default=0)


class Board:
    """The newest value of every series, and enough of its past for a trend and a comparison."""

    def __init__(self, points: int = 60) -> None:
        self._points = points
        self._series: dict[tuple[str, str], dict[Slice, Series]] = {}
        self.newest: int | None = None
        """Where the newest rolling window ends: how far event time has come, give or take a pane."""
        self.received = 0

    def apply(self, value: KpiValue, *, old: bool = False) -> None:
        """Take one value in. Repeated and out-of-date ones change nothing; ``old`` values are from before
        those that were taken in already."""
        self.received += 1
        if value.rolling and (self.newest is None or value.end > self.newest):
            self.newest = value.end
        slices = self._series.setdefault((value.kpi, value.stat), {})
        key = tuple(sorted(value.slice.items()))
        series = slices.get(key)
        if series is None:
            series = slices[key] = Series(Grains(self._points))
        length = max(1, value.end - value.start)
        if value.rolling:
            series.windows.setdefault(value.span, Window(length)).add(value)
        else:
            # Two days and a bit of grains let a window of up to a day be compared with the day before.
            series.grains.keep = max(self._points, min(5 * DAY_MS // 2 // length, 500))
            series.grains.add(value, old=old)

    def clear(self) -> None:
        """Forget all values."""
        self._series.clear()
        self.newest = None

    def kpis(self) -> list[str]:
        """The KPIs seen."""
        return sorted({kpi for kpi, _ in self._series})

    def stats(self, kpi: str) -> list[str]:
        """The statistics seen of a KPI: ``value`` or ``p50``, ``p90`` …"""
        return sorted(stat for name, stat in self._series if name == kpi)

    def slices(self, kpi: str, stat: str) -> dict[Slice, Series]:
        """The series of one statistic, by slice."""
        return self._series.get((kpi, stat), {})


def previous(series: Series, window: Window, kind: str) -> float | None:
    """The value of the comparable period before the newest window, or ``None`` where it is not known.

    Taken from the past of the window itself, or else made of the grains that tile that period: their exact
    integers add up for counts, sums, ratios and means; of a level the last one counts; of quantiles nothing
    can be made.
    """
    latest = window.latest
    if latest is None:
        return None
    ago = comparable(window.length)
    known = window.before(ago)
    if known is not None or not series.grains.starts:
        return known
    newest = series.grains.values[series.grains.starts[-1]]
    grain = newest.end - newest.start
    target = latest.end - ago
    end = newest.start + (target - newest.start) // grain * grain  # the last full grain before the target
    if kind == "level":
        found = series.grains.over(end - grain, end)
        return found[-1].value if found else None
    found = series.grains.over(end - window.length, end)
    return combined(found, kind) if found else None


def combined(values: list[KpiValue], kind: str) -> float | None:
    """One value of several that follow each other, from their exact parts; ``None`` where they do not add
    up."""
    if len(values) == 1:
        return values[0].value
    if kind not in ("count", "sum", "mean", "ratio"):
        return None
    first = sum(value.parts[0] for value in values)
    if kind in ("count", "sum"):
        return float(first)
    second = sum(value.parts[1] for value in values)
    return first / second if second else None
