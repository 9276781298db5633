"""The page *Now*: what is open, and every KPI as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from dashboards.console import markup
from dashboards.console.incident_view import lines
from dashboards.console.pages.elements import Html, Keyed, Tag
from dashboards.console.pages.frame import clock, frame, heading, live
from dashboards.console.pages.lists import IncidentList
from dashboards.console.tiles import Tile, groups, order
from dashboards.console.watching import Endangered

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service


def add(_: FastAPI, service: Service) -> None:
    """Add the page."""

    @ui.page("/")
    def now(request: Request) -> None:
        with frame(service, request, "Now", "/"):
            open_ = _Open(service)
            promised = Html("")
            strips = [_Group(service, title, names) for title, names in groups(service.definitions).items()]

            def show() -> None:
                open_.show()
                promised.show(_promised(service.watching.endangered))
                shown = service.tiles()
                for each in strips:
                    each.show(shown)

            show()
            live(show)


class _Open:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._heading = heading("Open incidents")
        self._list = IncidentList("Open incidents", "Nothing is wrong, as far as is known.")

    def show(self) -> None:
        service = self._service
        found = [one for one in service.incidents() if one.live]
        text = f"Open incidents ({len(found)})" if found else "Open incidents"
        if self._heading.text != text:
            self._heading.set_text(text)
        self._list.show(lines(found, clock(service), service.config.business.currency))


class _Group:
    def __init__(self, service: Service, title: str, names: list[str]) -> None:
        self._names = names
        heading(title)
        self._tiles: Keyed[Tile] = Keyed(Tag("div", class_="tiles"), self._make, self._change)

    def show(self, shown: dict[str, Tile]) -> None:
        self._tiles.show((name, shown[name]) for name in order(self._names, shown) if name in shown)

    @staticmethod
    def _make(tile: Tile) -> Element:
        return Html("", "a", class_="tile", href=f"/kpi/{tile.kpi}")

    @staticmethod
    def _change(element: Element, tile: Tile) -> None:
        assert isinstance(element, Html)
        element.classes(add="strange" if tile.strange else "", remove="" if tile.strange else "strange")
        element.show(markup.tile(tile))


def _promised(endangered: tuple[Endangered, ...]) -> Markup:
    if not endangered:
        return markup.EMPTY
    items = markup.joined(Markup("<li><strong>{}</strong>: {}</li>").format(*_in_words(one)) for one in endangered)
    return Markup('<h2>Promises in danger</h2><ul class="card promised">{}</ul>').format(items)


def _in_words(one: Endangered) -> tuple[str, str]:
    missed = f"; {one.overdue:,} have missed it already" if one.overdue else ""
    text = f"{one.expected:,.0f} of those due within a day will miss it ({one.low:,.0f} to {one.high:,.0f}){missed}"
    return one.kpi.replace("_", " ").capitalize(), text
