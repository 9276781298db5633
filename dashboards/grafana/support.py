"""*Support*: how much do customers ask, how soon are they answered, and are they content?"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana.board import Board
from dashboards.grafana.kpis import slice_panel, stand, subject_of, total_panel
from dashboards.grafana.names import SUPPORT
from dashboards.grafana.panels import WIDTH, Panel
from dashboards.grafana.queries import KpiQueries
from dashboards.grafana.variables import dimensions, window
from streams.config import Config
from streams.kpis.definitions import KpiDefinition

ROWS = ("Load", "Response", "Contact, and what comes back", "Satisfaction")


def support(config: Config) -> Dashboard:
    """The dashboard of those KPIs that are about tickets."""
    moments = config.definitions().moments
    about = [kpi for kpi in config.kpis if subject_of(kpi, moments) == "support"]
    board = Board(SUPPORT, "now-24h", config, [window(about), *dimensions(about)])
    asked = [KpiQueries(kpi, config.business.currency) for kpi in about]
    board.row("Where things stand", [stand(queries) for queries in asked])
    for title in ROWS:
        mine = [queries for queries in asked if row_of(queries.kpi) == title]
        board.row(title, [panel for queries in mine for panel in _panels(queries)])
    return board.build()


def row_of(kpi: KpiDefinition) -> str:
    """Under which heading a KPI is: by its kind, since names are whoever's who configures them."""
    load, response, contact, satisfaction = ROWS
    if kpi.kind in ("count", "level", "sum"):
        return load
    if kpi.kind == "duration" or (kpi.kind == "ratio" and kpi.of.within is not None):
        return response
    return satisfaction if kpi.kind == "mean" else contact


def _panels(queries: KpiQueries) -> Iterator[Panel]:
    groups = queries.kpi.by
    yield total_panel(queries, WIDTH // 2 if groups else WIDTH)
    if groups:
        yield slice_panel(queries, groups)
