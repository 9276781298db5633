"""What tuning came to, as files for people and programs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from detectors.tuning.course import Score
from streams.errors import DaybookError
from streams.events.times import format_time
from streams.history.tuning.curves import Curve
from streams.history.tuning.parts import Parts
from streams.history.tuning.search import Tuned


class OutError(DaybookError):
    """What tuning came to cannot be written."""


def write(folder: Path, found: Tuned, parts: Parts, lines: Sequence[Curve]) -> list[Path]:
    """``NAME.json`` (what was compared, and the verdict), ``NAME.curve.csv`` (a line for each settings and rate) and
    ``NAME.alerts.csv`` (a line for each alert in the part that is reported on) of a KPI; their paths.

    Raises :class:`OutError`.
    """
    paths = [folder / f"{found.kpi}.{end}" for end in ("json", "curve.csv", "alerts.csv")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_bytes(msgspec.json.format(msgspec.json.encode(_plain(found, parts)), indent=2) + b"\n")
        with paths[1].open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["settings", "per_week", *_FIGURES, "given"])
            for line in lines:
                for point in line.points:
                    given = point == line.given
                    rows.writerow([_names(line), f"{point.per_week:.4g}", *_figures(point.score).values(), int(given)])
        with paths[2].open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["settings", "told_at", "what"])
            rows.writerows((_names(line), format_time(at), what) for line in lines for at, what in line.alerts)
    except OSError as error:
        raise OutError(f"{folder}: cannot be written ({error.strerror})") from None
    return paths


def _names(line: Curve) -> str:
    return " = ".join(line.names)


_FIGURES = ("recall", "precision", "false_a_week", "delay_hours", "labels", "false")


def _figures(score: Score) -> dict[str, float]:
    values = (score.recall, score.precision, score.false_a_week, score.delay, score.labels, score.false)
    return dict(zip(_FIGURES, (round(value, 4) for value in values), strict=True))


def _plain(found: Tuned, parts: Parts) -> dict[str, Any]:
    return {
        "kpi": found.kpi,
        "chosen": {"since": format_time(parts.learned), "until": format_time(parts.split)},
        "reported": {"since": format_time(parts.split), "until": format_time(parts.until)},
        "said": found.said,
        "invented": found.invented,
        "better": found.verdict.better,
        "why": found.verdict.why,
        "settings": {
            name: {
                "settings": tried.settings,
                "reported": _figures(tried.reported),
                "held_out": None if tried.held_out is None else _figures(tried.held_out),
            }
            for name, tried in found.named
        },
    }
