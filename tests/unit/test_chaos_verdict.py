"""The verdict: nothing to say of what is true, and a word about everything that is not."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest
import yaml

from streams.config import load_config
from streams.events.types import TYPE_NAMES, BusinessEvent
from streams.kpis.definitions import Definitions
from streams.kpis.plan import Plan as CompiledPlan
from streams.kpis.values import KpiValue
from tests.benchmarks.laboratory import DEFAULTS
from tests.chaos import verdict
from tests.chaos.facts import Place, Raw
from tests.chaos.load import BEGIN, LATE, MALFORMED, outgoing
from tests.chaos.plan import SHORT
from tests.chaos.truth import Taken, Truth, take, truth
from tests.support.pipeline import Pipeline
from tests.support.shop import MINUTE, family_of

END = BEGIN + 30 * MINUTE
COUNTED = {f"counted_{name.replace('.', '_')}" for name in TYPE_NAMES}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    """The default KPIs minute by minute, and every type of event counted."""
    plain = yaml.safe_load(DEFAULTS.read_text())
    kpis: dict[str, Any] = {name: kpi | {"grain": "1m"} for name, kpi in plain["kpis"].items()}
    for name in TYPE_NAMES:
        kpis[f"counted_{name.replace('.', '_')}"] = {"kind": "count", "of": name, "better": "neither", "grain": "1m"}
    path = tmp_path_factory.mktemp("chaos") / "daybook.yaml"
    path.write_text(yaml.safe_dump(plain | {"kpis": kpis}))
    return load_config(path, {}).definitions()


@cache
def raw_records() -> tuple[Raw, ...]:
    """What a run would find in the topics, all in one partition each."""
    plan = msgspec.structs.replace(SHORT, seconds=15.0)
    at = [0, 0, 0]
    found = []
    for record in outgoing(plan, 5):
        place = (f"topic-{record.family}", 0, at[record.family])
        at[record.family] += 1
        found.append(Raw(place, record.due, record.value, record.mark))
    return tuple(found)


@pytest.fixture(scope="module")
def taken(definitions: Definitions) -> Taken:
    return take(raw_records(), definitions)


@pytest.fixture(scope="module")
def true(definitions: Definitions, taken: Taken) -> Truth:
    return truth(taken.events, definitions, END)


def told_of(definitions: Definitions, events: list[BusinessEvent]) -> list[KpiValue]:
    """What a worker would tell of these events, in the order it is told."""
    pipeline = Pipeline(definitions, partitions=4, plan=CompiledPlan(definitions))
    for family in range(3):
        mine = [event for event in events if family_of(event) == family]
        for start in range(0, len(mine), 700):
            pipeline.feed_topic(family, mine[start : start + 700])
            pipeline.drain()
    pipeline.heartbeat(END)
    pipeline.drain()
    return [*pipeline.history, *(value for value in pipeline.book.current() if value.rolling)]


@pytest.fixture(scope="module")
def told(definitions: Definitions, taken: Taken) -> list[KpiValue]:
    return told_of(definitions, taken.events)


def test_what_is_late_or_malformed_does_not_count(taken: Taken) -> None:
    records = raw_records()
    assert taken.bad == {record.place for record in records if record.mark == MALFORMED}
    assert taken.late == sum(record.mark == LATE for record in records) > 10
    assert not any(event.subject.startswith(("late-", "bad-")) for event in taken.events)


def test_a_late_event_is_told_by_the_watermark_and_not_by_its_mark(definitions: Definitions) -> None:
    records = [record for record in raw_records() if record.mark != MALFORMED]
    unmarked = [record._replace(mark=None) for record in records]
    assert take(unmarked, definitions).late == take(records, definitions).late


def test_what_is_true_leaves_nothing_to_say(true: Truth, told: list[KpiValue]) -> None:
    found = verdict.newest(told)
    for wanted, values in ((true.final, found.final), (true.rolling, found.rolling)):
        comparison = verdict.compare(wanted, values)
        assert comparison.values > 500
        assert comparison.differences == 0, comparison.shown
    counts = verdict.events(true.final, found.final, COUNTED)
    assert (counts.lost, counts.doubled) == (0, 0)


def test_every_event_is_counted(true: Truth, taken: Taken) -> None:
    counts = verdict.events(true.final, {}, COUNTED)
    distinct = {(event.source, event.id) for event in taken.events}
    assert counts.counted == counts.lost == len(distinct)


@pytest.mark.parametrize("kind", ["order.placed", "order.paid", "delivery.checkpoint", "ticket.replied"])
def test_a_lost_event_is_found(definitions: Definitions, true: Truth, taken: Taken, kind: str) -> None:
    victim = next(event for event in taken.events if event.__struct_config__.tag == kind)
    rest = [event for event in taken.events if event.id != victim.id]
    found = verdict.newest(told_of(definitions, rest))
    counts = verdict.events(true.final, found.final, COUNTED)
    assert (counts.lost, counts.doubled) == (1, 0)
    assert counts.by_type == {f"counted_{kind.replace('.', '_')}": (1, 0)}
    assert verdict.compare(true.final, found.final).differences
    assert verdict.compare(true.rolling, found.rolling).differences


def test_an_event_counted_twice_is_found(definitions: Definitions, true: Truth, taken: Taken) -> None:
    victim = next(event for event in taken.events if event.__struct_config__.tag == "order.paid")
    twice = msgspec.structs.replace(victim, id=f"{victim.id}-again")
    found = verdict.newest(told_of(definitions, [*taken.events, twice]))
    counts = verdict.events(true.final, found.final, COUNTED)
    assert (counts.lost, counts.doubled) == (0, 1)
    assert verdict.compare(true.final, found.final).differences


def test_a_lost_event_does_not_make_up_for_one_counted_twice(true: Truth) -> None:
    wrong = dict(true.final)
    keys = [key for key in sorted(wrong) if key[0] == "counted_order_placed"]
    for key, change in ((keys[0], -3), (keys[1], 2)):
        (count,) = wrong[key][1]
        wrong[key] = float(count + change), (count + change,)
    counts = verdict.events(true.final, wrong, COUNTED)
    assert (counts.lost, counts.doubled) == (3, 2)


@pytest.mark.parametrize("kpi", ["orders_open", "deliveries_overdue", "revenue", "on_time_ratio", "order_to_door"])
def test_one_wrong_value_is_found(true: Truth, kpi: str) -> None:
    key = next(key for key in sorted(true.final) if key[0] == kpi and key[2] and true.final[key][1][0] > 1)
    value, (first, *rest) = true.final[key]
    comparison = verdict.compare(true.final, true.final | {key: (value, (first - 1, *rest))})
    assert (comparison.wrong, comparison.missing, comparison.surplus) == (1, 0, 0)
    assert comparison.by_kpi == {kpi: 1}
    assert kpi in comparison.shown[0].what


def test_a_wrong_quantile_of_the_right_observations_is_found(true: Truth) -> None:
    key = next(key for key in sorted(true.final) if key[1] == "p90")
    value, parts = true.final[key]
    assert verdict.compare(true.final, true.final | {key: ((value or 0) * 1.02, parts)}).wrong == 1


def test_a_value_that_was_never_told_and_one_too_many_are_found(true: Truth) -> None:
    key = next(iter(true.rolling))
    without = {name: worth for name, worth in true.rolling.items() if name != key}
    assert verdict.compare(true.rolling, without).missing == 1
    assert verdict.compare(without, true.rolling).surplus == 1


def test_a_value_with_nothing_in_it_is_like_one_that_was_not_told() -> None:
    key = ("orders_open", "value", (), "1m", 0)
    assert verdict.compare({key: (0.0, (0,))}, {}).differences == 0


def value_of(revision: int, count: int, **more: Any) -> KpiValue:
    plain: dict[str, Any] = {
        **{"kpi": "orders_placed", "stat": "value", "slice": {}, "span": "1m", "rolling": False, "start": 0},
        **{"end": MINUTE, "value": float(count), "weight": count, "parts": (count,), "unit": "orders"},
        **{"status": "corrected" if revision else "final", "revision": revision, "better": "higher"},
    }
    return KpiValue(**(plain | more))


def test_the_highest_revision_counts_and_of_equal_ones_the_last() -> None:
    found = verdict.newest([value_of(0, 1), value_of(2, 3), value_of(1, 2)])
    assert list(found.final.values()) == [(3.0, (3,))]
    found = verdict.newest([value_of(1, 2), value_of(1, 2), value_of(1, 5)])
    assert list(found.final.values()) == [(5.0, (5,))]
    assert (found.repeated, found.restated) == (1, 1)


def test_provisional_values_of_a_grain_count_for_nothing_and_the_last_rolling_one_counts() -> None:
    passing = value_of(3, 9, status="provisional")
    rolling = [value_of(0, count, status="provisional", rolling=True, span="24h") for count in (7, 8)]
    found = verdict.newest([passing, *rolling])
    assert not found.final
    assert list(found.rolling.values()) == [(8.0, (8,))]


PLACES: list[Place] = [("orders", 0, 4), ("orders", 1, 4), ("support", 0, 9)]


def test_each_malformed_record_has_a_letter_at_least_once_and_nothing_else_has() -> None:
    fine = verdict.letters(PLACES, [*PLACES, PLACES[0]])
    assert (fine.missing, fine.surplus, fine.repeated) == (0, 0, 1)
    assert verdict.letters(PLACES, PLACES[1:]).missing == 1
    assert verdict.letters(PLACES[1:], PLACES).surplus == 1


@pytest.fixture
def shown(definitions: Definitions, true: Truth) -> dict[str, dict[Any, float]]:
    """Each KPI at one of two workers."""
    kpis = {kpi.name: kpi for kpi in definitions.kpis}
    workers: dict[str, dict[Any, float]] = {"worker-01": {}, "worker-02": {}}
    for (kpi, stat, slice_, span), (value, _) in true.rolling.items():
        if value is not None:
            worker = workers["worker-01" if len(kpi) % 2 else "worker-02"]
            worker[verdict.exported(kpis[kpi], stat, slice_, span)] = value
    return workers


ORDERS = ("daybook_orders_placed", (("window", "24h"),))


@pytest.mark.parametrize(
    ("fault", "worker", "value"),
    [("wrong", "worker-01", 1.0), ("missing", "worker-01", None), ("shared", "worker-02", -1.0)],
    ids=["wrong", "missing", "at two workers"],
)
def test_metrics_that_are_wrong_missing_or_at_two_workers_are_found(
    definitions: Definitions, true: Truth, shown: Any, fault: str, worker: str, value: float | None
) -> None:
    fine = verdict.metrics(true, definitions.kpis, shown)
    assert fine.faults == 0, fine.shown
    assert fine.series > 500
    assert ORDERS in shown["worker-01"]
    if value is None:
        del shown[worker][ORDERS]
    else:
        shown[worker][ORDERS] = shown["worker-01"][ORDERS] if value < 0 else value
    found = verdict.metrics(true, definitions.kpis, shown)
    assert getattr(found, fault) == found.faults == 1
    assert ORDERS[0] in found.shown[0]


def test_a_metric_of_nothing_is_found(definitions: Definitions, true: Truth, shown: Any) -> None:
    shown["worker-01"]["daybook_orders_placed", (("region", "atlantis"), ("window", "24h"))] = 2.0
    assert verdict.metrics(true, definitions.kpis, shown).surplus == 1
