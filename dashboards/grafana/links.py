"""Links: from dashboard to dashboard, from a panel to another one, and to the console."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from dashboards.grafana.names import PAGES, TAG, Page

_INCLUDED = "${__url_time_range}&${job:queryparam}&${window:queryparam}"
"""What is chosen here, so that it is chosen there."""


def header(page: Page) -> Sequence[builders.DashboardLink]:
    """Links above a dashboard: the others, and the console."""
    others = [to_dashboard(other) for other in PAGES if other != page]
    console = [
        to_console("Console", "/", "Daybook's own pages"),
        to_console("Incidents", "/incidents", "Incidents with their orders and tickets"),
        to_console("Status", "/status", "How the pipeline stands"),
    ]
    return [*others, *console]


def to_dashboard(page: Page) -> builders.DashboardLink:
    """The whole of a dashboard, of the same time and with the same choices."""
    link = builders.DashboardLink(page.title).type(DashboardLinkType.LINK).tooltip(page.answers).tags([TAG])
    return link.url(f"/d/{page.uid}").icon("dashboard").keep_time(True).include_vars(True)


def to_panel(title: str, page: Page, number: int) -> builders.DashboardLink:
    """One panel of a dashboard, alone."""
    link = builders.DashboardLink(title).type(DashboardLinkType.LINK).icon("dashboard")
    return link.url(f"/d/{page.uid}?viewPanel=panel-{number}&{_INCLUDED}")


def to_console(title: str, path: str, tooltip: str = "") -> builders.DashboardLink:
    """A page of the console, in a tab of its own."""
    link = builders.DashboardLink(title).type(DashboardLinkType.LINK).icon("external link").tooltip(tooltip)
    return link.url(f"${{daybook_console}}{path}").target_blank(True)


def to_kpi(name: str) -> builders.DashboardLink:
    """A KPI's page in the console."""
    return to_console("Open in the console", f"/kpi/{name}", "Its values, and the events they are made of")
