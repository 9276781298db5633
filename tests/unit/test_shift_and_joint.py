"""What river's drift detectors and joint models tell, beyond what every model keeps to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.evaluation.watcher import Context
from detectors.evaluation.watchers import Shifted, Together
from detectors.models.joint import Joint, squash
from detectors.models.shift import Change, Shift
from streams.kpis.definitions import MeasureKpi, Span, Term
from streams.kpis.pack import pack, unpack
from tests.support.judging import MONDAY, final
from tests.support.shop import HOUR, definitions


def scores(count: int, seed: int = 1) -> list[float]:
    found: list[float] = np.random.default_rng(seed).normal(size=count).tolist()
    return found


def told(model: Shift, values: list[float], first: int = 0) -> list[Change]:
    found = []
    for number, value in enumerate(values, first):
        before = model.change
        model.learn_one({"time": float(number), "value": value})
        if model.change is not None and model.change is not before:
            found.append(model.change)
    return found


@pytest.mark.parametrize("size", [-3.0, -1.5, 1.5, 3.0])
def test_a_shift_is_found_dated_and_measured(size: float) -> None:
    values = [z + (size if number >= 300 else 0.0) for number, z in enumerate(scores(340))]
    (change,) = told(Shift(), values)
    assert change.since == pytest.approx(300, abs=5)
    assert change.size == pytest.approx(size, rel=0.5)


def test_a_slow_drift_is_found() -> None:
    values = [z + max(0.0, number - 300) / 100 for number, z in enumerate(scores(600))]
    changes = told(Shift(), values)
    assert changes
    assert all(change.size > 0.0 for change in changes)


def test_what_is_usual_has_few_shifts() -> None:
    assert sum(len(told(Shift(), scores(2_000, seed))) for seed in range(5)) <= 3


def test_what_comes_back_is_a_change_back() -> None:
    values = [z + (2.0 if 300 <= number < 400 else 0.0) for number, z in enumerate(scores(500))]
    assert [math.copysign(1.0, change.size) for change in told(Shift(), values)] == [1.0, -1.0]


@pytest.mark.parametrize("rows", [20, 239, 240, 479, 480, 481, 900])
def test_a_shift_finds_the_same_wherever_it_was_kept(rows: int) -> None:
    values = [z + (1.0 if number >= 905 else 0.0) for number, z in enumerate(scores(1_000))]
    whole, other = Shift(), Shift()
    told(whole, values[:rows])
    other.load(unpack(pack(whole.state())))
    assert told(other, values[rows:], rows) == told(whole, values[rows:], rows)
    assert pack(other.state()) == pack(whole.state())


@pytest.mark.parametrize("rows", [0, 49, 50, 99, 100, 101, 170])
def test_joint_scores_are_the_same_wherever_they_were_kept(rows: int) -> None:
    values = [{"a": a, "b": b} for a, b in zip(scores(300), scores(300, seed=2), strict=True)]
    whole, other = Joint(["a", "b"], window=50), Joint(["b", "a"], window=50)
    for x in values[:rows]:
        whole.learn_one(x)
    other.load(unpack(pack(whole.state())))
    assert [other.step(x) for x in values[rows:]] == [whole.step(x) for x in values[rows:]]


def test_what_is_off_together_tells_who() -> None:
    joint = Joint(["a", "b", "c"])
    for a, noise, c in zip(scores(900), scores(900, seed=2), scores(900, seed=3), strict=True):
        joint.learn_one({"a": a, "b": a + 0.1 * noise, "c": c})
    assert joint.score_one({"a": 6.0, "b": -6.0}) > 1.5
    assert set(list(joint.because({"a": 6.0, "b": -6.0, "c": 0.1}))[:2]) == {"a", "b"}


def test_squashed_scores_keep_their_order_and_their_bounds() -> None:
    zs = [-math.inf, -1e300, -40.0, -3.0, 0.0, 0.5, 3.0, 40.0, 1e300, math.inf]
    steps = [squash(z) for z in zs]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 65_535)
    assert squash(math.nan) == squash(0.0)


def test_rivals_tell_of_an_outage() -> None:
    kpi = MeasureKpi(
        name="orders",
        kind="count",
        of=Term(moments=("order.placed",)),
        unit="orders",
        by=(),
        windows=(Span("1h", HOUR),),
        grain=Span("1h", HOUR),
        better="higher",
    )
    rng = np.random.default_rng(1)
    hours = 6 * 168
    values = [final("orders", hour, float(rng.poisson(20))) for hour in range(hours)]
    values += [final("orders", hours + hour, 0.0) for hour in range(30)]
    shifted, together = Shifted(), Together(Context(definitions(kpi), [], 3.0), 1.3)
    said = [shifted(value) for value in values]
    assert max(said[-30:]) > 5.0
    assert sum(one > 0.0 for one in said[-30:]) <= 2
    seen = [one for value in values for one in together.step([value])]
    assert {one.series for one in seen} == {"orders@1h"}
    assert any(one.alert and one.time >= MONDAY + hours * HOUR for one in seen)
