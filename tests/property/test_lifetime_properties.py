"""Lives that end and begin anew, cases that settle, topics read at different speeds: always what the oracle finds."""

from __future__ import annotations

from functools import cache
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.types import BusinessEvent
from streams.kpis import entities
from streams.kpis.definitions import Definitions
from streams.kpis.plan import Plan
from tests.support.histories import Read, histories, readings
from tests.support.oracle import Oracle, told
from tests.support.pipeline import Pipeline
from tests.support.shop import HOUR, MINUTE, T0, definitions

END = T0 + 12 * HOUR
COMMON = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def plan(short_lives: bool) -> tuple[Definitions, Plan]:
    short = {"keep_ended_ms": 30 * MINUTE, "keep_open_ms": 60 * MINUTE}
    made = definitions(**(short if short_lives else {}))
    return made, Plan(made)


def run(reads: list[Read], short_lives: bool, partitions: int = 1) -> tuple[Pipeline, dict[Any, Any]]:
    pipeline = Pipeline(plan(short_lives)[0], partitions, plan(short_lives)[1])
    for family, events, drained in reads:
        pipeline.feed_topic(family, events)
        if drained:
            pipeline.drain()
    pipeline.heartbeat(END)
    pipeline.drain()
    assert sum(outcome.late for outcome in pipeline.outcomes) == 0
    return pipeline, told(pipeline.finals())


def expected(history: list[BusinessEvent], short_lives: bool) -> dict[Any, Any]:
    return told(Oracle(plan(short_lives)[0], history).compute(END))


@st.composite
def read_histories(draw: st.DrawFn, /, beating: bool = False, **shape: Any) -> tuple[list[BusinessEvent], list[Read]]:
    history = draw(histories(**shape))
    return history, draw(readings(history, beating=beating))


@COMMON
@given(read_histories(), st.integers(1, 3))
def test_the_speed_at_which_the_topics_are_read_makes_no_difference(
    read: tuple[list[BusinessEvent], list[Read]], partitions: int
) -> None:
    history, reads = read
    pipeline, values = run(reads, False, partitions)
    assert sum(outcome.accepted for outcome in pipeline.outcomes) == len(history)
    assert values == expected(history, False)


@COMMON
@given(read_histories(subjects=("a", "b"), span=6 * HOUR), st.integers(1, 3))
def test_a_case_that_was_silent_for_too_long_comes_back_as_another(
    read: tuple[list[BusinessEvent], list[Read]], partitions: int
) -> None:
    history, reads = read
    _, values = run(reads, True, partitions)
    assert values == expected(history, True)


@COMMON
@given(read_histories(subjects=("a", "b"), span=6 * HOUR), st.data())
def test_when_the_forgotten_are_looked_for_makes_no_difference(
    read: tuple[list[BusinessEvent], list[Read]], data: st.DataObject
) -> None:
    _, reads = read
    _, always = run([one._replace(drained=True) for one in reads], True)
    _, never = run([one._replace(drained=False) for one in reads], True)
    assert always == never


@COMMON
@given(read_histories(subjects=("a",), most=60, beating=True), st.integers(1, 8), st.booleans())
def test_a_busy_case_that_settles_says_what_it_would_have_said(
    read: tuple[list[BusinessEvent], list[Read]], settle_at: int, short_lives: bool
) -> None:
    history, reads = read
    with patch.object(entities, "SETTLE_AT", settle_at):
        _, values = run(reads, short_lives)
    assert values == expected(history, short_lives)
