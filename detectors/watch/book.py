"""A series book whose final values are judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.watch.watch import Watch
from streams.kpis.book import SeriesBook
from streams.kpis.partials import Partial
from streams.kpis.values import KpiValue


class WatchedBook:
    """``book``, with a ``watch`` on what it tells of. Its state is that of both."""

    def __init__(self, book: SeriesBook, watch: Watch) -> None:
        self._book, self._watch = book, watch

    @property
    def series(self) -> int:
        """How many series there are."""
        return self._book.series

    def apply(self, partial: Partial) -> None:
        """As of the book."""
        self._book.apply(partial)

    def advance(self) -> list[KpiValue]:
        """Final and corrected grain values since the last call, the final ones judged."""
        return self._watch.step(self._book.advance())

    def current(self, kpis: Iterable[str] | None = None) -> list[KpiValue]:
        """As of the book."""
        return self._book.current(kpis)

    def state(self) -> dict[str, Any]:
        """Everything, as plain values and arrays: what :meth:`load` makes the same of."""
        return {"book": self._book.state(), "watch": self._watch.state()}

    def load(self, state: dict[str, Any]) -> bool:
        """Become what :meth:`state` told of. Whether the book knows all of its KPIs from it."""
        known = self._book.load(state["book"])
        self._watch.load(state["watch"])
        return known
