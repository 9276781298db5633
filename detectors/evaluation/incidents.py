"""Alerts on a business's series against the incidents that are known to have happened to it.

An alert is of one of four kinds, the first that fits:

- **true**: on a series that an incident is known to move, from the first grain in which it does until the incident has
  ended and its effect settled;
- **consequence**: on a series that nobody said the incident would move, but which it has moved. It is no fault of the
  detector's and no finding that was asked for: it counts neither for nor against it;
- **planned**: on a series that something announced moves, like a promotion. A person who announced it did not want to
  be told: against the detector, and named;
- **false**: all others, also those during an incident on series that it has not moved: nothing was the matter there.

People are not told of every grain. Alerts of one KPI, whatever its slices and statistics, make up **episodes** (see
:mod:`detectors.evaluation.episodes`); an episode is what its first alert is. A detector that never stops alarming has a
new episode each day. A **page** is the same of all KPIs together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from detectors.calibration.contract import WEEK_MS
from detectors.evaluation.episodes import begins

Nature = Literal["business", "pipeline", "planned"]
Verdict = Literal["true", "consequence", "planned", "false"]


class Alert(NamedTuple):
    """``series`` as in :attr:`KpiValue.series`, ``time`` where the grain begins, epoch ms."""

    series: str
    time: int


class Window(NamedTuple):
    """Grains that begin from ``first`` to ``until``, which is left out; epoch ms."""

    first: int
    until: int

    def holds(self, time: int) -> bool:
        return self.first <= time < self.until


class Known(NamedTuple):
    """An incident that is known to have happened.

    ``moves`` are the series it was to move and has moved, with the time in which an alert is about it;
    ``consequences`` are others it has moved. ``traces`` is the first grain in which any series of ``moves`` was another
    than it would have been, ``shows`` the first in which one was so by more than it varies: nobody could know before.
    ``shows`` is None where it never was: the incident is too small to be seen.
    """

    name: str
    kind: str
    nature: Nature
    start: int
    end: int
    traces: int | None
    shows: int | None
    moves: Mapping[str, Window]
    consequences: Mapping[str, Window]


class Found(NamedTuple):
    """An incident and its first true alert: whether there was one, and so many ms later than it showed, and than its
    first trace; not less than 0."""

    known: Known
    found: bool
    delay: int | None
    delay_from_trace: int | None


class Score(NamedTuple):
    """Of one business or several. ``episodes`` by verdict; ``series_episodes`` the same with each series alone;
    ``pages`` of whatever verdict; ``kpis`` and ``series`` are how many were watched, for ``weeks``."""

    incidents: list[Found]
    episodes: Counter[Verdict]
    series_episodes: Counter[Verdict]
    pages: int
    kpi_weeks: float
    series_weeks: float
    weeks: float

    @property
    def visible(self) -> list[Found]:
        """The incidents that are to be noticed: nothing planned, nothing too small to be seen."""
        return [one for one in self.incidents if one.known.nature != "planned" and one.known.shows is not None]

    @property
    def recall(self) -> float:
        """The share of the visible incidents that were found; 1 where there was none."""
        return sum(one.found for one in self.visible) / len(self.visible) if self.visible else 1.0

    @property
    def precision(self) -> float:
        """The share of episodes that were right, consequences left out; 1 where there was none."""
        wrong = self.episodes["false"] + self.episodes["planned"]
        told = self.episodes["true"] + wrong
        return self.episodes["true"] / told if told else 1.0

    @property
    def false_per_kpi_week(self) -> float:
        """False episodes for each KPI and week."""
        return (self.episodes["false"] + self.episodes["planned"]) / self.kpi_weeks if self.kpi_weeks else 0.0

    @property
    def false_per_series_week(self) -> float:
        """The same of each series alone."""
        wrong = self.series_episodes["false"] + self.series_episodes["planned"]
        return wrong / self.series_weeks if self.series_weeks else 0.0

    @property
    def pages_per_week(self) -> float:
        """How often a business was told of something."""
        return self.pages / self.weeks if self.weeks else 0.0

    @property
    def delay(self) -> float | None:
        """The median delay of the visible incidents that were found, ms, since they showed; None where there were
        none."""
        return _median([one.delay for one in self.visible if one.delay is not None])

    @property
    def delay_from_trace(self) -> float | None:
        """The same since their first trace."""
        return _median([one.delay_from_trace for one in self.visible if one.delay_from_trace is not None])


def kpi_of(series: str) -> str:
    """``on_time_ratio{region=north}@1h`` → ``on_time_ratio``."""
    name = series
    for mark in "{@~.":
        name = name.partition(mark)[0]
    return name


def verdict(alert: Alert, known: Iterable[Known]) -> tuple[Verdict, list[Known]]:
    """What an alert is, and which incidents it finds."""
    series, time = alert
    moved = [one for one in known if (window := one.moves.get(series)) is not None and window.holds(time)]
    right = [one for one in moved if one.nature != "planned"]
    if right:
        return "true", right
    elsewhere = [one for one in known if (window := one.consequences.get(series)) is not None and window.holds(time)]
    if any(one.nature != "planned" for one in elsewhere):
        return "consequence", []
    return ("planned" if moved or elsewhere else "false"), []


def score(alerts: Sequence[Alert], known: Sequence[Known], watched: Iterable[str], since: int, until: int) -> Score:
    """Of the alerts on grains that begin from ``since`` up to ``until``, epoch ms; ``watched`` are the series."""
    watched = set(watched)
    counted = [alert for alert in alerts if since <= alert.time < until]
    first: dict[str, int] = {}
    verdicts: dict[Alert, Verdict] = {}
    for alert in counted:
        verdicts[alert], right = verdict(alert, known)
        for one in right:
            first[one.name] = min(first.get(one.name, alert.time), alert.time)
    weeks = (until - since) / WEEK_MS
    return Score(
        incidents=[_found(one, first.get(one.name)) for one in known],
        episodes=_count(counted, verdicts, kpi_of_series=True),
        series_episodes=_count(counted, verdicts, kpi_of_series=False),
        pages=len(begins(alert.time for alert in counted)),
        kpi_weeks=len({kpi_of(series) for series in watched}) * weeks,
        series_weeks=len(watched) * weeks,
        weeks=weeks,
    )


def _found(known: Known, first: int | None) -> Found:
    def after(begin: int | None) -> int | None:
        return None if first is None or begin is None else max(0, first - begin)

    return Found(known, first is not None, after(known.shows), after(known.traces))


def _count(alerts: Iterable[Alert], verdicts: Mapping[Alert, Verdict], *, kpi_of_series: bool) -> Counter[Verdict]:
    groups: dict[str, list[Alert]] = {}
    for alert in alerts:
        groups.setdefault(kpi_of(alert.series) if kpi_of_series else alert.series, []).append(alert)
    # Of alerts at the same time the best is the one that people would look at.
    rank = {"true": 0, "consequence": 1, "planned": 2, "false": 3}
    return Counter(
        min((verdicts[alert] for alert in group if alert.time == begin), key=lambda one: rank[one])
        for group in groups.values()
        for begin in begins(alert.time for alert in group)
    )


def together(scores: Iterable[Score]) -> Score:
    """Several businesses as one."""
    all_ = list(scores)
    return Score(
        incidents=[found for one in all_ for found in one.incidents],
        episodes=sum((one.episodes for one in all_), Counter[Verdict]()),
        series_episodes=sum((one.series_episodes for one in all_), Counter[Verdict]()),
        pages=sum(one.pages for one in all_),
        kpi_weeks=sum(one.kpi_weeks for one in all_),
        series_weeks=sum(one.series_weeks for one in all_),
        weeks=sum(one.weeks for one in all_),
    )


def _median(values: Sequence[int]) -> float | None:
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return None
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
