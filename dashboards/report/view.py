"""What the report says of a replay, in words and rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from dashboards.console import incident_view
from dashboards.console.incident_view import Clock
from dashboards.console.words import usual
from dashboards.report.course import Course, Point
from dashboards.report.plot import Numbered, about, drawn, in_words
from detectors.calibration.contract import WEEK_MS
from detectors.incidents.incident import Incident
from streams.history.replay.conditions import Conditions, Measured
from streams.history.replay.results import Summary, pairs_in
from streams.kpis.units import human
from streams.top.catalog import Goal

MOST_ROWS = 100
"""Rows of one table; the folder has all."""
_LEFT_OUT = {"Looked after by", "Severity"}
"""Nobody looks after what is replayed; how severe it is stands beside the title."""


class Rows(NamedTuple):
    """The rows of a table, and how many there would be."""

    shown: list[tuple[str, ...]]
    whole: int

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.whole - len(self.shown)


class Plot(NamedTuple):
    """A course: its heading (empty for a KPI's only total), what is drawn, what is said, and the incidents in it."""

    anchor: str
    heading: str
    words: str
    data: dict[str, Any]
    alerts: Rows
    corrections: Rows
    incidents: list[Numbered]


class Section(NamedTuple):
    """A KPI: its total, then slices that were alerted of."""

    anchor: str
    label: str
    description: str
    goal: str
    plots: list[Plot]


class Entry(NamedTuple):
    """An incident. ``symptoms`` are the anchor of the KPI, its label, slice, what it was, what was expected, why."""

    number: int
    anchor: str
    title: str
    severity: str
    live: bool
    facts: list[tuple[str, str]]
    symptoms: list[tuple[str, ...]]
    shares: list[tuple[str, str]]
    history: list[tuple[str, ...]]


def anchor_of(one: Incident) -> str:
    """Where an incident is on the page."""
    return f"incident-{one.id}"


def label_of(kpi: str, stat: str = "value") -> str:
    """``time_to_ship``, ``p90`` → ``Time to ship p90``."""
    return kpi.replace("_", " ").capitalize() + ("" if stat == "value" else f" {stat}")


def where_of(course: Course) -> str:
    """``region=north`` → ``region north``; empty for a total."""
    return ", ".join(f"{name.replace('_', ' ')} {of}".rstrip() for name, of in pairs_in(course.slice))


class View:
    """Of all that was found under the ``conditions``."""

    def __init__(
        self, conditions: Conditions, summary: Summary, courses: Sequence[Course], incidents: Sequence[Incident],
        clock: Clock,
    ) -> None:  # fmt: skip
        self._conditions, self._summary, self._courses, self._clock = conditions, summary, courses, clock
        self._incidents = [Numbered(number, one) for number, one in enumerate(incidents, 1)]
        self._currency = conditions.currency

    @property
    def period(self) -> str:
        """From when to when there are values."""
        begin, end = self._bounds()
        if begin == end:
            return "no time at all"
        days = (datetime.fromtimestamp(ms / 1000, self._clock.zone) for ms in (begin, end))
        return " to ".join(f"{day:%A}, {day.day} {day:%B} {day.year}, {day:%H:%M}" for day in days)

    def facts(self) -> list[tuple[str, str]]:
        """What was replayed, and what came of it in all."""
        summary, said, weeks = self._summary, self._conditions, self._weeks()
        counts = summary.counts
        corrected = sum(len(course.corrections) for course in self._courses)
        then = f"of those shown here, {corrected:,} were corrected later" if said.detect else "as they are known since"
        rate = f", {summary.incidents / weeks:.1f} a week" if weeks else ""
        agreed = f"{said.per_week:g} a week" + (f"; of its own: {', '.join(said.own)}" if said.own else "")
        return [
            ("Time", f"{self.period} ({said.timezone})"),
            ("Incidents", f"{summary.incidents:,}{rate}" if said.detect else "not looked for"),
            (
                "Alerts",
                f"{summary.alerts:,} of single series" if said.detect else "not looked for",
            ),
            ("Agreed alerts", agreed if said.detect else ""),
            ("Values", f"{summary.values:,}; {then}"),
            ("Counted", f"{counts.events:,} events of {counts.records:,} records ({counts.heartbeats:,} heartbeats)"),
            ("Not counted", f"{counts.duplicates:,} repeats, {counts.late:,} late, {counts.rejected:,} that are none"),
            ("Events from", said.source),
            ("Configuration", f"{said.configuration} (KPIs {said.fingerprint[:12]})"),
            ("Made by", f"Daybook {said.version} in {summary.seconds:,.0f} s"),
        ]

    def overview(self) -> list[tuple[str, ...]]:
        """A row for each KPI: anchor, label, and of all that is shown of it how many incidents, alerts, corrections,
        values."""
        rows = []
        for kpi in self._conditions.kpis:
            courses = self._of(kpi)
            values = sum(point.value is not None for course in courses for point in course.points)
            corrected, alerts = (sum(map(len, several)) for several in (
                [course.corrections for course in courses], [course.alerts for course in courses],
            ))  # fmt: skip
            told = {one.number for course in courses for one in about(course, self._incidents)}
            figures = (f"{number:,}" for number in (len(told), alerts, corrected, values))
            rows.append((f"kpi-{kpi.name}", label_of(kpi.name), *figures))
        return rows

    def sections(self) -> list[Section]:
        """The KPIs, as configured."""
        return [self._section(kpi) for kpi in self._conditions.kpis]

    def entries(self) -> list[Entry]:
        """The incidents, by time."""
        return [self._entry(*one) for one in self._incidents]

    def _of(self, kpi: Measured) -> list[Course]:
        return sorted((one for one in self._courses if one.kpi == kpi.name), key=lambda one: (one.slice, one.stat))

    def _bounds(self) -> tuple[int, int]:
        points = [point for course in self._courses for point in (course.points[0], course.points[-1])]
        return min((one.start for one in points), default=0), max((one.end for one in points), default=0)

    def _weeks(self) -> float:
        begin, end = self._bounds()
        return (end - begin) / WEEK_MS

    def _section(self, kpi: Measured) -> Section:
        goal = Goal(kpi.goal_min, kpi.goal_max).text(kpi.unit, self._currency)
        plots = [self._plot(kpi, course, number) for number, course in enumerate(self._of(kpi))]
        return Section(f"kpi-{kpi.name}", label_of(kpi.name), kpi.description, goal, plots)

    def _plot(self, kpi: Measured, course: Course, number: int) -> Plot:
        # A goal is for the whole, and of several quantiles for the highest.
        has_goal = not course.slice and course.stat == kpi.goal_stat
        goal = (kpi.goal_min, kpi.goal_max) if has_goal else (None, None)
        where, stat = where_of(course), "" if course.stat == "value" else course.stat
        words = (
            f"{label_of(kpi.name, course.stat)}, {where or 'all'}: {in_words(course.points, self._conditions.detect)}"
        )
        return Plot(
            anchor=f"kpi-{kpi.name}-{number}",
            heading=", ".join(part for part in (where[:1].upper() + where[1:], stat) if part),
            words=words,
            data=drawn(course, self._incidents, kpi.unit, self._currency, goal, self._clock.zone),
            alerts=_rows([self._alert(kpi, point) for point in course.alerts]),
            corrections=_rows([self._correction(kpi, point) for point in course.corrections]),
            incidents=about(course, self._incidents),
        )

    def _alert(self, kpi: Measured, point: Point) -> tuple[str, ...]:
        expected = None if point.low is None or point.high is None else (point.low, point.low, point.high)
        then, now = (human(value, kpi.unit, self._currency) for value in (point.first, point.value))
        return (
            self._clock.moment(point.start),
            then if not point.corrected else f"{then}, corrected to {now}",
            usual(expected, kpi.unit, self._currency),
            point.why,
        )

    def _correction(self, kpi: Measured, point: Point) -> tuple[str, ...]:
        then, now = (human(value, kpi.unit, self._currency) for value in (point.first, point.value))
        return self._clock.moment(point.start), then, now

    def _entry(self, number: int, one: Incident) -> Entry:
        facts = [
            (name, self._state(one) if name == "State" else text)
            for name, text in incident_view.facts(one, self._clock, self._currency)
            if text and name not in _LEFT_OUT
        ]
        opened = next((each.at for each in one.history if each.what == "opened"), None)
        if opened is not None:
            place = next(at for at, (name, _) in enumerate(facts, 1) if name == "Since")
            facts.insert(place, ("Known since", self._clock.moment(opened)))
        symptoms: list[tuple[str, ...]] = [
            (f"kpi-{kpi}", label, where, was, expected, why)
            for kpi, label, where, was, expected, why in incident_view.symptoms(one, self._currency)
        ]
        return Entry(
            number, anchor_of(one), one.title, one.severity, one.live, facts, symptoms,
            incident_view.shares(one),
            [tuple(row) for row in reversed(incident_view.history(one, self._clock))],
        )  # fmt: skip

    def _state(self, one: Incident) -> str:
        into = next((number for number, other in self._incidents if other.id == one.merged_into), None)
        return incident_view.state(one, self._clock) if into is None else f"merged into {into}"


def _rows(rows: list[tuple[str, ...]]) -> Rows:
    return Rows(rows[:MOST_ROWS], len(rows))
