"""The table as a person sees it, made with rich: pure, from rows to something rich can draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from streams.kpis import units
from streams.top.catalog import Catalog
from streams.top.rows import Row
from streams.top.spark import spark

WIDE = 110
"""From this many columns on there is room for descriptions, another window and the goal's bounds."""

LEGEND = "Change: from the same time the day before (windows of days: as many days before)"

_STATS = {"value": "", "p50": "median"}
_COLOURS = {1: "green", 0: "", -1: "red"}


@dataclass(frozen=True, slots=True)
class Header:
    """What stands above the table: local time and event time as texts, short notes, and warnings of a line
    each."""

    title: str
    clock: str = ""
    event_time: str = ""
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Screen:
    """The whole picture. Fits itself to the width and height it is given, and says what it leaves out."""

    header: Header
    rows: Sequence[Row]
    catalog: Catalog
    footer: Sequence[str] = ()
    whole: bool = False
    """Whether to show every row however high the terminal is (for printing once)."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        above = _header(self.header)
        below: list[Text] = []
        rows, left = list(self.rows), 0
        if not self.whole:
            # The table's own head takes two lines, the legend one.
            rows, left = fit(rows, max(3, console.size.height - len(above) - len(self.footer) - 3))
        if left:
            below.append(Text(f"{left} more rows: make the window taller, or choose with --kpi", style="dim"))
        if rows:
            below.append(Text(LEGEND, style="dim", no_wrap=True, overflow="ellipsis"))
        below += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self.footer]
        body = [table(rows, self.catalog, width)] if rows else [Text("no KPI values yet", style="dim")]
        yield Group(*above, *body, *below)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(60, options.max_width), options.max_width)


def fit(rows: list[Row], room: int) -> tuple[list[Row], int]:
    """As many rows as there is room for, and how many are left out.

    Where a KPI has several statistics, all but one give way first (the one with the goal stays, else the
    first), then the end of the list.
    """
    if len(rows) <= room:
        return rows, 0
    main: dict[str, str] = {}
    for row in rows:
        if row.goal is not None:
            main[row.kpi.name] = row.stat
        main.setdefault(row.kpi.name, row.stat)
    lesser = [n for n, row in enumerate(rows) if row.stat != main[row.kpi.name]]
    excess = len(rows) - (room - 1)  # one line says what is left out
    dropped = set(lesser[max(0, len(lesser) - excess) :])
    kept = [row for n, row in enumerate(rows) if n not in dropped][: room - 1]
    return kept, len(rows) - len(kept)


def table(rows: Sequence[Row], catalog: Catalog, width: int) -> Table:
    """The rows as a table of this width."""
    wide = width >= WIDE
    points = _points(width)
    out = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_edge=False,
        expand=True,
    )
    out.add_column("KPI", no_wrap=True, overflow="ellipsis", ratio=None if wide else 1, min_width=26 if wide else 18)
    if wide:
        out.add_column("", no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
    out.add_column("Value", justify="right", no_wrap=True)
    out.add_column("over", justify="right", no_wrap=True, style="dim")
    out.add_column("Change", justify="right", no_wrap=True, min_width=9)
    out.add_column("Trend", no_wrap=True, width=points)
    if wide:
        out.add_column("Also", justify="right", no_wrap=True, style="dim")
    out.add_column("Goal", no_wrap=True, justify="left" if wide else "center")
    kpi = ""
    for row in rows:
        out.add_row(*_cells(row, catalog, points, wide, again=row.kpi.name == kpi))
        kpi = row.kpi.name
    return out


def _points(width: int) -> int:
    return 12 if width < WIDE else 16 if width < 150 else 24


def _cells(row: Row, catalog: Catalog, points: int, wide: bool, again: bool) -> list[Text]:
    currency = catalog.currency
    cells = [_label(row)]
    if wide:
        cells.append(Text("" if again or row.slice else row.kpi.description))
    cells.append(Text(units.human(row.value, row.unit, currency), style="bold" if not row.slice else ""))
    cells.append(Text("now" if row.kpi.kind == "level" else units.span(row.window)))
    cells.append(_change(row))
    trend = row.trend[-points:]
    cells.append(Text(spark(trend).rjust(points), style="cyan"))
    if wide:
        cells.append(_other(row, currency))
    cells.append(_goal(row, currency, wide))
    return cells


def _label(row: Row) -> Text:
    stat = _STATS.get(row.stat, row.stat)
    if row.slice:
        name = " · ".join(value for _, value in row.slice)
        text = Text(f"  {name}" + (f" {stat}" if stat else ""))
        if row.folded:
            text.append(f" (+{row.folded} more)", style="dim")
        return text
    text = Text(row.kpi.label)
    if stat:
        text.append(f", {stat}", style="dim")
    return text


def _change(row: Row) -> Text:
    text = units.change(row.value, row.previous, row.unit)
    arrow = ""
    if row.value is not None and row.previous is not None and text != "=":
        arrow = "▲ " if row.value > row.previous else "▼ "
    return Text(arrow + text.lstrip("+-−"), style=_COLOURS[row.improvement])


def _other(row: Row, currency: str) -> Text:
    if row.other is None:
        return Text("")
    length, value = row.other
    return Text(f"{units.human(value, row.unit, currency)} in {units.span(length)}")


def _goal(row: Row, currency: str, wide: bool) -> Text:
    if row.goal is None:
        return Text("")
    bounds = row.goal.text(row.unit, currency)
    if row.met is None:
        return Text(f"– {bounds}" if wide else "–", style="dim")
    mark, style = ("✓", "green") if row.met else ("✗", "bold red")
    return Text(f"{mark} {bounds}" if wide else mark, style=style)


def _header(header: Header) -> list[Text]:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(header.title, style="bold")
    for part in (header.clock, header.event_time, *header.notes):
        if part:
            line.append(f"  {part}", style="dim")
    lines = [line]
    lines += [Text(f"! {text}", style="yellow", no_wrap=True, overflow="ellipsis") for text in header.warnings]
    return lines
