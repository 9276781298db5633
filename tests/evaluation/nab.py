"""The general detector and its baselines on the Numenta Anomaly Benchmark: tables and plots for docs/detection.md."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from detectors.evaluation.cooled import Cooled
from detectors.evaluation.nab import PROFILES
from streams.evaluation.detectors import CANDIDATES, OURS
from streams.evaluation.files import SeriesError
from streams.evaluation.run import Judgement, Scores, evaluate, nab_cooled, nab_scores
from streams.kpis.grid import HOUR_MS
from tests.benchmarks.figures import table
from tests.evaluation.pyplot import pyplot

SERIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "nab_dev"
PUBLISHED = {"ARTime": 73.6, "Numenta HTM": 69.4, "CAD-OSE": 68.3, "kNN-CAD": 58.1, "random cut forest": 45.8}
"""NAB's standard score of the detectors' own published outputs on these files."""
BEST = ("standard, best threshold", "standard, best threshold and cool-down")
SHOWN = (
    "realKnownCause/nyc_taxi.csv",
    "realAWSCloudwatch/ec2_cpu_utilization_53ea38.csv",
    "realTraffic/TravelTime_387.csv",
    "realTweets/Twitter_volume_UPS.csv",
)


def measure(series: Path, images: Path | None) -> str:
    """Evaluate every detector, say how long each took, and give the tables; the plots go to a folder where one is
    given. Raises ``DaybookError`` where the series cannot be read."""
    found: dict[str, Scores] = {}
    cooled: dict[str, Cooled] = {}
    for name in CANDIDATES:
        began = time.monotonic()
        judgements, left_out = evaluate(series, name, None, None, lambda text: None)
        if left_out:
            raise SeriesError(f"{series}: {dict(left_out)} left out (see daybook evaluate nab)")
        found[name] = nab_scores(judgements)
        rows = sum(len(one.rows) for one in judgements)
        print(f"{name}: {rows:,} rows in {time.monotonic() - began:.0f} s", flush=True)
        if name == OURS:
            ours = judgements
        else:
            cooled[name] = nab_cooled(judgements)
    if images is not None:
        plot_scores(found, cooled, images / "nab.png")
        plot_series({one.series.name: one for one in ours}, images / "nab-series.png")
    return report(found, cooled, ours)


def report(found: dict[str, Scores], cooled: dict[str, Cooled], ours: list[Judgement]) -> str:
    """The tables."""
    rows: list[tuple[object, ...]] = []
    for name, scores in found.items():
        best = scores.best["standard"]
        given = [f"{scores.given[profile]:.1f}" for profile in PROFILES]
        quiet = (
            f"{quietly.score:.1f} at {quietly.threshold:.3g}, {quietly.cool_down // HOUR_MS} h"
            if (quietly := cooled.get(name))
            else ""
        )
        shown = f"**{name}**" if name == OURS else name
        rows.append((shown, *given, f"{best.score:.1f} at {best.threshold:.3g}", quiet))
    rows += [(f"{name} (published)", "", "", "", score, "") for name, score in PUBLISHED.items()]
    families: dict[str, list[Judgement]] = {}
    for one in ours:
        families.setdefault(one.series.name.split("/")[0], []).append(one)
    by_family = [
        (name, len(of), sum(len(one.series.events or []) for one in of), f"{nab_scores(of).given['standard']:.1f}")
        for name, of in families.items()
    ]
    return "\n\n".join(
        [
            table(("detector", *(f"{name}, as alerted" for name in PROFILES), *BEST), rows),
            "![Scores](img/nab.png)",
            table(("files", "series", "labelled windows", "standard, as alerted"), by_family),
            "![Four series: values, what was expected, labelled windows and alerts](img/nab-series.png)",
        ]
    )


def plot_scores(found: dict[str, Scores], cooled: dict[str, Cooled], file: Path) -> None:
    """Bars of the standard score: ours as alerted, the others' best of all."""
    plt = pyplot()
    bars = {
        name: max(scores.given["standard"], scores.best["standard"].score, cooled[name].score)
        if name in cooled
        else scores.given["standard"]
        for name, scores in found.items()
    }
    bars |= {f"{name} (published)": score for name, score in PUBLISHED.items()}
    names = sorted(bars, key=bars.__getitem__)
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    axes.barh(names, [bars[name] for name in names], color=["#c0392b" if name == OURS else "#8899aa" for name in names])
    axes.set_xlabel(f"NAB, standard profile: {OURS} as it alerts, the others at their best")
    axes.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def plot_series(judgements: dict[str, Judgement], file: Path) -> None:
    """Values, expectation, windows and alerts of some series."""
    plt = pyplot()
    shown = [judgements[name] for name in SHOWN if name in judgements]
    figure, grid = plt.subplots(len(shown), 1, figsize=(9, 2.6 * len(shown)), squeeze=False)
    for axes, one in zip(grid[:, 0], shown, strict=True):
        times = [datetime.fromtimestamp(time / 1000, UTC) for time in one.series.times]
        axes.fill_between(
            times, [r.low for r in one.rows], [r.high for r in one.rows], color="#aac4e8", lw=0, alpha=0.7
        )
        axes.plot(times, one.series.values, color="#223344", lw=0.5)
        for first, last in one.series.events or []:
            axes.axvspan(times[first], times[last], color="#f1c40f", alpha=0.3, lw=0)
        alerts = [row for row, judged in enumerate(one.rows) if judged.alert]
        axes.plot([times[row] for row in alerts], [one.series.values[row] for row in alerts], "v", color="#c0392b")
        axes.set_title(one.series.name, fontsize=9)
        axes.tick_params(labelsize=7)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)
