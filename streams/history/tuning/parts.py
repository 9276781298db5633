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


FEW = 10
"""On fewer labels than that hardly anything is gained by more than chance (:func:`~detectors.tuning.choice.verdict`).
"""


COPIES = 3
"""So often the part that is reported on is looked at where trouble was put into it, each time with it elsewhere: as
much as it takes to prove something would hide itself if it were all in one."""


class Prepared(NamedTuple):
    """A history to tune on, its parts, how many of its labels were ``said``, and ``copies`` of it with other trouble in
    the part that is reported on."""

    history: History
    parts: Parts
    said: int
    copies: Sequence[History]


def prepared(history: History, seed: int) -> Prepared:
    """A history with trouble put into it, if it has no labels, or too few in a part to prove anything. The same seed
    gives the same.

    Raises :class:`~streams.history.tuning.material.TuningError` where history is too short, or there is nothing to
    choose by.
    """
    if not history.values:
        raise TuningError(f"{history.kpi.name}: there is no value of it in that time")
    parts, said, copies = _parts(history.values), history.labels, list[History]()
    if min(_within(history, parts.learned, parts.split), _within(history, parts.split, parts.until)) < FEW:
        try:
            history, *copies = (_with_trouble(history, parts, seed, copy) for copy in range(COPIES))
        except ValueError as error:
            if not said:
                raise TuningError(f"{history.kpi.name}: {error}") from None
    if not _within(history, parts.learned, parts.split):
        raise TuningError(f"{history.kpi.name}: no label lies in the part of history that settings are chosen by")
    # What was said counts once.
    beside = history.beside._replace(unsaid=[*history.beside.unsaid, *said])
    copies = [one._replace(labels=one.invented, beside=beside) for one in copies]
    return Prepared(history, parts, len(said), copies)


def _within(history: History, since: int, until: int) -> int:
    return sum(since <= one.since < until for one in history.labels)


def _parts(values: Sequence[KpiValue]) -> Parts:
    learned, until = values[0].start + LEARNING_MS, values[-1].end
    if until - learned < LEAST_MS:
        weeks = (until - values[0].start) / WEEK_MS
        raise TuningError(
            f"{values[0].kpi}: {weeks:.1f} weeks of history are too short "
            f"(at least {(LEARNING_MS + LEAST_MS) // WEEK_MS}: four are learned from)"
        )
    return Parts(learned, until - round((until - learned) * REPORTED), until)


def _with_trouble(history: History, parts: Parts, seed: int, copy: int) -> History:
    values: list[KpiValue] = []
    labels: list[Label] = []
    beside = [*history.labels, *history.beside.false, *history.beside.unsaid]
    for since, until, kinds, number in (
        (parts.learned, parts.split, SEEN, seed),
        (parts.split, parts.until, (*SEEN, *HELD_OUT), seed + 1 + copy),
    ):
        part = [one for one in history.values if (one.start >= since or since == parts.learned) and one.start < until]
        some, put = troubled(history.kpi, part, since, kinds, number, beside)
        values += some
        labels += put
    return history._replace(values=values, labels=sorted([*history.labels, *labels]), invented=labels)
