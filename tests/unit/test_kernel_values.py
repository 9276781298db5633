"""What is counted and added up, in which slices, under plans of any size."""

from __future__ import annotations

from typing import Any

from streams.events import types
from streams.events.types import BusinessEvent
from streams.kpis.definitions import Definitions, LevelKpi, MeasureKpi, Span, Term
from streams.kpis.kernel import Kernel
from streams.kpis.plan import Plan
from tests.support.oracle import told
from tests.support.pipeline import Pipeline
from tests.support.running import cells, kernel, pipeline, ran, total
from tests.support.shop import HOUR, MINUTE, SECOND, T0, all_kinds, definitions, event, feed

# Totals, slices, numbers


def test_an_order_counts_in_the_total_and_in_its_slices() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a", region="north")])
    told_of = cells(core.drain())
    region, carrier = ("region", "north"), ("carrier", "unknown")
    placed = {key[2:]: value for key, value in told_of.items() if key[0] == "orders_placed"}
    pane = T0 // (10 * SECOND)
    assert placed == {(slice_, 0, pane): 1 for slice_ in ((), (region,), (carrier,), (region, carrier))}


def test_foreign_money_is_counted_apart_not_added_up() -> None:
    pipe = ran(
        [
            event("order.placed", T0, "a", amount=100),
            event("order.placed", T0 + 1, "b", amount=999, currency="USD"),
            event("order.placed", T0 + 2, "c", amount=7),
        ]
    )
    assert total(pipe, "orders_placed") == (3,)
    assert total(pipe, "revenue") == (107, 2)


def test_more_values_than_allowed_are_folded_and_the_total_stays_exact() -> None:
    pipe = pipeline(values_per_dimension=3)
    pipe.feed([event("order.placed", T0 + number, f"o{number}", region=f"r{number % 10}") for number in range(1_000)])
    pipe.heartbeat(T0 + 2 * HOUR)
    pipe.drain()
    assert total(pipe, "orders_placed") == (1_000,)
    regions = [
        value
        for key, value in pipe.told.items()
        if key[0] == "orders_placed" and [name for name, _ in key[2]] == ["region"]
    ]
    by_region = {value.slice["region"]: value.parts[0] for value in regions if value.start == T0}
    assert sum(by_region.values()) == 1_000
    assert by_region["other"] == 700
    assert pipe.kernels[0].folded == {"region": 700, "carrier": 0, "topic": 0}


def test_a_level_goes_down_where_it_went_up_though_the_value_lost_its_name() -> None:
    pipe = pipeline(values_per_dimension=1)
    pipe.feed([event("order.placed", T0, "a", region="old")])
    pipe.feed([event("order.placed", T0 + number, f"b{number}", region="new") for number in range(1, 100)])
    pipe.feed([event("delivery.delivered", T0 + MINUTE, "a")])
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    old, new = pipe.now("orders_open", region="old"), pipe.final("orders_open", T0, region="new")
    other = pipe.final("orders_open", T0, region="other")
    assert old is not None
    assert new is not None
    assert other is not None
    assert (old.parts, new.parts[0] + other.parts[0]) == ((0,), 99)


# Terms


def told_of(of: Term, events: list[BusinessEvent], kind: Any = "count", **settings: Any) -> tuple[int, ...] | None:
    """What the first hour's value of one KPI is made of."""
    kpi = MeasureKpi(
        name="kpi",
        kind=kind,
        of=of,
        unit="events",
        better="neither",
        by=(),
        windows=(),
        grain=Span("1h", HOUR),
    )
    pipe = Pipeline(definitions(kpi, **settings))
    pipe.feed(events)
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    return total(pipe, "kpi")


def test_an_event_that_is_two_of_the_moments_counts_once() -> None:
    replies = [
        event("ticket.replied", T0 + number, "T", by=by) for number, by in enumerate(("agent", "bot", "customer"))
    ]
    assert told_of(Term(moments=("first_answer", "ticket.replied")), replies) == (3,)
    assert told_of(Term(moments=("first_answer",)), replies) == (1,)


def test_the_first_of_several_moments_is_one_moment() -> None:
    ends = Term(moments=("delivery.delivered", "delivery.failed"), first=True, entity="delivery")
    events = [
        event("delivery.failed", T0, "a", delivery_id="D1"),
        event("delivery.delivered", T0 + 1, "a", delivery_id="D1"),
        event("delivery.delivered", T0 + 2, "a", delivery_id="D2"),
    ]
    assert told_of(ends, events) == (2,)
    assert told_of(ends, events[::-1]) == (2,)
    assert told_of(Term(moments=ends.moments, first=True, entity="order"), events) == (1,)


def test_a_promise_is_kept_up_to_its_instant_and_broken_after() -> None:
    def delivered(late: int, promise: str) -> tuple[int, ...] | None:
        events = [
            event("order.placed", T0, "a", promised_at=T0 + MINUTE),
            event("delivery.delivered", T0 + MINUTE + late, "a"),
        ]
        return told_of(Term(moments=("delivery.delivered",), first=True, entity="order", promise=promise), events)  # type: ignore[arg-type]

    assert [delivered(0, promise) for promise in ("kept", "broken", "given")] == [(1,), (0,), (1,)]
    assert [delivered(1, promise) for promise in ("kept", "broken", "given")] == [(0,), (1,), (1,)]


def test_a_delivery_without_a_promise_of_its_own_has_its_orders() -> None:
    kept = Term(moments=("delivery.delivered",), first=True, entity="delivery", promise="kept")
    events = [
        event("order.placed", T0, "a", promised_at=T0 + MINUTE),
        event("delivery.dispatched", T0 + 1, "a", delivery_id="D1"),
        event("delivery.dispatched", T0 + 2, "a", delivery_id="D2", promised_at=T0 + 2 * MINUTE),
        event("delivery.delivered", T0 + MINUTE + 1, "a", delivery_id="D1"),
        event("delivery.delivered", T0 + MINUTE + 2, "a", delivery_id="D2"),
    ]
    assert told_of(kept, events) == (1,)


def test_within_includes_its_last_instant() -> None:
    term = Term(moments=("first_answer",), first=True, entity="ticket", since="ticket.opened", within=10 * MINUTE)

    def answered(after: int) -> tuple[int, ...] | None:
        return told_of(term, [event("ticket.opened", T0, "T"), event("ticket.replied", T0 + after, "T")])

    assert [answered(10 * MINUTE), answered(10 * MINUTE + 1)] == [(1,), (0,)]
    assert answered(0) == (1,)


def test_what_an_order_contains_is_added_up() -> None:
    items = [types.Item(sku="x", quantity=3, unit_price=1), types.Item(sku="y", quantity=4, unit_price=1)]
    events = [event("order.placed", T0, "a", items=items, currency="USD"), event("order.placed", T0 + 1, "b")]
    assert told_of(Term(moments=("order.placed",), field="items.quantity"), events, "sum") == (7, 2)
    assert told_of(Term(moments=("order.placed",), field="items.count"), events, "mean") == (2, 2)


def test_an_event_without_the_number_counts_for_nothing() -> None:
    events = [
        event("order.paid", T0, "a", amount=5),
        event("order.paid", T0 + 1, "b"),
        event("order.paid", T0 + 2, "c", amount=0),
    ]
    assert told_of(Term(moments=("order.paid",), field="amount"), events, "mean") == (5, 2)


# Small and large plans


def small(**more: Any) -> Definitions:
    one = MeasureKpi(
        name="orders",
        kind="count",
        of=Term(moments=("order.placed",)),
        unit="orders",
        better="higher",
        by=(),
        windows=(),
        grain=Span("1h", HOUR),
    )
    return definitions(*more.pop("kpis", (one,)), **({"dimensions": ()} | more))


def test_one_kpi_and_no_dimension_are_enough() -> None:
    made = small()
    pipe = Pipeline(made)
    pipe.feed([event("order.placed", T0 + number * SECOND, f"o{number}", region="north") for number in range(50)])
    pipe.feed([event("delivery.dispatched", T0, "o1"), event("ticket.opened", T0, "t")])
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    assert told(pipe.finals()) == {("orders", "value", (), T0): (50.0, (50,))}


def test_no_kpi_at_all_takes_events_in_and_says_nothing() -> None:
    made = Definitions(**{name: getattr(small(), name) for name in Definitions.__struct_fields__} | {"kpis": ()})
    core = Kernel(Plan(made), 0)
    assert feed(core, 0, [event("order.placed", T0, "a")]).accepted == 1
    assert core.drain() == []


def test_a_plan_of_sixty_moments_finds_each_of_them() -> None:
    names = types.TYPE_NAMES
    pairs = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]][: 60 - len(names)]
    terms = [(name,) for name in names] + pairs
    kpis = [
        MeasureKpi(
            name=f"k{number}",
            kind="count",
            of=Term(moments=term),
            unit="events",
            better="neither",
            by=(("region",),),
            windows=(),
            grain=Span("1h", HOUR),
        )
        for number, term in enumerate(terms)
    ]
    assert len(kpis) == 60
    made = definitions(*kpis)
    pipe = Pipeline(made)
    pipe.feed([event(name, T0 + number, "a") for number, name in enumerate(names)])
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    assert [total(pipe, f"k{number}") for number in range(60)] == [(len(term),) for term in terms]


def test_a_level_alone_keeps_its_order_whatever_else_is_counted() -> None:
    level = next(kpi for kpi in all_kinds() if isinstance(kpi, LevelKpi))
    pipe = Pipeline(definitions(level))
    pipe.feed([event("order.placed", T0, "a"), event("order.placed", T0, "b"), event("order.cancelled", T0 + 1, "b")])
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    assert total(pipe, "orders_open") == (1,)
