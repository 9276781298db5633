"""What of history is learned from, what settings are chosen by, and what they are reported on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from detectors.calibration.contract import WEEK_MS
from detectors.tuning.course import History, Label
from detectors.tuning.trouble import HELD_OUT, SEEN, troubled
from streams.history.tuning.material import TuningError
from streams.kpis.values import KpiValue

LEARNING_MS = 4 * WEEK_MS
"""So long at first nothing is scored: everything is new."""
REPORTED = 1 / 3
"""The last part of what is scored, which nothing is chosen by."""
LEAST_MS = 4 * WEEK_MS
"""And so much of it there has to be in all."""


class Parts(NamedTuple):
    """The instants between which is learned, chosen, and reported (epoch ms)."""

    learned: int
    split: int
    until: int


class Prepared(NamedTuple):
    """A history to tune on, its parts, and whether the trouble in it was ``invented``."""

    history: History
    parts: Parts
    invented: bool


def prepared(history: History, seed: int) -> Prepared:
    """A history with trouble put into it, if it has no labels. The same seed gives the same.

    Raises :class:`~streams.history.tuning.material.TuningError` where history is too short, or there is nothing to
    choose by.
    """
    parts = _parts(history.values)
    invented = not history.labels
    if invented:
        history = _with_trouble(history, parts, seed)
    if not any(parts.learned <= one.since < parts.split for one in history.labels):
        raise TuningError(f"{history.kpi.name}: no label lies in the part of history that settings are chosen by")
    return Prepared(history, parts, invented)


def _parts(values: Sequence[KpiValue]) -> Parts:
    if not values:
        raise TuningError("there are no values of it")
    learned, until = values[0].start + LEARNING_MS, values[-1].end
    if until - learned < LEAST_MS:
        weeks = (until - values[0].start) / WEEK_MS
        raise TuningError(
            f"{values[0].kpi}: {weeks:.1f} weeks of history are too short "
            f"(at least {(LEARNING_MS + LEAST_MS) // WEEK_MS}: four are learned from)"
        )
    return Parts(learned, until - round((until - learned) * REPORTED), until)


def _with_trouble(history: History, parts: Parts, seed: int) -> History:
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
