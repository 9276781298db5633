"""Means: the band of what was never below zero is not either."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.models.means import Means

HOUR = 3_600_000


@pytest.mark.parametrize(("shift", "below"), [(0.0, False), (-40.0, True)])
def test_a_band_reaches_below_zero_only_where_values_did(shift: float, below: bool) -> None:
    rng, model = np.random.default_rng(1), Means(grain=HOUR)
    for hour in range(500):
        value = float(rng.exponential(20.0)) + shift
        model.learn_one({"time": hour * HOUR, "span": HOUR, "value": value, "weight": 1.0})
    expected = model.expect({"time": 500 * HOUR, "span": HOUR, "value": 0.0, "weight": 1.0})
    assert expected is not None
    assert (expected.low < 0.0) is below
    again = Means(grain=HOUR)
    again.load(model.state())
    assert again.expect({"time": 500 * HOUR, "span": HOUR, "value": 0.0, "weight": 1.0}) == expected
