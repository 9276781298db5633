"""Ranks and pace: from scores to surprise, from surprise to alerts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detectors.calibration.pace import Pace
from detectors.calibration.ranks import FEW, Ranks
from streams.kpis.pack import pack, unpack


def filled(scores: np.ndarray, size: int = 1000) -> Ranks:
    ranks = Ranks(size)
    for score in scores:
        ranks.add(float(score))
    return ranks


def test_nothing_is_rare_among_few() -> None:
    assert filled(np.arange(FEW - 1.0)).surprise(1e9) == 0.0


def test_surprise_is_the_share_of_scores_as_high() -> None:
    ranks = filled(np.random.default_rng(1).permutation(999.0 + np.zeros(999) - np.arange(999)))
    assert ranks.surprise(0.0) == 0.0
    assert ranks.surprise(500.0) == pytest.approx(math.log10(1000 / 501))


def test_scores_alike_do_not_make_each_other_rare() -> None:
    assert filled(np.zeros(500)).surprise(0.0) == pytest.approx(math.log10(501 / 501))
    assert filled(np.zeros(500)).surprise(1.0) == pytest.approx(math.log10(501))


def test_surprise_rises_with_the_score() -> None:
    rng = np.random.default_rng(2)
    ranks = filled(rng.exponential(size=1000))
    surprises = [ranks.surprise(x) for x in np.linspace(0, 60, 500)]
    assert surprises == sorted(surprises)
    assert surprises[-1] > 10


@pytest.mark.parametrize("draw", ["exponential", "normal", "uniform"])
def test_p_values_hold(draw: str) -> None:
    rng = np.random.default_rng(3)
    scores = getattr(rng, draw)(size=12_000)
    ranks, surprises = Ranks(2000), []
    for score in scores:
        surprises.append(ranks.surprise(float(score)))
        ranks.add(float(score))
    for level in (1.0, 2.0, 3.0):
        share = np.mean(np.array(surprises[2000:]) >= level)
        assert share <= 10.0**-level * 1.5 + 3e-4
    assert np.mean(np.array(surprises[2000:]) >= 1.0) == pytest.approx(0.1, rel=0.15)


def test_the_oldest_scores_make_room() -> None:
    rng = np.random.default_rng(4)
    scores = rng.integers(0, 50, 5000).astype(float)
    ranks = filled(scores, size=300)
    kept = np.sort(scores[-300:])
    assert len(ranks) == 300
    for score in range(50):
        fresh = filled(scores[-300:], size=300)
        assert ranks.surprise(score) == fresh.surprise(score)
    assert ranks.quantile(0.5) == kept[150]


@pytest.mark.parametrize("count", [0, 10, 300, 1000])
def test_ranks_can_be_kept(count: int) -> None:
    rng = np.random.default_rng(5)
    ranks, other = filled(rng.normal(size=count), size=300), Ranks(300)
    other.load(unpack(pack(ranks.state())))
    for score in rng.normal(size=700):
        assert other.surprise(float(score)) == ranks.surprise(float(score))
        ranks.add(float(score))
        other.add(float(score))
    assert pack(other.state()) == pack(ranks.state())


def test_scores_without_bound_stay_finite() -> None:
    ranks = filled(np.random.default_rng(6).normal(size=500))
    for score in (1e300, -1e300, math.inf, -math.inf):
        assert math.isfinite(ranks.surprise(score))
        ranks.add(score)
    assert math.isfinite(ranks.surprise(1.0))


def test_what_lasts_is_told_once() -> None:
    pace = Pace()
    told = [pace.tell(0.0) for _ in range(500)] + [pace.tell(5.0) for _ in range(3000)]
    assert [i for i, each in enumerate(told) if each.alert] == [500]


def test_what_comes_back_is_told_again_once_it_had_gone() -> None:
    pace = Pace()
    surprises = [0.0] * 500 + [5.0] * 10 + [0.0] * 200 + [5.0] * 10 + [0.0] * 20 + [5.0] * 10
    assert [i for i, s in enumerate(surprises) if pace.tell(s).alert] == [500, 710]


def test_of_the_first_rows_nothing_is_told() -> None:
    pace = Pace(trial=200)
    assert not any(pace.tell(3.0 * (i % 2)).alert for i in range(200))


def test_an_alert_is_what_reaches_one_surprise() -> None:
    rng = np.random.default_rng(7)
    pace = Pace(alert=0.9)
    for surprise in rng.exponential(0.6, 20_000):
        told = pace.tell(float(surprise))
        assert told.alert == (told.surprise >= 0.9)


def test_a_series_that_is_always_strange_comes_to_its_pace() -> None:
    rng = np.random.default_rng(8)
    pace = Pace(every=500)
    alerts = [pace.tell(float(s)).alert for s in rng.exponential(1.5, 60_000)]
    assert sum(alerts[30_000:]) == pytest.approx(60, rel=0.35)


def test_the_pace_can_be_kept() -> None:
    rng = np.random.default_rng(9)
    pace, other = Pace(), Pace()
    for surprise in rng.exponential(0.7, 1000):
        pace.tell(float(surprise))
    other.load(unpack(pack(pace.state())))
    for surprise in rng.exponential(0.7, 1000):
        assert other.tell(float(surprise)) == pace.tell(float(surprise))
