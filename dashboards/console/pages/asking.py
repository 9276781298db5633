"""Saying something of an incident: the buttons, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import structlog
from nicegui import run
from nicegui.element import Element

from dashboards.console.pages.elements import Html, Tag
from detectors.incidents.feedback import LONGEST, What
from streams.errors import DaybookError
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.runtime.incidents import feedback, say

if TYPE_CHECKING:
    from dashboards.console.access import Person
    from dashboards.console.service import Service
    from detectors.incidents.incident import Incident

log = structlog.get_logger(__name__)

SPANS = (
    ("1 hour", HOUR_MS),
    ("4 hours", 4 * HOUR_MS),
    ("1 day", DAY_MS),
    ("3 days", 3 * DAY_MS),
    ("7 days", 7 * DAY_MS),
)


class Button(NamedTuple):
    """Something one can say; ``lasts`` where one has to say for how long, ``live`` of which incidents it can be said:
    of those that are not over, of those that are, or (None) of all."""

    what: What
    text: str
    hint: str
    live: bool | None = None
    lasts: bool = False


BUTTONS = (
    Button("acknowledged", "Acknowledge", "You look after it.", True),
    Button("snoozed", "Snooze", "Nothing is heard of it for a while, unless it gets worse.", True, True),
    Button("resolved", "Resolve", "It is over.", True),
    Button("reopened", "Reopen", "It is not over.", False),
    Button("confirmed", "Confirm", "It was one: the detectors learn that it was worth telling."),
    Button("false_alarm", "False alarm", "It was none: its KPIs need more next time."),
    Button("expected", "Expected", "It was planned: for a while it neither alerts nor teaches.", None, True),
)


class Actions:
    """What can be said of an incident, for who may act. ``of`` gives the incident as it is now."""

    def __init__(self, service: Service, person: Person, of: Callable[[], Incident]) -> None:
        self._service, self._person, self._of = service, person, of
        self._buttons: list[tuple[Button, Tag]] = []
        with Tag("div", class_="actions"):
            for button in BUTTONS:
                self._add(button)
        with Tag("div", class_="actions"):
            self._span = self._choose_span()
            self._note = self._write_note()
        self._said = Html("", role="status", class_="said")

    def show(self) -> None:
        """Enable what can be said now."""
        live = self._of().live
        for button, element in self._buttons:
            element.set_visibility(button.live is None or button.live == live)

    def _add(self, button: Button) -> None:
        main = "primary" if button.what == "acknowledged" else ""
        element = Tag("button", button.text, type="button", title=button.hint, class_=main)
        element.on("click", lambda: self._say(button))
        self._buttons.append((button, element))

    def _choose_span(self) -> dict[str, int]:
        chosen = {"ms": SPANS[1][1]}
        with Tag("div", class_="field"):
            Tag("label", "Snoozed or expected for", for_="span")
            select = Tag("select", id="span")
            with select:
                for text, ms in SPANS:
                    option = Tag("option", text, value=str(ms))
                    if ms == chosen["ms"]:
                        option.props("selected")

        def choose(event: object) -> None:
            given = str(getattr(event, "args", ""))
            if given in {str(ms) for _, ms in SPANS}:
                chosen["ms"] = int(given)

        select.on("change", choose, js_handler="(event) => emit(event.target.value)")
        return chosen

    def _write_note(self) -> dict[str, str]:
        written = {"text": ""}
        with Tag("div", class_="field"):
            Tag("label", "Note (why, in a few words)", for_="note")
            field = Tag("input", id="note", type="text", maxlength=str(LONGEST), autocomplete="off")

        def write(event: object) -> None:
            written["text"] = str(getattr(event, "args", ""))[:LONGEST]

        field.on("change", write, js_handler="(event) => emit(event.target.value)")
        self._field: Element = field
        return written

    async def _say(self, button: Button) -> None:
        if not self._person.acts:  # there is no button; the event was made up
            log.warning("somebody who may only look tries to act", name=self._person.name, what=button.what)
            self._said.show("You may only look.")
            return
        one = self._of()
        until = {"until": int(time.time() * 1000) + self._span["ms"]} if button.lasts else {}
        self._said.show(f"{button.text} …")
        for _, element in self._buttons:
            element.props("disabled")
        try:
            said = feedback(button.what, self._person.name, one, note=self._note["text"], **until)
            became = await run.io_bound(say, self._service.config, said)
        except DaybookError as error:
            self._said.show(f"That did not work: {error}")
        else:
            state = "" if became is None else f": it is {became.state} now"
            self._said.show(f"{button.text}{state}")
        finally:
            for _, element in self._buttons:
                element.props(remove="disabled")
