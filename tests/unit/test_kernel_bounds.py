"""What the kernel lets go of: settled events, ended lives, values beyond count; so that its memory is bounded."""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pytest

from streams.events.types import BusinessEvent
from streams.kpis import entities
from streams.kpis.cells import USED
from streams.kpis.kernel import SPARE_CELLS
from tests.support.footprint import footprint
from tests.support.oracle import told
from tests.support.pipeline import Pipeline
from tests.support.running import SHORT_LIVES, kernel, pipeline, ran, total
from tests.support.shop import HOUR, MINUTE, SECOND, T0, event, feed, heartbeat

MB = 1_000_000


# Busy cases


def busy(count: int, seed: int = 0) -> list[BusinessEvent]:
    """Many events about one order, out of order by up to ten minutes."""
    rng = np.random.default_rng(seed)
    events: list[BusinessEvent] = [event("order.placed", T0, "hot", promised_at=T0 + 2 * HOUR, region="north")]
    for number in range(1, count):
        time = T0 + number * 5 * SECOND
        kind = ("delivery.checkpoint", "ticket.replied", "order.payment_failed", "ticket.reopened", "ticket.resolved")[
            number % 5
        ]
        events.append(event(kind, time, "hot", id=f"e{number}", **_of(kind, number)))
    events.insert(count // 2, event("delivery.dispatched", T0 + count * 2 * SECOND, "hot", carrier="dhl"))
    order = np.argsort(np.arange(len(events)) * 5 + rng.integers(0, 600, len(events)))
    return [events[place] for place in order.tolist()]


def _of(kind: str, number: int) -> dict[str, str]:
    entity = kind.split(".")[0]
    return {} if entity == "order" else {f"{entity}_id": f"{entity}{number % 3}"}


def run_busy(events: list[BusinessEvent], settle_at: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Pipeline, int]:
    monkeypatch.setattr(entities, "SETTLE_AT", settle_at)
    pipe = pipeline()
    most = 0
    for at in range(0, len(events), 50):
        pipe.feed(events[at : at + 50])
        if at % 500 == 0:
            # The topics without news keep up.
            pipe.heartbeat(T0 + at * 5 * SECOND - 10 * MINUTE)
            pipe.drain()
        most = max(most, footprint(pipe.kernels[0]._entities))
    pipe.heartbeat(T0 + 24 * HOUR)
    pipe.drain()
    return told(pipe.finals()), pipe, most


def test_five_thousand_events_on_one_order_settle_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    events = busy(5_000)
    bare = footprint(pipeline().kernels[0]._entities)
    never, kept, all_ = run_busy(events, 10**9, monkeypatch)
    for settle_at in (5, 256):
        values, pipe, most = run_busy(events, settle_at, monkeypatch)
        assert values == never
        # 25 minutes of events are within the lateness and the disorder: 300, and twice that before it is looked again.
        assert most - bare < (all_ - bare) / 2
        assert sum(outcome.late for outcome in pipe.outcomes) == sum(outcome.late for outcome in kept.outcomes)


def test_a_busy_case_settles_also_while_another_topic_is_idle() -> None:
    # A small business has days without a ticket.
    core = kernel()
    core.set_idle({1, 2})
    early = 0
    for at in range(0, 20_000, 50):
        chunk = [event("order.payment_failed", T0 + (at + number) * 5 * SECOND, "hot") for number in range(50)]
        feed(core, 0, list(chunk))
        core.drain()
        if at == 2_000:
            early = footprint(core._entities)
    assert footprint(core._entities) <= early


def test_a_busy_case_does_not_crawl(monkeypatch: pytest.MonkeyPatch) -> None:
    events = busy(5_000)
    run_busy(events[:100], 256, monkeypatch)
    began = process_time()
    run_busy(events, 256, monkeypatch)
    assert process_time() - began < 30


# Ends of lives


def test_a_case_is_forgotten_once_nothing_can_continue_it() -> None:
    pipe = pipeline(**SHORT_LIVES)
    core = pipe.kernels[0]
    pipe.feed([event("order.placed", T0, "open"), event("order.paid", T0, "ended")])
    pipe.heartbeat(T0 + 45 * MINUTE)
    pipe.drain()
    assert core.open_cases == 2
    pipe.heartbeat(T0 + 45 * MINUTE + 1)
    pipe.drain()
    pipe.heartbeat(T0 + 75 * MINUTE)
    pipe.drain()
    # The janitor looks about once an hour for what has ended; for what is open, when it is due.
    assert core.open_cases >= 1
    pipe.heartbeat(T0 + 75 * MINUTE + 1)
    pipe.drain()
    assert core.open_cases == 0


def test_a_level_goes_down_when_a_case_is_abandoned() -> None:
    pipe = ran([event("order.placed", T0, "a")], **SHORT_LIVES)
    assert [total(pipe, "orders_open", hour) for hour in range(3)] == [(1,), (0,), (0,)]


def test_a_case_forgotten_and_coming_back_is_a_new_life() -> None:
    events = [
        event("order.placed", T0, "a"),
        event("delivery.delivered", T0 + MINUTE, "a"),
        event("order.placed", T0 + 2 * HOUR, "a"),
        event("delivery.delivered", T0 + 2 * HOUR + 3 * MINUTE, "a"),
    ]
    pipe = ran(events, **SHORT_LIVES)
    assert total(pipe, "order_to_door", 2) == (1,)
    again = pipe.final("order_to_door", T0 + 2 * HOUR, "p50")
    assert again is not None
    assert again.value == pytest.approx(180, rel=0.01)
    # Without an end of lives the second delivery would not be a first one.
    assert total(ran(events), "order_to_door", 2) == (0,)


def test_a_case_that_is_silent_just_not_too_long_goes_on() -> None:
    placed = event("order.placed", T0, "a")
    assert total(ran([placed, event("delivery.delivered", T0 + HOUR, "a")], **SHORT_LIVES), "order_to_door", 1) == (1,)
    assert total(ran([placed, event("delivery.delivered", T0 + HOUR + 1, "a")], **SHORT_LIVES), "order_to_door", 1) == (
        0,
    )


def test_abandoned_before_its_promise_an_order_is_never_overdue() -> None:
    pipe = ran([event("order.placed", T0, "a", promised_at=T0 + 5 * HOUR)], **SHORT_LIVES)
    assert [total(pipe, "orders_unshipped_overdue", hour) for hour in range(8)] == [(0,)] * 8


# Memory


def test_memory_does_not_grow_with_time() -> None:
    core = kernel(**SHORT_LIVES)
    held = []
    for hour in range(60):
        start = T0 + hour * HOUR
        numbers = range(500)
        feed(core, 0, [event("order.placed", start + number * SECOND, f"{hour}/{number}") for number in numbers])
        late = start + MINUTE
        feed(core, 1, [event("delivery.delivered", late + number * SECOND, f"{hour}/{number}") for number in numbers])
        feed(core, 2, [heartbeat(start)])
        core.drain()
        held.append(footprint(core))
    assert core.open_cases <= 2_500
    assert max(held[30:]) <= 1.1 * max(held[:30])


def test_cells_that_were_told_for_good_and_published_are_let_go() -> None:
    core = kernel()
    core.set_idle({1, 2})
    used = []
    for step in range(60):
        start = T0 + step * HOUR
        feed(core, 0, [event("order.placed", start + n * 2 * SECOND, f"{step}/{n}") for n in range(1_800)])
        assert core.pending > 0
        core.drain()
        assert core.pending == 0
        used.append(int(core._cells.meta[USED]))
    # Of two drains: what was taken out last may have to be told again.
    assert max(used[10:]) < 2.6 * used[0] + SPARE_CELLS
    assert footprint(core._cells) < 5 * 40 * max(used)


def test_two_hundred_thousand_regions_neither_crawl_nor_grow() -> None:
    core = kernel(values_per_dimension=20)
    core.set_idle({1, 2})
    began = process_time()
    for chunk in range(50):
        first = chunk * 4_000
        feed(
            core,
            0,
            [
                event("order.placed", T0 + number * SECOND, f"o{number}", region=f"r{number}")
                for number in range(first, first + 4_000)
            ],
        )
        core.drain()
    # About 50 µs each where it is slow; a search among all that was ever seen would take hours.
    assert process_time() - began < 60
    assert core.folded["region"] == 200_000 - 20
    # 200,000 open orders, and little else.
    assert footprint(core) < 400 * MB
    assert footprint(core._dictionaries) < MB
