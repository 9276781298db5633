"""Every watcher on every simulated shop: what it found, how late, and how often it was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.evaluation.incidents import Found, Score, kpi_of, together, verdict
from detectors.evaluation.watchers import WATCHERS
from streams.errors import DaybookError
from streams.kpis.grid import HOUR_MS
from tests.benchmarks.figures import percentile, table
from tests.evaluation import record, watched
from tests.evaluation.trial import CONTRACT, Trial, overall, threshold_for

OURS = "daybook"
PRECISION = RECALL = 0.66
FALSE = 0.25
"""Per KPI and week, at the most."""
DELAY = 2.0
"""Grains of an hour."""
APART = 0.25
"""How far the pages may be from the contract, as a share of it."""
SEEDS = 20
_DRAWS = 1_000
_FEW = 5


class ShopsError(DaybookError):
    """There is nothing to evaluate on."""


class Outcome(NamedTuple):
    """How a watcher did in shops of a size, or of all sizes (``size`` is None): the scores shop by shop, with
    incidents and without."""

    watcher: str
    size: int | None
    troubled: list[Score]
    usual: list[Score]
    by_chance: float
    micros: float

    @property
    def with_(self) -> Score:
        """All shops as one, with incidents."""
        return together(self.troubled)

    @property
    def without(self) -> Score:
        """The same shops without."""
        return together(self.usual)

    def interval(self, figure: Callable[[Score], float]) -> tuple[float, float]:
        """Where a figure of the shops with incidents lies in 95 % of samples of as many shops, drawn with replacement
        (B. Efron, "Bootstrap methods: another look at the jackknife", 1979)."""
        generator = np.random.default_rng(1)
        drawn = generator.integers(len(self.troubled), size=(_DRAWS, len(self.troubled))).tolist()
        found = [figure(together(self.troubled[number] for number in numbers)) for numbers in drawn]
        low, high = np.quantile(found, [0.025, 0.975])
        return float(low), float(high)


def measure(
    sizes: Sequence[int], seeds: Iterable[int], processes: int, images: Path | None, *, stale: bool = False
) -> str:
    """Record what is missing (not with ``stale``: then shops that are not recorded are left out), watch, and give the
    tables; the plot goes to a folder where one is given. Raises :class:`ShopsError` where no shop is recorded."""
    seeds = list(seeds)
    if not stale:
        record.complete(sizes, seeds, processes, _say)
    shops = watched.recorded(sizes, seeds, stale=stale)
    if not shops:
        raise ShopsError("no shop is recorded: leave out --stale, or run python -m tests.evaluation.record")
    watched.complete(shops, WATCHERS, processes, _say)
    trials = watched.trials(shops, OURS)
    ours = outcomes(OURS, trials)
    parts = [_shops(shops), targets(ours), ""]
    named, fair = list(ours), []
    for name in WATCHERS:
        if name != OURS:
            theirs = watched.trials(shops, name)
            named += outcomes(name, theirs)
            fair += [
                at_rate_of(one, name, [trial for trial in theirs if trial.size == one.size])
                for one in ours
                if one.size is not None
            ]
    parts[2] = by_watcher(named)
    parts += [by_kind(ours), at_same_rate(fair), wrong_by_kpi(trials)]
    if images is not None:
        from tests.evaluation import shops_plot

        shops_plot.draw(shops, images / "shops.png")
        parts.append("![Precision against recall by size, and an incident as it was seen](img/shops.png)")
    return "\n\n".join(parts)


def _say(text: str) -> None:
    print(text, flush=True)


def outcomes(watcher: str, trials: Sequence[Trial]) -> list[Outcome]:
    """By size, and of all sizes where there are several."""
    sizes: list[int | None] = list(dict.fromkeys(sorted(trial.size for trial in trials)))
    found = []
    for size in [*sizes, None] if len(sizes) > 1 else sizes:
        of = [trial for trial in trials if size in (None, trial.size)]
        pairs = [trial.scores() for trial in of]
        both = [one for trial in of for one in (trial.troubled, trial.usual)]
        found.append(
            Outcome(
                watcher,
                size,
                [pair[0] for pair in pairs],
                [pair[1] for pair in pairs],
                float(np.mean([trial.by_chance for trial in of])),
                sum(one.seconds for one in both) / sum(one.points for one in both) * 1e6,
            )
        )
    return found


class Fair(NamedTuple):
    """A watcher with a threshold on its score, in shops of a size, with incidents and without."""

    watcher: str
    size: int
    threshold: float
    with_: Score
    without: Score


def at_rate_of(ours: Outcome, watcher: str, trials: Sequence[Trial]) -> Fair:
    """Another watcher in the shops of the same size, telling of what is above the lowest threshold at which it has no
    more false alarms than ours in those without incidents."""
    assert ours.size is not None
    threshold = threshold_for(trials, ours.without.false_per_kpi_week)
    return Fair(watcher, ours.size, threshold, *overall(trials, threshold))


# -- tables -------------------------------------------------------------------------------------------------------


def _shops(shops: Iterable[watched.Shop]) -> str:
    counts = Counter(shop.size for shop in shops)
    said = ", ".join(f"{count} of {size:,} orders a day" for size, count in sorted(counts.items()))
    return f"Shops, each of eight weeks, with incidents and without: {said}."


def targets(outcomes: Sequence[Outcome]) -> str:
    """What was aimed at, and what there is."""
    rows = []
    sizes = [one.size for one in outcomes if one.size is not None]
    for one in outcomes:
        score, usual = one.with_, one.without
        delay = score.delay
        rows.append(
            (
                _size(one.size),
                _met(
                    str(len(one.troubled)), len(one.troubled) >= (SEEDS if one.size is not None else SEEDS * len(sizes))
                ),
                _met(_ranged(one, lambda score: score.precision), score.precision >= PRECISION),
                _met(_ranged(one, lambda score: score.recall), score.recall >= RECALL),
                _met(f"{score.false_per_kpi_week:.3f}", score.false_per_kpi_week <= FALSE),
                _met(_hours(delay), delay is not None and delay / HOUR_MS <= DELAY),
                _met(f"{score.pages_per_week:.2f}", abs(score.pages_per_week / CONTRACT - 1) <= APART),
                _met(f"{usual.pages_per_week:.2f}", abs(usual.pages_per_week / CONTRACT - 1) <= APART),
            )
        )
    low, high = CONTRACT * (1 - APART), CONTRACT * (1 + APART)
    head = (
        f"{OURS}: orders a day",
        f"shops (≥ {SEEDS} of a size)",
        f"precision (≥ {PRECISION})",
        f"recall (≥ {RECALL})",
        f"false per KPI and week (≤ {FALSE})",
        f"median delay, h (≤ {DELAY:.0f})",
        f"pages a week ({low:.2f} to {high:.2f})",
        "the same without incidents",
    )
    return table(head, rows)


def by_watcher(outcomes: Iterable[Outcome]) -> str:
    """All watchers as they come, by size."""
    rows = []
    for one in outcomes:
        score, usual = one.with_, one.without
        rows.append(
            (
                f"**{one.watcher}**" if one.watcher == OURS else one.watcher,
                _size(one.size),
                len(score.visible),
                sum(found.found for found in score.visible),
                f"{score.recall:.2f}",
                f"{score.precision:.2f}",
                f"{one.by_chance:.3f}",
                f"{score.false_per_kpi_week:.3f}",
                f"{usual.false_per_kpi_week:.3f}",
                _hours(score.delay),
                f"{score.pages_per_week:.2f}",
                f"{usual.pages_per_week:.2f}",
                f"{one.micros:.1f}",
            )
        )
    head = (
        "watcher",
        "orders a day",
        "visible",
        "found",
        "recall",
        "precision",
        "by chance",
        "false per KPI and week",
        "without incidents",
        "median delay, h",
        "pages a week",
        "without incidents",
        "µs a value",
    )
    return table(head, rows)


def by_kind(outcomes: Sequence[Outcome]) -> str:
    """Ours by kind of incident: found of the visible, by size, and the delay."""
    sizes = [one for one in outcomes if one.size is not None]
    incidents = [(one.size, found) for one in sizes for found in one.with_.incidents]
    rows = []
    for kind in sorted({found.known.kind for _, found in incidents if found.known.nature != "planned"}):
        of = [(size, found) for size, found in incidents if found.known.kind == kind]
        visible = [(size, found) for size, found in of if found.known.shows is not None]
        delays = [found.delay / HOUR_MS for _, found in visible if found.delay is not None]
        rows.append(
            (
                kind,
                len(of),
                len(visible),
                *(_share([found for size, found in visible if size == one.size]) for one in sizes),
                _share([found for _, found in visible]),
                f"{float(np.median(delays)):.1f}" if delays else "-",
                f"{percentile(delays, 0.9):.0f}" if delays else "-",
            )
        )
    head = (
        f"{OURS}: kind of incident",
        "incidents",
        "visible",
        *(f"found, {_size(one.size)}" for one in sizes),
        "found",
        "median delay, h",
        "90 % within, h",
    )
    return table(head, rows)


def at_same_rate(fair: Iterable[Fair]) -> str:
    """The others as quiet as ours; nothing where no threshold makes them so."""
    rows = [
        (
            one.watcher,
            _size(one.size),
            *(
                (
                    f"{one.threshold:.3g}",
                    f"{one.without.false_per_kpi_week:.3f}",
                    f"{one.with_.recall:.2f}",
                    f"{one.with_.precision:.2f}",
                    _hours(one.with_.delay),
                    f"{one.with_.pages_per_week:.2f}",
                )
                if np.isfinite(one.threshold)
                else ("-",) * 6
            ),
        )
        for one in fair
    ]
    head = (
        "as quiet as ours",
        "orders a day",
        "threshold",
        "false per KPI and week without incidents",
        "recall",
        "precision",
        "median delay, h",
        "pages a week",
    )
    return table(head, rows)


def wrong_by_kpi(trials: Sequence[Trial], most: int = 8) -> str:
    """The KPIs of which ours was most often wrong: alerts by verdict, with incidents, and without."""
    told: dict[str, Counter[str]] = {}
    for trial in trials:
        for troubled in (True, False):
            for alert in trial.alerts(troubled):
                what = verdict(alert, trial.known)[0] if troubled else "usual"
                told.setdefault(kpi_of(alert.series), Counter())[what] += 1
    ordered = sorted(told, key=lambda kpi: (-told[kpi]["false"] - told[kpi]["planned"] - told[kpi]["usual"], kpi))
    rows = [
        (kpi, *(told[kpi][what] for what in ("true", "consequence", "planned", "false", "usual")))
        for kpi in ordered[:most]
    ]
    head = (f"{OURS}: alerts by KPI", "true", "consequence", "planned", "false", "false, without incidents")
    return table(head, rows)


def _size(size: int | None) -> str:
    return "all" if size is None else f"{size:,}"


def _hours(delay: float | None) -> str:
    return "-" if delay is None else f"{delay / HOUR_MS:.1f}"


def _share(found: Sequence[Found]) -> str:
    return f"{sum(one.found for one in found)} of {len(found)}" if found else "-"


def _met(text: str, met: bool) -> str:
    return f"{text} {'✓' if met else '✗'}"


def _ranged(one: Outcome, figure: Callable[[Score], float]) -> str:
    """With its interval, where there are shops enough to draw samples of."""
    if len(one.troubled) < _FEW:
        return f"{figure(one.with_):.2f}"
    low, high = one.interval(figure)
    return f"{figure(one.with_):.2f} ({low:.2f} to {high:.2f})"
