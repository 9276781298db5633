"""What the kernel takes in and turns away: times, the future, late events, repeats; and what its partials say."""

from __future__ import annotations

import numpy as np
import pytest

from streams.events import types
from streams.events.types import BusinessEvent
from streams.kpis.partials import Partial
from tests.support.running import cells, kernel
from tests.support.shop import DAY, HOUR, MINUTE, SECOND, T0, all_kinds, event, feed, heartbeat

LATENESS = 15 * MINUTE
DISORDER = 10 * SECOND
FAMILIES = range(3)


# What is taken in


def test_a_chunk_is_counted_by_what_became_of_it() -> None:
    one = event("order.placed", T0, "a")
    outcome = feed(kernel(), 0, [one, None, one, heartbeat(T0), event("order.paid", T0, "a")])
    assert (outcome.accepted, outcome.duplicates, outcome.heartbeats) == (2, 1, 1)
    assert (outcome.late, outcome.disordered, outcome.rejected) == (0, 0, [])


@pytest.mark.parametrize("chunk", [[], [None], [None, None]])
def test_a_chunk_with_nothing_readable_moves_the_offsets_only(chunk: list[None]) -> None:
    core = kernel()
    assert feed(core, 1, list(chunk)).accepted == 0
    assert core.next_offsets == [0, len(chunk), 0]
    assert core.watermark is None


def test_the_next_offset_follows_the_last_record_where_the_log_has_gaps() -> None:
    core = kernel()
    events: list[BusinessEvent | None] = [event("order.placed", T0, "a"), None]
    core.process(0, events, np.array([5, 17], dtype=np.int64), np.array([-1, -1], dtype=np.int64))
    assert core.next_offsets == [18, 0, 0]


def test_a_heartbeat_is_no_event_of_the_business() -> None:
    core = kernel()
    outcome = feed(core, 0, [heartbeat(T0), heartbeat(T0)])
    assert (outcome.heartbeats, outcome.duplicates, outcome.accepted) == (2, 0, 0)
    assert core.began is None
    assert core.pending == 0


def test_the_earliest_event_time_is_kept() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a"), event("order.placed", T0 - MINUTE, "b")])
    assert core.began == T0 - MINUTE
    feed(core, 1, [event("delivery.dispatched", T0 - 5 * MINUTE, "c")])
    assert core.began == T0 - 5 * MINUTE


# Bad times, the future


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00+99:00", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "x" * 20]
)
def test_a_time_that_is_none_is_rejected_and_moves_nothing(text: str) -> None:
    core = kernel()
    bad = types.OrderPaid(id="1", source="shop", time=text, subject="a", data=types.PaidData(order_id="a"))
    good = event("order.paid", T0, "a")
    outcome = feed(core, 0, [good, bad])
    assert [(place, rejection.code) for place, rejection in outcome.rejected] == [(1, "bad_time")]
    assert outcome.rejected[0][1].reason.startswith("time:")
    assert outcome.accepted == 1


def test_a_promise_that_is_no_time_is_rejected_with_its_field() -> None:
    bad = event("order.placed", T0, "a", promised_at="2026-13-01T00:00:00Z")
    outcome = feed(kernel(), 0, [None, bad])
    assert [(place, rejection.code) for place, rejection in outcome.rejected] == [(1, "bad_time")]
    assert outcome.rejected[0][1].reason.startswith("data.promised_at:")
    assert outcome.accepted == 0


def test_a_time_too_far_ahead_of_its_arrival_is_quarantined_and_moves_nothing() -> None:
    core = kernel()
    for family in (1, 2):
        feed(core, family, [heartbeat(T0)])
    ahead = event("order.placed", T0 + MINUTE + 1, "a")
    outcome = feed(core, 0, [event("order.placed", T0, "b"), ahead], arrival=T0)
    assert [(place, rejection.code) for place, rejection in outcome.rejected] == [(1, "future_time")]
    assert core.watermark == T0 - DISORDER
    assert outcome.accepted == 1


def test_a_time_exactly_at_the_limit_is_taken_in() -> None:
    outcome = feed(kernel(), 0, [event("order.placed", T0 + MINUTE, "a")], arrival=T0)
    assert (outcome.accepted, outcome.rejected) == (1, [])


def test_a_heartbeat_of_a_fast_clock_closes_nothing() -> None:
    core = kernel()
    for family in FAMILIES:
        feed(core, family, [heartbeat(T0)])
    assert feed(core, 0, [heartbeat(T0 + DAY)], arrival=T0).rejected[0][1].code == "future_time"
    assert core.watermark == T0


def test_without_a_known_arrival_nothing_is_too_early() -> None:
    assert feed(kernel(), 0, [event("order.placed", T0 + 1000 * DAY, "a")], arrival=-1).accepted == 1


def test_an_event_of_the_past_is_no_matter_of_its_arrival() -> None:
    assert feed(kernel(), 0, [event("order.placed", T0 - 1000 * DAY, "a")], arrival=T0).accepted == 1


# Late events


def test_an_event_exactly_at_the_border_of_lateness_is_kept_and_one_before_it_dropped() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "newest")])
    border = T0 - DISORDER - LATENESS
    outcome = feed(core, 0, [event("order.placed", border, "kept"), event("order.placed", border - 1, "late")])
    assert (outcome.accepted, outcome.late) == (1, 1)
    assert core.began == border


def test_a_late_event_changes_nothing() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a")])
    core.drain()
    feed(core, 0, [event("order.placed", T0 - HOUR, "b")])
    assert core.pending == 0
    assert core.open_cases == 1


def test_lateness_is_by_the_topics_own_time() -> None:
    # The deliveries are read an hour behind the orders: that makes none of them late.
    core = kernel()
    feed(core, 0, [event("order.placed", T0 + HOUR, "a")])
    outcome = feed(core, 1, [event("delivery.dispatched", T0, "b"), event("delivery.delivered", T0 + MINUTE, "b")])
    assert (outcome.accepted, outcome.late) == (2, 0)


def test_a_heartbeat_makes_late_what_comes_after_it() -> None:
    core = kernel()
    chunk: list[BusinessEvent | None] = [
        event("order.placed", T0, "a"),
        heartbeat(T0 + LATENESS + 1),
        event("order.placed", T0, "b"),
        event("order.placed", T0 + 1, "c"),
    ]
    outcome = feed(core, 0, chunk)
    assert (outcome.accepted, outcome.late) == (2, 1)


def test_an_idle_topic_that_returns_with_what_is_sealed_is_late() -> None:
    core = kernel()
    core.set_idle({1, 2})
    feed(core, 0, [event("order.placed", T0 + 2 * HOUR, "a")])
    core.drain()
    sealed = T0 + 2 * HOUR - DISORDER - LATENESS
    outcome = feed(core, 1, [event("delivery.dispatched", sealed - 1, "a"), event("delivery.dispatched", sealed, "b")])
    assert (outcome.accepted, outcome.late) == (1, 1)


# Duplicates


def test_the_same_id_of_another_source_is_another_event() -> None:
    one = event("order.placed", T0, "a", id="1", source="shop")
    other = event("order.placed", T0, "a", id="1", source="market")
    outcome = feed(kernel(), 0, [one, other, one])
    assert (outcome.accepted, outcome.duplicates) == (2, 1)


def test_source_and_id_cannot_be_confused_by_where_they_are_cut() -> None:
    one = event("order.placed", T0, "a", id="bc", source="a")
    other = event("order.placed", T0, "a", id="c", source="ab")
    assert feed(kernel(), 0, [one, other]).accepted == 2


def test_a_repeat_in_another_chunk_counts_for_nothing() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a")])
    first = cells(core.drain())
    assert feed(core, 0, [event("order.placed", T0, "a")]).duplicates == 1
    assert cells(core.drain()) == {}
    assert first["orders_placed", 0, (), 0, T0 // (10 * SECOND)] == 1


def test_an_event_that_was_turned_away_is_no_repeat_when_it_is_sent_again() -> None:
    core = kernel()
    assert feed(core, 0, [event("order.placed", T0 + HOUR, "a")], arrival=T0).accepted == 0
    assert feed(core, 0, [event("order.placed", T0 + HOUR, "a")], arrival=T0 + HOUR).accepted == 1


def test_a_repeat_is_found_however_far_another_topic_has_been_read() -> None:
    # One table for three topics: what the fastest one no longer needs, the slowest still does.
    core = kernel()
    ticket = event("ticket.opened", T0, "a")
    assert feed(core, 2, [ticket]).accepted == 1
    for first in range(0, 4_000, 100):
        numbers = range(first, first + 100)
        feed(core, 0, [event("order.placed", T0 + number * MINUTE, f"o{number}") for number in numbers])
    assert feed(core, 2, [ticket]).duplicates == 1


# Partials


def test_a_partial_says_how_far_it_goes() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a")])
    feed(core, 1, [event("delivery.dispatched", T0, "a"), None])
    partials = core.drain()
    assert [partial.kpi for partial in partials] == [kpi.name for kpi in all_kinds()]
    for partial in partials:
        assert (partial.as_of, partial.partition, partial.began) == ((1, 2, 0), 0, T0)
        assert (partial.watermark, partial.idle) == (None, False)
        assert Partial.decode(partial.encode()) == partial


def test_a_partition_is_idle_when_all_its_topics_are() -> None:
    core = kernel()
    core.set_idle({0, 1})
    assert not any(partial.idle for partial in core.drain())
    core.set_idle({0, 1, 2})
    assert all(partial.idle for partial in core.drain())
    feed(core, 1, [event("delivery.dispatched", T0, "a")])
    assert not any(partial.idle for partial in core.drain())


def test_draining_twice_says_nothing_new() -> None:
    core = kernel()
    feed(core, 0, [event("order.placed", T0, "a", promised_at=T0 + HOUR)])
    core.drain()
    assert cells(core.drain()) == {}
