"""The search: settings are tried on the early part of history, and the best of them has to win on the last."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

import optuna

from detectors.tuning.choice import BACK, Verdict, verdict, worth
from detectors.tuning.course import History, Score, alerts_of, score, together
from detectors.tuning.trouble import HELD_OUT
from detectors.watch.settings import DEFAULT, SPANS, Settings
from streams.history.tuning.parts import Parts, Prepared, prepared
from streams.kpis.grid import HOUR_MS


class Tried(NamedTuple):
    """Settings, and how good alerts are under them in the part that is reported on; there of ``held_out`` kinds of
    trouble alone, where there are such."""

    settings: Settings
    reported: Score
    held_out: Score | None


class Tuned(NamedTuple):
    """What came of it for a KPI: as it is, as it is by default, and what is proposed, which is the best that was found
    or the default, whichever has won; whether it has. It rests on so many labels that were ``said`` and so many that
    were ``invented``, in all of history."""

    kpi: str
    today: Tried
    default: Tried
    proposed: Tried
    verdict: Verdict
    said: int
    invented: int

    @property
    def named(self) -> list[tuple[str, Tried]]:
        """What is side by side, by name."""
        return [("as it is", self.today), ("by default", self.default), ("proposed", self.proposed)]


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
    labels, or with few, trouble is put into its history.

    Raises :class:`~streams.history.tuning.material.TuningError` where history is too short, or there is nothing to
    choose by.
    """
    material = prepared(history, seed)
    history, parts, said = material.history, material.parts, material.said
    invented = len(history.invented)
    early = history._replace(values=[value for value in history.values if value.start < parts.split])
    best = _search(early, parts, today, share, trials, seed, processes, progress)
    held_out = HELD_OUT if invented else ()
    now, default, found = (_tried(material, settings, share, held_out) for settings in (today, DEFAULT, best))
    against_default, against_now = (verdict(one.reported, found.reported) for one in (default, now))
    if against_default.better and against_now.better:
        return Tuned(history.kpi.name, now, default, found, against_now, said, invented)
    back = verdict(now.reported, default.reported, BACK)
    if back.better:
        return Tuned(history.kpi.name, now, default, default, back, said, invented)
    lost = (
        against_default._replace(why=f"than the default, {against_default.why}") if against_now.better else against_now
    )
    return Tuned(history.kpi.name, now, default, found, lost, said, invented)


def _tried(material: Prepared, settings: Settings, share: float, held_out: Sequence[str]) -> Tried:
    _, since, until = material.parts
    several = (material.history, *material.copies)
    told = [(one, alerts_of(one, settings, rate_of(settings, share))) for one in several]

    def scored(kinds: Sequence[str] | None) -> Score:
        return together([score(alerts, one.labels, since, until, kinds, one.beside) for one, alerts in told])

    return Tried(settings, scored(None), scored(held_out) if held_out else None)


def rate_of(settings: Settings, share: float) -> float:
    """How often a week one is told of a KPI under some settings; ``share`` is what it has by default."""
    return share if settings.per_week is None else settings.per_week


_COOL_DOWNS = tuple(hours * HOUR_MS for hours in (6, 12, 24, 48))
_LEAST_OFTEN, _MOST_OFTEN = 0.1, 2.0


def _suggested(trial: optuna.Trial, share: float) -> Settings:
    return Settings(
        per_week=trial.suggest_float("per_week", share * _LEAST_OFTEN, share * _MOST_OFTEN, log=True),
        longest=trial.suggest_categorical("longest", SPANS),
        least_change=trial.suggest_float("least_change", 0.0, 0.5, step=0.05),
        least_cases=trial.suggest_float("least_cases", 1.0, 50.0, log=True),
        cool_down=trial.suggest_categorical("cool_down", _COOL_DOWNS),
        protect=trial.suggest_float("protect", 2.0, 6.0, step=0.5),
    )


def _known(settings: Settings, share: float) -> Mapping[str, Any]:
    """As a trial's parameters, as near as they can be."""
    return {
        "per_week": min(max(rate_of(settings, share), share * _LEAST_OFTEN), share * _MOST_OFTEN),
        "longest": min(SPANS, key=lambda span: abs(span - settings.longest)),
        "least_change": min(0.5, round(settings.least_change * 20) / 20),
        "least_cases": min(max(settings.least_cases, 1.0), 50.0),
        "cool_down": min(_COOL_DOWNS, key=lambda one: abs(one - settings.cool_down)),
        "protect": min(max(round(settings.protect * 2) / 2, 2.0), 6.0),
    }


def _search(
    history: History,
    parts: Parts,
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
    with _judge(history, parts, share, processes) as judge:
        done = 0
        while done < trials:
            asked = [study.ask() for _ in range(min(processes, trials - done))]
            found = judge([_suggested(trial, share) for trial in asked])
            for trial, value in zip(asked, found, strict=True):
                study.tell(trial, value)
            done += len(asked)
            progress(done)
    best: Settings = _suggested(optuna.trial.FixedTrial(study.best_params), share)  # type: ignore[arg-type]
    return best


@contextmanager
def _judge(
    history: History, parts: Parts, share: float, processes: int
) -> Iterator[Callable[[list[Settings]], Iterable[float]]]:
    """What settings are worth, several at once, or one after the other in this process where it is to be one."""
    if processes == 1:
        _remember(history, parts, share)
        yield lambda several: map(_worth, several)
        return
    given = (history, parts, share)
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_remember, initargs=given) as pool:
        yield lambda several: pool.map(_worth, several)


_given: tuple[History, Parts, float] | None = None
"""Of a process of the search: what it judges, and what an equal share is."""


def _remember(history: History, parts: Parts, share: float) -> None:
    global _given
    _given = history, parts, share


def _worth(settings: Settings) -> float:
    assert _given is not None
    history, parts, share = _given
    alerts = alerts_of(history, settings, rate_of(settings, share))
    return worth(score(alerts, history.labels, parts.learned, parts.split, beside=history.beside))
