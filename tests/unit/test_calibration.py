"""From scores to p-values, from p-values to alerts."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.calibration.conformal import LEAST, Calibration
from detectors.calibration.contract import ABOVE, BELOW, WEEK_MS, Contract
from detectors.calibration.onset import Onset
from detectors.calibration.tail import HEAVIEST, fit_tail
from streams.kpis.pack import pack, unpack

HOUR = 3_600_000
scores = st.floats(0, 50, allow_nan=False)


@pytest.mark.parametrize(("scale", "shape"), [(1.0, 0.0), (0.3, 0.0), (2.0, 0.2), (1.0, 0.4)])
def test_a_tail_is_found_again(scale: float, shape: float) -> None:
    uniform = np.random.default_rng(5).random(20_000)
    excess = -scale * np.log(uniform) if shape == 0 else scale / shape * (uniform**-shape - 1)
    tail = fit_tail(sorted(excess.tolist()), 1.0, 0.0)
    assert tail.scale == pytest.approx(scale, rel=0.08)
    assert tail.shape == pytest.approx(shape, abs=0.06)
    far = np.quantile(excess, 0.999)
    assert tail.beyond(float(far)) == pytest.approx(0.001, rel=0.4)


@given(st.lists(st.floats(0, 1e6), max_size=30).map(sorted), st.floats(0, 20))
def test_whatever_exceeds_a_tail_is_a_proper_distribution(excess: list[float], weight: float) -> None:
    tail = fit_tail(excess, 0.4, weight)
    assert tail.scale > 0
    assert 0 <= tail.shape <= HEAVIEST
    values = [tail.beyond(x) for x in (0.0, 0.1, 1.0, 100.0)]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)


@given(st.lists(scores, max_size=400), st.lists(scores, min_size=2, max_size=20), st.sampled_from([0.0, 50.0]))
def test_a_p_value_falls_as_scores_rise_and_is_one_at_most(
    learned: list[float], asked: list[float], trust: float
) -> None:
    calibration = Calibration(window=200, trust=trust)
    for score in learned:
        calibration.learn(score)
    found = [calibration.p_value(score) for score in sorted(asked)]
    assert all(LEAST <= p <= 1.0 for p in found)
    assert all(after <= before + 1e-9 for before, after in pairwise(found))
    assert len(calibration) == min(len(learned), 200)


@given(st.lists(scores, max_size=300), st.lists(scores, max_size=60))
def test_a_calibration_comes_back_from_its_state(before: list[float], after: list[float]) -> None:
    one, other = Calibration(window=150), Calibration(window=150)
    for score in before:
        one.learn(score)
    other.load(unpack(pack(one.state())))
    for score in after:
        assert one.p_value(score) == other.p_value(score)
        one.learn(score)
        other.learn(score)
    assert pack(one.state()) == pack(other.state())


@pytest.mark.parametrize("badly", [0.5, 1.0, 3.0])
def test_p_values_are_honest_also_of_a_model_that_is_not(badly: float) -> None:
    """Scores are said to be -log10 p and are ``badly`` times that; one in a thousand must stay one in a thousand."""
    draw = random.Random(3)
    calibration, rare, count = Calibration(), 0, 60_000
    for _ in range(count):
        score = badly * -math.log10(1.0 - draw.random())
        rare += calibration.p_value(score) <= 1e-3
        calibration.learn(score)
    assert rare / count == pytest.approx(1e-3, rel=0.5)


def test_a_model_that_only_ranks_says_nothing_until_it_has_ranked() -> None:
    calibration = Calibration(trust=0.0)
    assert calibration.p_value(1e9) == 1.0
    for score in range(50):
        calibration.learn(float(score))
    assert calibration.p_value(1e9) < 0.05
    assert calibration.p_value(0.0) > 0.9


def test_scores_that_are_all_alike_surprise_nobody() -> None:
    calibration = Calibration()
    for _ in range(500):
        calibration.learn(0.0)
    assert calibration.p_value(0.0) > 0.5
    assert calibration.p_value(6.0) < 1e-3


def weeks_of_noise(contract: Contract, weeks: int, series: int, honest: float, seed: int = 1) -> list[float]:
    """Hours of ``series`` readings each; surprise is ``honest`` times what it should be. Alerts in each week."""
    draw, found = random.Random(seed), []
    for week in range(weeks):
        before = contract.opened
        for hour in range(168):
            contract.advance((week * 168 + hour) * HOUR, series)
            for _ in range(series):
                if honest * -math.log10(1.0 - draw.random()) >= contract.threshold:
                    contract.alerted()
        found.append(contract.opened - before)
    return found


@pytest.mark.parametrize("honest", [0.85, 1.0, 1.3])
@pytest.mark.parametrize("per_week", [1.0, 3.0])
def test_the_realised_rate_is_the_agreed_one(per_week: float, honest: float) -> None:
    contract = Contract(per_week)
    found = weeks_of_noise(contract, 40, 60, honest)
    assert sum(found[2:]) / 38 == pytest.approx(per_week, rel=0.25)
    assert contract.realised == pytest.approx(sum(found) / 40, rel=0.02)


def test_the_threshold_stays_near_the_honest_one() -> None:
    contract = Contract(2.0)
    for hour in range(168 * 60):  # a year in which nothing happens
        contract.advance(hour * HOUR, 50)
    honest = math.log10(50 * 168 / 2.0)
    assert contract.threshold == pytest.approx(honest - BELOW, abs=0.05)
    for _ in range(1000):
        contract.alerted()
    assert contract.threshold == pytest.approx(honest + ABOVE, abs=0.05)


def test_a_contract_comes_back_from_its_state() -> None:
    one, other = Contract(2.0), Contract(2.0)
    weeks_of_noise(one, 3, 20, 1.0)
    other.load(unpack(pack(one.state())))
    assert other.threshold == one.threshold
    assert other.realised == one.realised
    one.advance(WEEK_MS * 5, 10)
    other.advance(WEEK_MS * 5, 10)
    assert other.state() == one.state()


def told(onset: Onset, surprises: list[float]) -> list[int]:
    return [at for at, one in enumerate(surprises) if onset.step(one)]


def test_an_alert_is_told_once_until_it_has_recovered_and_cooled_down() -> None:
    onset = Onset(2.0, 1.0, cool_down=4, longest=100)
    assert told(onset, [0, 3, 3, 1.5, 3, 3, 3, 3, 0.5, 2, 2]) == [1, 9]


def test_an_alert_that_never_recovers_is_told_again_after_the_longest() -> None:
    assert told(Onset(2.0, 1.0, cool_down=4, longest=6), [3.0] * 20) == [0, 6, 12, 18]


def test_an_onset_comes_back_from_its_state() -> None:
    one, other = Onset(2.0, 1.0, 4, 50), Onset(2.0, 1.0, 4, 50)
    told(one, [3, 3, 0])
    other.load(unpack(pack(one.state())))
    assert told(one, [3] * 9) == told(other, [3] * 9)
