"""A kernel that is lost comes back from a snapshot and the deltas after it: the same state, and the same values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.config import load_config
from streams.errors import ContractError
from streams.events.types import BusinessEvent
from streams.kpis import kernel as kernels
from streams.kpis.book import SeriesBook
from streams.kpis.journal import Delta
from streams.kpis.kernel import Kernel
from streams.kpis.pack import pack, unpack
from streams.kpis.plan import Plan
from tests.property.test_core_properties import END, arrivals, plan
from tests.support.lives import lives
from tests.support.oracle import Oracle, told
from tests.support.pipeline import Pipeline
from tests.support.shop import DAY, T0, event, family_of, feed, heartbeat


@pytest.fixture(autouse=True, scope="module", params=[0, 8192])
def spare_cells(request: pytest.FixtureRequest) -> Iterator[None]:
    """Cells that have been told for good are let go at every chance, or hardly ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "SPARE_CELLS", request.param)
        yield


def comparable(kernel: Kernel) -> Any:
    """A kernel's state without what is free to differ: the places in hash tables, cells that say nothing, and those
    that may be let go at any time."""
    state = kernel.state()
    cells = state["cells"]
    kept = cells[:, 1] >= state["let_go"] // kernel.plan.pane_ms
    state["cells"] = sorted(cells[(cells[:, 2] != 0) & kept].tolist())
    state["kept"] = 0
    state["intake"]["known"] = [sorted(known.tolist()) for known in state["intake"]["known"]]
    reach = state["entities"]["slots"][0][0]
    case = kernel._entities.rows.life[:reach, 0]
    # A free row keeps whatever it held last.
    state["entities"]["rows"] = [array[case >= 0].tolist() for array in state["entities"]["rows"]]
    state["entities"]["log"] = []
    return unpack(pack(state))


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(alike(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def take(kernel: Kernel, chunk: list[BusinessEvent]) -> None:
    for family in range(3):
        mine: list[BusinessEvent | None] = [one for one in chunk if family_of(one) == family]
        if mine:
            feed(kernel, family, mine)


def revive(snapshot: bytes, deltas: list[bytes], compiled: Plan) -> Kernel:
    kernel = Kernel(compiled, 0, journalled=True)
    kernel.load(unpack(snapshot))
    for delta in deltas:
        kernel.replay(Delta.decode(delta))
    kernel.tell_again()
    return kernel


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals(), st.data())
def test_a_kernel_lost_at_any_point_comes_back_as_it_was(
    arrived: tuple[list[BusinessEvent], list[list[BusinessEvent]]], data: st.DataObject
) -> None:
    """Lost after an append: before its partials were published, or after. The values are the oracle's."""
    history, chunks = arrived
    definitions, compiled = plan()
    kernel = Kernel(compiled, 0, journalled=True)
    snapshot, deltas = pack(kernel.state()), []
    published: list[Any] = []
    for chunk in chunks:
        take(kernel, chunk)
        if data.draw(st.booleans()):
            kernel.set_idle(data.draw(st.sets(st.integers(0, 2))))
        partials = kernel.drain()
        deltas.append(kernel.journal().encode())
        lost = data.draw(st.sampled_from(["no", "before publishing", "after publishing"]))
        if lost != "before publishing":
            published += partials
        if lost != "no":
            revived = revive(snapshot, deltas, compiled)
            kernel.tell_again()
            assert alike(comparable(revived), comparable(kernel))
            kernel = revived
        if data.draw(st.booleans()):
            snapshot, deltas = pack(kernel.state()), []
            if lost == "before publishing":
                kernel.tell_again()
    for family in range(3):
        feed(kernel, family, [heartbeat(END)])
    published += kernel.drain()
    pipeline = Pipeline(definitions, 1, compiled)
    pipeline.book = SeriesBook(definitions, 1)
    for partial in published:
        pipeline.apply([partial])
    assert told(pipeline.finals()) == told(Oracle(definitions, history).compute(END))


@pytest.mark.parametrize("seed", range(16))
def test_values_are_exact_though_one_worker_after_the_other_dies_before_publishing(seed: int) -> None:
    """So many cells that their table grows while a journal is replayed, and slices that exist for a moment only:
    deliveries read before the orders they belong to."""
    rng, definitions = random.Random(seed), load_config(env={}).definitions()
    compiled, events = Plan(definitions), lives(120)
    waiting = [[one for one in events if family_of(one) == family] for family in range(3)]
    kernel, published = Kernel(compiled, 0, journalled=True), []
    snapshot, deltas = pack(kernel.state()), []
    while any(waiting):
        for _ in range(rng.randrange(1, 4)):
            family, count = rng.randrange(3), rng.choice([1, 5, 50, 300])
            chunk: list[BusinessEvent | None] = [*waiting[family][:count]]
            del waiting[family][:count]
            feed(kernel, family, chunk)
        partials = kernel.drain()
        deltas.append(kernel.journal().encode())
        if rng.random() < 0.1:
            published += partials
            snapshot, deltas = pack(kernel.state()), []
        else:
            sequence = kernel.sequence
            kernel = revive(snapshot, deltas, compiled)
            kernel.sequence = sequence
    for family in range(3):
        feed(kernel, family, [heartbeat(T0 + 2 * DAY)])
    published += kernel.drain()
    found, expected = Pipeline(definitions, 1, compiled), Pipeline(definitions, 1, compiled)
    for partial in published:
        found.apply([partial])
    expected.feed(events)
    expected.heartbeat(T0 + 2 * DAY)
    expected.drain()
    assert told(found.finals()) == told(expected.finals())


def test_a_delta_is_refused_by_a_state_it_does_not_continue() -> None:
    kernel = Kernel(plan()[1], 0, journalled=True)
    feed(kernel, 0, [event("order.placed", T0, "a")])
    kernel.drain()
    first = kernel.journal()
    feed(kernel, 0, [event("order.placed", T0 + 1, "b")])
    kernel.drain()
    second = kernel.journal()
    fresh = Kernel(plan()[1], 0)
    with pytest.raises(ContractError, match="does not continue"):
        fresh.replay(second)
    fresh.replay(first)
    with pytest.raises(ContractError, match="does not continue"):
        fresh.replay(first)
    fresh.replay(second)
    assert fresh.offsets == (2, 0, 0)


@pytest.mark.parametrize("raw", [b"", b"nonsense", pack([1, 2]), pack([[0, 0, 0], [0, 0, 0], [[9]]])])
def test_what_is_no_delta_is_refused(raw: bytes) -> None:
    with pytest.raises(ContractError):
        Delta.decode(raw)
