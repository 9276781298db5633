"""Whatever the chunks, partitions, arrival order within the lateness and repeats: the same final values, and the
ones the oracle finds the slow way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.types import BusinessEvent
from streams.kpis.definitions import Definitions
from streams.kpis.plan import Plan
from tests.support.oracle import Oracle, told
from tests.support.pipeline import Pipeline
from tests.support.shop import HOUR, MINUTE, SECOND, T0, definitions, event

SPAN = 3 * HOUR
END = T0 + 12 * HOUR

KINDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "order.placed": {
        "region": st.sampled_from([None, "north", "south"]),
        "amount": st.integers(0, 5000),
        "currency": st.sampled_from(["EUR", "EUR", "USD"]),
        "promised_at": st.one_of(st.none(), st.integers(T0, T0 + 4 * HOUR)),
    },
    "order.paid": {},
    "order.payment_failed": {},
    "order.cancelled": {},
    "delivery.dispatched": {
        "region": st.sampled_from([None, "west"]),
        "carrier": st.sampled_from([None, "dhl", "ups"]),
        "promised_at": st.one_of(st.none(), st.integers(T0, T0 + 4 * HOUR)),
    },
    "delivery.checkpoint": {},
    "delivery.delivered": {},
    "delivery.returned": {},
    "ticket.opened": {"topic": st.sampled_from([None, "late", "broken"])},
    "ticket.replied": {"by": st.sampled_from(["agent", "customer", "bot"])},
    "ticket.resolved": {},
    "ticket.reopened": {},
    "ticket.rated": {"score": st.integers(1, 5)},
}


@st.composite
def one_event(draw: st.DrawFn) -> BusinessEvent:
    kind = draw(st.sampled_from(sorted(KINDS)))
    # No two events of one kind at one time: which of them is first would be anybody's choice.
    time = T0 + draw(st.integers(0, SPAN // SECOND)) * SECOND + sorted(KINDS).index(kind)
    subject = draw(st.sampled_from(["a", "b", "c"]))
    data = {name: draw(values) for name, values in KINDS[kind].items()}
    if kind.startswith("delivery."):
        data["delivery_id"] = draw(st.sampled_from(["D1", "D2"]))
    if kind.startswith("ticket."):
        data["ticket_id"] = draw(st.sampled_from(["T1", "T2"]))
    return event(kind, time, subject, **data)


@st.composite
def histories(draw: st.DrawFn) -> list[BusinessEvent]:
    found = draw(st.lists(one_event(), min_size=1, max_size=40))
    return list({found_event.id: found_event for found_event in found}.values())


@cache
def plan() -> tuple[Definitions, Plan]:
    made = definitions()
    return made, Plan(made)


def run(
    chunks: Sequence[Sequence[BusinessEvent]], partitions: int, drain_every: int
) -> tuple[Pipeline, dict[Any, Any]]:
    made, compiled = plan()
    pipeline = Pipeline(made, partitions, compiled)
    for number, chunk in enumerate(chunks):
        pipeline.feed(chunk)
        if number % drain_every == 0:
            pipeline.drain()
    pipeline.heartbeat(END)
    pipeline.drain()
    return pipeline, told(pipeline.finals())


def cut(draw: st.DrawFn, events: list[BusinessEvent]) -> list[list[BusinessEvent]]:
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=6)))
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[BusinessEvent], list[list[BusinessEvent]]]:
    """A history, and chunks of it in an order no event of which is later than the allowed lateness, some repeated."""
    history = draw(histories())
    repeated = history + [one for one in history if draw(st.booleans())]
    delays = [draw(st.integers(0, 14 * MINUTE)) for _ in repeated]
    from streams.events.times import parse_time

    order = sorted(range(len(repeated)), key=lambda place: parse_time(repeated[place].time) + delays[place])
    return history, cut(draw, [repeated[place] for place in order])


COMMON = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@COMMON
@given(histories(), st.data())
def test_events_in_order_give_what_the_oracle_finds_for_any_chunking(
    history: list[BusinessEvent], data: st.DataObject
) -> None:
    from streams.events.times import parse_time

    ordered = sorted(history, key=lambda one: parse_time(one.time))
    chunks = data.draw(st.composite(lambda draw: cut(draw, ordered))())
    _, values = run(chunks, 1, 1)
    assert values == told(Oracle(plan()[0], history).compute(END))


@COMMON
@given(arrivals(), st.integers(1, 4), st.integers(1, 5))
def test_disorder_within_the_lateness_and_repeats_change_nothing(
    arrived: tuple[list[BusinessEvent], list[list[BusinessEvent]]], partitions: int, drain_every: int
) -> None:
    history, chunks = arrived
    pipeline, values = run(chunks, partitions, drain_every)
    assert sum(outcome.late for outcome in pipeline.outcomes) == 0
    assert sum(outcome.accepted for outcome in pipeline.outcomes) == len(history)
    assert values == told(Oracle(plan()[0], history).compute(END))
