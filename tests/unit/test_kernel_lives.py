"""What happens to orders, deliveries and tickets: their moments, their deadlines, and what comes late."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.events.types import BusinessEvent
from tests.support.oracle import Oracle, told
from tests.support.running import cells, kernel, pipeline, plan, ran, total
from tests.support.shop import DAY, HOUR, MINUTE, SECOND, T0, event, feed

# Lives


def test_equal_times_are_taken_in_the_order_of_a_life() -> None:
    events = [
        event("delivery.delivered", T0, "a"),
        event("delivery.dispatched", T0, "a"),
        event("order.paid", T0, "a"),
        event("order.placed", T0, "a", promised_at=T0),
    ]
    for order in (events, events[::-1]):
        pipe = ran(order)
        assert total(pipe, "order_to_door") == (1,)
        assert total(pipe, "delivery_time") == (1,)
        assert total(pipe, "on_time_ratio") == (1, 1)
        assert total(pipe, "orders_open") == (0,)


def test_events_of_one_kind_and_time_give_the_same_in_any_order() -> None:
    # Two first deliveries at once: which is the first is decided by their ids, not by who comes first.
    events = [
        event("order.placed", T0, "a", promised_at=T0 + HOUR, region="north"),
        event("delivery.delivered", T0 + MINUTE, "a", id="x", delivery_id="D1"),
        event("delivery.delivered", T0 + MINUTE, "a", id="y", delivery_id="D2"),
        event("delivery.dispatched", T0, "a", id="d1", delivery_id="D1", carrier="dhl"),
        event("delivery.dispatched", T0, "a", id="d2", delivery_id="D2", carrier="ups"),
    ]
    values = told(ran(events).finals())
    for order in (events[::-1], events[2:] + events[:2], [events[at] for at in (3, 1, 4, 0, 2)]):
        assert told(ran(order).finals()) == values


def test_an_order_of_several_deliveries_arrives_with_the_first() -> None:
    pipe = ran(
        [
            event("order.placed", T0, "a", promised_at=T0 + 30 * MINUTE),
            event("delivery.dispatched", T0 + MINUTE, "a", delivery_id="D1"),
            event("delivery.dispatched", T0 + 2 * MINUTE, "a", delivery_id="D2"),
            event("delivery.delivered", T0 + 10 * MINUTE, "a", delivery_id="D2"),
            event("delivery.delivered", T0 + 50 * MINUTE, "a", delivery_id="D1"),
        ]
    )
    door = pipe.final("order_to_door", T0, "p50")
    assert door is not None
    assert door.value == pytest.approx(600, rel=0.01)
    assert door.weight == 1
    assert total(pipe, "on_time_ratio") == (1, 1)
    times = pipe.final("delivery_time", T0, "p50")
    assert times is not None
    assert times.weight == 2
    assert times.value == pytest.approx(480, rel=0.01)


def test_a_ticket_without_an_order_has_a_life_of_its_own() -> None:
    pipe = ran(
        [
            event("ticket.opened", T0, "T7", topic="late"),
            event("ticket.replied", T0 + MINUTE, "T7", by="bot"),
            event("ticket.replied", T0 + 8 * MINUTE, "T7"),
            event("ticket.rated", T0 + 9 * MINUTE, "T7", score=5),
            event("ticket.resolved", T0 + 9 * MINUTE, "T7"),
        ]
    )
    assert total(pipe, "answered_in_10m") == (1, 1)
    assert total(pipe, "satisfaction") == (5, 1)
    assert total(pipe, "tickets_open") == (0,)
    assert total(pipe, "orders_open") == (0,)
    assert total(pipe, "tickets_waiting") == (0,)


def test_two_tickets_of_an_order_are_two() -> None:
    events = [
        event("ticket.opened", T0, "a", ticket_id="T1"),
        event("ticket.opened", T0 + 1, "a", ticket_id="T2"),
        event("ticket.resolved", T0 + 2, "a", ticket_id="T1"),
    ]
    assert total(ran(events), "tickets_open") == (1,)


def test_a_delivery_and_a_ticket_of_one_id_are_not_confused() -> None:
    events = [
        event("delivery.dispatched", T0, "a", delivery_id="X"),
        event("ticket.opened", T0 + 1, "a", ticket_id="X"),
        event("ticket.resolved", T0 + 2, "a", ticket_id="X"),
    ]
    pipe = ran(events)
    assert total(pipe, "tickets_open") == (0,)
    assert total(pipe, "delivery_time") == (0,)


def test_a_ticket_is_let_in_again_as_often_as_it_is_reopened() -> None:
    events = [event("ticket.opened", T0, "a", ticket_id="T")]
    for hour in range(3):
        events.append(event("ticket.resolved", T0 + hour * HOUR + MINUTE, "a", ticket_id="T"))
        events.append(event("ticket.resolved", T0 + hour * HOUR + 2 * MINUTE, "a", ticket_id="T"))
        events.append(event("ticket.reopened", T0 + (hour + 1) * HOUR, "a", ticket_id="T"))
        events.append(event("ticket.reopened", T0 + (hour + 1) * HOUR + 1, "a", ticket_id="T"))
    pipe = ran(events)
    assert [total(pipe, "tickets_open", hour) for hour in range(5)] == [(0,), (0,), (0,), (1,), (1,)]


def test_what_left_before_it_came_never_comes() -> None:
    # The clocks of shop and carrier differ: delivered before it was placed.
    pipe = ran([event("delivery.delivered", T0, "a"), event("order.placed", T0 + MINUTE, "a")])
    assert total(pipe, "orders_open") == (0,)
    assert total(pipe, "order_to_door") == (0,)
    assert total(pipe, "orders_placed") == (1,)


def test_times_before_1970_are_folded_like_any_other() -> None:
    begin = -(50 * 365 * DAY)
    begin -= begin % HOUR
    events = [
        event("order.placed", begin, "a", promised_at=begin + MINUTE),
        event("delivery.dispatched", begin + 10 * MINUTE, "a"),
        event("delivery.delivered", begin + 30 * MINUTE, "a"),
        event("order.placed", begin + 2 * HOUR, "b"),
    ]
    pipe = ran(events, until=begin + 5 * HOUR)
    assert told(pipe.finals()) == told(Oracle(plan()[0], events).compute(begin + 5 * HOUR))
    door = pipe.final("order_to_door", begin, "p50")
    assert door is not None
    assert door.value == pytest.approx(1800, rel=0.01)


# Deadlines


def overdue(events: list[BusinessEvent], kpi: str = "orders_unshipped_overdue") -> list[int | None]:
    """The level at the end of each of the first six hours."""
    pipe = ran(events)
    found = [pipe.final(kpi, T0 + hour * HOUR) for hour in range(6)]
    return [None if value is None else value.parts[0] for value in found]


def test_an_order_is_overdue_from_its_promise_on() -> None:
    promise = T0 + 2 * HOUR + 30 * MINUTE
    placed = event("order.placed", T0, "a", promised_at=promise)
    assert overdue([placed]) == [0, 0, 1, 1, 1, 1]
    assert overdue([placed, event("delivery.dispatched", T0 + 4 * HOUR + 1, "a")]) == [0, 0, 1, 1, 0, 0]


def test_an_order_shipped_by_its_promise_was_never_overdue() -> None:
    promise = T0 + 2 * HOUR + 30 * MINUTE
    placed = event("order.placed", T0, "a", promised_at=promise)
    assert overdue([placed, event("delivery.dispatched", promise, "a")]) == [0] * 6
    assert overdue([placed, event("order.cancelled", T0 + HOUR, "a")]) == [0] * 6


def test_a_promise_known_only_from_the_dispatch_comes_too_late_for_it() -> None:
    events = [
        event("order.placed", T0, "a"),
        event("delivery.dispatched", T0 + HOUR, "a", promised_at=T0 + 2 * HOUR),
        event("delivery.delivered", T0 + 3 * HOUR, "a"),
    ]
    assert overdue(events) == [0] * 6
    assert total(ran(events), "on_time_ratio", 3) == (0, 1)


def test_a_promise_that_becomes_known_later_counts_from_then_on() -> None:
    # The shop sends the order twice: the second time with a promise, which has passed by then.
    events = [
        event("order.placed", T0, "a"),
        event("order.placed", T0 + 2 * HOUR, "a", promised_at=T0 + HOUR),
        event("delivery.dispatched", T0 + 4 * HOUR, "a"),
    ]
    assert overdue(events) == [0, 0, 1, 1, 0, 0]


def test_the_first_promise_known_is_the_one_that_counts() -> None:
    events = [
        event("order.placed", T0, "a", promised_at=T0 + HOUR),
        event("delivery.dispatched", T0 + 1, "a", promised_at=T0 + 3 * HOUR),
        event("delivery.delivered", T0 + 2 * HOUR, "a"),
    ]
    assert total(ran(events), "on_time_ratio", 2) == (0, 1)


def test_overdue_is_told_when_event_time_has_come_not_before() -> None:
    pipe = pipeline()
    pipe.feed([event("order.placed", T0, "a", promised_at=T0 + HOUR)])
    pipe.drain()
    assert pipe.now("orders_unshipped_overdue") is None or pipe.now("orders_unshipped_overdue").value == 0  # type: ignore[union-attr]
    pipe.heartbeat(T0 + HOUR - 10 * SECOND - 1)
    pipe.drain()
    assert pipe.now("orders_unshipped_overdue") is None or pipe.now("orders_unshipped_overdue").value == 0  # type: ignore[union-attr]
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    level = pipe.now("orders_unshipped_overdue")
    assert level is not None
    assert level.value == 1


def test_a_late_dispatch_takes_back_that_an_order_was_overdue() -> None:
    pipe = pipeline()
    pipe.feed([event("order.placed", T0, "a", promised_at=T0 + HOUR - MINUTE)])
    pipe.heartbeat(T0 + HOUR)
    pipe.drain()
    first = pipe.final("orders_unshipped_overdue", T0)
    assert first is not None
    assert (first.parts, first.status, first.revision) == ((1,), "final", 0)
    pipe.feed([event("delivery.dispatched", T0 + HOUR - 2 * MINUTE, "a")])
    pipe.drain()
    second = pipe.final("orders_unshipped_overdue", T0)
    assert second is not None
    assert (second.parts, second.status, second.revision) == ((0,), "corrected", 1)


def test_a_ticket_waits_too_long_after_so_many_minutes() -> None:
    opened = event("ticket.opened", T0 + 58 * MINUTE, "a", ticket_id="T")
    answered = event("ticket.replied", T0 + 2 * HOUR, "a", ticket_id="T")
    bot = event("ticket.replied", T0 + 59 * MINUTE, "a", ticket_id="T", by="bot")
    assert overdue([opened, bot, answered], "tickets_waiting") == [0, 1, 0, 0, 0, 0]
    in_time = event("ticket.replied", T0 + 63 * MINUTE, "a", ticket_id="T")
    assert overdue([opened, in_time], "tickets_waiting") == [0] * 6


def test_the_slices_of_an_overdue_order_are_those_it_was_placed_with() -> None:
    events = [
        event("order.placed", T0, "a", promised_at=T0 + HOUR, region="north"),
        event("delivery.dispatched", T0 + 3 * HOUR, "a", region="west"),
    ]
    pipe = ran(events)
    found = [pipe.final("orders_unshipped_overdue", T0 + hour * HOUR, region="north") for hour in range(5)]
    assert [value.parts[0] for value in found if value is not None] == [1, 1, 0, 0]
    assert pipe.final("orders_unshipped_overdue", T0 + 3 * HOUR, region="west") is None


def test_a_promise_in_the_far_future_costs_nothing_once_it_is_kept() -> None:
    core = kernel()
    core.set_idle({2})
    for first in range(0, 3_000, 100):
        times = {number: T0 + number * MINUTE for number in range(first, first + 100)}
        promises = ("9999-12-31T23:59:59Z", T0 + 1_000 * DAY)
        orders = [
            event("order.placed", time, f"o{number}", promised_at=promises[number % 2])
            for number, time in times.items()
        ]
        feed(core, 0, list(orders))
        core.drain()
        feed(core, 1, [event("delivery.dispatched", time + 1, f"o{number}") for number, time in times.items()])
    core.drain()
    assert core.pending == 0


# Correction


def test_disorder_is_counted_and_gives_what_order_would_have_given() -> None:
    events = [
        event("order.placed", T0, "a", promised_at=T0 + HOUR),
        event("order.payment_failed", T0 + MINUTE, "a"),
        event("order.paid", T0 + 2 * MINUTE, "a"),
        event("delivery.dispatched", T0 + 3 * MINUTE, "a", carrier="dhl"),
        event("delivery.delivered", T0 + 4 * MINUTE, "a"),
    ]
    ordered, reversed_ = ran(events), ran(events[::-1])
    assert told(ordered.finals()) == told(reversed_.finals())
    assert sum(outcome.disordered for outcome in ordered.outcomes) == 0
    assert sum(outcome.disordered for outcome in reversed_.outcomes) == 4


def test_what_comes_late_is_told_only_where_it_changes_something() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a"), event("order.paid", T0 + 5 * MINUTE, "a")])
    core.drain()
    feed(core, 0, [event("order.payment_failed", T0 + 4 * MINUTE, "a")])
    changed = {key[0] for key, value in cells(core.drain()).items() if value}
    # Folding anew may tell what it touched, but of no pane before the late event.
    assert "payment_failure_ratio" in changed
    feed(core, 0, [event("order.payment_failed", T0 + 3 * MINUTE, "a")])
    assert min(key[4] for key in cells(core.drain())) == (T0 + 3 * MINUTE) // (10 * SECOND)


def test_a_kernel_rebuilt_from_the_beginning_says_the_same_in_the_end() -> None:
    rng = np.random.default_rng(4)
    log = [
        event(kind, T0 + int(rng.integers(0, 600)) * SECOND, f"o{rng.integers(0, 20)}", region=region)
        for kind, region in zip(["order.placed"] * 100, ["north", "south", None, "west"] * 25, strict=True)
    ]
    log += [event("order.cancelled", T0 + int(rng.integers(0, 600)) * SECOND, f"o{number}") for number in range(15)]
    once, twice = kernel(), kernel()
    told_once: dict[Any, int] = {}
    for at in range(0, len(log), 7):
        feed(once, 0, list(log[at : at + 7]))
        told_once |= cells(once.drain())
    feed(twice, 0, list(log))
    told_twice = cells(twice.drain())
    assert {key: value for key, value in told_once.items() if value} == {
        key: value for key, value in told_twice.items() if value
    }
