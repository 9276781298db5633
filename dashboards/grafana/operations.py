"""*Operations today*: every KPI beside what was expected of it and its goal, in total and by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana.alerts import alert_list, alert_states, incident_count
from dashboards.grafana.board import Board
from dashboards.grafana.kpis import Subject, slice_panel, stand, subject_of, total_panel
from dashboards.grafana.links import to_console
from dashboards.grafana.names import OPERATIONS
from dashboards.grafana.panels import WIDTH, Ask, Card, Panel, listed, over_time
from dashboards.grafana.queries import KpiQueries
from dashboards.grafana.variables import dimensions, window
from streams.config import Config

_TITLES: dict[Subject, str] = {
    "orders": "Orders and money",
    "deliveries": "Shipping and delivery",
    "support": "Support",
}


def operations(config: Config) -> Dashboard:
    """The dashboard of this configuration's KPIs."""
    board = Board(OPERATIONS, "now-24h", config, [window(config.kpis), *dimensions(config.kpis)])
    moments = config.definitions().moments
    asked = [KpiQueries(kpi, config.business.currency) for kpi in config.kpis]
    board.row("What is wrong", [incident_count(), alert_list(), _surprises(), _alerts_told(), alert_states()])
    board.row("Against the goals", [stand(queries) for queries in asked if queries.bounds])
    for subject, title in _TITLES.items():
        mine = [queries for queries in asked if subject_of(queries.kpi, moments) == subject]
        board.row(title, list(_panels(mine)))
    return board.build()


def _panels(asked: Sequence[KpiQueries]) -> Iterator[Panel]:
    for queries in asked:
        single = [group for group in queries.kpi.by if len(group) == 1]
        yield total_panel(queries, WIDTH // 2 if queries.kpi.by else WIDTH)
        if queries.kpi.by:
            yield slice_panel(queries, single or queries.kpi.by)


def _surprises() -> Panel:
    card = Card(
        "surprises",
        "What is strange",
        "The twelve values of the last grain that ended that were least to be expected, totals and slices: how many "
        "zeros the chance has. 3 is one in a thousand. A strange value is not yet news: of what the team is told, "
        "the alert contract decides.",
        "none",
        "Nothing has been judged yet: the first grain has not ended",
        links=(to_console("Incidents", "/incidents"),),
    )
    expr = 'topk(12, max by (kpi, stat, slice) (daybook_kpi_surprise{job="$job"}))'
    panel = listed(
        card, Ask(expr, ""), [("kpi", "KPI"), ("stat", "Statistic"), ("slice", "Slice"), ("Value", "Surprise")]
    )
    return panel.data_links([to_console("Open in the console", "/kpi/${__data.fields.KPI}")])


def _alerts_told() -> Panel:
    card = Card(
        "alerts-told",
        "Alerts by KPI",
        "How many values somebody was told of within the last day, by KPI. The team agreed to be told so often a week "
        "as alerts.per_week says.",
        "none",
        "Nobody has been told of anything",
    )
    expr = 'sum by (kpi) (increase(daybook_kpi_alerts_total{job="$job"}[1d]))'
    return over_time(card, [Ask(expr, "{{kpi}}")])
