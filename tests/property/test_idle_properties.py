"""Topics and partitions that fall idle and wake at will: the book stands where the kernels say, and retells nothing."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events.types import BusinessEvent
from streams.kpis.definitions import LevelKpi
from streams.kpis.partials import Partial
from tests.support.histories import Read, histories, readings
from tests.support.pipeline import Pipeline
from tests.support.running import SHORT_LIVES, plan
from tests.support.shop import HOUR, T0, feed, heartbeat

SUBJECTS = (("a", "b"), ("c", "d"))
"""Of the partitions."""
PARTITIONS = len(SUBJECTS)
END = T0 + 12 * HOUR
LEVELS = [kpi.name for kpi in plan()[0].kpis if isinstance(kpi, LevelKpi)]


class Turn(NamedTuple):
    """A chunk of one partition's topic is read; then some of its topics are left out (None: nothing is said of it)."""

    partition: int
    read: Read
    idle: set[int] | None


Level = tuple[str, tuple[tuple[str, str], ...]]

_everything = st.just({0, 1, 2})
_idle = st.one_of(st.none(), _everything, st.sets(st.integers(0, 2)))


@st.composite
def turns(draw: st.DrawFn) -> list[Turn]:
    """Two partitions with logs of their own, one perhaps read to its end before the other begins."""
    waiting: list[list[Read]] = []
    for subjects in SUBJECTS:
        history: list[BusinessEvent] = draw(histories(subjects=subjects, span=4 * HOUR, most=15))
        waiting.append(draw(readings(history, beating=draw(st.booleans()))))
    taken = []
    while any(waiting):
        partition = draw(st.sampled_from([number for number, reads in enumerate(waiting) if reads]))
        several = draw(st.integers(1, 6))
        taken += [Turn(partition, read, draw(_idle)) for read in waiting[partition][:several]]
        del waiting[partition][:several]
    return taken


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
    taken: list[Turn], short_lives: bool
) -> None:
    made, compiled = plan(**(SHORT_LIVES if short_lives else {}))
    pipeline, kernels = Pipeline(made, PARTITIONS, compiled), Kernels()
    # The pipeline asserts on the way that no final value is told a second time.
    for partition, (family, events, drained), idle in taken:
        kernel = pipeline.kernels[partition]
        feed(kernel, family, list(events))
        if idle is not None:
            kernel.set_idle(idle)
        if drained:
            kernels.take(pipeline.drain())
    for partition in range(PARTITIONS):
        # One after the other, so that the first may be far ahead of the second.
        for family in range(3):
            feed(pipeline.kernels[partition], family, [heartbeat(END)])
        kernels.take(pipeline.drain())
    # One grain more: a slice that was first heard of too late may be told of from the next grain on.
    pipeline.heartbeat(END + HOUR)
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
        if value.kpi in LEVELS and value.end == END + HOUR and value.parts[0]
    }
    assert last == told
