"""Kernels and the book together: partitions that fall idle and wake, kernels that begin anew."""

from __future__ import annotations

from streams.kpis.kernel import Kernel
from tests.support.oracle import told
from tests.support.pipeline import Pipeline
from tests.support.running import plan
from tests.support.shop import DAY, HOUR, MINUTE, T0, event, feed, heartbeat

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


def test_an_order_overdue_while_its_partition_was_idle_leaves_no_debt() -> None:
    # It became overdue at one, when nothing was heard of its partition. That is told when it speaks again, at four, and
    # one o'clock is sealed. The level must not count the leaving without the coming.
    pipe = Pipeline(plan()[0], 2, plan()[1])
    busy, quiet = subjects(pipe)
    pipe.feed([event("order.placed", T0, quiet, promised_at=T0 + HOUR)])
    beat(pipe, 1, T0)
    beat(pipe, 0, T0)
    pipe.drain()
    pipe.kernels[1].set_idle({0, 1, 2})
    for hour in range(1, 5):
        pipe.feed([event("order.placed", T0 + hour * HOUR, busy, id=f"busy-{hour}")])
        beat(pipe, 0, T0 + hour * HOUR)
        pipe.drain()
    pipe.feed([event("delivery.dispatched", T0 + 4 * HOUR, quiet)])
    beat(pipe, 1, T0 + 4 * HOUR)
    pipe.drain()
    pipe.heartbeat(T0 + 6 * HOUR)
    pipe.drain()
    level = pipe.now("orders_unshipped_overdue")
    assert level is not None
    assert level.parts == (0,)


def test_an_order_that_woke_its_partition_too_late_leaves_no_debt() -> None:
    # Its placing is in a pane the others have sealed, its arrival at the door is not.
    pipe = Pipeline(plan()[0], 2, plan()[1])
    busy, quiet = subjects(pipe)
    pipe.kernels[1].set_idle({0, 1, 2})
    pipe.feed([event("order.placed", T0 + 3 * HOUR, busy)])
    beat(pipe, 0, T0 + 3 * HOUR)
    pipe.drain()
    pipe.feed([event("order.placed", T0 + 2 * HOUR, quiet)])
    pipe.drain()
    pipe.feed([event("delivery.delivered", T0 + 4 * HOUR, key) for key in (busy, quiet)])
    pipe.heartbeat(T0 + 6 * HOUR)
    pipe.drain()
    level = pipe.now("orders_open")
    assert level is not None
    assert level.parts == (0,)


def test_an_order_given_up_while_its_partition_was_idle_leaves_the_level() -> None:
    short = {"keep_ended_ms": 30 * MINUTE, "keep_open_ms": HOUR}
    pipe = Pipeline(plan(**short)[0], 2, plan(**short)[1])
    busy, quiet = subjects(pipe)
    pipe.feed([event("order.placed", T0, quiet)])
    beat(pipe, 1, T0)
    beat(pipe, 0, T0)
    pipe.drain()
    pipe.kernels[1].set_idle({0, 1, 2})
    for hour in range(1, 7):
        pipe.feed([event("order.cancelled", T0 + hour * HOUR, busy, id=f"busy-{hour}")])
        beat(pipe, 0, T0 + hour * HOUR)
        pipe.drain()
    pipe.heartbeat(T0 + 8 * HOUR)
    pipe.drain()
    level = pipe.now("orders_open")
    assert level is not None
    assert level.parts == (0,)


def test_a_kernel_rebuilt_from_the_beginning_leaves_the_book_as_it_is() -> None:
    events = [event("order.placed", T0 + number * MINUTE, f"o{number % 7}", id=f"e{number}") for number in range(200)]
    made, compiled = plan()
    pipe = Pipeline(made, 1, compiled)
    for at in range(0, 200, 10):
        pipe.feed(events[at : at + 10])
        pipe.drain()
    before = told(pipe.finals())
    # Numbered on, as when the state log was lost and with it what the kernel had been.
    pipe.kernels = [Kernel(compiled, 0, sequence=1000)]
    for at in range(0, 200, 13):
        pipe.feed(events[at : at + 13])
        pipe.drain()
    assert told(pipe.finals()) == before
    pipe.heartbeat(T0 + DAY)
    pipe.drain()
    whole = Pipeline(made, 1, compiled)
    whole.feed(events)
    whole.heartbeat(T0 + DAY)
    whole.drain()
    assert told(pipe.finals()) == told(whole.finals())
