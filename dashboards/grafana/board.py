"""A dashboard put together: its head, its variables, and its panels row by row on the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from dashboards.grafana.annotations import marks
from dashboards.grafana.links import header
from dashboards.grafana.names import TAG, Page
from dashboards.grafana.panels import HEIGHT, WIDTH, Panel
from dashboards.grafana.variables import Variable, console, job
from streams.config import Config

REFRESHED = "30s"
"""Prometheus scrapes every 15 seconds."""


class Board:
    """One dashboard in the making. Panels are set from left to right, and below where they have no room."""

    def __init__(self, page: Page, since: str, config: Config, variables: Iterable[Variable] = ()) -> None:
        made = builders.Dashboard(page.title).uid(page.uid).description(page.answers).tags([TAG]).readonly()
        made = made.time(since, "now").timezone(config.business.timezone).refresh(REFRESHED)
        made = made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR).annotations(list(marks()))
        made = made.variables([job(), *variables, console(config.grafana.console)])
        self._made = made.links(list(header(page)))
        self._x = self._y = 0
        self._rows = 0

    def row(self, title: str, panels: Sequence[Panel]) -> None:
        """A heading and what is below it. One without panels is left out."""
        if not panels:
            return
        self._break()
        self._rows += 1
        place = dashboard.GridPos(x=0, y=self._y, w=WIDTH, h=1)
        self._made = self._made.with_row(builders.Row(title).id(self._rows).grid_pos(place))
        self._y += 1
        for panel in panels:
            self._set(panel)
        self._break()

    def build(self) -> dashboard.Dashboard:
        """The dashboard."""
        return self._made.build()

    def _set(self, panel: Panel) -> None:
        place = panel.build().grid_pos
        assert place is not None
        if self._x + place.w > WIDTH:
            self._break()
        place.x, place.y = self._x, self._y
        self._made = self._made.with_panel(panel)
        self._x += place.w

    def _break(self) -> None:
        if self._x:
            self._x, self._y = 0, self._y + HEIGHT
