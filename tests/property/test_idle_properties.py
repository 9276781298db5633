"""Topics and partitions that fall idle and wake at will: the book stands where the kernels say, and retells nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.types import BusinessEvent
from streams.kpis.definitions import LevelKpi
from streams.kpis.partials import Partial
from tests.support.histories import Read, histories, readings
from tests.support.pipeline import Pipeline
from tests.support.running import plan
from tests.support.shop import HOUR, MINUTE, T0, feed, heartbeat

PARTITIONS = 2
END = T0 + 12 * HOUR
LEVELS = [kpi.name for kpi in plan()[0].kpis if isinstance(kpi, LevelKpi)]

Idle = dict[int, set[int]]
"""By partition, the topics that are left out from now on."""

Level = tuple[str, tuple[tuple[str, str], ...]]


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[Read, Idle]]:
    history: list[BusinessEvent] = draw(histories(subjects=("a", "b", "c", "d"), span=4 * HOUR))
    reads = draw(readings(history))
    topics = st.sets(st.integers(0, 2))
    return [(read, draw(st.dictionaries(st.integers(0, PARTITIONS - 1), topics, max_size=1))) for read in reads]


class Kernels:
    """The newest absolute value of each cell of a level that the kernels told of."""

    def __init__(self) -> None:
        self._cells: dict[tuple[Level, int, int], int] = {}

    def take(self, partials: list[Partial]) -> None:
        for partial in partials:
            if partial.kpi in LEVELS:
                for _, slice_, _, pane, value in partial.rows.tolist():
                    level = (partial.kpi, tuple(partial.slices[slice_]))
                    self._cells[level, partial.partition, pane] = value

    def stand(self) -> dict[Level, int]:
        """Where each level stands, those at zero left out."""
        found: dict[Level, int] = {}
        for (level, _, _), value in self._cells.items():
            found[level] = found.get(level, 0) + value
        return {level: value for level, value in found.items() if value}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns(), st.booleans())
def test_a_level_stands_where_its_events_left_it_whoever_was_idle_in_between(
    taken: list[tuple[Read, Idle]], short_lives: bool
) -> None:
    lives = {"keep_ended_ms": 30 * MINUTE, "keep_open_ms": 60 * MINUTE} if short_lives else {}
    made, compiled = plan(**lives)
    pipeline, kernels = Pipeline(made, PARTITIONS, compiled), Kernels()
    # The pipeline asserts on the way that no final value is told a second time.
    for (family, events, drained), idle in taken:
        pipeline.feed_topic(family, events)
        for partition, families in idle.items():
            pipeline.kernels[partition].set_idle(families)
        if drained:
            kernels.take(pipeline.drain())
    for partition in range(PARTITIONS):
        # One after the other, so that the first may be far ahead of the second.
        for family in range(3):
            feed(pipeline.kernels[partition], family, [heartbeat(END)])
        kernels.take(pipeline.drain())
    told = {
        (value.kpi, tuple(value.slice.items())): value.parts[0]
        for value in pipeline.book.current(LEVELS)
        if value.span == "now" and value.parts[0]
    }
    assert told == kernels.stand()
    last = {
        (value.kpi, tuple(value.slice.items())): value.parts[0]
        for value in pipeline.told.values()
        if value.kpi in LEVELS and value.end == END and value.parts[0]
    }
    assert last == told
