"""Definitions compiled to what the fold runs: places for everything, and a plain word where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.errors import ConfigError
from streams.events.types import TYPE_NAMES
from streams.kpis import program as op
from streams.kpis.definitions import DurationKpi, LevelKpi, MeasureKpi, Moment, Span, Term
from streams.kpis.plan import MOST_GROUPS, MOST_MOMENTS, Plan
from tests.support.shop import HOUR, MINUTE, all_kinds, definitions, moments

COMMON: dict[str, Any] = {
    "unit": "events",
    "better": "neither",
    "windows": (),
    "grain": Span("1h", HOUR),
}


def counting(name: str, *of: str, by: tuple[tuple[str, ...], ...] = (), **term: Any) -> MeasureKpi:
    return MeasureKpi(name=name, kind="count", of=Term(moments=of, **term), by=by, **COMMON)


def adding(name: str, kind: Any, of: tuple[str, ...], field: str) -> MeasureKpi:
    return MeasureKpi(name=name, kind=kind, of=Term(moments=of, field=field), by=(), **COMMON)


def instructions(plan: Plan) -> list[tuple[int, ...]]:
    """(kind, target, own, a, b, c), moment by moment."""
    code = plan.program
    return list(
        zip(
            *(
                column.tolist()
                for column in (code.op_kind, code.op_target, code.op_own, code.op_a, code.op_b, code.op_c)
            ),
            strict=True,
        )
    )


def bit(plan: Plan, *names: str) -> int:
    return plan._bits[frozenset(names)]


def test_an_event_is_the_moments_its_type_is() -> None:
    plan = Plan(definitions(counting("a", "order.placed"), counting("b", "order.placed", "order.paid")))
    placed, paid = (plan.moments_of_type[TYPE_NAMES.index(name)] for name in ("order.placed", "order.paid"))
    assert int(placed) == 1 << bit(plan, "order.placed") | 1 << bit(plan, "order.placed", "order.paid")
    assert int(paid) == 1 << bit(plan, "order.placed", "order.paid")
    assert np.count_nonzero(plan.moments_of_type) == 2


def test_the_same_moments_are_one_whatever_the_order_they_are_named_in() -> None:
    plan = Plan(definitions(counting("a", "order.paid", "order.placed"), counting("b", "order.placed", "order.paid")))
    assert plan.moment_count == 1


def test_a_moment_with_a_condition_is_looked_for_in_the_event() -> None:
    named = moments(answer=Moment("answer", "ticket.replied", {"by": ("agent", "bot")}))
    plan = Plan(definitions(counting("a", "answer"), moments=named))
    code = TYPE_NAMES.index("ticket.replied")
    assert plan.moments_of_type[code] == 0
    assert plan.filtered_moments == [(code, 1 << bit(plan, "answer"), [("by", frozenset({"agent", "bot"}))])]


def test_a_ratio_keeps_its_sides_apart() -> None:
    ratio = MeasureKpi(
        name="r", kind="ratio", of=Term(moments=("order.paid",)), per=Term(moments=("order.placed",)), by=(), **COMMON
    )
    plan = Plan(definitions(ratio))
    assert plan.kpi_of_measure.tolist() == [0, 0]
    assert plan.place_of_measure.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_money_is_added_up_and_what_has_it_is_counted(kind: str) -> None:
    plan = Plan(definitions(adding("m", kind, ("order.placed", "order.paid"), "amount")))
    assert [one[:4] for one in instructions(plan)] == [(op.SUM, 0, 0, 1), (op.COUNT_NUMBER, 1, 0, 1)]
    assert {code for code, _, _ in plan.number_sources} == {
        TYPE_NAMES.index(name) for name in ("order.placed", "order.paid")
    }
    assert plan.amount_column == 1
    assert plan.foreign_sources == [TYPE_NAMES.index("order.placed")]


def test_a_field_is_read_once_however_many_ask_for_it() -> None:
    kpis = (
        adding("a", "sum", ("order.placed",), "amount"),
        adding("b", "mean", ("order.placed",), "amount"),
        adding("c", "sum", ("order.placed",), "items.quantity"),
        adding("d", "sum", ("order.placed",), "items.count"),
        adding("e", "mean", ("ticket.rated",), "score"),
    )
    plan = Plan(definitions(*kpis))
    assert plan.numbers == ["amount", "items.quantity", "items.count", "score"]
    assert len(plan.number_sources) == 4


def test_a_field_is_not_asked_of_events_without_it() -> None:
    plan = Plan(definitions(adding("a", "sum", ("order.placed", "order.packed"), "amount")))
    assert [code for code, _, _ in plan.number_sources] == [TYPE_NAMES.index("order.placed")]


def test_an_order_is_the_case_and_a_delivery_is_its_own() -> None:
    def door(entity: Any) -> DurationKpi:
        return DurationKpi(
            name="d",
            entity=entity,
            start=("delivery.dispatched",),
            end=("delivery.delivered",),
            quantiles=(0.5,),
            by=(),
            **COMMON,
        )

    for entity, own in (("order", 0), ("delivery", 1)):
        plan = Plan(definitions(door(entity)))
        assert instructions(plan) == [(op.DURATION, 0, own, bit(plan, "delivery.dispatched"), -1, -1)]


def test_a_first_moment_asks_what_its_term_asks() -> None:
    term: dict[str, Any] = {
        "first": True,
        "entity": "ticket",
        "since": "ticket.opened",
        "within": 4 * HOUR,
        "promise": "kept",
    }
    plan = Plan(definitions(counting("a", "ticket.replied", **term)))
    expected = (op.FIRST, 0, 1, op.PROMISE_KEPT, bit(plan, "ticket.opened"), 4 * HOUR)
    assert instructions(plan) == [expected]
    plan = Plan(definitions(counting("a", "ticket.replied", first=True)))
    assert instructions(plan) == [(op.FIRST, 0, 0, 0, -1, -1)]


@pytest.mark.parametrize(
    ("overdue", "expected"), [(None, op.OVERDUE_NEVER), ("promise", op.OVERDUE_PROMISE), (5 * MINUTE, 5 * MINUTE)]
)
def test_a_level_knows_when_its_members_are_overdue(overdue: Any, expected: int) -> None:
    level = LevelKpi(
        name="l",
        entity="ticket",
        start=("ticket.opened",),
        until=("ticket.resolved",),
        again=("ticket.reopened",),
        overdue=overdue,
        by=(),
        **COMMON,
    )
    plan = Plan(definitions(level))
    assert plan.level_count == 1
    assert plan.program.level_overdue.tolist() == [expected]
    assert plan.program.level_start.tolist() == [bit(plan, "ticket.opened")]
    assert {one[0] for one in instructions(plan)} == {op.ENTER, op.LEAVE, op.AGAIN}


def test_slices_are_the_total_then_those_that_were_asked_for() -> None:
    plan = Plan(definitions(counting("a", "order.placed", by=(("carrier",), ("region", "topic")))))
    assert plan.groups_of_kpi == [[(), (1,), (0, 2)]]
    code = plan.program
    assert code.group_from.tolist() == [0, 3]
    assert list(zip(code.group_first.tolist(), code.group_second.tolist(), strict=True)) == [(-1, -1), (1, -1), (0, 2)]


def test_a_dimension_is_read_from_all_its_sources() -> None:
    plan = Plan(definitions())
    placed, dispatched = TYPE_NAMES.index("order.placed"), TYPE_NAMES.index("delivery.dispatched")
    assert plan.dimension_sources[0] == [(placed, "region"), (dispatched, "region")]


def test_one_event_touches_no_more_cells_than_there_is_room_made_for() -> None:
    plan = Plan(definitions())
    code = plan.program
    widest = int(np.diff(code.group_from).max())
    at_once = int(np.diff(code.op_from).sum())
    assert code.settings[op.MOST_CELLS] >= 2 * widest * at_once


def test_no_kpi_is_a_plan_too() -> None:
    made = definitions()
    empty = type(made)(**{name: getattr(made, name) for name in made.__struct_fields__} | {"kpis": ()})
    plan = Plan(empty)
    assert plan.program.op_kind.size == 0
    assert plan.moment_count >= 1


def pairs(count: int) -> list[MeasureKpi]:
    """So many KPIs, no two of the same moments."""
    found = [(one,) for one in TYPE_NAMES] + [(one, other) for one in TYPE_NAMES for other in TYPE_NAMES if one < other]
    return [counting(f"k{number}", *names) for number, names in enumerate(found[:count])]


def test_as_many_moments_fit_as_an_event_has_bits() -> None:
    plan = Plan(definitions(*pairs(MOST_MOMENTS)))
    assert plan.moment_count == MOST_MOMENTS
    assert plan.moments_of_type.min() >= 0


def test_one_moment_too_many_is_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^kpis: 63 different sets of moments are used, at most 62 can be$"):
        Plan(definitions(*pairs(MOST_MOMENTS + 1)))


def test_one_slice_too_many_is_said_in_one_line() -> None:
    slices = tuple([("region",)] * MOST_GROUPS)
    with pytest.raises(ConfigError, match=r"^kpis\.a\.by: 64 slices, at most 63 fit$"):
        Plan(definitions(counting("a", "order.placed", by=slices)))
    assert len(Plan(definitions(counting("a", "order.placed", by=slices[:-1]))).groups_of_kpi[0]) == MOST_GROUPS


def test_a_measure_too_many_is_said_in_one_line() -> None:
    kpis = [counting(f"k{number}", "order.placed") for number in range(4_097)]
    with pytest.raises(ConfigError, match=r"^kpis: 4097 measures, at most 4096 fit$"):
        Plan(definitions(*kpis))


def test_the_same_definitions_make_the_same_plan() -> None:
    one, other = Plan(definitions(*all_kinds())), Plan(definitions(*all_kinds()))
    for first, second in zip(one.program, other.program, strict=True):
        assert np.array_equal(first, second)
