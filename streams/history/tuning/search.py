"""The search: settings are tried on the early part of history, and the best of them has to win on the last."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import optuna

from detectors.calibration.contract import WEEK_MS
from detectors.tuning.choice import Verdict, verdict, worth
from detectors.tuning.course import History, Label, Score, alerts_of, score
from detectors.tuning.trouble import HELD_OUT, SEEN, troubled
from detectors.watch.settings import DEFAULT, SPANS, Settings
from streams.history.tuning.material import TuningError
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

LEARNING_MS = 4 * WEEK_MS
"""So long at first nothing is scored: everything is new."""
REPORTED = 1 / 3
"""The last part of what is scored, which nothing is chosen by."""
LEAST_MS = 4 * WEEK_MS
"""And so much of it there has to be in all."""


class Tried(NamedTuple):
    """Settings, and how good alerts are under them in the part that is reported on; there of ``held_out`` kinds of
    trouble alone, where there are such."""

    settings: Settings
    reported: Score
    held_out: Score | None


class Tuned(NamedTuple):
    """What came of it for a KPI: as it is, as it is by default, and what is proposed, which is the best that was found
    or the default, whichever has won; whether it has. ``invented``: nobody said what was wrong, so trouble was put into
    its history."""

    kpi: str
    today: Tried
    default: Tried
    proposed: Tried
    verdict: Verdict
    invented: bool


class _Parts(NamedTuple):
    """The instants between which is learned, chosen, and reported (epoch ms)."""

    learned: int
    split: int
    until: int


def tune(
    history: History,
    today: Settings,
    share: float,
    *,
    trials: int = 100,
    seed: int = 1,
    processes: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Tuned:
    """Look for better settings of a KPI; ``share`` is how often a week one would be told of it by default. Without
    labels trouble is put into its history.

    Raises :class:`~streams.history.tuning.material.TuningError` where history is too short, or there is nothing to
    choose by.
    """
    parts = _parts(history.values)
    invented = not history.labels
    if invented:
        history = _with_trouble(history, parts, seed)
    if not any(parts.learned <= one.since < parts.split for one in history.labels):
        raise TuningError(f"{history.kpi.name}: no label lies in the part of history that settings are chosen by")
    early = history._replace(values=[value for value in history.values if value.start < parts.split])
    best = _search(early, parts, today, share, trials, seed, processes, progress)
    held_out = HELD_OUT if invented else ()
    now, default, found = (_tried(history, parts, settings, share, held_out) for settings in (today, DEFAULT, best))
    against_default, against_now = (verdict(one.reported, found.reported) for one in (default, now))
    if against_default.better and against_now.better:
        return Tuned(history.kpi.name, now, default, found, against_now, invented)
    back = verdict(now.reported, default.reported)
    if back.better:
        return Tuned(history.kpi.name, now, default, default, back, invented)
    return Tuned(history.kpi.name, now, default, found, against_default, invented)


def _parts(values: Sequence[KpiValue]) -> _Parts:
    if not values:
        raise TuningError("there are no values of it")
    learned, until = values[0].start + LEARNING_MS, values[-1].end
    if until - learned < LEAST_MS:
        weeks = (until - values[0].start) / WEEK_MS
        raise TuningError(
            f"{values[0].kpi}: {weeks:.1f} weeks of history are too short "
            f"(at least {(LEARNING_MS + LEAST_MS) // WEEK_MS}: four are learned from)"
        )
    return _Parts(learned, until - round((until - learned) * REPORTED), until)


def _with_trouble(history: History, parts: _Parts, seed: int) -> History:
    values: list[KpiValue] = []
    labels: list[Label] = []
    for since, until, kinds, number in (
        (parts.learned, parts.split, SEEN, seed),
        (parts.split, parts.until, (*SEEN, *HELD_OUT), seed + 1),
    ):
        part = [one for one in history.values if (one.start >= since or since == parts.learned) and one.start < until]
        try:
            some, put = troubled(history.kpi, part, since, kinds, number)
        except ValueError as error:
            raise TuningError(f"{history.kpi.name}: {error}") from None
        values += some
        labels += put
    beyond = len(labels) / ((parts.until - parts.learned) / WEEK_MS)
    return history._replace(values=values, labels=sorted(labels), beyond=beyond)


def _tried(history: History, parts: _Parts, settings: Settings, share: float, held_out: Sequence[str]) -> Tried:
    alerts = alerts_of(history, settings, _per_week(settings, share))
    return Tried(
        settings,
        score(alerts, history.labels, parts.split, parts.until),
        score(alerts, history.labels, parts.split, parts.until, held_out) if held_out else None,
    )


def _per_week(settings: Settings, share: float) -> float:
    return share if settings.per_week is None else settings.per_week


_COOL_DOWNS = tuple(hours * HOUR_MS for hours in (6, 12, 24, 48))
_MOST_OFTEN = 2.0


def _suggested(trial: optuna.Trial, share: float) -> Settings:
    return Settings(
        per_week=trial.suggest_float("per_week", share / 4, share * _MOST_OFTEN, log=True),
        longest=trial.suggest_categorical("longest", SPANS),
        least_change=trial.suggest_float("least_change", 0.0, 0.5, step=0.05),
        least_cases=trial.suggest_float("least_cases", 1.0, 50.0, log=True),
        cool_down=trial.suggest_categorical("cool_down", _COOL_DOWNS),
        protect=trial.suggest_float("protect", 2.0, 6.0, step=0.5),
    )


def _known(settings: Settings, share: float) -> Mapping[str, Any]:
    """As a trial's parameters, as near as they can be."""
    return {
        "per_week": min(max(_per_week(settings, share), share / 4), share * _MOST_OFTEN),
        "longest": min(SPANS, key=lambda span: abs(span - settings.longest)),
        "least_change": min(0.5, round(settings.least_change * 20) / 20),
        "least_cases": min(max(settings.least_cases, 1.0), 50.0),
        "cool_down": min(_COOL_DOWNS, key=lambda one: abs(one - settings.cool_down)),
        "protect": min(max(round(settings.protect * 2) / 2, 2.0), 6.0),
    }


def _search(
    history: History,
    parts: _Parts,
    today: Settings,
    share: float,
    trials: int,
    seed: int,
    processes: int | None,
    progress: Callable[[int], None],
) -> Settings:
    """The settings that were worth the most."""
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for settings in (DEFAULT, today):
        study.enqueue_trial(dict(_known(settings, share)), skip_if_exists=True)
    processes = min(processes or len(os.sched_getaffinity(0)), trials)
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_remember, initargs=(history, parts, share)) as pool:
        done = 0
        while done < trials:
            asked = [study.ask() for _ in range(min(processes, trials - done))]
            found = pool.map(_worth, [_suggested(trial, share) for trial in asked])
            for trial, value in zip(asked, found, strict=True):
                study.tell(trial, value)
            done += len(asked)
            progress(done)
    best: Settings = _suggested(optuna.trial.FixedTrial(study.best_params), share)  # type: ignore[arg-type]
    return best


_given: tuple[History, _Parts, float] | None = None
"""Of a process of the search: what it judges, and what an equal share is."""


def _remember(history: History, parts: _Parts, share: float) -> None:
    global _given
    _given = history, parts, share


def _worth(settings: Settings) -> float:
    assert _given is not None
    history, parts, share = _given
    alerts = alerts_of(history, settings, _per_week(settings, share))
    return worth(score(alerts, history.labels, parts.learned, parts.split))
