"""A KPI's history judged afresh under some settings, and how good the alerts were that came of it.

The watch goes through all of history in its order and never looks ahead (A. P. Dawid, "Statistical theory: the
prequential approach", 1984); what it did is then looked at part by part of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from detectors.calibration.contract import WEEK_MS
from detectors.evaluation.episodes import begins
from detectors.lookback.rejudge import grains_of, told
from detectors.watch.kpi import Around, KpiWatch
from detectors.watch.settings import Settings
from detectors.watch.words import Words
from streams.kpis.definitions import KpiDefinition
from streams.kpis.grid import HOUR_MS
from streams.kpis.values import KpiValue

AFTER_MS = 6 * HOUR_MS
"""So long after a label ends an alert is still about it: evidence adds up."""
SETTLES_MS = 48 * HOUR_MS
"""And so long what comes of it is neither right nor wrong."""


class Label(NamedTuple):
    """Something was wrong from ``since`` to before ``until`` (epoch ms). ``what`` says of which kind."""

    since: int
    until: int
    what: str = ""


class History(NamedTuple):
    """Final values of one KPI, all its series, grain by grain; what was wrong with it, by time; what is known of its
    calendar. ``beyond`` is how much trouble a week was put into it: being told of that is no part of what was agreed
    upon."""

    kpi: KpiDefinition
    timezone: str
    values: Sequence[KpiValue]
    labels: Sequence[Label]
    around: Around
    beyond: float = 0.0


class Score(NamedTuple):
    """Of a part of the time: which of the ``labels`` were ``found``, after how many hours (``delays``, by label), and
    how many alerts that people would be told of were ``false`` in how many ``weeks``."""

    labels: int
    found: frozenset[int]
    delays: tuple[float, ...]
    false: int
    weeks: float

    @property
    def recall(self) -> float:
        """1 where there was nothing to find."""
        return len(self.found) / self.labels if self.labels else 1.0

    @property
    def precision(self) -> float:
        """1 where nobody was told of anything."""
        both = len(self.found) + self.false
        return len(self.found) / both if both else 1.0

    @property
    def false_a_week(self) -> float:
        return self.false / self.weeks if self.weeks else 0.0

    @property
    def delay(self) -> float:
        """The mean of what was found, hours; 0 where nothing was."""
        return sum(self.delays) / len(self.delays) if self.delays else 0.0


def alerts_of(history: History, settings: Settings, per_week: float) -> list[int]:
    """When somebody is told, as the ends of those grains (epoch ms); ``per_week`` times a week were agreed upon."""
    agreed = per_week + history.beyond
    watch = KpiWatch(history.kpi, history.timezone, agreed, history.around, Words(""), settings=settings)
    return [value.end for value in told(watch, grains_of(history.values))]


What = Literal["found", "settling", "false", "again"]
"""Of an alert: about a label; too soon after one to be right or wrong; false; as one with another false one."""


def judged(alerts: Sequence[int], labels: Sequence[Label], since: int, until: int) -> list[tuple[int, What]]:
    """What each of the alerts is that come after one instant, up to another (epoch ms)."""
    mine = [at for at in alerts if since < at <= until]
    about = {at for at in mine if any(one.since < at <= one.until + AFTER_MS for one in labels)}
    settling = {at for at in mine if any(one.since < at <= one.until + SETTLES_MS for one in labels)}
    false = set(begins(at for at in mine if at not in settling))
    return [
        (at, "found" if at in about else "settling" if at in settling else "false" if at in false else "again")
        for at in mine
    ]


def score(
    alerts: Sequence[int], labels: Sequence[Label], since: int, until: int, kinds: Sequence[str] | None = None
) -> Score:
    """How good alerts were from one instant to another (epoch ms), of the labels that begin in between; of some
    ``kinds`` of them only, if they are given."""
    mine = [
        (number, one)
        for number, one in enumerate(labels)
        if since <= one.since < until and (kinds is None or one.what in kinds)
    ]
    delays = {}
    for number, one in mine:
        about = [at for at in alerts if one.since < at <= one.until + AFTER_MS]
        if about:
            delays[number] = (about[0] - one.since) / HOUR_MS
    false = sum(what == "false" for _, what in judged(alerts, labels, since, until))
    return Score(len(mine), frozenset(delays), tuple(delays.values()), false, (until - since) / WEEK_MS)
