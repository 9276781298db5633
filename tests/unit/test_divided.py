"""How counts are divided up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, nbinom, poisson

from detectors.incidents.divided import LEARNED, VAGUE, Counts, alone

FIRST = np.array([[True, False, False]])


def counts(came: list[float], expected: list[float]) -> Counts:
    """As counts vary, by a third more."""
    usual = np.array(expected)
    return Counts(np.array(came), usual, usual * 4 / 3)


def gains(came: list[float], expected: list[float]) -> float:
    """Of the first alone."""
    return float(alone(*counts(came, expected).over(FIRST))[0])


def test_it_is_the_ratio_of_the_likelihoods_of_the_two_explanations() -> None:
    alike = poisson.logpmf(14, 14) + betabinom.logpmf(2, 14, LEARNED * 0.6, LEARNED * 0.4)
    shape = 12.0**2 / (12.0 / 3 + (VAGUE * 12.0) ** 2)
    apart = poisson.logpmf(2, 2) + nbinom.logpmf(12, shape, shape / (shape + 12.0))
    assert gains([2, 8, 4], [18, 9, 3]) == pytest.approx(apart - alike)


def test_two_hours_tell_a_channel_without_orders_from_all_that_have_fewer() -> None:
    assert gains([2, 8, 4], [18, 9, 3]) > 4.0
    assert gains([8, 4, 2], [18, 9, 3]) < 0.0


def test_how_many_come_of_all_says_nothing_where_they_are_divided_up_as_usual() -> None:
    """A holiday that nobody has announced is no channel's."""
    for factor in (0.2, 0.5, 2.0):
        came = [factor * usual for usual in (60, 30, 10)]
        assert (alone(*counts(came, [60, 30, 10]).over(np.eye(3, dtype=np.bool_))) < 0.0).all()


def test_where_nothing_came_and_nothing_was_expected_nothing_is_said() -> None:
    assert np.isfinite(gains([0, 0, 0], [0, 0, 0]))


def test_many_windows_at_once_say_what_each_says() -> None:
    generator = np.random.default_rng(1)
    came, expected = generator.poisson(9, (7, 3)).astype(float), generator.uniform(1, 20, (7, 3))
    inside = np.eye(3, dtype=np.bool_)
    each = [alone(*Counts(*row).over(inside)) for row in zip(came, expected, expected, strict=True)]
    assert alone(*Counts(came, expected, expected).over(inside)) == pytest.approx(np.array(each))
