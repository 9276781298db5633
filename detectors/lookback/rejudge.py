"""Judging the values of one KPI again, under other settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from detectors.calendar.business import BusinessCalendar
from detectors.lookback.matching import Alert
from detectors.watch.judgement import Judgement
from detectors.watch.kpi import KpiWatch
from detectors.watch.settings import Settings
from detectors.watch.words import Words
from streams.kpis.definitions import Definitions
from streams.kpis.values import KpiValue


def grains_of(values: Iterable[KpiValue]) -> list[list[KpiValue]]:
    """Of the values of one KPI, in the order in which they were told of, those that are judged: grain by grain."""
    fresh = (value for value in values if value.status == "final" and not value.revision and not value.rolling)
    return [list(several) for _, several in groupby(fresh, key=lambda value: value.start)]


def rejudge(
    definitions: Definitions,
    name: str,
    grains: Sequence[Sequence[KpiValue]],
    calendar: BusinessCalendar,
    per_week: float,
    settings: Settings,
    listen: Callable[[Judgement], None] | None = None,
    until: int | None = None,
) -> list[Alert]:
    """The alerts of a KPI of that ``name``, as a watch makes them that begins with the first of the ``grains`` and is
    told of the KPI ``per_week`` times a week. ``listen`` is told how each grain was judged; those that begin from
    ``until`` on (epoch ms) are left out."""
    kpi = next(one for one in definitions.kpis if one.name == name)
    words = Words(definitions.currency)
    watch = KpiWatch(kpi, definitions.timezone, per_week, calendar.at, words, settings=settings)
    watch.listen = listen
    return [Alert.of(value) for value in told(watch, grains, until)]


def told(watch: KpiWatch, grains: Iterable[Sequence[KpiValue]], until: int | None = None) -> Iterator[KpiValue]:
    """The values that a watch tells somebody of, of grains that begin before ``until`` (epoch ms; None: of all)."""
    for grain in grains:
        if until is not None and grain[0].start >= until:
            return
        yield from (value for value in watch.step(grain) if value.alert)
