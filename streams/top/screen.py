"""Showing the board: once, or live in the terminal until told to stop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.live import Live

from streams.kpis import units
from streams.top.board import DAY_MS, Board
from streams.top.catalog import Catalog
from streams.top.feed import KpiFeed
from streams.top.render import Header, Screen
from streams.top.rows import Choice, Row, build

REDRAW = 1.0
"""Seconds between two pictures: often enough to be live, seldom enough to be read (and cheap)."""


@dataclass
class View:
    """What is shown of ``board``. ``notes``, ``warnings`` and ``footer`` are asked for each picture;
    ``behind`` gives how far event time is behind the clock, in ms."""

    board: Board
    catalog: Catalog
    choice: Choice
    timezone: str = "UTC"
    behind: Callable[[], int | None] = lambda: None
    notes: Callable[[], Sequence[str]] = tuple
    warnings: Callable[[], Sequence[str]] = tuple
    footer: Callable[[], Sequence[str]] = tuple
    _zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        self._zone = ZoneInfo(self.timezone)

    def _event_time(self) -> str:
        """How far event time has come: how far behind, or where it stands where that is days ago."""
        behind = self.behind()
        if behind is None:
            return ""
        if behind < 2 * DAY_MS:
            return f"event time {units.age(behind)} behind"
        at = datetime.now(self._zone) - timedelta(milliseconds=behind)
        return f"event time {at:%d %b %Y}"

    def screen(self, *, whole: bool = False) -> Screen:
        """The picture as of now."""
        business = f"Daybook · {self.catalog.business}" if self.catalog.business else "Daybook"
        header = Header(
            business,
            datetime.now(self._zone).strftime("%a %d %b %H:%M:%S"),
            self._event_time(),
            self.notes(),
            self.warnings(),
        )
        rows = build(self.board, self.catalog, self.choice)
        return Screen(header, rows, self.catalog, self.footer(), whole)


def watch(view: View, feed: KpiFeed, console: Console, each_round: Callable[[], bool]) -> None:
    """Show ``view`` live, fed by ``feed``, until ``each_round`` says false. It is called several times a
    second.

    On the alternate screen, each picture drawn over the one before: no flicker, and the terminal is left as
    it was.
    """
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        drawn, size = 0.0, console.size
        while each_round():
            feed.poll(0.1)
            now = time.monotonic()
            if now - drawn >= REDRAW or console.size != size:
                live.update(view.screen(), refresh=True)
                drawn, size = now, console.size


def reading(progress: float) -> list[str]:
    """A note on how far the past has been read, while it is."""
    return [] if progress >= 1 else [f"reading the past: {progress:.0%}"]


def summary(view: View, most: int = 8) -> str:
    """The first KPIs in one line, for a log."""
    totals = [row for row in build(view.board, view.catalog, view.choice) if not row.slice and row.value is not None]
    told = []
    for row in totals[:most]:
        name = row.kpi.name if row.stat == "value" else f"{row.kpi.name}.{row.stat}"
        over = "now" if row.kpi.kind == "level" else units.span(row.window).replace(" ", "")
        told.append(f"{name} {over} {units.human(row.value, row.unit, view.catalog.currency)}")
    return "KPIs       " + ("; ".join(told) if told else "no values yet")


def as_json_text(rows: Sequence[Row], board: Board) -> str:
    """The rows as JSON: values in base units, times as epoch ms."""
    return json.dumps({"as_of": board.newest, "rows": [_row(row) for row in rows]}, ensure_ascii=False, indent=2)


def _row(row: Row) -> dict[str, Any]:
    goal = row.goal and {"min": row.goal.min, "max": row.goal.max, "met": row.met}
    return {
        "kpi": row.kpi.name,
        "stat": row.stat,
        "slice": dict(row.slice),
        "window_ms": row.window,
        "start": row.start,
        "end": row.end,
        "value": row.value,
        "unit": row.unit,
        "weight": row.weight,
        "status": row.status,
        "previous": row.previous,
        "goal": goal or None,
        "trend": row.trend,
    }
