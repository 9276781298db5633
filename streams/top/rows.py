"""The rows of the table: one per statistic, window and slice. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from streams.top.board import DAY_MS, Board, Series, Slice, Window, previous
from streams.top.catalog import Catalog, Goal, Kpi

SLICES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What to show: ``kpis`` by name (empty: all), slices ``by`` these dimensions beside the
    total, and the ``window`` in ms (``None``: each KPI's longest up to a day; 0: all of them)."""

    kpis: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    window: int | None = None
    points: int = 24


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``value`` and ``previous`` are in the KPI's unit; ``window`` in ms; ``other``
    is the value of the KPI's longest window, where that is not the one shown."""

    kpi: Kpi
    stat: str
    slice: Slice
    window: int
    value: float | None
    previous: float | None
    weight: int
    trend: list[float | None]
    start: int
    end: int
    status: str
    unit: str
    better: str
    other: tuple[int, float | None] | None = None
    folded: int = 0
    """How many further slices there are that are not shown; on the last one shown."""

    @property
    def goal(self) -> Goal | None:
        """The goal of this statistic. It is set for the total, and slices are held to it too."""
        return self.kpi.goal if self.stat == self.kpi.goal_stat else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; ``None`` where there is no goal or no value."""
        return self.goal.met(self.value) if self.goal is not None else None

    @property
    def improvement(self) -> int:
        """1 where the change is for the better, -1 for the worse, 0 where that cannot be said."""
        if self.value is None or self.previous is None or self.value == self.previous:
            return 0
        if self.better not in ("higher", "lower"):
            return 0
        return 1 if (self.value > self.previous) == (self.better == "higher") else -1


def build(board: Board, catalog: Catalog, choice: Choice) -> list[Row]:
    """The rows, in the order of the configuration; KPIs that are not configured (any more) come last."""
    rows: list[Row] = []
    known = list(catalog.kpis)
    for name in [*known, *(name for name in board.kpis() if name not in catalog.kpis)]:
        if choice.kpis and name not in choice.kpis:
            continue
        if board.received and not board.stats(name) and not choice.by:
            rows.append(_unheard(catalog.get(name)))
        for stat in board.stats(name):
            rows.extend(_stat(board.slices(name, stat), catalog.get(name), stat, choice))
    return rows


def _unheard(kpi: Kpi) -> Row:
    """The row of a KPI that nothing was heard of: a level nothing has entered is at zero, all else is
    unknown."""
    value = 0.0 if kpi.kind == "level" else None
    window = next((window for window in sorted(kpi.windows, reverse=True) if window <= DAY_MS), 0)
    return Row(kpi, kpi.goal_stat, (), window, value, None, 0, [], 0, 0, "provisional", kpi.unit, kpi.better)


def _stat(slices: dict[Slice, Series], kpi: Kpi, stat: str, choice: Choice) -> list[Row]:
    total = slices.get(())
    rows = [] if total is None else _windows(total, kpi, stat, (), choice)
    if not choice.by:
        return rows
    wanted = tuple(sorted(choice.by))
    sliced = [(key, series) for key, series in slices.items() if tuple(name for name, _ in key) == wanted]
    if not sliced:
        return []
    # By weight; by name among equals, so that rows keep their places. "other" is what was folded: last.
    sliced.sort(key=lambda item: (_is_other(item[0]), -item[1].weight, item[0]))
    for number, (key, series) in enumerate(sliced[:SLICES_SHOWN], 1):
        folded = len(sliced) - SLICES_SHOWN if number == SLICES_SHOWN else 0
        rows.extend(_windows(series, kpi, stat, key, choice, folded))
    return rows


def _windows(series: Series, kpi: Kpi, stat: str, key: Slice, choice: Choice, folded: int = 0) -> list[Row]:
    windows = sorted(series.windows.values(), key=lambda window: window.length)
    shown = _chosen(windows, choice)
    rows = []
    for window in shown:
        latest = window.latest
        if latest is None:
            continue
        rows.append(
            Row(
                kpi=kpi,
                stat=stat,
                slice=key,
                window=window.length,
                value=latest.value,
                previous=previous(series, window, kpi.kind),
                weight=latest.weight,
                # Half an hour's orders beside full hours would look like a collapse.
                trend=series.grains.trend(choice.points, closed=kpi.kind in ("count", "sum")),
                start=latest.start,
                end=latest.end,
                status=latest.status,
                unit=latest.unit or kpi.unit,
                better=latest.better or kpi.better,
                other=_other(windows, shown),
                folded=folded,
            )
        )
    return rows


def _chosen(windows: list[Window], choice: Choice) -> list[Window]:
    """The windows to show, of those there are, shortest first."""
    if choice.window == 0 or not windows:
        return windows
    if choice.window is None:
        return [next((window for window in reversed(windows) if window.length <= DAY_MS), windows[0])]
    wanted = choice.window
    return [min(windows, key=lambda window: abs(window.length - wanted))]


def _other(windows: list[Window], shown: list[Window]) -> tuple[int, float | None] | None:
    """The longest window that is not shown, unless it is the longest that is: then the shortest."""
    if len(windows) < 2 or len(shown) != 1:
        return None
    window = windows[-1] if shown[0].length != windows[-1].length else windows[0]
    return None if window.latest is None else (window.length, window.latest.value)


def _is_other(key: Slice) -> bool:
    return any(value == "other" for _, value in key)
