"""The watch: from final values to judged ones, and to alerts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from detectors.calendar.business import BusinessCalendar
from detectors.calendar.hours import Hours
from detectors.calendar.occasions import Kind, Occasion
from detectors.watch.desk import Desk
from detectors.watch.scan import Scan, Wander
from detectors.watch.watch import Watch
from streams.kpis.definitions import Definitions, LevelKpi, MeasureKpi, Span, Term
from streams.kpis.pack import pack, unpack
from streams.kpis.values import KpiValue
from tests.support.judging import MONDAY, alerts, final, told, watch
from tests.support.shop import HOUR, definitions

WEEK = 168
PLAIN = [1.0] * 7


def kpis(better: str = "higher") -> Definitions:
    common: dict[str, Any] = {
        "unit": "orders",
        "by": (("region",),),
        "windows": (Span("1h", HOUR),),
        "grain": Span("1h", HOUR),
        "better": better,
    }
    placed = Term(moments=("order.placed",))
    return definitions(
        MeasureKpi(name="orders", kind="count", of=placed, **common),
        MeasureKpi(name="failures", kind="ratio", of=placed, per=placed, **common | {"better": "lower"}),
        LevelKpi(name="open", entity="order", start=("order.placed",), until=("delivery.delivered",), **common),
    )


def orders(hours: int, seed: int = 1, mean: float = 12.0, slices: tuple[str, ...] = ()) -> list[KpiValue]:
    """Orders by the hour, more by day than at night; of each slice as many more."""
    rng = np.random.default_rng(seed)
    found = []
    for hour in range(hours):
        rate = mean * (1.5 + np.sin((hour % 24 - 9) / 24 * 2 * np.pi))
        parts = {region: int(rng.poisson(rate)) for region in slices}
        total = sum(parts.values()) if slices else int(rng.poisson(rate))
        found.append(final("orders", hour, float(total)))
        found += [final("orders", hour, float(n), slice={"region": region}) for region, n in parts.items()]
    return found


def put(values: list[KpiValue], hours: range, value: float, **slice_: str) -> list[KpiValue]:
    """The same, but for some hours of a series."""
    starts = {MONDAY + hour * HOUR for hour in hours}
    return [
        replace(one, value=value, weight=int(value)) if one.start in starts and one.slice == slice_ else one
        for one in values
    ]


# -- what is judged -----------------------------------------------------------------------------------------------


def test_a_plain_series_gets_a_band_and_no_alert() -> None:
    judged = told(watch(kpis()), orders(4 * WEEK))
    assert len(alerts(judged)) <= 2
    last = judged[-WEEK:]
    inside = sum(one.expected is not None and one.expected[0] <= (one.value or 0) <= one.expected[2] for one in last)
    assert inside >= 0.93 * WEEK
    assert all(one.borrowed < 1.0 for one in last)


def test_little_is_told_of_plain_series() -> None:
    told_of = [len(alerts(told(watch(kpis()), orders(4 * WEEK, seed=seed)))) for seed in range(1, 11)]
    assert sum(told_of) <= 20  # in four weeks 0.5 of each are agreed: young ones are told of too often


def test_a_day_on_which_the_shop_is_closed_is_known_after_one_of_them() -> None:
    open_hours = [one.value if (n // 24) % 7 != 6 else 0.0 for n, one in enumerate(orders(4 * WEEK, mean=200.0))]
    judged = told(watch(kpis()), [final("orders", n, value or 0.0) for n, value in enumerate(open_hours)])
    for week in (1, 2, 3):
        sunday = judged[week * WEEK + 6 * 24 + 8 : week * WEEK + 6 * 24 + 20]
        assert all(one.expected is not None and one.expected[1] < 2.0 and one.surprise < 2.0 for one in sunday)
    monday = judged[3 * WEEK + 8 : 3 * WEEK + 20]
    assert all(one.expected is not None and one.expected[0] > 0.7 * one.expected[1] for one in monday), "no wider"


def test_an_outage_is_told_once_within_an_hour_and_in_words() -> None:
    values = put(orders(4 * WEEK), range(3 * WEEK + 33, 3 * WEEK + 43), 0.0)
    judged = told(watch(kpis()), values)
    since = [(hour, slice_) for hour, slice_ in alerts(judged) if hour >= 3 * WEEK]
    assert since in ([(3 * WEEK + 33, {})], [(3 * WEEK + 34, {})])
    told_of = [one for one in judged if one.alert][-1]
    assert told_of.side == -1
    assert told_of.surprise > 3
    assert told_of.why.startswith("0 instead of ")
    assert "1 in " in told_of.why


def test_a_small_loss_that_lasts_is_told_too() -> None:
    values = orders(5 * WEEK)
    for hour in range(4 * WEEK + 8, 4 * WEEK + 32):
        values[hour] = replace(values[hour], value=float(int((values[hour].value or 0) * 0.6)))
    found = [hour for hour, _ in alerts(told(watch(kpis()), values)) if hour >= 4 * WEEK]
    assert found
    assert 4 * WEEK + 8 < found[0] < 4 * WEEK + 34


def test_a_shop_of_few_orders_that_falls_silent_is_told_in_words() -> None:
    rng = np.random.default_rng(3)
    few = [final("orders", hour, float(rng.poisson(0.7 if 8 <= hour % 24 < 22 else 0.02))) for hour in range(4 * WEEK)]
    judged = told(watch(kpis()), put(few, range(3 * WEEK + 32, 3 * WEEK + 72), 0.0))
    (hour,) = [hour for hour, _ in alerts(judged) if hour >= 3 * WEEK]
    assert 3 * WEEK + 40 <= hour < 3 * WEEK + 60
    (why,) = [one.why for one in judged if one.alert and one.start == MONDAY + hour * HOUR]
    assert why.startswith("none for 3")
    assert "are usual" in why


def test_the_slice_that_is_strange_is_named() -> None:
    values = orders(4 * WEEK, slices=("north", "south", "east", "west"))
    values = put(values, range(3 * WEEK + 33, 3 * WEEK + 43), 0.0, region="north")
    found = [slice_ for hour, slice_ in alerts(told(watch(kpis()), values)) if hour >= 3 * WEEK]
    assert found == [{"region": "north"}]


def test_good_news_alerts_nobody() -> None:
    values = put(orders(4 * WEEK), range(3 * WEEK + 33, 3 * WEEK + 43), 60.0)
    judged = told(watch(kpis("higher")), values)
    assert all(hour < 3 * WEEK for hour, _ in alerts(judged))
    assert max(one.surprise for one in judged[3 * WEEK :]) > 3
    assert alerts(told(watch(kpis("lower")), values))
    assert alerts(told(watch(kpis("neither")), values))


def test_what_rests_on_few_cases_alerts_nobody() -> None:
    def failures(last: tuple[float, int]) -> list[KpiValue]:
        rng = np.random.default_rng(3)
        found = [(float(rng.binomial(40, 0.02)) / 40, 40) for _ in range(3 * WEEK)] + [last]
        return [
            final("failures", hour, ratio, weight, unit="ratio", better="lower")
            for hour, (ratio, weight) in enumerate(found)
        ]

    assert alerts(told(watch(kpis()), failures((1.0, 2)))) == []
    assert alerts(told(watch(kpis()), failures((0.5, 40)))) == [(3 * WEEK, {})]


def test_only_first_finals_are_judged_and_only_once() -> None:
    over = watch(kpis())
    told(over, orders(2 * WEEK))
    state = pack(over.state())
    again = [
        final("orders", 2 * WEEK - 1, 0.0),
        final("orders", 2 * WEEK, 0.0, status="corrected", revision=1),
        final("orders", 2 * WEEK, 0.0, status="provisional", rolling=True),
        final("unknown", 2 * WEEK, 0.0),
    ]
    assert over.step(again) == again
    assert pack(over.state()) == state


def test_a_reading_without_a_value_is_neither_strange_nor_learned() -> None:
    over = watch(kpis())
    told(over, [final("failures", hour, 0.02, 50, unit="ratio", better="lower") for hour in range(WEEK)])
    (judged,) = over.step([final("failures", WEEK, None, 0, unit="ratio", better="lower")])
    assert judged.surprise == 0.0
    assert not judged.alert


# -- protection ---------------------------------------------------------------------------------------------------


def test_a_day_of_outage_is_not_learned() -> None:
    values = put(orders(5 * WEEK), range(3 * WEEK, 3 * WEEK + 24), 0.0)
    whole = told(watch(kpis()), orders(5 * WEEK))
    judged = told(watch(kpis()), values)
    for hour in range(4 * WEEK, 4 * WEEK + 24):
        assert judged[hour].expected is not None
        assert whole[hour].expected is not None
        assert judged[hour].expected[1] == pytest.approx(whole[hour].expected[1], rel=0.15)


def test_a_new_level_is_usual_after_a_week() -> None:
    values = orders(5 * WEEK)
    values[3 * WEEK :] = [replace(one, value=float(int((one.value or 0) * 0.4))) for one in values[3 * WEEK :]]
    judged = told(watch(kpis()), values)
    found = [hour for hour, _ in alerts(judged) if hour >= 3 * WEEK]
    assert found
    assert found[0] < 3 * WEEK + 12
    assert all(hour < 4 * WEEK for hour in found), "it goes on alarming"
    assert len(found) <= 2
    last = [one for one in judged[-WEEK:] if one.expected is not None]
    assert sum(one.surprise > 2 for one in last) <= 5


def during(kind: Kind, hours: range) -> BusinessCalendar:
    calendar = BusinessCalendar("UTC")
    calendar.put([Occasion("it", kind, MONDAY + hours[0] * HOUR, MONDAY + (hours[-1] + 1) * HOUR, kind)])
    return calendar


@pytest.mark.parametrize("kind", ["maintenance", "outage"])
def test_during_maintenance_nobody_is_told_and_nothing_is_learned(kind: Kind) -> None:
    hours = range(3 * WEEK + 33, 3 * WEEK + 43)
    values = put(orders(4 * WEEK), hours, 0.0)
    judged = told(watch(kpis(), calendar=during(kind, hours)), values)
    assert all(hour < 3 * WEEK for hour, _ in alerts(judged))
    assert any(kind in one.why for one in judged)


def test_a_promotions_lift_is_learned() -> None:
    calendar = BusinessCalendar("UTC")
    values = orders(8 * WEEK)
    promoted = [range(week * WEEK + 24, week * WEEK + 48) for week in (3, 4, 5, 6, 7)]
    for number, hours in enumerate(promoted):
        start, end = MONDAY + hours[0] * HOUR, MONDAY + (hours[-1] + 1) * HOUR
        calendar.put([Occasion(str(number), "promotion", start, end, "Sale")])
        for hour in hours:
            values[hour] = replace(values[hour], value=(values[hour].value or 0) * 2.0)
    judged = told(watch(kpis("neither"), calendar=calendar), values)
    assert all(hour < 4 * WEEK for hour, _ in alerts(judged))
    middles = [judged[hour].expected for hour in promoted[-1]]
    usual = [judged[hour - 24].expected for hour in promoted[-1]]
    ratios = [one[1] / other[1] for one, other in zip(middles, usual, strict=True) if one and other]
    assert 1.5 < float(np.median(ratios)) < 2.4


def test_a_closed_shop_is_not_judged() -> None:
    hours = Hours([[(8 * 60, 20 * 60)]] * 7, "UTC")
    calendar = BusinessCalendar("UTC", hours)
    values = orders(3 * WEEK)
    judged = told(watch(kpis("neither"), calendar=calendar), values)
    closed = [one for one in judged if not 8 <= (one.start - MONDAY) // HOUR % 24 < 20]
    assert closed
    assert all(one.surprise == 0.0 for one in closed)


def test_a_new_slice_borrows_the_week_of_the_total() -> None:
    values = orders(4 * WEEK)
    late = [
        final("orders", hour, float(int((values[hour].value or 0) / 4)), slice={"region": "new"})
        for hour in range(3 * WEEK, 4 * WEEK)
    ]
    judged = told(watch(kpis()), values + late)
    by_hour = {one.start: one for one in judged if one.slice}
    second_day = [by_hour[MONDAY + (3 * WEEK + hour) * HOUR] for hour in range(24, 48)]
    middles = [one.expected[1] for one in second_day if one.expected]
    assert len(middles) == 24
    assert max(middles) > 2.0 * min(middles), "it knows day from night on its second day"
    assert all(one.borrowed > 0.5 for one in second_day)


# -- state --------------------------------------------------------------------------------------------------------


def mixed(hours: int) -> list[KpiValue]:
    rng = np.random.default_rng(5)
    found = orders(hours, slices=("north", "south"))
    for hour in range(hours):
        n = int(rng.integers(5, 60))
        found.append(final("failures", hour, float(rng.binomial(n, 0.05)) / n, n, unit="ratio", better="lower"))
        found.append(final("open", hour, float(100 + rng.integers(-5, 6)), better="neither"))
    return found


def test_it_goes_on_from_its_state_as_if_nothing_had_happened() -> None:
    values = put(mixed(3 * WEEK), range(2 * WEEK + 30, 2 * WEEK + 40), 0.0)
    cut = MONDAY + (2 * WEEK + 33) * HOUR
    whole = told(watch(kpis()), values)
    first, second = watch(kpis()), watch(kpis())
    before = told(first, [one for one in values if one.start < cut])
    second.load(unpack(pack(first.state())))
    after = told(second, [one for one in values if one.start >= cut])
    assert before + after == whole
    assert any(one.alert for one in whole)


def test_other_kinds_and_grains_begin_anew() -> None:
    over, other = watch(kpis()), kpis()
    told(over, mixed(WEEK))
    changed = replace(other, kpis=(replace(other.kpis[0], grain=Span("1d", 24 * HOUR)), *other.kpis[1:]))
    second = Watch(changed, 3.0)
    second.load(unpack(pack(over.state())))
    assert second.series == over.series - 3


def test_kpis_do_not_depend_on_each_other() -> None:
    values = mixed(2 * WEEK)
    together = told(watch(kpis()), values)
    alone = told(watch(kpis()), [one for one in values if one.kpi == "failures"])
    assert [one for one in together if one.kpi == "failures"] == alone


# -- parts --------------------------------------------------------------------------------------------------------


def test_evidence_adds_up_and_one_reading_is_one_reading() -> None:
    scales = Wander().scales
    scan = Scan()
    for _ in range(23):
        scan.add(-1.0, 1.0, -2.0)
    evidence = scan.with_(-1.0, 1.0, -2.0, scales)
    assert evidence.low == pytest.approx(6.32, abs=0.02)  # 24 times -1 is -4.9 standard deviations
    assert (evidence.low_span, evidence.low_cases) == (24, 48.0)
    assert evidence.high < 0.1
    wild = Scan()
    wild.add(-30.0, 1.0, -5.0)
    assert wild.with_(0.0, 1.0, 0.0, scales).low < 2.7


def test_what_wanders_is_taken_for_less() -> None:
    rng = np.random.default_rng(2)
    scan, wander, level = Scan(), Wander(), 0.0
    for _ in range(3_000):
        level = 0.95 * level + 0.3 * rng.normal()
        score = level + 0.3 * rng.normal()
        wander.learn(scan.with_(score, 1.0, 0.0, wander.scales).sums)
        scan.add(score, 1.0, 0.0)
    assert wander.scales[0] < 1.3
    assert wander.scales[5] > 2.5


def test_the_desk_holds_to_the_contract() -> None:
    rng = np.random.default_rng(4)
    desk = Desk(3.0, 22 * WEEK)
    for hour in range(60 * WEEK):
        asked = [final("orders", hour, 0.0, surprise=3.1 + rng.exponential(0.43), alert=True)] if hour % 12 == 0 else []
        desk.step(MONDAY + hour * HOUR, asked)
    assert desk.realised == pytest.approx(3.0, rel=0.25)
    calm = Desk(3.0, 22 * WEEK)
    assert calm.step(MONDAY, [final("orders", 0, 0.0, surprise=3.0, alert=True)]) == []
    assert len(calm.step(MONDAY + HOUR, [final("orders", 1, 0.0, surprise=4.0, alert=True)])) == 1
    # Whoever has been told looks at the rest too.
    assert len(calm.step(MONDAY + 2 * HOUR, [final("orders", 2, 0.0, surprise=1.5, alert=True)])) == 1


def test_the_desk_comes_back_from_its_state() -> None:
    one, other = Desk(3.0, 22 * WEEK), Desk(3.0, 22 * WEEK)
    one.step(MONDAY, [final("orders", 0, 0.0, surprise=5.0, alert=True)])
    other.load(unpack(pack(one.state())))
    later = [final("orders", 1, 0.0, surprise=1.0, alert=True)]
    assert one.step(MONDAY + HOUR, later) == other.step(MONDAY + HOUR, later) == later
