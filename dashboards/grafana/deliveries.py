"""*Deliveries*: are promises kept, by whom not, and how many of those still open will be missed?"""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana.board import Board
from dashboards.grafana.kpis import slice_panel, stand, subject_of, total_panel
from dashboards.grafana.links import to_console
from dashboards.grafana.names import DELIVERIES
from dashboards.grafana.panels import WIDTH, Ask, Card, Panel, over_time
from dashboards.grafana.queries import KpiQueries
from dashboards.grafana.variables import dimensions, window
from streams.config import Config
from streams.kpis.definitions import KpiDefinition, Moment

CARRIER = "carrier"


def deliveries(config: Config) -> Dashboard:
    """The dashboard of those KPIs that are about deliveries."""
    moments = config.definitions().moments
    about = [kpi for kpi in config.kpis if of_deliveries(kpi, moments)]
    board = Board(DELIVERIES, "now-24h", config, [window(about), *dimensions(about)])
    asked = [KpiQueries(kpi, config.business.currency) for kpi in about]
    board.row("Where things stand", [stand(queries) for queries in asked])
    board.row("Promises in danger", [endangered(), overdue()])
    promised = [queries for queries in asked if promises(queries.kpi)]
    board.row("Promises", [panel for queries in promised for panel in _in_all_ways(queries)])
    late = [queries for queries in asked if queries not in promised and queries.kpi.kind == "duration"]
    board.row("Lateness", [panel for queries in late for panel in _in_all_ways(queries)])
    rest = [queries for queries in asked if queries not in promised and queries not in late]
    board.row("Parcels", [panel for queries in rest for panel in _in_all_ways(queries)])
    carried = [(queries, _with_carrier(queries.kpi)) for queries in asked]
    board.row("Carriers", [slice_panel(queries, groups) for queries, groups in carried if groups])
    return board.build()


def of_deliveries(kpi: KpiDefinition, moments: dict[str, Moment]) -> bool:
    """Whether a KPI is about deliveries, or about what was promised."""
    return subject_of(kpi, moments) == "deliveries" or promises(kpi)


def promises(kpi: KpiDefinition) -> bool:
    """Whether a KPI is about promises kept, broken or past."""
    if kpi.kind == "level":
        return kpi.overdue is not None
    if kpi.kind == "duration":
        return False
    return kpi.of.promise is not None or (kpi.per is not None and kpi.per.promise is not None)


def endangered() -> Panel:
    """The forecast of promises that will be missed."""
    card = Card(
        "promises-endangered",
        "Will miss their promise within a day",
        "Of those that are open and due within a day, how many will miss their promise if nothing is done: what is "
        "expected, and the bounds that 90 % lie between. Which ones, the console and daybook promises say.",
        "none",
        "No forecast yet: it needs a KPI of promises kept, and some that have ended",
        links=(to_console("Which ones", "/incidents"),),
    )
    spoken = {"expected": "expected", "low": "at least", "high": "at most"}
    return over_time(card, [_forecast(bound, text) for bound, text in spoken.items()])


def overdue() -> Panel:
    """What has missed its promise already."""
    card = Card(
        "promises-overdue",
        "Have missed their promise",
        "Open orders and tickets whose promise has passed.",
        "none",
        "No forecast yet: it needs a KPI of promises kept",
    )
    return over_time(card, [Ask('max by (kpi) (daybook_promises_overdue{job="$job"})', "{{kpi}}")])


def _forecast(bound: str, text: str) -> Ask:
    selected = f'daybook_promises_endangered{{job="$job", bound="{bound}"}}'
    return Ask(f"max by (kpi) ({selected})", f"{{{{kpi}}}}, {text}")


def _in_all_ways(queries: KpiQueries) -> Iterable[Panel]:
    """The total, then by each of its dimensions but the carrier, which has a row of its own."""
    groups = [group for group in queries.kpi.by if CARRIER not in group]
    yield total_panel(queries, WIDTH // 2 if groups else WIDTH)
    if groups:
        yield slice_panel(queries, groups)


def _with_carrier(kpi: KpiDefinition) -> list[tuple[str, ...]]:
    return [group for group in kpi.by if CARRIER in group]
