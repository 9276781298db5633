"""What all pages have: a way to the others, who one is, light or dark, and a warning where nothing is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from markupsafe import Markup
from nicegui import ui

from dashboards.console.guard import person_of
from dashboards.console.incident_view import Clock
from dashboards.console.markup import EMPTY, joined
from dashboards.console.pages.elements import Html, Tag
from streams.kpis.units import age

if TYPE_CHECKING:
    from fastapi import Request

    from dashboards.console.service import Service

PLACES = (("/", "Now"), ("/incidents", "Incidents"), ("/status", "Status"))
EVERY = 1.0
"""Seconds after which a page looks whether anything has changed."""
LATE_MS = 120_000
"""Time that is further behind is worth a word."""
MANY = 5_000
"""So many records that are still to be read are worth a word."""
_HEAD = Markup(
    '<link rel="stylesheet" href="/console/console.css"><script src="/console/theme.js"></script>'
    '<meta name="description" content="Daybook: what is now, and what is wrong">'
)
_OUT = Markup('<form method="post" action="/sign-out"><button>Sign out</button></form>')


@contextmanager
def frame(service: Service, request: Request, title: str, place: str = "") -> Iterator[None]:
    """A page with this title, at one of :data:`PLACES`; its content goes inside."""
    ui.page_title(f"{title} – Daybook")
    ui.add_head_html(_HEAD)
    with ui.header(fixed=False, elevated=False):
        Html(_bar(service, request, place), class_="bar")
    Html(Markup('<h1 id="content" tabindex="-1">{}</h1>').format(title))
    warning = Html("", role="status")

    def warn() -> None:
        text = warning_of(service)
        warning.show(Markup('<p class="notice">▲ {}</p>').format(text) if text else EMPTY)

    warn()
    live(warn, 2.0)
    yield


def live(update: object, every: float = EVERY) -> None:
    """Call it again and again, as long as somebody has the page open."""
    ui.timer(every, update, immediate=False)  # type: ignore[arg-type]


def clock(service: Service) -> Clock:
    """What time it is."""
    return Clock(ZoneInfo(service.config.business.timezone), int(time.time() * 1000))


def warning_of(service: Service) -> str:
    """What makes what is shown older, or other, than it should be; empty where nothing does."""
    if service.following.error:
        return f"Nothing new can be read: {service.following.error}"
    if service.following.waiting >= MANY:
        return f"Still reading: {service.following.waiting:,} records to go, until then values may be old"
    if service.watching.asked and service.watching.workers is None:
        return "No worker answers here: what is shown may be old"
    behind = service.behind_ms()
    if behind is not None and behind > LATE_MS:
        return f"What is shown is {age(behind)} behind the clock"
    return ""


def _bar(service: Service, request: Request, place: str) -> Markup:
    links = joined(
        Markup('<li><a href="{}"{}>{}</a></li>').format(
            path, Markup(' aria-current="page"') if path == place else EMPTY, name
        )
        for path, name in PLACES
    )
    return Markup(
        '<a class="skip" href="#content">Go to the content</a>'
        '<a class="brand" href="/">Daybook<span class="soft"> · {}</span></a>'
        '<nav aria-label="Pages"><ul>{}</ul></nav><span class="push"></span>'
        '<button type="button" class="plain" data-theme-switch>Theme: system</button>{}'
    ).format(service.config.business.name, links, _who(service, request))


def _who(service: Service, request: Request) -> Markup:
    person = person_of(request.scope)
    out = EMPTY if service.access.open else _OUT
    role = "" if person.acts else " (may only look)"
    return Markup(
        "<details><summary>{}{}</summary><div>"
        '<form method="post" action="/name"><label for="who">Your name</label>'
        '<input id="who" name="name" value="{}" maxlength="80" required>'
        '<input type="hidden" name="to" value="{}">'
        '<p class="hint">It is written down of what you do.</p><button>Keep it</button></form>{}</div></details>'
    ).format(person.name, role, person.name, request.url.path, out)


def heading(text: str, level: int = 2) -> Tag:
    """A heading."""
    return Tag(f"h{level}", text)
