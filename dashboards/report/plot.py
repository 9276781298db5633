"""A course as the script of the report draws it, and in words for who cannot see it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dashboards.console.chart import axis
from dashboards.report.course import Course, Point
from detectors.incidents.incident import Incident
from streams.history.replay.results import slice_text
from streams.kpis.grid import HOUR_MS

_MINUTE_MS = HOUR_MS // 60
_FIGURES = 5
"""So many figures of a value are drawn; tables have them all."""


class Numbered(NamedTuple):
    """An incident by the number that it has in the report."""

    number: int
    incident: Incident


def wall(zone: ZoneInfo) -> Callable[[int], int]:
    """What a clock in that zone shows at an instant (epoch ms), in minutes since 1970: a browser elsewhere draws the
    business's days all the same."""

    def minutes(ms: int) -> int:
        at = datetime.fromtimestamp(ms / 1000, zone)
        offset = at.utcoffset()
        assert offset is not None
        return (ms + int(offset.total_seconds()) * 1000) // _MINUTE_MS

    return minutes


def about(course: Course, incidents: Sequence[Numbered]) -> list[Numbered]:
    """The incidents that the course is a symptom of; a total those of each slice of the KPI."""
    return [
        one
        for one in incidents
        if any(
            symptom.kpi == course.kpi
            and (not course.slice or (symptom.stat, slice_text(symptom.slice)) == (course.stat, course.slice))
            for symptom in one.incident.symptoms
        )
    ]


def drawn(
    course: Course,
    incidents: Sequence[Numbered],
    unit: str,
    currency: str,
    goal: tuple[float | None, float | None],
    zone: ZoneInfo,
) -> dict[str, Any]:
    """What the script takes for one plot. Values are in what the axis shows, times as :func:`wall` has them; ``at`` is
    the first, then how much later each is than the one before; ``first`` and ``alerts`` are by place in the course."""
    name, scale = axis(unit, currency)
    minutes = wall(zone)

    def shown(value: float | None) -> float | None:
        return None if value is None else float(f"{value * scale:.{_FIGURES}g}")

    starts = [minutes(point.start) for point in course.points]
    return {
        "axis": name,
        "at": [later - before for before, later in zip([0, *starts], starts, strict=False)],
        "value": [shown(point.value) for point in course.points],
        "low": [shown(point.low) for point in course.points],
        "high": [shown(point.high) for point in course.points],
        "first": [[at, shown(point.first)] for at, point in enumerate(course.points) if point.corrected],
        "alerts": [[at, point.why] for at, point in enumerate(course.points) if point.alert],
        "goal": [shown(one) for one in goal if one is not None],
        "incidents": [
            [one.number, minutes(one.incident.since), minutes(one.incident.until), one.incident.title]
            for one in about(course, incidents)
        ],
    }


def in_words(points: Sequence[Point], as_known_then: bool = True) -> str:
    """What the plot shows. Unless values were told ``as_known_then``, it is not known which were corrected."""
    known = [point for point in points if point.value is not None or point.first is not None]
    if not known:
        return "nothing is known of that time"
    said = [f"{len(known):,} values"]
    alerts, corrected = sum(point.alert for point in points), sum(point.corrected for point in points)
    if any(point.low is not None for point in points):
        said.append(f"{sum(point.unusual for point in points):,} outside of what was expected")
        said.append(f"{alerts:,} alerted of" if alerts else "none alerted of")
    if corrected or as_known_then:
        said.append(f"{corrected:,} corrected later" if corrected else "none corrected later")
    return ", ".join(said)
