"""What every online model keeps to, after :mod:`detectors.models.model`.

A new one is a line in tests/support/models.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from detectors.models.model import Expecting, Model, Reading
from streams.kpis.pack import pack, unpack
from tests.support.models import MODELS, PROBABILITIES

START = 1_700_000_000_000
SPAN = 300_000

Make = Callable[[], Model]


def readings(values: Iterable[float], start: int = START) -> list[Reading]:
    """One each five minutes, as of counts: the weight is the value."""
    return [
        {"time": float(start + i * SPAN), "span": float(SPAN), "value": float(value), "weight": float(value)}
        for i, value in enumerate(values)
    ]


def daily(rows: int, seed: int = 1) -> list[Reading]:
    rng = np.random.default_rng(seed)
    return readings(rng.poisson(20 + 15 * np.sin(np.arange(rows) * SPAN / 86_400_000 * 2 * np.pi)))


def after(x: Reading, value: float, gap: int = SPAN) -> Reading:
    return {"time": x["time"] + gap, "span": float(SPAN), "value": value, "weight": value}


def taught(make: Make, rows: Iterable[Reading]) -> Model:
    model = make()
    for x in rows:
        model.learn_one(x)
    return model


def scored(model: Model, rows: Iterable[Reading]) -> list[float]:
    scores = []
    for x in rows:
        scores.append(model.score_one(x))
        model.learn_one(x)
    return scores


@pytest.fixture(params=MODELS.values(), ids=MODELS)
def make(request: pytest.FixtureRequest) -> Make:
    chosen: Make = request.param
    return chosen


def test_scoring_changes_nothing(make: Make) -> None:
    rows = daily(400)
    model = taught(make, rows)
    before = pack(model.state())
    for value in (0.0, 20.0, 1e9, math.nan):
        model.score_one(after(rows[-1], value))
        if isinstance(model, Expecting):
            model.expect(after(rows[-1], value))
    assert pack(model.state()) == before


@pytest.mark.parametrize("rows", [0, 1, 5, 700, 2500])
def test_what_was_learned_can_be_kept_and_given_to_another(make: Make, rows: int) -> None:
    past, future = daily(rows), daily(300, seed=2)
    future = [{**x, "time": x["time"] + rows * SPAN} for x in future]
    model = taught(make, past)
    other = make()
    other.load(unpack(pack(model.state())))
    assert pack(other.state()) == pack(model.state())
    assert scored(other, future) == scored(model, future)


def test_a_state_does_not_change_with_its_model(make: Make) -> None:
    rows = daily(400)
    model = taught(make, rows[:300])
    state = model.state()
    before = pack(state)
    for x in rows[300:]:
        model.learn_one(x)
    assert pack(state) == before


def test_a_model_that_was_loaded_shares_nothing(make: Make) -> None:
    rows = daily(400)
    state = taught(make, rows[:300]).state()
    before = pack(state)
    other = make()
    other.load(state)
    for x in rows[300:]:
        other.learn_one(x)
    assert pack(state) == before


def test_the_same_readings_give_the_same_scores(make: Make) -> None:
    assert scored(make(), daily(600)) == scored(make(), daily(600))


def test_the_first_readings_are_not_strange(make: Make) -> None:
    assert scored(make(), readings([5.0, 5.0, 5.0])) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-12, 1e12])
def test_a_constant_is_never_strange(make: Make, value: float) -> None:
    most = 1.0 if make in [MODELS[name] for name in PROBABILITIES] else 1e-9 * max(1.0, value)
    assert max(scored(make(), readings([value] * 600))) == pytest.approx(0.0, abs=most)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, 1.7e308, math.nan])
@pytest.mark.parametrize("rows", [0, 1, 30, 600])
def test_scores_are_finite_whatever_comes(make: Make, rows: int, value: float) -> None:
    past = daily(rows)
    model = taught(make, past)
    x = readings([value], start=START + rows * SPAN)[0]
    future = [{**y, "time": y["time"] + (rows + 1) * SPAN} for y in daily(300, seed=3)]
    scores = [*scored(model, [x]), *scored(model, future)]
    assert all(math.isfinite(score) and score >= 0.0 for score in scores)
    if isinstance(model, Expecting):
        expected = model.expect(after(future[-1], 20.0))
        assert expected is None or all(map(math.isfinite, expected))


def test_one_huge_outlier_is_strange_and_soon_forgotten(make: Make) -> None:
    rows = daily(1200)
    model = taught(make, rows[:900])
    usual = scored(model, rows[900:1000])
    huge = {**rows[1000], "value": 1e6, "weight": 1e6}
    assert scored(model, [huge])[0] > max(usual)
    later = scored(model, rows[1001:])[100:]
    assert np.median(later) <= 3 * np.median(usual) + 1e-9


def test_a_lasting_level_is_adopted(make: Make) -> None:
    rng = np.random.default_rng(4)
    before, since = rng.poisson(20, 1500), rng.poisson(200, 6000)
    scores = scored(make(), readings([*before, *since]))
    usual = np.median(scores[1000:1500])
    assert np.max(scores[1500:1510]) > 2 * usual
    assert np.median(scores[-500:]) <= np.sqrt(10) * 2 * usual + 1e-9


def test_a_gap_of_a_year_is_survived(make: Make) -> None:
    rows = daily(600)
    model = taught(make, rows)
    late = [{**x, "time": x["time"] + 365.0 * 86_400_000} for x in daily(600, seed=5)]
    scores = scored(model, late)
    assert all(map(math.isfinite, scores))
    assert np.median(scores[300:]) <= 3 * np.median(scored(make(), rows)[300:]) + 1e-9


def test_zeros_and_then_something_is_strange(make: Make) -> None:
    rows = [{**x, "weight": 50.0} for x in readings([0.0] * 800 + [50.0])]
    model = taught(make, rows[:-1])
    assert model.score_one(rows[-1]) > 0.0


def test_what_begins_to_move_is_usual_before_long(make: Make) -> None:
    model = taught(make, readings([20.0] * 600 + [15.0, 25.0] * 300))
    if not isinstance(model, Expecting):
        return
    expected = model.expect(after(readings([0.0] * 1200)[-1], 20.0))
    assert expected is not None
    assert expected.low <= 16.0
    assert expected.high >= 24.0


def test_one_value_far_off_after_all_were_the_same_changes_little(make: Make) -> None:
    model = taught(make, readings([20.0] * 600 + [1e6] + [20.0] * 5))
    if not isinstance(model, Expecting):
        return
    expected = model.expect(after(readings([0.0] * 606)[-1], 20.0))
    assert expected is not None
    assert expected.middle == pytest.approx(20.0, rel=0.2)


def test_what_is_expected_does_not_depend_on_the_value(make: Make) -> None:
    model = taught(make, daily(1000))
    if not isinstance(model, Expecting):
        return
    x = daily(1001)[-1]
    expected = model.expect(x)
    assert expected is not None
    assert expected == model.expect({**x, "value": 1e9}) == model.expect({**x, "value": math.nan})
    assert expected.low <= expected.middle <= expected.high
    assert 0.0 <= expected.borrowed <= 1.0
