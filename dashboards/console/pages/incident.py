"""The page of one incident: what, where, why, whom it hits, what was known when, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response
from markupsafe import Markup
from nicegui import ui

from dashboards.console import incident_view as view
from dashboards.console import markup
from dashboards.console.guard import person_of
from dashboards.console.pages.asking import Actions
from dashboards.console.pages.elements import Html
from dashboards.console.pages.frame import clock, frame, heading, live
from dashboards.console.pages.worklist import Worklist
from streams.cli.incident_pages import worklist_csv
from streams.errors import DaybookError
from streams.runtime.casework import worklist

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service
    from detectors.incidents.incident import Incident


def add(app: FastAPI, service: Service) -> None:
    """Add the page, and the worklist as CSV."""

    @app.get("/incidents/{name}/worklist.csv")
    def download(name: str) -> Response:
        known = service.history.revisions(name)
        if not known:
            return PlainTextResponse("There is no such incident.", 404)
        try:
            text = worklist_csv(service.config, worklist(service.config, known[-1]))
        except DaybookError as error:
            return PlainTextResponse(str(error), 503)
        headers = {"content-disposition": f'attachment; filename="{_file_name(name)}.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    @ui.page("/incidents/{name}")
    def incident(request: Request, name: str, revision: int | None = None) -> None:
        known = service.history.revisions(name)
        if not known:
            with frame(service, request, "No such incident", "/incidents"):
                Html(Markup('<p>There is none called {}. <a href="/incidents">All incidents</a></p>').format(name))

                def look() -> None:
                    # One that was just opened may be told of before it has been read.
                    if service.history.revisions(name):
                        ui.navigate.reload()

                live(look)
            return
        then = next((one for one in known if one.revision == revision), None)
        if then is not None:
            _Past(service, request, then)
        else:
            _Page(service, request, known)


class _Past:
    """An incident as it was known then; nothing can be said of it."""

    def __init__(self, service: Service, request: Request, one: Incident) -> None:
        with frame(service, request, one.title, "/incidents"):
            at = clock(service)
            Html(
                Markup('<p class="notice">▲ As known at {}, revision {}. <a href="{}">As it is now</a></p>').format(
                    at.moment(one.history[-1].at), one.revision, markup.address(f"/incidents/{one.id}")
                )
            )
            Html(_facts(service, one, at))


class _Page:
    def __init__(self, service: Service, request: Request, known: list[Incident]) -> None:
        self._service, self._known = service, known
        self._seen = -1
        person = person_of(request.scope)
        with frame(service, request, known[-1].title, "/incidents"):
            self._facts = Html("")
            self._actions: Actions | None = None
            if person.acts:
                heading("What to do")
                self._actions = Actions(service, person, lambda: self._known[-1])
            heading("Worklist")
            self._worklist = Worklist(service, person, known[-1].id)
            self._rest = Html("")
            self._show()
            live(self._show)

    def _show(self) -> None:
        service = self._service
        if self._seen != service.following.incident_version:
            self._seen = service.following.incident_version
            self._known = service.history.revisions(self._known[-1].id) or self._known
        one, at = self._known[-1], clock(service)
        self._facts.show(_facts(service, one, at))
        if self._actions is not None:
            self._actions.show()
        self._worklist.show(one, at)
        self._rest.show(_told(service, one) + _past(service, self._known, at))


def _facts(service: Service, one: Incident, at: view.Clock) -> Markup:
    currency = service.config.business.currency
    rows = [
        (
            markup.link(markup.address(f"/kpi/{kpi}", at=str(one.since)), label), where, was, expected, why
        )
        for kpi, label, where, was, expected, why in view.symptoms(one, currency)
    ]  # fmt: skip
    shares = [(f"Of what {name} is off by", text) for name, text in view.shares(one)]
    badge = Markup('<p><span class="badge {}">{}</span></p>').format(one.severity if one.live else "", one.severity)
    table = markup.table("What is off", ("KPI", "Slice", "Was", "Expected", "At its strangest"), rows, headed=True)
    return (
        badge + Markup('<div class="card">{}</div>').format(markup.facts([*view.facts(one, at, currency), *shares]))
    ) + (Markup("<h2>What is off</h2>{}").format(table) if rows else markup.EMPTY)


def _told(service: Service, one: Incident) -> Markup:
    worklist_size = 0 if one.assessment is None else len(one.assessment.cases)
    words = service.text.words(one, view.news(one), worklist_size)
    runbook = words.runbook if words.runbook.startswith(("https://", "http://")) else ""
    steps = Markup('<p><a href="{}" rel="noreferrer">First steps</a></p>').format(runbook) if runbook else ""
    return Markup("<h2>Message</h2><p class=hint>What people are told of it.</p><pre>{}\n{}</pre>{}").format(
        words.title, words.body, steps
    )


def _past(service: Service, known: list[Incident], at: view.Clock) -> Markup:
    one, currency = known[-1], service.config.business.currency
    changes = markup.table("What happened, the newest first", ("When", "What", "By", "Note"), view.history(one, at))
    rows = []
    for each in reversed(known):
        number, when, title, state, impact = view.revision(each, at, currency)
        to = markup.address(f"/incidents/{one.id}", revision=number)
        rows.append((markup.link(to, f"Revision {number}"), when, title, state, impact))
    revisions = markup.table("What was known when", ("Revision", "When", "What", "State", "Impact"), rows)
    return Markup(
        '<h2>History</h2>{}<details class="more"><summary>As known then ({} revisions)</summary>{}</details>'
    ).format(changes, len(known), revisions)


def _file_name(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in name)[:100]
