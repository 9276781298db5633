"""What every model must do; see tests/support/models.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.models.model import Expecting, Model
from streams.kpis.pack import pack, unpack
from tests.support.models import MODELS

MINUTE = 60_000
Make = Callable[[], Model]

pytestmark = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())

values = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=150)


def readings(numbers: Iterable[float], begin: int = 0) -> list[dict[str, float]]:
    return [
        {"time": float((begin + at) * 5 * MINUTE), "span": 5.0 * MINUTE, "value": float(number), "weight": 1.0}
        for at, number in enumerate(numbers)
    ]


def scores(model: Model, numbers: Iterable[float], begin: int = 0) -> list[float]:
    found = []
    for x in readings(numbers, begin):
        found.append(model.score_one(x))
        model.learn_one(x)
    return found


def noise(count: int, seed: int = 1) -> list[float]:
    return list(np.random.default_rng(seed).normal(100.0, 5.0, count))


@settings(max_examples=30, deadline=None)
@given(values)
def test_scores_are_finite_and_not_negative(make: Make, numbers: list[float]) -> None:
    assert all(math.isfinite(score) and score >= 0 for score in scores(make(), numbers))


@settings(max_examples=20, deadline=None)
@given(values, st.floats(-1e9, 1e9))
def test_scoring_changes_nothing(make: Make, numbers: list[float], asked: float) -> None:
    one, other = make(), make()
    for x in readings(numbers):
        for _ in range(3):
            other.score_one({**x, "value": asked})
        assert one.score_one(x) == other.score_one(x)
        one.learn_one(x)
        other.learn_one(x)


@settings(max_examples=20, deadline=None)
@given(values, values)
def test_a_model_comes_back_from_its_state(make: Make, before: list[float], after: list[float]) -> None:
    one, other = make(), make()
    scores(one, before)
    other.load(unpack(pack(one.state())))
    assert scores(one, after, len(before)) == scores(other, after, len(before))


@pytest.mark.parametrize("number", [0.0, 1.0, -3.5, 1e9])
def test_a_constant_is_usual(make: Make, number: float) -> None:
    assert max(scores(make(), [number] * 400)) == pytest.approx(0.0, abs=1e-6)


def test_the_first_value_ever_is_usual(make: Make) -> None:
    assert scores(make(), [1e12]) == [0.0]


def test_one_huge_outlier_is_the_strangest_and_forgotten_in_the_end(make: Make) -> None:
    numbers = noise(900)
    numbers[300] = 1e6
    found = scores(make(), numbers)
    assert max(range(1, 600), key=found.__getitem__) in range(300, 322)
    assert found[300] > 3 * max(found[150:300])
    quiet = scores(make(), noise(900))
    assert np.median(found[-100:]) < 3 * np.median(quiet[-100:]) + 1e-9 or isinstance(make(), Expecting)


def test_a_new_level_is_usual_in_the_end(make: Make) -> None:
    numbers = [*noise(600), *(value + 1_000 for value in noise(2_500, 2))]
    found = scores(make(), numbers)
    assert max(found[600:640]) > 3 * max(found[200:600]), "it is noticed"
    assert np.median(found[-50:]) < max(found[200:600]), "and got used to"


def test_gaps_in_time_and_low_counts_are_no_trouble(make: Make) -> None:
    model = make()
    draw = np.random.default_rng(3)
    found = [*scores(model, draw.poisson(0.2, 300)), *scores(model, draw.poisson(0.2, 300), 100_000)]
    assert all(math.isfinite(score) for score in found)


def test_what_is_expected_contains_what_usually_comes(make: Make) -> None:
    model = make()
    if not isinstance(model, Expecting):
        assert not hasattr(model, "expect")
        return
    assert model.expect(readings([0.0])[0]) is None
    assert model.side(readings([0.0])[0]) == 0
    scores(model, noise(2_000))
    later = readings(noise(200, 4), 2_000)
    expected = [model.expect(x) for x in later]
    inside = [one is not None and one.low <= x["value"] <= one.high for one, x in zip(expected, later, strict=True)]
    assert np.mean(inside) > 0.95
    assert model.side({**later[0], "value": 1e6}) == 1
    assert model.side({**later[0], "value": -1e6}) == -1
