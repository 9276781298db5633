"""Writes the report of a replay into its folder."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from dashboards.console.incident_view import Clock
from dashboards.report.course import courses_of
from dashboards.report.page import page
from dashboards.report.view import View
from streams.errors import DaybookError
from streams.history.lookback.runs import incidents_of
from streams.history.replay.conditions import read_conditions
from streams.history.replay.results import Summary

NAME = "report.html"


class ReportError(DaybookError):
    """The report cannot be made or written: the message names the file."""


def write_report(folder: Path) -> Path:
    """Make ``report.html`` of what ``daybook replay --out`` wrote to a folder; it is there as a whole or not at all.

    Raises :class:`ReportError`, and for a folder that is none or is damaged
    :class:`~streams.history.replay.conditions.ConditionsError` or :class:`~streams.history.lookback.runs.RunError`.
    """
    conditions, courses = read_conditions(folder), courses_of(folder)
    newest = max((course.points[-1].end for course in courses), default=0)
    clock = Clock(ZoneInfo(conditions.timezone), newest)
    view = View(conditions, _summary(folder), courses, incidents_of(folder), clock)
    path, draft = folder / NAME, folder / f".{NAME}.{os.getpid()}.part"
    text = page(conditions, view)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)
    return path


def _summary(folder: Path) -> Summary:
    path = folder / "summary.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError as error:
        raise ReportError(f"{path}: {error}") from None
