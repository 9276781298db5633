"""Forecasts of missed promises against what happened: shops with incidents and without, every six hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from detectors.casework.ledger import Ledger
from detectors.casework.promises import HORIZONS_MS, Open, Promises, Target, targets
from streams.config import load_config
from streams.events.times import parse_time
from streams.ingest.simulator import Incident, Simulation, SimulatorSettings
from streams.kpis.grid import DAY_MS, HOUR_MS
from tests.benchmarks.figures import table
from tests.evaluation.pyplot import pyplot
from tests.support.casework import business_events, fold

F64 = npt.NDArray[np.float64]

SHOPS = 12
SIZE = 200
"""Orders a day."""
_START = 1_772_406_000_000
"""Monday 2 March 2026, midnight in Berlin."""
_LEARNED = 15 * DAY_MS
_JUDGED = 14 * DAY_MS
_EVERY = 6 * HOUR_MS
_AIM = (0.85, 0.95)


class Judged(NamedTuple):
    """One forecast: horizon (ms), mean, interval, and how many it was."""

    kpi: str
    horizon: int
    troubled: bool
    expected: float
    low: int
    high: int
    missed: int


class Told(NamedTuple):
    """The chances of what is due within a day, beside those of a naive rival, and what came of it."""

    kpi: str
    chance: F64
    naive: F64
    missed: npt.NDArray[np.bool_]


def settings(seed: int) -> SimulatorSettings:
    """A shop of four weeks and a bit; an odd seed has three incidents in the two weeks that are judged."""
    usual = SimulatorSettings(
        start=_START,
        end=_START + _LEARNED + _JUDGED + 4 * DAY_MS,
        seed=500 + seed,
        orders_per_day=SIZE,
        heartbeat=DAY_MS,
    )
    if seed % 2 == 0:
        return usual
    generator = np.random.default_rng(seed)
    day = _LEARNED // DAY_MS + 1
    incidents = [
        Incident(
            kind=kind,
            start=_START + (day + offset) * DAY_MS + int(generator.uniform(7, 14) * HOUR_MS),
            duration=int(generator.uniform(*hours) * HOUR_MS),
            scope=scope,
        )
        for kind, offset, hours, scope in (
            ("courier_outage", 1, (10, 28), {"carrier": ["postbird"]}),
            ("warehouse_stop", 6, (5, 10), {"warehouse": ["hamburg"]}),
            ("support_understaffed", 9, (8, 30), {}),
        )
    ]
    return replace(usual, incidents=incidents)


def judge(seed: int) -> tuple[list[Judged], list[Told]]:
    """Forecast in one shop as it would have been done, and look what happened."""
    definitions = load_config(env={}).definitions()
    events = business_events(Simulation(settings(seed)))
    times = [parse_time(event.time) for event in events]
    after = fold(Ledger(definitions), events)
    ledger, done = Ledger(definitions), 0
    known: dict[Target, Promises] = {}
    judged, told = [], []
    for at in range(_START + _LEARNED, _START + _LEARNED + _JUDGED, _EVERY):
        end = done
        while end < len(events) and times[end] <= at:
            end += 1
        fold(ledger, events[done:end])
        done = end
        for target in targets(definitions):
            if target not in known or at - known[target].at >= DAY_MS:
                known[target] = Promises(ledger, target, at)
            promises = known[target]
            soon = [one for one in promises.open(ledger, at) if at < one.due <= at + HORIZONS_MS[-1]]
            chances = promises.chances(soon, at)
            missed = np.array([_missed(one, target, after) for one in soon], dtype=np.bool_)
            due = np.array([one.due - at for one in soon], dtype=np.int64)
            for horizon in HORIZONS_MS:
                inside = due <= horizon
                low, high = promises.interval(*chances[inside].T, horizon)
                count = int(missed[inside].sum())
                expected = float(chances[inside, 0].sum())
                judged.append(Judged(target.kpi, horizon, bool(seed % 2), expected, low, high, count))
            day = due <= DAY_MS
            naive = np.array([_naive(one, promises, at) for one in soon])
            told.append(Told(target.kpi, chances[day, 0], naive[day], missed[day]))
    return judged, told


def _missed(one: Open, target: Target, after: Ledger) -> bool:
    """Whether it was open still when it was due."""
    life = after.get(one.life.subject)
    assert life is not None
    story = after.story(life)
    if target.entity == "ticket":
        name = one.life.entities[one.entity - 1]
        story = [each for each in story if each.entity and life.entities[each.entity - 1] == name]
    over = {"order.cancelled", "delivery.returned", "ticket.resolved"} - (
        {"ticket.resolved"} if target.entity == "order" else set()
    )
    return not any(
        each.time <= one.due and (each.sort.moments & target.end or each.sort.type in over) for each in story
    )


def _naive(one: Open, promises: Promises, at: int) -> float:
    """Late if it has been where it is for longer than the median takes from there to the end."""
    return float(at - one.step.start > promises.median(one.step.name))


def measure(processes: int, images: Path | None, seeds: Iterable[int] = range(1, SHOPS + 1)) -> str:
    """Judge all shops and give the tables; the plot goes to a folder where one is given."""
    seeds = list(seeds)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(judge, seeds))
    judged = [one for each, _ in found for one in each]
    told = [one for _, each in found for one in each]
    parts = [
        f"{len(seeds)} shops of {SIZE} orders a day, half of them with an outage of the largest carrier, a warehouse "
        "that stands still and a desk without people; a forecast every six hours over two weeks, two before to learn "
        "from.",
        coverage(judged),
        scores(told),
    ]
    if images is not None:
        draw(told, images / "promises.png")
        parts.append("![Chances told against what happened](img/promises.png)")
    return "\n\n".join(parts)


def coverage(judged: Sequence[Judged]) -> str:
    """How often the interval held what happened."""
    rows = []
    for kpi in dict.fromkeys(one.kpi for one in judged):
        for horizon in HORIZONS_MS:
            of = [one for one in judged if one.kpi == kpi and one.horizon == horizon]
            some = [one for one in of if one.expected >= 0.5 or one.missed]
            rows.append(
                (
                    kpi,
                    f"{horizon // HOUR_MS} h",
                    len(of),
                    f"{np.mean([one.expected for one in of]):.1f}",
                    f"{np.mean([one.missed for one in of]):.1f}",
                    f"{np.mean([one.high - one.low for one in of]):.1f}",
                    _met(of),
                    *(_met([one for one in of if one.troubled == troubled]) for troubled in (False, True)),
                    _met(some),
                )
            )
    head = (
        "promise",
        "horizon",
        "forecasts",
        "expected",
        "missed",
        "width",
        "inside (85 to 95 %)",
        "without incidents",
        "with incidents",
        "where any were expected",
    )
    return table(head, rows)


def _met(of: Sequence[Judged]) -> str:
    inside = float(np.mean([one.low <= one.missed <= one.high for one in of])) if of else float("nan")
    return f"{inside:.0%} {'✓' if _AIM[0] <= inside <= _AIM[1] else '✗'}"


def scores(told: Sequence[Told]) -> str:
    """Brier scores of what is due within a day (G. W. Brier, "Verification of forecasts expressed in terms of
    probability", 1950): 0 is best."""
    rows = []
    for kpi in dict.fromkeys(one.kpi for one in told):
        of = [one for one in told if one.kpi == kpi]
        chance, naive = (np.concatenate([getattr(one, name) for one in of]) for name in ("chance", "naive"))
        missed = np.concatenate([one.missed for one in of]).astype(float)
        brier, base, rival = (
            float(np.mean((each - missed) ** 2)) for each in (chance, np.full(len(missed), missed.mean()), naive)
        )
        rows.append((kpi, len(missed), f"{missed.mean():.1%}", f"{brier:.3f}", f"{base:.3f}", f"{rival:.3f}"))
    return table(
        (
            "promise, due within a day",
            "chances told",
            "missed",
            "Brier score",
            "base rate",
            "late if older than the median",
        ),
        rows,
    )


def draw(told: Sequence[Told], path: Path) -> None:
    """Reliability: of those with about the same chance, how many were missed."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(5.2, 4.6))
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linewidth=1)
    for kpi, colour in zip(dict.fromkeys(one.kpi for one in told), ("#1f6fb4", "#d1662a"), strict=False):
        of = [one for one in told if one.kpi == kpi]
        chance = np.concatenate([one.chance for one in of])
        missed = np.concatenate([one.missed for one in of]).astype(float)
        bins = np.minimum((chance * 10).astype(int), 9)
        filled = [each for each in range(10) if (bins == each).sum() >= 10]
        axes.plot(
            [chance[bins == each].mean() for each in filled],
            [missed[bins == each].mean() for each in filled],
            marker="o",
            color=colour,
            label=kpi,
        )
    axes.set_xlabel("chance told")
    axes.set_ylabel("share missed")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
