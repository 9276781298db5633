"""The plot of the shops: precision against recall, and one incident as a person would have seen it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.evaluation.incidents import Known, verdict
from detectors.evaluation.watcher import Context
from detectors.evaluation.watchers import WATCHERS, Daybook
from streams.events.times import parse_time
from streams.kpis.values import KpiValue
from tests.evaluation import recording, watched
from tests.evaluation.pyplot import pyplot
from tests.evaluation.trial import CONTRACT, Trial, overall

_DAY = 86_400_000
_OURS = "daybook"
_COLORS = {
    "daybook": "#c0392b",
    "river-gaussian": "#8899aa",
    "river-shift": "#7b6fb0",
    "river-joint": "#2f9e77",
    "seasonal": "#2c7fb8",
}
_RANKS = 1 - np.logspace(-2.3, -5.3, 16)
_KIND = "payment_failures"
"""The example is one of these, if any was found: it is plain to see what happened."""
_BEFORE, _AFTER = 3 * _DAY, _DAY

_SHOWN_IN = {"seconds": ("hours", 1 / 3600), "ratio": ("%", 100.0), "money": ("currency", 0.01)}


class Example(NamedTuple):
    """An incident, and the series and grain (epoch ms) in which it was told of."""

    shop: watched.Shop
    known: Known
    series: str
    time: int


class Seen(NamedTuple):
    """A value with what was expected of it."""

    time: datetime
    value: float
    low: float
    high: float


def draw(shops: Sequence[watched.Shop], file: Path) -> None:
    """Precision against recall by size, and an example."""
    plt = pyplot()
    sizes = sorted({shop.size for shop in shops})
    figure = plt.figure(figsize=(11, 8))
    grid = figure.add_gridspec(2, len(sizes), height_ratios=(1, 1.05), hspace=0.32)
    above: list[Any] = [figure.add_subplot(grid[0, column]) for column in range(len(sizes))]
    for name in WATCHERS:
        trials = watched.trials(shops, name)
        for axes, size in zip(above, sizes, strict=True):
            _curve(axes, name, [trial for trial in trials if trial.size == size])
        if name == _OURS:
            shown = example(shops, trials)
    for axes, size in zip(above, sizes, strict=True):
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", title=f"{size:,} orders a day")
        axes.axvspan(0.66, 1.02, ymin=0.66 / 1.02, color="#27ae60", alpha=0.12, lw=0)
        axes.grid(alpha=0.3)
    above[0].set_ylabel("precision")
    figure.legend(
        *above[0].get_legend_handles_labels(),
        fontsize=9,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.925),
        ncol=len(WATCHERS),
    )
    if shown is not None:
        _incident(figure.add_subplot(grid[1, :]), shown)
    figure.savefig(file, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _curve(axes: Any, name: str, trials: Sequence[Trial]) -> None:
    said = np.concatenate([trial.usual.surprise[trial.usual.surprise > 0] for trial in trials])
    points = [overall(trials, float(threshold))[0] for threshold in np.unique(np.quantile(said, _RANKS))]
    color = _COLORS.get(name)
    axes.plot([one.recall for one in points], [one.precision for one in points], "-", color=color, lw=1.2, label=name)
    given = overall(trials)[0]
    axes.plot(
        [given.recall], [given.precision], "*" if name == _OURS else "o", color=color, ms=13 if name == _OURS else 6
    )


def example(shops: Iterable[watched.Shop], trials: Iterable[Trial]) -> Example | None:
    """Of the incidents that were found in the shops of the middle size, the one told of with the greatest surprise."""
    pairs = list(zip(shops, trials, strict=True))
    sizes = sorted({shop.size for shop, _ in pairs})
    best: Example | None = None
    most = (False, 0.0)
    for shop, trial in pairs:
        if shop.size != sizes[len(sizes) // 2]:
            continue
        rows = {name: row for row, name in enumerate(trial.names)}
        columns = {start: column for column, start in enumerate(trial.starts.tolist())}
        for alert in trial.alerts(True):
            surprise = float(trial.troubled.surprise[rows[alert.series], columns[alert.time]])
            for one in verdict(alert, trial.known)[1]:
                if one.shows is not None and (one.kind == _KIND, surprise) > most:
                    best, most = Example(shop, one, alert.series, alert.time), (one.kind == _KIND, surprise)
    return best


def replay(shown: Example) -> tuple[list[Seen], KpiValue]:
    """The series of an example, from days before to a day after, as Daybook saw it; and what was told."""
    record = recording.load(shown.shop.troubled)
    calendar = sorted(record.calendar, key=lambda entry: parse_time(entry.start))
    watcher = Daybook(Context(recording.definitions(), calendar, CONTRACT))
    seen: list[Seen] = []
    told: KpiValue | None = None
    for values in record.steps():
        start = values[0].start
        if start > max(shown.known.end, shown.time) + _AFTER:
            break
        watcher.step(values)
        if start < shown.known.start - _BEFORE:
            continue
        for one in watcher.judged:
            if one.series != shown.series:
                continue
            if one.start == shown.time:
                told = one
            low, _, high = one.expected or (np.nan, np.nan, np.nan)
            value = np.nan if one.value is None else one.value
            seen.append(Seen(datetime.fromtimestamp(start / 1000, UTC), value, low, high))
    assert told is not None
    return seen, told


def _incident(axes: Any, shown: Example) -> None:
    seen, told = replay(shown)
    assert told.value is not None
    unit, scale = _SHOWN_IN.get(told.unit, (told.unit, 1.0))
    times = [one.time for one in seen]
    low, high = (np.array([getattr(one, bound) for one in seen]) * scale for bound in ("low", "high"))
    values = np.array([one.value for one in seen]) * scale
    axes.fill_between(times, low, high, step="post", color="#aac4e8", alpha=0.7, lw=0, label="expected")
    axes.step(times, values, where="post", color="#223344", lw=1.0)
    axes.plot(times, values, ".", color="#223344", ms=3, label="value")
    begin, end = (datetime.fromtimestamp(time / 1000, UTC) for time in (shown.known.start, shown.known.end))
    axes.axvspan(begin, end, color="#f1c40f", alpha=0.3, lw=0, label="incident")
    at = datetime.fromtimestamp(told.start / 1000, UTC)
    axes.plot([at], [told.value * scale], "v", color="#c0392b", ms=11, label="told")
    axes.set(
        xlim=(times[0], times[-1]),
        # Where little is known much is expected to be possible: not all of it has to be seen.
        ylim=(0, 1.15 * max(float(np.nanmax(values)), float(np.nanquantile(high, 0.7)))),
        ylabel=unit,
    )
    axes.set_title(
        f"{shown.shop.size:,} orders a day, {shown.known.kind.replace('_', ' ')}: {told.series}, told of at"
        f" {at:%d %B, %H:%M} UTC\n“{told.why}”",
        fontsize=9,
    )
    axes.legend(fontsize=8, loc="upper left")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
