"""What a team can set about being told of a KPI, one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.watch.settings import Settings, shares
from detectors.watch.watch import Watch
from streams.kpis.definitions import Definitions, MeasureKpi, Span, Term
from streams.kpis.values import KpiValue
from tests.support.judging import alerts, final, told
from tests.support.shop import HOUR, definitions

WEEK = 168
FIRST, LAST = 4 * WEEK + 8, 4 * WEEK + 40
"""The hours in which a part is missing."""


def kpis() -> Definitions:
    hour = Span("1h", HOUR)
    placed = Term(moments=("order.placed",))
    common = {"unit": "orders", "by": (), "grain": hour, "windows": (hour,), "better": "higher"}
    return definitions(MeasureKpi(name="orders", kind="count", of=placed, **common))  # type: ignore[arg-type]


def orders(missing: float, mean: float = 30.0, until: int = LAST) -> list[KpiValue]:
    rng = np.random.default_rng(6)
    found = []
    for hour in range(5 * WEEK):
        rate = mean * (1.5 + np.sin((hour % 24 - 9) / 24 * 2 * np.pi))
        count = int(rng.poisson(rate))
        lost = int(rng.binomial(count, missing)) if FIRST <= hour < until else 0
        found.append(final("orders", hour, float(count - lost)))
    return found


def hours_told(values: list[KpiValue], **settings: float) -> list[int]:
    """The hours from the loss on in which somebody is told."""
    over = Watch(kpis(), 0.13, settings={"orders": Settings(**settings)})  # type: ignore[arg-type]
    return [hour for hour, _ in alerts(told(over, values)) if hour >= FIRST]


def test_a_small_loss_shows_where_evidence_may_add_up_only() -> None:
    small = orders(0.15)
    assert hours_told(small)
    assert hours_told(small, longest=24) == hours_told(small)
    assert not hours_told(small, longest=1)


def test_what_is_off_by_less_than_is_wanted_alerts_nobody() -> None:
    half = orders(0.5)
    assert hours_told(half, least_change=0.4)
    assert not hours_told(half, least_change=0.95)


def test_an_alert_rests_on_as_many_cases_as_are_wanted() -> None:
    half = orders(0.5)
    assert hours_told(half, least_cases=20)
    assert not hours_told(half, least_cases=5_000)


def test_a_cool_down_is_how_long_nothing_is_told() -> None:
    twice = orders(0.9, until=FIRST + 5)
    again = orders(0.9, until=LAST)[FIRST + 30 : LAST]
    twice[FIRST + 30 : LAST] = again
    assert len(hours_told(twice)) == 2
    assert len(hours_told(twice, cool_down=48 * HOUR)) == 1


def test_without_protection_a_loss_is_soon_what_is_expected() -> None:
    lasting = orders(0.6, until=FIRST + 60)

    def expected(protect: float) -> float:
        judged = told(Watch(kpis(), 0.13, settings={"orders": Settings(protect=protect)}), lasting)
        bounds = [one.expected for one in judged[FIRST + 48 : FIRST + 60]]
        return sum(bound[1] for bound in bounds if bound is not None)

    assert expected(300.0) < 0.8 * expected(3.0)


def test_who_is_told_more_often_has_the_lower_threshold() -> None:
    slight = orders(0.15, until=FIRST + 8)
    assert not hours_told(slight, per_week=0.01)
    assert hours_told(slight, per_week=0.5)


def test_others_share_what_those_with_their_own_leave() -> None:
    settings = {"a": Settings(per_week=2.0), "elsewhere": Settings(per_week=50.0)}
    assert shares(["a", "b", "c"], 3.0, settings) == {"a": 2.0, "b": 0.5, "c": 0.5}
    assert shares(["a"], 1.0, settings) == {"a": 2.0}
    with pytest.raises(ValueError, match="nothing of 2 a week is left for 1 others"):
        shares(["a", "b"], 2.0, settings)


def test_a_watch_goes_on_under_other_settings_with_what_it_knows() -> None:
    values = orders(0.5)
    changed, always = Watch(kpis(), 0.13), Watch(kpis(), 0.13)
    assert told(changed, values[:FIRST]) == told(always, values[:FIRST])
    changed.adopt(0.13, {"orders": Settings(least_change=0.95)})
    before, after = told(always, values[FIRST:]), told(changed, values[FIRST:])
    assert alerts(before)
    assert not alerts(after)
    assert [one.expected for one in after[:3]] == [one.expected for one in before[:3]]
