"""The page *Status*: whether all runs, how far it has come, who sends, and what could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from markupsafe import Markup
from nicegui import run, ui

from dashboards.console import markup
from dashboards.console.guard import person_of
from dashboards.console.pages.elements import Html
from dashboards.console.pages.frame import frame, heading, live
from dashboards.console.pages.letters import Letters
from dashboards.console.sources import Source, read_sources
from streams.errors import DaybookError
from streams.kpis.units import age
from streams.runtime.status import Status, take_status

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service

EVERY = 5.0
"""Seconds between two looks at the broker while somebody has the page open."""


def add(_: FastAPI, service: Service) -> None:
    """Add the page."""

    @ui.page("/status")
    def status(request: Request) -> None:
        with frame(service, request, "Status", "/status"):
            page = _Page(service)
            letters = Letters(service, person_of(request.scope))

            async def look() -> None:
                await page.look()
                await letters.look(page.dead_letters)

            ui.timer(0.05, look, once=True)
            live(look, EVERY)


class _Page:
    def __init__(self, service: Service) -> None:
        self._service = service
        self.dead_letters = -1
        """How many there are; -1 before that is known."""
        heading("Workers")
        self._workers = Html(Markup('<p class="soft">Asking …</p>'))
        heading("Partitions")
        self._partitions = Html("")
        heading("Sources")
        self._sources = Html("")

    async def look(self) -> None:
        """Ask, and show what is said."""
        config = self._service.config
        try:
            status = await run.io_bound(take_status, config)
            sources = await run.io_bound(read_sources, config)
        except DaybookError as error:
            self._workers.show(Markup('<p class="error">{}</p>').format(error))
            return
        if status is None or sources is None:  # the console ends
            return
        self.dead_letters = sum(status.dead_letters.values())
        self._workers.show(_workers(status))
        self._partitions.show(_partitions(status))
        self._sources.show(_sources(sources, status.at))


def _workers(status: Status) -> Markup:
    workers = status.workers
    broker = ("Broker", status.bootstrap)
    if workers is None:
        return Markup('<p class="error">✗ No worker answers on this machine.</p>') + markup.facts([broker])
    waiting = sum(lag for lags in workers.lag.values() for lag in lags.values())
    behind = "" if workers.watermark is None else f"{age(status.at - workers.watermark)} behind the clock"
    return Markup('<div class="card">{}</div>').format(
        markup.facts(
            [
                ("Workers", f"✓ {len(workers.urls)}: {', '.join(workers.urls)}"),
                broker,
                ("Event time", behind),
                ("Still to be read", f"{waiting:,} events"),
                ("Read so far", f"{workers.events:,} events"),
                ("Too late", f"{workers.late:,} events, only counted"),
                ("Repeated", f"{workers.duplicates:,} events, dropped"),
                ("Kept", f"{workers.series:,} series, {workers.open_cases:,} open orders, deliveries and tickets"),
            ]
        )
    )


def _partitions(status: Status) -> Markup:
    rows = [
        (
            f"{one.topic}/{one.partition}",
            f"{one.end:,}",
            "unknown" if one.lag is None else f"{one.lag:,}",
            "unknown" if one.watermark is None else f"{age(status.at - one.watermark)} ago",
        )
        for one in status.partitions
    ]
    headings = ("Partition", "Records", "Lag", "Watermark")
    table = markup.table("How far each partition has been read", headings, rows, numeric={1, 2})
    lags = [one.lag for one in status.partitions if one.lag]
    said = f"{len(lags)} of {len(status.partitions)} are behind" if lags else "All are read to their ends"
    return Markup('<details class="more"><summary>{}</summary>{}</details>').format(said, table)


def _sources(sources: list[Source], now: int) -> Markup:
    def ago(at: int | None) -> str:
        return "not heard" if at is None else f"{age(now - at)} ago"

    rows = [(one.name, ago(one.event), ago(one.heartbeat)) for one in sources]
    if not rows:
        return Markup('<p class="empty">Nothing has been sent yet.</p>')
    return markup.table("By the newest records of each partition", ("Source", "Newest event", "Heartbeat"), rows)
