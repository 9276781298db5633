"""A KPI's history judged afresh under some settings, and how good the alerts were that came of it.

The watch goes through all of history in its order and never looks ahead (A. P. Dawid, "Statistical theory: the
prequential approach", 1984); what it did is then looked at part by part of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class Beside(NamedTuple):
    """Spans that are no labels: in ``false`` ones somebody said that nothing was wrong; of what was told in ``unsaid``
    ones nobody has said anything, so that an alert there is neither right nor wrong."""

    false: Sequence[Label] = ()
    unsaid: Sequence[Label] = ()


_NOTHING = Beside()


class History(NamedTuple):
    """Final values of one KPI, all its series, grain by grain; what was wrong with it, by time; what is known of its
    calendar. Of that, ``invented`` is trouble that was put into it: being told of it costs nothing of what was agreed
    upon, as if people had confirmed it. ``beside`` is what else was said."""

    kpi: KpiDefinition
    timezone: str
    values: Sequence[KpiValue]
    labels: Sequence[Label]
    around: Around
    invented: Sequence[Label] = ()
    beside: Beside = _NOTHING


class Score(NamedTuple):
    """Of a part of the time: which of its ``labels`` were ``found`` (by number), after how many hours (``delays``, by
    label), and how many alerts that people would be told of were ``false`` in how many ``weeks`` in which one can be.

    ``copies`` is of how many copies of the same time that is, with trouble at other places in each.
    """

    labels: int
    found: frozenset[int]
    delays: tuple[float, ...]
    false: int
    weeks: float
    copies: int = 1

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
    watch = KpiWatch(history.kpi, history.timezone, per_week, history.around, Words(""), settings=settings)
    found = []
    for value in told(watch, grains_of(history.values)):
        found.append(value.end)
        if _within(value.end, history.invented, AFTER_MS):
            watch.contract.ease()
    return found


What = Literal["found", "neither", "false", "again"]
"""Of an alert: about a label; too soon after one, or in a span of which nobody has said anything, to be right or wrong;
false; as one with another false one."""


def judged(
    alerts: Sequence[int], labels: Sequence[Label], since: int, until: int, beside: Beside = _NOTHING
) -> list[tuple[int, What]]:
    """What each of the alerts is that come after one instant, up to another (epoch ms)."""
    mine = [at for at in alerts if since < at <= until]
    about = {at for at in mine if _within(at, labels, AFTER_MS)}
    said = {at for at in mine if _within(at, beside.false, AFTER_MS)} - about
    neither = {at for at in mine if _within(at, labels, SETTLES_MS) or _within(at, beside.unsaid, SETTLES_MS)} - said
    false = set(begins(at for at in mine if at not in neither))
    return [
        (at, "found" if at in about else "neither" if at in neither else "false" if at in false else "again")
        for at in mine
    ]


def _within(at: int, spans: Sequence[Label], after: int) -> bool:
    return any(one.since < at <= one.until + after for one in spans)


def score(
    alerts: Sequence[int],
    labels: Sequence[Label],
    since: int,
    until: int,
    kinds: Sequence[str] | None = None,
    beside: Beside = _NOTHING,
) -> Score:
    """How good alerts were from one instant to another (epoch ms), of the labels that begin in between; of some
    ``kinds`` of them only, if they are given."""
    mine = [one for one in labels if since <= one.since < until and (kinds is None or one.what in kinds)]
    delays = {}
    for number, one in enumerate(mine):
        about = [at for at in alerts if one.since < at <= one.until + AFTER_MS]
        if about:
            delays[number] = (about[0] - one.since) / HOUR_MS
    false = sum(what == "false" for _, what in judged(alerts, labels, since, until, beside))
    neither = [(one.since, one.until + SETTLES_MS) for one in (*labels, *beside.unsaid)]
    weeks = (until - since - _covered(neither, since, until)) / WEEK_MS
    return Score(len(mine), frozenset(delays), tuple(delays.values()), false, weeks)


def _covered(spans: Iterable[tuple[int, int]], since: int, until: int) -> int:
    """How much of the time from one instant to another lies in some of the spans."""
    covered, at = 0, since
    for first, last in sorted(spans):
        first, last = max(first, at), min(last, until)
        if first < last:
            covered, at = covered + last - first, last
    return covered


def together(scores: Sequence[Score]) -> Score:
    """Copies of the same time as one."""
    found, labels = set[int](), 0
    for one in scores:
        found |= {labels + number for number in one.found}
        labels += one.labels
    delays = tuple(delay for one in scores for delay in one.delays)
    false, weeks = sum(one.false for one in scores), sum(one.weeks for one in scores)
    return Score(labels, frozenset(found), delays, false, weeks, len(scores))
