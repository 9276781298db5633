"""Recall against false alarms: what settings would be worth if one were told more often, or less."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from msgspec.structs import replace

from detectors.tuning.course import Score, What, alerts_of, judged, score, together
from detectors.watch.settings import Settings
from streams.history.tuning.parts import Prepared
from streams.history.tuning.search import Tuned, rate_of

FACTORS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Of how often a week one is told as it is set."""


class Point(NamedTuple):
    """Told ``per_week`` times a week: how good alerts are in the part that is reported on."""

    per_week: float
    score: Score


class Curve(NamedTuple):
    """Settings, under the ``names`` that they have: how good alerts are under them (``given``), which they are and what
    each is, by time, and what there would be at other rates, from rare to often."""

    names: tuple[str, ...]
    settings: Settings
    given: Point
    alerts: list[tuple[int, What]]
    points: list[Point]


def curves(
    found: Tuned,
    material: Prepared,
    share: float,
    *,
    processes: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Curve]:
    """Of the settings that are as it is, by default and proposed; those that are the same are one. ``material`` is what
    they were tuned on, ``share`` as for :func:`~streams.history.tuning.search.tune`."""
    named: dict[Settings, list[str]] = {}
    for name, tried in found.named:
        named.setdefault(replace(tried.settings, per_week=rate_of(tried.settings, share)), []).append(name)
    todo = [(one, rate_of(one, share) * factor) for one in named for factor in FACTORS]
    told: dict[Settings, dict[float, list[list[int]]]] = {one: {} for one in named}
    context = get_context("spawn")
    processes = min(processes or len(os.sched_getaffinity(0)), len(todo))
    with ProcessPoolExecutor(processes, context, initializer=_remember, initargs=(material,)) as pool:
        for (one, rate), alerts in zip(todo, pool.map(_alerts, *zip(*todo, strict=True)), strict=True):
            told[one][rate] = alerts
            progress(sum(map(len, told.values())))
    return [_curve(material, tuple(names), one, told[one]) for one, names in named.items()]


def most(found: Tuned) -> int:
    """How many times history is judged for its curves, at the most."""
    return len(found.named) * len(FACTORS)


def _curve(material: Prepared, names: tuple[str, ...], settings: Settings, told: dict[float, list[list[int]]]) -> Curve:
    _, since, until = material.parts
    several = (material.history, *material.copies)
    points = {
        rate: Point(
            rate,
            together(
                [
                    score(some, one.labels, since, until, beside=one.beside)
                    for one, some in zip(several, alerts, strict=True)
                ]
            ),
        )
        for rate, alerts in told.items()
    }
    assert settings.per_week is not None
    shown = judged(told[settings.per_week][0], material.history.labels, since, until, material.history.beside)
    return Curve(names, settings, points[settings.per_week], shown, list(points.values()))


_given: Prepared | None = None
"""Of a process: what it judges."""


def _remember(material: Prepared) -> None:
    global _given
    _given = material


def _alerts(settings: Settings, rate: float) -> list[list[int]]:
    assert _given is not None
    return [alerts_of(one, settings, rate) for one in (_given.history, *_given.copies)]
