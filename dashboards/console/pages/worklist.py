"""The worklist of an incident: whom to call, and who has been called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from markupsafe import Markup
from nicegui.element import Element

from dashboards.console.history import Mark
from dashboards.console.incident_view import Clock, case_name
from dashboards.console.markup import address
from dashboards.console.pages.elements import Html, Keyed, Tag
from streams.kpis.units import money

if TYPE_CHECKING:
    from dashboards.console.access import Person
    from dashboards.console.service import Service
    from detectors.incidents.incident import Case, Incident

Row = tuple["Case", Mark | None]
_HEADINGS = ("Contacted", "Order", "Customer", "Tickets", "Worth", "Since", "Why")


class Worklist:
    """Orders and tickets with a tick each, which all who look share."""

    def __init__(self, service: Service, person: Person, incident: str) -> None:
        self._service, self._person, self._incident = service, person, incident
        self._clock: Clock | None = None
        self._intro = Html("")
        self._table = Tag("div", class_="scroll", tabindex="0", role="region", aria_label="Worklist")
        with self._table, Tag("table", class_="worklist"):
            Tag("caption", "Orders and tickets it hits; a tick says that somebody has been in touch")
            with Tag("thead"), Tag("tr"):
                for name in _HEADINGS:
                    Tag("th", name, scope="col", class_="num" if name == "Worth" else "")
            body = Tag("tbody")
        self._rows: Keyed[Row] = Keyed(body, self._make, self._change)

    def show(self, one: Incident, clock: Clock) -> None:
        """Show what is known of it now."""
        self._clock = clock
        cases = () if one.assessment is None else one.assessment.cases
        marks = self._service.history.contacted(one.id)
        done = sum(case_name(case) in marks for case in cases)
        whole = 0 if one.assessment is None else one.assessment.orders
        said = f"{done} of {len(cases)} contacted."
        if whole > len(cases):
            said += f" These are the first of {whole:,}."
        self._intro.show(
            Markup('<p>{} <a href="{}" download>Look the events through, and have all of it as CSV</a></p>').format(
                said if cases else "No orders or tickets are known to be behind it.",
                address(f"/incidents/{one.id}/worklist.csv"),
            )
        )
        self._table.set_visibility(bool(cases))
        self._rows.show((case_name(case), (case, marks.get(case_name(case)))) for case in cases)

    def _make(self, row: Row) -> Element:
        case, _ = row
        name = case_name(case)
        line = Tag("tr")
        with line:
            with Tag("td"):
                tick = Tag("input", type="checkbox", aria_label=f"{name} contacted")
                if not self._person.acts:
                    tick.props("disabled")
                tick.on("change", lambda event: self._tick(name, bool(event.args)), js_handler=_CHECKED)
                Html("", "span", class_="hint")
            for text in (case.order, case.customer, " ".join(case.tickets)):
                Tag("td", text, class_="wrap")
            Tag("td", money(case.amount, self._service.config.business.currency) if case.amount else "", class_="num")
            Tag("td", self._clock.moment(case.since) if case.since and self._clock else "")
            Tag("td", class_="wrap")
        return line

    def _change(self, line: Element, row: Row) -> None:
        case, mark = row
        first, *_, why = line.default_slot.children
        tick, who = first.default_slot.children
        assert isinstance(who, Html)
        assert isinstance(why, Tag)
        if tick.props.get("checked", False) is not (mark is not None):
            tick.props["checked"] = mark is not None
            tick.update()
        when = "" if mark is None or self._clock is None else f" {mark.by}, {self._clock.moment(mark.at)}"
        who.show(when)
        if why.text != case.why:
            why.set_text(case.why)

    def _tick(self, name: str, done: bool) -> None:
        if self._person.acts:
            mark = Mark(self._person.name, int(time.time() * 1000)) if done else None
            self._service.history.contact(self._incident, name, mark)


_CHECKED = "(event) => emit(event.target.checked)"
