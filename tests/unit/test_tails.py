"""p-values against scipy's distributions, summed up the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.models.tails import (
    beta_binomial,
    gamma_or_zero,
    gamma_or_zero_band,
    negative_binomial,
    no_event,
    student,
    surprise,
    two_sided,
)


def mid_p(distribution: object, k: int) -> float:
    below, own, above = distribution.cdf(k - 1), distribution.pmf(k), distribution.sf(k)  # type: ignore[attr-defined]
    return float(min(1.0, 2 * min(below + own / 2, above + own / 2)))


@pytest.mark.parametrize("mean", [0.01, 0.7, 5.0, 300.0, 40_000.0])
@pytest.mark.parametrize("dispersion", [1e-4, 0.05, 1.0, 20.0])
def test_negative_binomial(mean: float, dispersion: float) -> None:
    exact = stats.nbinom(1 / dispersion, 1 / (1 + dispersion * mean))
    for k in {0, 1, 2, int(mean / 2), int(mean), int(mean) + 1, int(2 * mean), int(5 * mean) + 3}:
        assert negative_binomial(k, mean, dispersion) == pytest.approx(mid_p(exact, k), rel=1e-6, abs=1e-280)
    assert no_event(mean, dispersion) == pytest.approx(exact.pmf(0))


@pytest.mark.parametrize("n", [1, 2, 7, 60])
@pytest.mark.parametrize("share", [1e-6, 0.03, 0.5, 0.95])
@pytest.mark.parametrize("correlation", [1e-4, 0.02, 0.5])
def test_beta_binomial_of_few_is_exact(n: int, share: float, correlation: float) -> None:
    strength = 1 / correlation - 1
    exact = stats.betabinom(n, share * strength, (1 - share) * strength)
    for k in {0, 1, n // 2, n - 1, n}:
        assert beta_binomial(k, n, share, correlation) == pytest.approx(mid_p(exact, k), rel=1e-6, abs=1e-10)


@pytest.mark.parametrize(("n", "share", "correlation"), [(100, 0.05, 0.002), (1000, 0.95, 0.01), (5000, 0.3, 0.003)])
def test_beta_binomial_of_many_is_close(n: int, share: float, correlation: float) -> None:
    strength = 1 / correlation - 1
    exact = stats.betabinom(n, share * strength, (1 - share) * strength)
    for k in {int(exact.ppf(q)) for q in (0.001, 0.01, 0.2, 0.5, 0.8, 0.99, 0.999)}:
        assert surprise(beta_binomial(k, n, share, correlation)) == pytest.approx(surprise(mid_p(exact, k)), abs=0.45)


@pytest.mark.parametrize("correlation", [1e-4, 0.003, 0.05])
def test_one_regime_goes_over_into_the_other(correlation: float) -> None:
    few, many = beta_binomial(40, 800, 0.09, correlation), beta_binomial(41, 800, 0.09, correlation)
    assert surprise(few) == pytest.approx(surprise(many), abs=0.4)


def test_one_in_two_is_no_alarm() -> None:
    assert surprise(beta_binomial(1, 2, 0.05, 0.01)) < 1.1
    assert surprise(beta_binomial(20, 40, 0.05, 0.01)) > 6


def test_gamma_or_zero() -> None:
    rng = np.random.default_rng(1)
    drawn = np.where(rng.random(200_000) < 0.3, 0.0, rng.gamma(2.0, 50.0, 200_000))
    mean, variance = float(drawn.mean()), float(drawn.var())
    for value in (0.0, 5.0, 60.0, 300.0, 600.0):
        above, own = float(np.mean(drawn > value)), float(np.mean(drawn == value))
        expected = min(1.0, 2 * min(above + own / 2, 1 - above - own / 2))
        assert gamma_or_zero(value, mean, variance, 0.3) == pytest.approx(expected, rel=0.1, abs=2e-4)


def test_student() -> None:
    assert student(-3.0, 1.5, 7.0) == pytest.approx(2 * stats.t.sf(2.0, 7.0))


def test_surprise_is_bounded() -> None:
    assert surprise(1.0) == 0.0
    assert surprise(0.0) == 300.0
    assert two_sided(1.1) == 0.0
    assert two_sided(0.5) == 1.0


@pytest.mark.parametrize("k", [0.0, 1e3, 1e12, 1e30])
@pytest.mark.parametrize("mean", [1e-9, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("dispersion", [1e-4, 1e3])
def test_extremes_give_probabilities(k: float, mean: float, dispersion: float) -> None:
    assert 0.0 <= negative_binomial(k, mean, dispersion) <= 1.0


def test_the_band_of_amounts_that_are_mostly_zero_holds_what_it_says() -> None:
    rng = np.random.default_rng(1)
    zero, shape, scale = 0.9, 0.8, 50.0
    amounts = np.where(rng.random(200_000) < zero, 0.0, rng.gamma(shape, scale, 200_000))
    low, high = gamma_or_zero_band(float(amounts.mean()), float(amounts.var()), zero, 0.99)
    assert low == 0.0
    assert float((amounts > high).mean()) == pytest.approx(0.005, rel=0.15)
    dense = rng.gamma(9.0, 2.0, 200_000)
    low, high = gamma_or_zero_band(float(dense.mean()), float(dense.var()), 0.0, 0.99)
    assert float((dense < low).mean()) == pytest.approx(0.005, rel=0.15)
