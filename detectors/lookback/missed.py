"""Why nobody was told of something: the nearest that a KPI came to an alert, and what kept it from one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from detectors.lookback.matching import Alert
from detectors.watch.judgement import Held, Judgement, Waits
from streams.kpis.values import KpiValue

Reason = Held | Waits | Literal["threshold", "another"]
"""Also: it was not surprising enough; another series was stranger, and told of."""


class Nearest(NamedTuple):
    """The strangest ``value`` of the time in question: the ``surprise`` it would have had if nothing had held it, the
    ``threshold`` it had to reach (-log10 p), the ``cases`` it rests on, and all ``reasons`` why nobody was told."""

    value: KpiValue
    surprise: float
    threshold: float
    cases: float
    reasons: tuple[Reason, ...]


def agrees(of: Mapping[str, str], scope: Mapping[str, str]) -> bool:
    """Whether a slice and a scope have no dimension in which they differ."""
    return all(of[name] == value for name, value in scope.items() if name in of)


def caught(alerts: Iterable[Alert], since: int, until: int, scope: Mapping[str, str]) -> Alert | None:
    """The first alert on a grain that overlaps a time (epoch ms, ``until`` excluded) and agrees with a scope."""
    near = (one for one in alerts if one.start < until and one.end > since and agrees(dict(one.slice), scope))
    return min(near, default=None)


def nearest(judgements: Iterable[Judgement], since: int, until: int, scope: Mapping[str, str]) -> Nearest | None:
    """What came nearest to an alert in a time (epoch ms, ``until`` excluded), among series that agree with a scope;
    None where no value is known of it."""
    found = [
        (one.surprise - grain.threshold, grain, one)
        for grain in judgements
        if grain.start < until and grain.end > since
        for one in grain.series
        if agrees(one.value.slice, scope)
    ]
    if not found:
        return None
    _, grain, one = max(found, key=lambda each: each[0])
    reasons: list[Reason] = [one.held] if one.held else []
    if one.surprise < grain.threshold:
        reasons.append("threshold")
    if grain.waits:
        reasons.append(grain.waits)
    if grain.alert and not reasons:
        reasons.append("another")
    return Nearest(one.value, one.surprise, grain.threshold, one.cases, tuple(reasons))
