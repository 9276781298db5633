"""Whatever the chunks, partitions, arrival order within the lateness and repeats: the same final values, and the
ones the oracle finds the slow way."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.times import parse_time
from streams.events.types import BusinessEvent
from tests.support.histories import histories
from tests.support.oracle import Oracle, told
from tests.support.pipeline import Pipeline
from tests.support.running import pipeline, plan
from tests.support.shop import HOUR, MINUTE, T0, family_of

END = T0 + 12 * HOUR


def run(
    chunks: Sequence[Sequence[BusinessEvent]], partitions: int, drain_every: int
) -> tuple[Pipeline, dict[Any, Any]]:
    pipe = pipeline(partitions)
    for number, chunk in enumerate(chunks):
        pipe.feed(chunk)
        if number % drain_every == 0:
            pipe.drain()
    pipe.heartbeat(END)
    pipe.drain()
    return pipe, told(pipe.finals())


def cut(draw: st.DrawFn, events: list[BusinessEvent]) -> list[list[BusinessEvent]]:
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=6)))
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[BusinessEvent], list[list[BusinessEvent]]]:
    """A history, and chunks of it in an order no event of which is later than the allowed lateness, some repeated."""
    history = draw(histories())
    repeated = history + [one for one in history if draw(st.booleans())]
    delays = [draw(st.integers(0, 14 * MINUTE)) for _ in repeated]
    order = sorted(range(len(repeated)), key=lambda place: parse_time(repeated[place].time) + delays[place])
    return history, cut(draw, [repeated[place] for place in order])


COMMON = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@COMMON
@given(histories(), st.data())
def test_events_in_order_give_what_the_oracle_finds_for_any_chunking(
    history: list[BusinessEvent], data: st.DataObject
) -> None:
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
    pipe, values = run(chunks, partitions, drain_every)
    assert sum(outcome.late for outcome in pipe.outcomes) == 0
    assert sum(outcome.accepted for outcome in pipe.outcomes) == len(history)
    assert values == told(Oracle(plan()[0], history).compute(END))


@COMMON
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_whichever_topic_is_read_first_the_same_values_are_told_and_no_others(
    history: list[BusinessEvent], random: Random, partitions: int
) -> None:
    ordered = sorted(history, key=lambda one: parse_time(one.time))
    at_once, in_turn = pipeline(partitions), pipeline(partitions)
    at_once.feed(ordered)
    left = [[one for one in ordered if family_of(one) == family] for family in range(3)]
    while any(left):
        family = random.choice([family for family, events in enumerate(left) if events])
        chunk = random.randint(1, len(left[family]))
        in_turn.feed_topic(family, left[family][:chunk])
        in_turn.drain()
        del left[family][:chunk]
    for pipe in (at_once, in_turn):
        pipe.heartbeat(END)
        pipe.drain()
    # Not only those with something in them: a slice that was never there is not told of as an empty one.
    assert in_turn.told == at_once.told
