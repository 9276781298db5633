"""Values of different KPIs, which come from different places at different times, put together by the grain they are
of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import convert, to_builtins

from streams.kpis.values import KpiValue


class Grains:
    """Holds values back until all KPIs have told of what ended by then.

    A KPI that has told of a grain has told of all before it: its next value is of a later one. So everything that ends
    before the earliest next value of any KPI is there. A KPI may have nothing to tell, though: who takes values out has
    to know how long to wait (:meth:`take` with ``all_``). ``kpis`` are the names of all there are; one that has told of
    nothing by the first time that everything is taken is not waited for any more.
    """

    def __init__(self, kpis: Iterable[str]) -> None:
        self._missing = set(kpis)
        """KPIs that have told of nothing yet, and may."""
        self._next: dict[str, int] = {}
        self._held: list[KpiValue] = []

    def __len__(self) -> int:
        return len(self._held)

    def put(self, value: KpiValue) -> None:
        """A final or corrected value of a grain."""
        following = value.end + (value.end - value.start)
        self._next[value.kpi] = max(following, self._next.get(value.kpi, following))
        self._missing.discard(value.kpi)
        self._held.append(value)

    def take(self, all_: bool = False) -> list[KpiValue]:
        """The values of grains that are whole, or all of them, in the order in which they came."""
        whole = 0 if self._missing else min(self._next.values(), default=0)
        taken = [value for value in self._held if all_ or value.end < whole]
        self._held = [] if all_ else [value for value in self._held if value.end >= whole]
        if all_ and taken:
            # Who is behind is not waited for again before it has told of something.
            self._missing.clear()
            reached = max(value.end for value in taken)
            self._next = {kpi: following for kpi, following in self._next.items() if following > reached}
        return taken

    def state(self) -> list[Any]:
        """Everything, as plain values."""
        return [self._next, to_builtins(self._held), sorted(self._missing)]

    def load(self, state: list[Any]) -> None:
        """Become what :meth:`state` told of."""
        following, held, missing = state
        self._next, self._held, self._missing = dict(following), convert(held, list[KpiValue]), set(missing)
