"""Which alerts of two runs of the same history are one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from detectors.incidents.attribution import Slice, slice_of
from streams.kpis.grid import DAY_MS
from streams.kpis.values import KpiValue

WITHIN_MS = DAY_MS
"""Alerts of one KPI that are no further apart are of the same trouble."""

Kind = Literal["same", "earlier", "later", "appears", "disappears"]


class Alert(NamedTuple):
    """A value that somebody is told of. ``start`` and ``end`` (excluded) are those of its grain, epoch ms: it is told
    at the ``end``. ``surprise`` is -log10 p."""

    end: int
    kpi: str
    stat: str
    slice: Slice
    start: int
    surprise: float
    why: str = ""

    @staticmethod
    def of(value: KpiValue) -> Alert:
        """Of a judged value."""
        return Alert(value.end, value.kpi, value.stat, slice_of(value.slice), value.start, value.surprise, value.why)

    @property
    def series(self) -> tuple[str, str, Slice]:
        return self.kpi, self.stat, self.slice


class Pair(NamedTuple):
    """What became of an alert: as it was ``before`` and ``after``, None where it is not there."""

    before: Alert | None
    after: Alert | None

    @property
    def kind(self) -> Kind:
        if self.before is None:
            return "appears"
        if self.after is None:
            return "disappears"
        by = self.after.end - self.before.end
        return "same" if not by else "later" if by > 0 else "earlier"

    @property
    def at(self) -> int:
        """When the first of both is told, epoch ms."""
        return min(one.end for one in self if one is not None)

    @property
    def kpi(self) -> str:
        return next(one.kpi for one in self if one is not None)

    @property
    def differs(self) -> bool:
        """Whether anybody would notice: another time, or another slice."""
        return self.before is None or self.after is None or self.kind != "same" or self.before[1:4] != self.after[1:4]


def match(before: Sequence[Alert], after: Sequence[Alert], within: int = WITHIN_MS) -> list[Pair]:
    """Pair the alerts of two runs, by time.

    Two are one if they are of the same KPI and told at most ``within`` ms apart. Those that are closest become pairs
    first, of those as close the ones of the same series; each alert is in one pair. Changing sides changes the pairs'
    sides and nothing else.
    """
    by_kpi: dict[str, list[Alert]] = {}
    for alert in after:
        by_kpi.setdefault(alert.kpi, []).append(alert)
    near = sorted(
        (abs(one.end - other.end), one.series != other.series, min(one, other), max(one, other), one, other)
        for one in before
        for other in by_kpi.get(one.kpi, ())
        if abs(one.end - other.end) <= within
    )
    left, right = _Counted(before), _Counted(after)
    pairs = []
    for *_, one, other in near:
        if left.has(one) and right.has(other):
            left.take(one)
            right.take(other)
            pairs.append(Pair(one, other))
    pairs += [Pair(one, None) for one in left.rest()]
    pairs += [Pair(None, other) for other in right.rest()]
    return sorted(pairs, key=lambda pair: (pair.at, pair.kpi, pair.kind))


class _Counted:
    """Alerts that are left to be paired."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._left: dict[Alert, int] = {}
        for alert in alerts:
            self._left[alert] = self._left.get(alert, 0) + 1

    def has(self, alert: Alert) -> bool:
        return self._left[alert] > 0

    def take(self, alert: Alert) -> None:
        self._left[alert] -= 1

    def rest(self) -> list[Alert]:
        return [alert for alert, count in self._left.items() for _ in range(count)]
