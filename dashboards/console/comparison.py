"""What a KPI was at the same time last week, made of the hours that are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboards.console.history import History
from streams.kpis.grid import DAY_MS
from streams.kpis.values import KpiValue
from streams.top.board import combined
from streams.top.catalog import Catalog
from streams.top.rows import Row

WEEK_MS = 7 * DAY_MS
MOST_KEPT = 1_000


def before(grains: Sequence[KpiValue], kind: str, start: int, end: int) -> float | None:
    """The value over ``[start, end)`` (epoch ms), which begins and ends where a grain does.

    Of a level it is the last grain's, of all else what the grains make together; None where one is missing, or they do
    not add up, as quantiles do not.
    """
    found = [value for value in grains if start <= value.start and value.end <= end]
    if not found or found[-1].end != end:
        return None
    if kind == "level":
        return found[-1].value
    if sum(value.end - value.start for value in found) != end - start:
        return None
    return combined(found, kind)


class Weekly:
    """Looks up what rows were a week before. What was found is remembered until the grain is over."""

    def __init__(self, history: History, catalog: Catalog) -> None:
        self._history, self._catalog = history, catalog
        self._known: dict[tuple[str, str, int, int], float | None] = {}

    def of(self, row: Row) -> float | None:
        """What the row's KPI was over the same window a week before, to the grain; None where that is not known."""
        grains = self._history.newest_grain(row.kpi.name, row.stat)
        if grains is None:
            return None
        length = grains[1] - grains[0]
        # Grains lie on a grid, a day's on that of its time zone: from one known end on.
        end = grains[1] + (row.end - WEEK_MS - grains[1]) // length * length
        key = (row.kpi.name, row.stat, row.window, end)
        if key not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            values = self._history.grains(row.kpi.name, row.stat, {}, end - max(row.window, length), end)
            self._known[key] = before(values, row.kpi.kind, end - max(row.window, length), end)
        return self._known[key]


WeekBefore = Callable[[Row], float | None]
"""What a row was a week before."""
