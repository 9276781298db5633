"""The pages, with NiceGUI: what view models say, and what people can do. Each updates itself while somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.console.pages import incident, incidents, kpi, now, status

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service


def add(app: FastAPI, service: Service) -> None:
    """Add all pages and downloads to the application."""
    for page in (now, kpi, incidents, incident, status):
        page.add(app, service)
