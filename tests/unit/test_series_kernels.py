"""Kernels and the book together: partitions that fall idle and wake, kernels that begin anew."""

from __future__ import annotations

from tests.support.oracle import told
from tests.support.pipeline import Pipeline
from tests.support.running import plan
from tests.support.shop import DAY, MINUTE, T0, event, feed, heartbeat

# With kernels


def beat(pipe: Pipeline, partition: int, time: int) -> None:
    for family in range(3):
        feed(pipe.kernels[partition], family, [heartbeat(time)])


def subjects(pipe: Pipeline) -> list[str]:
    """A key for each partition."""
    return [
        next(f"o{number}" for number in range(1_000) if pipe.partition_of(f"o{number}") == partition)
        for partition in range(len(pipe.kernels))
    ]


def test_a_kernel_rebuilt_from_the_beginning_leaves_the_book_as_it_is() -> None:
    events = [event("order.placed", T0 + number * MINUTE, f"o{number % 7}", id=f"e{number}") for number in range(200)]
    made, compiled = plan()
    pipe = Pipeline(made, 1, compiled)
    for at in range(0, 200, 10):
        pipe.feed(events[at : at + 10])
        pipe.drain()
    before = told(pipe.finals())
    rebuilt = Pipeline(made, 1, compiled)
    pipe.kernels = rebuilt.kernels
    for at in range(0, 200, 13):
        pipe.feed(events[at : at + 13])
        pipe.drain()
    assert told(pipe.finals()) == before
    assert pipe.book.stale > 0
    pipe.heartbeat(T0 + DAY)
    pipe.drain()
    whole = Pipeline(made, 1, compiled)
    whole.feed(events)
    whole.heartbeat(T0 + DAY)
    whole.drain()
    assert told(pipe.finals()) == told(whole.finals())
