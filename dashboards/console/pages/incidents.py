"""The page *Incidents*: what is open, and what was lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from nicegui import ui

from dashboards.console.incident_view import lines
from dashboards.console.pages.frame import clock, frame, heading, live
from dashboards.console.pages.lists import IncidentList

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service

MOST_RECENT = 50
"""So many that are over are shown."""


def add(_: FastAPI, service: Service) -> None:
    """Add the page."""

    @ui.page("/incidents")
    def incidents(request: Request) -> None:
        with frame(service, request, "Incidents", "/incidents"):
            heading("Open")
            open_ = IncidentList("Open incidents", "Nothing is wrong, as far as is known.")
            heading("Over")
            over = IncidentList("Incidents that are over", "There was none in the time that is kept.")

            def show() -> None:
                found, at, currency = service.incidents(), clock(service), service.config.business.currency
                open_.show(lines((one for one in found if one.live), at, currency))
                over.show(lines([one for one in found if not one.live][:MOST_RECENT], at, currency))

            show()
            live(show)
