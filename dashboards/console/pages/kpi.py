"""The page of one KPI: its past with what was usual, its slices, and any hour opened down to the events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response
from markupsafe import Markup
from nicegui import run, ui

from dashboards.console import chart, kpi_view, markup
from dashboards.console.behind import MOST, Found, Wanted, events_csv, find
from dashboards.console.kpi_view import Shown
from dashboards.console.pages.elements import Html
from dashboards.console.pages.frame import clock, frame, heading, live
from streams.errors import DaybookError
from streams.kpis import units
from streams.kpis.definitions import KpiDefinition, stat_name
from streams.kpis.grid import DAY_MS
from streams.kpis.values import KpiValue

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dashboards.console.service import Service

PATH = "/kpi/{name}"


def add(app: FastAPI, service: Service) -> None:
    """Add the page, and an hour's events as CSV."""
    known = {kpi.name: kpi for kpi in service.config.kpis}

    @app.get(PATH + "/events.csv")
    def download(request: Request, name: str) -> Response:
        if name not in known:
            return PlainTextResponse("There is no such KPI.", 404)
        wanted = _wanted(service, known[name], _shown(request, known[name]))
        if wanted is None:
            return PlainTextResponse("Nothing is known of that hour.", 404)
        try:
            found = find(service.config, wanted, MOST)
        except DaybookError as error:
            return PlainTextResponse(str(error), 503)
        headers = {"content-disposition": f'attachment; filename="{name}-events.csv"'}
        return Response(events_csv(found.events), media_type="text/csv; charset=utf-8", headers=headers)

    @ui.page(PATH)
    def kpi(request: Request, name: str) -> None:
        if name not in known:
            with frame(service, request, "No such KPI"):
                Html(Markup('<p>There is none called {}. <a href="/">All KPIs</a></p>').format(name))
            return
        _Page(service, request, known[name])


def _shown(request: Request, kpi: KpiDefinition) -> Shown:
    stats = [stat_name(quantile) for quantile in kpi.quantiles] or ["value"]
    return kpi_view.chosen(request.query_params, stats, stats[-1], kpi.by)


def _wanted(service: Service, kpi: KpiDefinition, shown: Shown) -> Wanted | None:
    grain = next((one for one in service.history.at(kpi.name, shown.at) if one.stat == shown.stat), None)
    if grain is None:
        return None
    return Wanted(kpi, service.definitions, (grain.start, grain.end), shown.slice)


class _Page:
    def __init__(self, service: Service, request: Request, kpi: KpiDefinition) -> None:
        self._service, self._kpi, self._shown = service, kpi, _shown(request, kpi)
        self._currency = service.config.business.currency
        self._seen = 0
        self._label = service.catalog.get(kpi.name).label
        where = kpi_view.name_of(self._shown.slice)
        with frame(service, request, self._label if where == "all" else f"{self._label}: {where}"):
            Html(Markup("<p>{}{}</p>").format(kpi.description, self._goal()))
            Html(self._now(), class_="now")
            Html(self._choices())
            self._words = Html("", class_="hint")
            values = self._values()
            self._chart = ui.echart(self._options(values), renderer="svg", on_point_click=self._open)
            self._chart.classes("chart").props(f'role=img aria-label="{self._label}: chart, also as a table below"')
            self._table = Html("")
            if self._shown.at:
                self._hour()
            self._slices = Html("")
            self._show()
            live(self._show, 2.0)

    def _values(self) -> list[KpiValue]:
        until = self._service.history.newest() or 0
        since = until - kpi_view.RANGES[self._shown.range]
        return self._service.history.grains(self._kpi.name, self._shown.stat, self._shown.slice, since, until)

    def _options(self, values: list[KpiValue]) -> dict[str, object]:
        kpi = self._kpi
        # A goal is for the highest quantile.
        has_goal = not kpi.quantiles or self._shown.stat == stat_name(kpi.quantiles[-1])
        goal = (kpi.goal_min, kpi.goal_max) if has_goal else (None, None)
        return chart.options(values, kpi.unit, self._currency, goal)

    def _goal(self) -> str:
        goal = self._service.catalog.get(self._kpi.name).goal
        return f". Goal: {goal.text(self._kpi.unit, self._currency)}" if goal is not None else ""

    def _now(self) -> Markup:
        tile = self._service.tiles().get(self._kpi.name)
        if tile is None or self._shown.slice:
            return markup.EMPTY
        said = ", ".join(text for text in (tile.change, tile.expected) if text)
        return Markup('<p><strong class="num">{}</strong> {}{}</p>').format(
            tile.value, tile.span, f", {said}" if said else ""
        )

    def _to(self, **other: str) -> str:
        return markup.address(f"/kpi/{self._kpi.name}", **self._shown.query(**other))

    def _to_slice(self, slice_: dict[str, str]) -> str:
        return self._to(**(dict.fromkeys(self._shown.slice, "") | slice_))

    def _choices(self) -> Markup:
        shown = self._shown
        names = {"1d": "1 day", "7d": "7 days", "35d": "35 days"}
        made = markup.choices("How far back", ((self._to(range=one), names[one], one == shown.range) for one in names))
        stats = [stat_name(quantile) for quantile in self._kpi.quantiles]
        if len(stats) > 1:
            made += markup.choices("Statistic", ((self._to(stat=one), one, one == shown.stat) for one in stats))
        if shown.slice:
            made += Markup("<p>{}</p>").format(markup.link(self._to_slice({}), "Back to all slices together"))
        return made

    def _show(self) -> None:
        seen = self._service.history.newest() or 0
        if seen == self._seen:
            return
        first, self._seen = not self._seen, seen
        values = self._values()
        self._words.show(chart.in_words(values, self._label))
        if not first:
            self._chart.options.update(self._options(values))
            self._chart.update()
        rows = [
            (markup.link(self._to(at=str(start)) + "#hour", when), value, usual, strange)
            for start, when, value, usual, strange in kpi_view.table(values, clock(self._service), self._currency)
        ]
        table = markup.table("Hour by hour", ("From", "Value", "Usual", "Strange"), rows)
        self._table.show(Markup('<details class="more"><summary>As a table</summary>{}</details>').format(table))
        self._slices.show(self._side_by_side(seen))

    def _side_by_side(self, until: int) -> Markup:
        service, shown = self._service, self._shown
        by_name: dict[tuple[str, ...], list[tuple[str | Markup, ...]]] = {}
        for slice_ in service.history.slices(self._kpi.name, shown.stat):
            names = tuple(sorted(slice_))
            rows = by_name.setdefault(names, [])
            if not slice_ or len(rows) >= kpi_view.MOST_SLICES:
                continue
            values = service.history.grains(self._kpi.name, shown.stat, slice_, until - 2 * DAY_MS, until)
            row = kpi_view.slice_row(values, self._currency)
            if row is not None:
                name = markup.link(self._to_slice(row.slice), row.name)
                rows.append((name, row.value, row.expected, markup.sparkline(row.trend), row.strange))
        made = markup.EMPTY
        for names, rows in by_name.items():
            if rows:
                title = "By " + " and ".join(name.replace("_", " ") for name in names)
                headings = ("Slice", "Last hour", "Usual", "Two days", "Strange")
                made += Markup("<h2>{}</h2>{}").format(title, markup.table(title, headings, rows, headed=True))
        return made

    def _open(self, event: object) -> None:
        data = getattr(event, "value", None)
        if isinstance(data, list) and data and isinstance(data[0], int | float):
            ui.navigate.to(self._to(at=str(int(data[0]))) + "#hour")

    def _hour(self) -> None:
        service, shown, at = self._service, self._shown, clock(self._service)
        values = service.history.at(self._kpi.name, shown.at)
        found = kpi_view.opened(values, shown.stat, self._currency)
        title = heading(f"From {at.moment(shown.at)}")
        title.props("id=hour tabindex=-1")
        if not found:
            Html(Markup('<p class="empty">Nothing is known of that hour.</p>'))
            return
        rows = [
            (markup.link(self._to_slice(slice_) + "#hour", name), value, made_of, usual, why)
            for slice_, name, value, made_of, usual, why in found
        ]
        headings = ("Slice", "Value", "Made of", "Usual", "Strange")
        Html(markup.table(f"What it was in that hour, {units.span(values[0].end - values[0].start)}", headings, rows))
        heading("The events behind", 3)
        self._events = Html(Markup('<p class="soft">Reading the events …</p>'), role="status")
        ui.timer(0.1, self._read, once=True)

    async def _read(self) -> None:
        wanted = _wanted(self._service, self._kpi, self._shown)
        if wanted is None:
            return
        try:
            found = await run.io_bound(find, self._service.config, wanted)
        except DaybookError as error:
            self._events.show(Markup('<p class="error">{}</p>').format(error))
            return
        if found is not None:
            self._events.show(self._listed(wanted, found))

    def _listed(self, wanted: Wanted, found: Found) -> Markup:
        at = clock(self._service)
        said = f"{len(found.events):,} events ({', '.join(wanted.types)})"
        if not found.complete:
            said += "; there may be more than could be read at once"
        if self._shown.slice and not wanted.told_by_events:
            said += "; not all of them say which slice they are of, so there may be others among them"
        to = markup.address(f"/kpi/{self._kpi.name}/events.csv", **self._shown.query())
        rows = [(at.moment(one.at), one.type, one.subject, _in_short(one.data), one.place) for one in found.events]
        return Markup('<p>{}. <a href="{}" download>All of them as CSV</a></p>{}').format(
            said, to, markup.table("Events, by time", ("When", "What", "Of", "Says", "Where it is"), rows)
        )


def _in_short(data: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items() if not isinstance(value, list | dict))[:300]
