"""What detection made of the real data sets, for docs/detection.md: counts, surprises, plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from streams.kpis.definitions import KpiDefinition
from streams.kpis.grid import DAY_MS, HOUR_MS
from tests.benchmarks.figures import table
from tests.evaluation.explained import UNEXPLAINED, explanation
from tests.evaluation.real import PAGES, SETS, STORM_WEEK, WEEK_MS, Course, Judged, Moment, judge, load

_OURS, _BAND, _MARK, _UNTOLD = "#223344", "#aac4e8", "#c0392b", "#7d3cbf"


def measure(say: Callable[[str], None]) -> list[Judged]:
    """Judge all sets."""
    return [judge(load(one), say) for one in SETS]


def measured(images: Path | None) -> str:
    """Judge all sets, with progress; the part of the page. Plots go to ``images``, where there is one."""
    found = measure(lambda text: print(text, flush=True))
    if images is not None:
        plot_pages(found, images / "real-pages.png")
        for one in found:
            plot_surprises(one, images / f"surprises-{one.real.set.name}.png")
    return report(found)


def report(found: Sequence[Judged]) -> str:
    """The part of the page."""
    parts = [counts(found), "![Pages a week of each data set](img/real-pages.png)"]
    for one in found:
        name = one.real.set.name
        parts += [
            f"### {name}: {one.real.set.title}",
            f"{one.real.set.because}; judged by the {'hour' if one.real.set.grain.ms == HOUR_MS else 'day'}.",
            surprises(one),
            f"![The ten in the order of the table](img/surprises-{name}.png)",
        ]
    return "\n\n".join(parts)


def counts(found: Iterable[Judged]) -> str:
    """Alerts and pages against the contract, and what it costs."""
    head = (
        *("data set", "grain", "weeks", "KPIs", "series", "values", "µs a value", "alerts", "pages"),
        *("pages a week", f"of {PAGES:.0f}", "most in 24 h", "most in 7 days", "longest run", "too many"),
    )
    rows = [
        (
            one.real.set.name,
            one.real.set.grain.text,
            f"{one.weeks:.0f}",
            len(one.real.definitions.kpis),
            f"{len(one.courses):,}",
            f"{one.judged:,}",
            f"{one.seconds / one.judged * 1e6:.0f}",
            len(one.alerts),
            len(one.pages),
            f"{len(one.pages) / one.weeks:.1f}",
            f"{len(one.pages) / one.weeks / PAGES:.0%}",
            one.most(DAY_MS),
            one.most(WEEK_MS),
            one.longest_run,
            one.storms,
        )
        for one in found
    ]
    return table(head, rows)


def surprises(one: Judged) -> str:
    """The ten most surprising moments."""
    rows = []
    for number, moment in enumerate(one.moments(), 1):
        told = "" if moment.page is None else _when(one, moment.page)
        series = f"{_series(moment)}{f' (+ {len(moment.others)})' if moment.others else ''}"
        rows.append((number, _when(one, moment.value.start), series, moment.value.why, told, _explained(one, moment)))
    head = ("", "when", "series (+ other KPIs)", "why", "page", "explained by")
    return table(head, rows)


def _explained(one: Judged, moment: Moment) -> str:
    day = datetime.fromtimestamp(moment.value.start / 1000, _zone(one)).date()
    return explanation(one.real.set.name, day, moment.value.series) or UNEXPLAINED


def _zone(one: Judged) -> ZoneInfo:
    return ZoneInfo(one.real.config.business.timezone)


def _when(one: Judged, time: int) -> str:
    local = datetime.fromtimestamp(time / 1000, _zone(one))
    return f"{local:%Y-%m-%d %a}" if one.real.set.grain.ms >= DAY_MS else f"{local:%Y-%m-%d %a %H:%M}"


def _series(moment: Moment) -> str:
    return moment.value.series.rpartition("@")[0]


# -- Plots
# ----------------------------------------------------------------------------------------------------------------


def plot_pages(found: Sequence[Judged], file: Path) -> None:
    """Pages of each week, beside what was agreed upon and what is a storm."""
    plt = _pyplot()
    figure, grid = plt.subplots(len(found), 1, figsize=(9, 1.9 * len(found)), squeeze=False)
    for axes, one in zip(grid[:, 0], found, strict=True):
        weeks = [
            datetime.fromtimestamp((one.begin + (week + 0.5) * WEEK_MS) / 1000, _zone(one))
            for week in range(len(one.by_week))
        ]
        axes.bar(weeks, one.by_week, width=6, color=_OURS)
        axes.axhline(PAGES, color="#1f6fb4", lw=1, label="agreed upon")
        axes.axhline(STORM_WEEK, color=_MARK, lw=1, ls="--", label="a storm above")
        axes.set_ylim(0, STORM_WEEK + 1.5)
        axes.set_title(f"{one.real.set.name}: pages a week", fontsize=9, loc="left")
        axes.tick_params(labelsize=7)
        axes.grid(axis="y", alpha=0.3)
    grid[0, 0].legend(fontsize=7, loc="upper right", ncols=2)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def plot_surprises(one: Judged, file: Path) -> None:
    """Each of the ten: values, what was expected, and the moment."""
    plt = _pyplot()
    moments = one.moments()
    rows = (len(moments) + 1) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(11, 2.1 * rows), squeeze=False)
    around = 4 * DAY_MS if one.real.set.grain.ms < DAY_MS else 45 * DAY_MS
    kpis = {kpi.name: kpi for kpi in one.real.definitions.kpis}
    for number, (axes, moment) in enumerate(zip(grid.flat, moments, strict=False), 1):
        _panel(axes, one, moment, around, kpis[moment.value.kpi])
        axes.set_title(f"{number}  {_when(one, moment.value.start)}  {_series(moment)}", fontsize=8, loc="left")
    for axes in list(grid.flat)[len(moments) :]:
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _panel(axes: Any, one: Judged, moment: Moment, around: int, kpi: KpiDefinition) -> None:
    from matplotlib import dates as matplotlib_dates

    dates: Any = matplotlib_dates
    course, at, zone = one.courses[moment.value.series], moment.value.start, _zone(one)
    shown = [row for row, start in enumerate(course.starts) if abs(start - at) <= around]
    # As the business's clocks showed it.
    times = [datetime.fromtimestamp(course.starts[row] / 1000, zone).replace(tzinfo=None) for row in shown]
    factor, unit = _scale(kpi, one.real.config.business.currency)
    scaled: dict[str, list[float]] = {
        name: [column[row] * factor for row in shown]
        for name, column in (("value", course.values), ("low", course.lows), ("high", course.highs))
    }
    axes.fill_between(times, scaled["low"], scaled["high"], color=_BAND, lw=0, alpha=0.8)
    # A series that is seldom observed is a few points.
    axes.plot(times, scaled["value"], color=_OURS, lw=0.8, marker=".", ms=2.5)
    if moment.value.value is not None:
        marked = datetime.fromtimestamp(at / 1000, zone).replace(tzinfo=None)
        colour = _MARK if moment.page is not None else _UNTOLD
        axes.axvline(marked, color=colour, lw=0.6, alpha=0.5)
        axes.plot([marked], [moment.value.value * factor], "o", ms=7, mfc="none", mec=colour, mew=1.4)
    axes.set_ylim(*_limits(course, shown, factor))
    axes.set_ylabel(unit, fontsize=7)
    locator = dates.AutoDateLocator(minticks=4, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_size(6)
    axes.tick_params(labelsize=6)


def _limits(course: Course, shown: Sequence[int], factor: float) -> tuple[float, float]:
    """What is seen: all values, and of the band as much as leaves them half of the height."""
    values = [course.values[row] * factor for row in shown if course.values[row] == course.values[row]]
    highs = [course.highs[row] * factor for row in shown if course.highs[row] == course.highs[row]]
    top = max(values, default=1.0)
    top = max(top, min(max(highs, default=top), 2.0 * top)) or 1.0
    return min(0.0, *values) - 0.04 * top, 1.08 * top


def _scale(kpi: KpiDefinition, currency: str) -> tuple[float, str]:
    """From a KPI's base unit to what is drawn."""
    return {"money": (1e-5, f"{currency} 1,000"), "seconds": (1.0 / 86_400, "days"), "ratio": (100.0, "%")}.get(
        kpi.unit, (1.0, kpi.unit)
    )


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
