"""What the page *Now* shows of each KPI. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from dashboards.console.words import usual
from detectors.incidents.incident import Incident
from detectors.incidents.stages import Stage, stages_of
from streams.kpis import units
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue
from streams.top.board import Board, Series
from streams.top.catalog import Catalog, Kpi
from streams.top.rows import Choice, Row, build

POINTS = 48
"""Values of a sparkline."""
GROUPS = {
    Stage.INTAKE: "Orders and money",
    Stage.PAYMENT: "Orders and money",
    Stage.DISPATCH: "Shipping",
    Stage.DELIVERY: "Delivery",
    Stage.AFTERMATH: "Orders and money",
    Stage.CONTACT: "Customer support",
    Stage.SUPPORT: "Customer support",
}
"""Where a KPI is shown, by the stage of an order's way at which it looks."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One KPI of the whole business, in words. ``tone`` is ``good``, ``bad`` or empty: of the change; ``goal_met`` None
    where there is no goal. ``strange`` says in words what is strange of it, empty where nothing is."""

    kpi: str
    label: str
    description: str
    value: str
    span: str
    change: str
    tone: str
    expected: str
    goal: str
    goal_met: bool | None
    strange: str
    trend: tuple[float | None, ...]

    @property
    def said(self) -> str:
        """All of it in one sentence, for who cannot see it."""
        parts = [f"{self.label}: {self.value} {self.span}", self.change, self.expected, self.strange]
        if self.goal_met is not None:
            parts.append(f"goal {self.goal} {'met' if self.goal_met else 'missed'}")
        return ", ".join(part for part in parts if part)


def groups(definitions: Definitions) -> dict[str, list[str]]:
    """The KPIs by where they are shown, groups in the order of an order's way, KPIs as configured."""
    found: dict[str, list[str]] = {}
    stages = {kpi.name: max(stages_of(kpi, definitions)) for kpi in definitions.kpis}
    for title in dict.fromkeys(GROUPS.values()):
        names = [name for name, stage in stages.items() if GROUPS[stage] == title]
        if names:
            found[title] = names
    return found


def tiles(
    board: Board, catalog: Catalog, week_before: Callable[[Row], float | None], incidents: Iterable[Incident] = ()
) -> dict[str, Tile]:
    """A tile for each KPI, by name: of the statistic that its goal is for, over its longest window up to a day.

    ``week_before`` says what a row was at the same time last week, None where that is not known: then it is compared
    with the day before. What one of the ``incidents`` is about stays strange as long as that is open.
    """
    in_trouble = _in_trouble(incidents)
    found = {}
    for row in build(board, catalog, Choice(points=POINTS)):
        if row.kpi.name in catalog.kpis and row.stat == row.kpi.goal_stat:
            tile = _tile(row, board.slices(row.kpi.name, row.stat), catalog, week_before(row))
            found[tile.kpi] = tile if tile.strange else replace(tile, strange=in_trouble.get(tile.kpi, ""))
    return found


def _in_trouble(incidents: Iterable[Incident]) -> dict[str, str]:
    """By KPI the newest open incident that people were told of because of it."""
    found: dict[str, str] = {}
    for one in sorted((one for one in incidents if one.live), key=lambda one: -one.since):
        for symptom in one.symptoms:
            if symptom.told:
                found.setdefault(symptom.kpi, one.title)
    return found


def _tile(
    row: Row, slices: Mapping[tuple[tuple[str, str], ...], Series], catalog: Catalog, last_week: float | None
) -> Tile:
    kpi, currency = row.kpi, catalog.currency
    ago = "day before"
    if last_week is not None:
        row, ago = replace(row, previous=last_week), "week before"
    stat = "" if row.stat == "value" else f"{row.stat} "
    judged = _judged(slices[()]) if () in slices else None
    return Tile(
        kpi=kpi.name,
        label=kpi.label,
        description=kpi.description,
        value=units.human(row.value, row.unit, currency),
        span="now" if kpi.kind == "level" else f"{stat}in {units.span(row.window)}",
        change=_change(row, ago),
        tone={1: "good", -1: "bad", 0: ""}[row.improvement],
        expected=_expected(judged, row.unit, currency),
        goal=row.goal.text(row.unit, currency) if row.goal is not None else "",
        goal_met=row.met,
        strange=_strange(kpi, slices, currency),
        trend=tuple(row.trend),
    )


def _change(row: Row, ago: str) -> str:
    if row.value is None or row.previous is None:
        return ""
    change = units.change(row.value, row.previous, row.unit)
    return f"as the {ago}" if change == "=" else f"{change} on the {ago}"


def _judged(series: Series) -> KpiValue | None:
    """The newest value of a grain that was judged."""
    grains = series.grains
    for start in reversed(grains.starts):
        if grains.values[start].expected is not None:
            return grains.values[start]
    return None


def _expected(value: KpiValue | None, unit: str, currency: str) -> str:
    if value is None or value.expected is None:
        return ""
    usually = usual(value.expected, unit, currency)
    return f"last {value.span}: {units.human(value.value, unit, currency)}, usual {usually}"


def _strange(kpi: Kpi, slices: Mapping[tuple[tuple[str, str], ...], Series], currency: str) -> str:
    """Of the series that were alerted of in the grain that ended last, the strangest."""
    judged = [value for series in slices.values() if (value := _judged(series)) is not None]
    last = max((value.end for value in judged), default=0)
    off = [value for value in judged if value.alert and value.end == last]
    if not off:
        return ""
    most = max(off, key=lambda value: value.surprise)
    where = ", ".join(most.slice.values())
    return f"{where + ': ' if where else ''}{most.why}"


def order(names: Iterable[str], shown: Mapping[str, Tile]) -> list[str]:
    """KPIs as they are shown: what is strange first, then what misses its goal, else as they come."""

    def rank(name: str) -> int:
        tile = shown.get(name)
        if tile is None:
            return 3
        return 0 if tile.strange else 1 if tile.goal_met is False else 2

    return sorted(names, key=rank)


def spark(trend: Iterable[float | None]) -> str:
    """A sparkline as the path of an SVG 100 wide and 24 high; empty where there are no two values."""
    values = list(trend)
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    scale = 20.0 / (high - low) if high > low else 0.0
    path, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x, y = 100.0 * place / (len(values) - 1), 22.0 - (value - low) * scale
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return " ".join(path)
