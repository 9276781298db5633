"""What tuning came to, drawn: recall against false alarms, and the alerts of each settings beside what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from detectors.tuning.choice import ALLOWED
from detectors.tuning.course import AFTER_MS, Label
from streams.history.tuning.curves import Curve
from streams.history.tuning.parts import Prepared

_COLORS = {"as it is": "#8899aa", "by default": "#2c7fb8", "proposed": "#c0392b"}
_MARKS = {"as it is": "s", "by default": "D", "proposed": "*"}
_INK, _FAINT = "#223344", "#9aa5b1"
_SHOWN = {
    "found": ("o", "#27ae60", "found"),
    "neither": ("o", _FAINT, "neither"),
    "false": ("X", "#c0392b", "false"),
    "again": ("x", "#c0392b", "the same again"),
}
_UNITS = {"seconds": ("hours", 1 / 3600), "ratio": ("%", 100.0), "money": ("currency", 0.01)}


def draw(folder: Path, material: Prepared, lines: Sequence[Curve]) -> list[Path]:
    """``NAME.curve.png`` and ``NAME.alerts.png`` of a KPI; their paths. Raises ``ImportError`` without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    name = material.history.kpi.name
    paths = [folder / f"{name}.{what}.png" for what in ("curve", "alerts")]
    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "font.size": 9}
    for path, drawn in zip(paths, (_curve, _alerts), strict=True):
        with plt.rc_context(style):
            figure = drawn(plt, material, lines)
            figure.savefig(path, dpi=120, bbox_inches="tight")
            plt.close(figure)
    return paths


def _curve(plt: Any, material: Prepared, lines: Sequence[Curve]) -> Any:
    figure, axes = plt.subplots(figsize=(7.2, 4.4))
    most = max(4 * ALLOWED, 1.2 * max(line.given.score.false_a_week for line in lines))
    axes.axvspan(-most, ALLOWED, color="#27ae60", alpha=0.09, lw=0)
    axes.text(ALLOWED, 1.04, f"at most {ALLOWED:g} a week ", ha="right", fontsize=8, color="#27ae60")
    for number, line in enumerate(lines):
        color = _COLORS[line.names[-1]]
        # Others are seen beneath the last.
        width = 1.2 + 1.2 * (len(lines) - 1 - number)
        points = [(point.score.false_a_week, point.score.recall) for point in line.points]
        axes.plot(*zip(*points, strict=True), ".-", color=color, lw=width, ms=4, alpha=0.75, zorder=2 + number)
        given = line.given.score
        axes.plot(
            [given.false_a_week],
            [given.recall],
            _MARKS[line.names[-1]],
            color=color,
            ms=15 if line.names[-1] == "proposed" else 9,
            mec="white",
            label=f"{' = '.join(line.names)}: {given.recall:.0%} of {given.labels}, {given.false_a_week:.2f} false",
            zorder=10 + number,
        )
    # What has no false alarms is to be seen beside the axis.
    axes.set(xlim=(-0.02 * most, most), ylim=(0, 1.02), xlabel="false alarms a week", ylabel="recall")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(f"{material.history.kpi.name}: a curve is settings at other rates, a mark as they are", pad=16)
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(alpha=0.3)
    return figure


def _alerts(plt: Any, material: Prepared, lines: Sequence[Curve]) -> Any:
    kpi, (_, since, until) = material.history.kpi, material.parts
    zone = ZoneInfo(material.history.timezone)
    total = [value for value in material.history.values if not value.slice and value.start >= since]
    first = total[0].stat
    total = [value for value in total if value.stat == first]
    unit, scale = _UNITS.get(total[0].unit, (total[0].unit, 1.0))
    figure, (above, below) = plt.subplots(
        2,
        1,
        sharex=True,
        figsize=(11, 3.4 + 0.42 * len(lines)),
        height_ratios=(3, 0.42 * len(lines)),
        gridspec_kw={"hspace": 0.08},
    )
    times = [_at(value.start, zone) for value in total]
    above.step(
        times,
        [float("nan") if value.value is None else value.value * scale for value in total],
        where="post",
        color=_INK,
        lw=0.6,
    )
    labels = [label for label in material.history.labels if since <= label.since < until]
    found = {number for line in lines if "proposed" in line.names for number in _found(labels, line)}
    for axes in (above, below):
        for number, label in enumerate(labels):
            color = "#27ae60" if number in found else "#e67e22"
            axes.axvspan(_at(label.since, zone), _at(label.until, zone), color=color, alpha=0.28, lw=0)
    for row, line in enumerate(reversed(lines)):
        for what, (mark, color, _) in _SHOWN.items():
            at = [_at(time, zone) for time, of in line.alerts if of == what]
            below.plot(at, [row] * len(at), mark, color=color, ms=6, mec="white", mew=0.4, clip_on=False, zorder=3)
    below.set_yticks(range(len(lines)), [" = ".join(line.names) for line in reversed(lines)])
    below.set(ylim=(-0.6, len(lines) - 0.4), xlim=(_at(since, zone), _at(until, zone)))
    below.spines["left"].set_visible(False)
    below.tick_params(axis="y", length=0)
    stat = "" if first == "value" else f".{first}"
    lowest = min((value.value for value in total if value.value is not None), default=0.0)
    above.set(ylabel=unit, ylim=(min(0.0, lowest * scale), None))
    above.set_title(f"{kpi.name}{stat}, and the alerts, in the part that is reported on")
    figure.legend(
        handles=_legend(plt), fontsize=8, ncols=6, loc="upper center", bbox_to_anchor=(0.5, 0.03), frameon=False
    )
    above.grid(alpha=0.3)
    return figure


def _found(labels: Sequence[Label], line: Curve) -> list[int]:
    """The numbers of those that an alert is about."""
    return [
        number
        for number, one in enumerate(labels)
        if any(one.since < at <= one.until + AFTER_MS for at, _ in line.alerts)
    ]


def _legend(plt: Any) -> list[Any]:
    patch, line = plt.Rectangle, plt.Line2D
    shades = [
        patch((0, 0), 1, 1, color=color, alpha=0.28, lw=0, label=text)
        for color, text in (("#27ae60", "wrong, found as proposed"), ("#e67e22", "wrong, not found"))
    ]
    return shades + [
        line([], [], marker=mark, color=color, ls="", ms=6, label=text) for mark, color, text in _SHOWN.values()
    ]


def _at(time: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time / 1000, zone)
