"""What tuning makes of configurations that were set badly, against the targets of detection: a table and a plot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from detectors.evaluation.incidents import Score, together
from streams.history.tuning import plots
from streams.history.tuning.curves import curves
from streams.history.tuning.parts import prepared
from streams.history.tuning.search import tune
from streams.kpis.grid import HOUR_MS
from tests.benchmarks.figures import table
from tests.evaluation import record, recording, tuned, watched
from tests.evaluation.pyplot import pyplot
from tests.evaluation.shops import FALSE, PRECISION, RECALL, ShopsError
from tests.evaluation.trial import CONTRACT
from tests.evaluation.tuned import Adopted, Configured
from tests.evaluation.tuned_shops import HELD_OUT, SEEN, Pair, Wanted, pairs

SIZE, SEED, WEEKS = 300, 100, 26
"""Of the shop that is tuned on; those that are reported on are of the same size, and of other seeds."""
TRIALS = 12
_DEFAULT = "default"
_KPI = "orders_placed"
"""The example."""


def measure(seeds: Iterable[int], processes: int, images: Path | None, *, stale: bool = False) -> str:
    """Record what is missing, tune, and give the tables; the plot goes to a folder where one is given. ``stale`` as for
    the shops."""
    seeds = list(seeds)
    (history,) = pairs([Wanted(SIZE, SEED, WEEKS, SEEN)], processes, _say)
    if not stale:
        record.complete([SIZE], seeds, processes, _say)
    others = [Pair(shop.troubled, shop.usual) for shop in watched.recorded([SIZE], seeds, stale=stale)]
    if not others:
        raise ShopsError("no shop is recorded: leave out --stale, or run python -m tests.evaluation.record")
    names = [kpi.name for kpi in recording.definitions().kpis]
    scores, adopted = dict[str, Score](), dict[str, Mapping[str, Adopted]]()
    for name, before in tuned.detuned(names).items():
        found = tuned.tuned(history, before, names, TRIALS, processes, _say)
        adopted[name] = found.adopted
        scores[name] = together(tuned.reported(others, before, processes))
        scores[f"{name}, tuned"] = together(tuned.reported(others, found.then, processes))
    scores[_DEFAULT] = together(tuned.reported(others, Configured(CONTRACT, {}), processes))
    text = f"{_shops(len(others))}\n\n{targets(scores)}\n\n{changes(adopted)}"
    if images is not None:
        draw(scores, images / "tuned.png")
        example(history, tuned.detuned(names)["told of too little"], images)
        text += "\n\n![Precision against recall, before and after tuning](img/tuned.png)"
    return text


def _say(text: str) -> None:
    print(text, flush=True)


def _shops(others: int) -> str:
    seen = ", ".join(kind.replace("_", " ") for kind in SEEN)
    return (
        f"Tuned on {WEEKS} weeks of one shop of {SIZE} orders a day with incidents of some kinds ({seen}), {TRIALS} "
        f"settings of each KPI tried; reported on eight weeks each of {others} others, with incidents of all kinds. "
        f"Totals of all KPIs, without slices."
    )


def targets(scores: Mapping[str, Score]) -> str:
    """Each configuration against what is aimed at."""
    rows = [
        (
            name,
            _met(score.recall, score.recall >= RECALL),
            _met(score.precision, score.precision >= PRECISION),
            _met(score.false_per_kpi_week, score.false_per_kpi_week <= FALSE),
            _found(score, SEEN),
            _found(score, HELD_OUT),
            "-" if score.delay is None else f"{score.delay / HOUR_MS:.1f}",
            f"{score.pages_per_week:.2f}",
        )
        for name, score in scores.items()
    ]
    head = (
        "configuration",
        f"recall (≥ {RECALL})",
        f"precision (≥ {PRECISION})",
        f"false per KPI and week (≤ {FALSE})",
        "found of kinds tuned on",
        "of kinds held out",
        "median delay, h",
        "pages a week",
    )
    return table(head, rows)


def _found(score: Score, kinds: Collection[str]) -> str:
    of = [one.found for one in score.visible if one.known.kind in kinds]
    return f"{sum(of)} of {len(of)}"


def _met(value: float, met: bool) -> str:
    return f"{value:.2f} {'✓' if met else '✗'}"


def changes(adopted: Mapping[str, Mapping[str, Adopted]]) -> str:
    """Of how many KPIs something was changed, and on what it rests."""
    rows = []
    for name, by_kpi in adopted.items():
        better = [one for one in by_kpi.values() if one.better]
        rows.append(
            (
                name,
                len(by_kpi),
                len(better),
                sum(one.settings == tuned.DEFAULT for one in better),
                sum(one.said for one in by_kpi.values()),
                sum(one.invented for one in by_kpi.values()),
            )
        )
    return table(
        ("configuration", "KPIs", "changed", "of these back to the default", "labels of incidents", "invented"), rows
    )


def draw(scores: Mapping[str, Score], file: Path) -> None:
    """An arrow from each configuration to what tuning makes of it, and the default."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(7.2, 5.4))
    axes.axvspan(RECALL, 1.02, ymin=PRECISION / 1.02, color="#27ae60", alpha=0.12, lw=0)
    axes.text(0.67, 1.0, "targets", color="#27ae60", fontsize=9, va="top")
    for name, color in zip(_detuned(scores), ("#c0392b", "#2c7fb8", "#7b6fb0"), strict=False):
        before, after = scores[name], scores[f"{name}, tuned"]
        axes.annotate(
            "",
            (after.recall, after.precision),
            (before.recall, before.precision),
            arrowprops={"arrowstyle": "->", "color": color, "lw": 1.5, "shrinkA": 6, "shrinkB": 8},
        )
        axes.plot([before.recall], [before.precision], "o", color=color, ms=8, label=name)
        axes.plot([after.recall], [after.precision], "*", color=color, ms=14, label=f"{name}, tuned")
    default = scores[_DEFAULT]
    axes.plot([default.recall], [default.precision], "D", color="#223344", ms=8, label=_DEFAULT)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc="lower left")
    figure.savefig(file, dpi=110, bbox_inches="tight")
    plt.close(figure)


def example(history: Pair, before: Configured, images: Path) -> None:
    """What ``daybook tune --out`` draws of one KPI."""
    material, share = prepared(tuned.history_of(history, _KPI), 1), tuned.share_of(before)
    found = tune(tuned.history_of(history, _KPI), before.kpis[_KPI], share, trials=TRIALS)
    for path in plots.draw(images, material, curves(found, material, share)):
        path.replace(images / path.name.replace(_KPI + ".", "tuning-"))


def _detuned(scores: Mapping[str, Score]) -> Sequence[str]:
    return [name for name in scores if f"{name}, tuned" in scores]
