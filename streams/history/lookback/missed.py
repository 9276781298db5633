"""What nobody was told of, looked for in history: why, what would have caught it, and what else that brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from detectors.lookback.matching import Alert, Pair, match
from detectors.lookback.missed import Nearest, caught, nearest
from detectors.lookback.rejudge import grains_of, rejudge
from detectors.lookback.smallest import plain, smallest
from detectors.watch.judgement import Judgement
from detectors.watch.settings import DEFAULT, Settings, shares
from streams.history.replay.engine import Engine, coarse
from streams.history.replay.processes import steps_of
from streams.history.replay.run import calendar_of
from streams.kpis.values import KpiValue

if TYPE_CHECKING:
    from streams.config import Config
    from streams.history.replay.source import Source

Listener = Callable[[Judgement], None]
Progress = Callable[[int], None]


class Missed(NamedTuple):
    """What was found of a time in question.

    ``alert`` is the one that there was after all, None where there was none. ``nearest`` is what came nearest to one,
    None where nothing is known of that time. ``changes`` are those of settings that would have caught it, None where
    none was found (or none needed); ``then`` the alert they make of it; ``pairs`` what becomes of all others of the KPI
    over the history. ``left`` is how often a week others are told of together, as it is and under the changes.
    """

    alert: Alert | None
    nearest: Nearest | None
    changes: dict[str, object] | None = None
    then: Alert | None = None
    pairs: list[Pair] = []  # noqa: RUF012 - never changed
    left: tuple[float, float] = (0.0, 0.0)


def values_of(config: Config, source: Source, kpi: str, progress: Progress) -> list[KpiValue]:
    """The values of one KPI as they were told of, not judged; ``progress`` is told how many records have been fed."""
    definitions = coarse(config.definitions())
    definitions = replace(definitions, kpis=tuple(one for one in definitions.kpis if one.name == kpi))
    engine = Engine(definitions, source.partitions)
    told_every = min(one.grain.ms for one in config.kpis)
    values = []
    for step in steps_of(definitions, source, config.limits.event_bytes, told_every):
        values += engine.take(step).values
        progress(engine.counts.records)
    return values


def missed(
    config: Config,
    source: Source,
    kpi: str,
    since: int,
    until: int,
    scope: Mapping[str, str],
    progress: Progress = lambda done: None,
    tried: Callable[[Settings], None] = lambda settings: None,
) -> Missed:
    """Look for what was wrong with a ``kpi`` from ``since`` to ``until`` (epoch ms) in a ``scope``. ``tried`` is
    told of each setting that is tried."""
    names = [one.name for one in config.kpis]
    settings = config.alerts.kpis.get(kpi, DEFAULT)
    own = shares(names, config.alerts.per_week, config.alerts.kpis)[kpi]
    definitions, calendar = config.definitions(), calendar_of(config, source)
    grains = grains_of(values_of(config, source, kpi, progress))

    def judged(
        given: Settings, end: int | None = None, listen: Callable[[Judgement], None] | None = None
    ) -> list[Alert]:
        per_week = own if given.per_week is None else given.per_week
        return rejudge(definitions, kpi, grains, calendar, per_week, given, listen, end)

    judgements: list[Judgement] = []
    before = judged(settings, listen=judgements.append)
    alert, near = caught(before, since, until, scope), nearest(judgements, since, until, scope)
    if alert is not None or near is None:
        return Missed(alert, near)

    def left(given: Settings) -> float:
        rates = shares(names, config.alerts.per_week, {**config.alerts.kpis, kpi: given})
        return sum(rate for name, rate in rates.items() if name != kpi)

    def catches(given: Settings) -> bool:
        tried(given)
        try:
            left(given)
        except ValueError:
            return False  # the configuration would be refused
        return caught(judged(given, until), since, until, scope) is not None

    found = smallest(settings, own, catches)
    if found is None:
        return Missed(None, near)
    other = replace(settings, **plain(found))
    after = judged(other)
    return Missed(
        None,
        near,
        plain(found),
        caught(after, since, until, scope),
        [pair for pair in match(before, after) if pair.differs],
        (left(settings), left(other)),
    )
