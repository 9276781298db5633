"""A list of incidents that changes in place."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from dashboards.console.incident_view import Line
from dashboards.console.markup import address, joined
from dashboards.console.pages.elements import Html, Keyed, Tag


class IncidentList:
    """Shows lines; ``nothing`` where there are none."""

    def __init__(self, label: str, nothing: str) -> None:
        self._empty = Tag("p", nothing, class_="empty")
        self._list = Tag("ul", class_="incidents", aria_label=label)
        self._rows: Keyed[Line] = Keyed(self._list, _make, _change)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these."""
        self._empty.set_visibility(not lines)
        self._list.set_visibility(bool(lines))
        self._rows.show((line.id, line) for line in lines)


def _make(line: Line) -> Element:
    item = Tag("li", class_="incident")
    with item:
        Tag("a", href=address(f"/incidents/{line.id}"), class_="title")
        Html("", class_="facts")
    return item


def _change(item: Element, line: Line) -> None:
    title, facts = item.default_slot.children
    assert isinstance(title, Tag)
    assert isinstance(facts, Html)
    if title.text != line.title:
        title.set_text(line.title)
    tone = line.severity if line.live else ""
    item.classes(add=tone, remove=" ".join({"critical", "warning", "info"} - {tone}))
    badge = Markup('<span class="badge {}">{}</span>').format(tone, line.badge)
    facts.show(badge + joined(Markup("<span>{}</span>").format(fact) for fact in line.facts))


def container() -> Element:
    """A part of a page."""
    return ui.element("section")
