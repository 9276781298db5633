"""The detector for a series of which nothing is known."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from detectors.evaluation.candidate import Judged
from detectors.general import GeneralDetector
from streams.kpis.pack import pack, unpack

START = 1_700_000_000_000
SPAN = 300_000


def judged(values: Sequence[float] | np.ndarray, detector: GeneralDetector | None = None) -> list[Judged]:
    detector = detector or GeneralDetector()
    return [detector.step(START + i * SPAN, float(value)) for i, value in enumerate(values)]


def alerts(rows: list[Judged]) -> list[int]:
    return [i for i, row in enumerate(rows) if row.alert]


def daily(rows: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 40 * np.sin(np.arange(rows) * SPAN / 86_400_000 * 2 * np.pi) + rng.normal(0, 3, rows)


NOISE = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: np.exp(rng.normal(size=n)),
    "heavy tail": lambda rng, n: rng.pareto(1.5, n),
    "rare counts": lambda rng, n: rng.poisson(0.3, n),
    "counts": lambda rng, n: rng.poisson(5, n),
    "random walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "zeros and spikes": lambda rng, n: (rng.random(n) < 0.003) * 100.0,
    "two values": lambda rng, n: (rng.random(n) < 0.5) * 1.0,
    "daily": lambda rng, n: daily(n),
}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_makes_few_alerts(kind: str) -> None:
    rows = judged(NOISE[kind](np.random.default_rng(2), 10_000))
    assert len(alerts(rows)) <= 16


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e15])
def test_a_constant_makes_none(value: float) -> None:
    rows = judged([value] * 3000)
    assert alerts(rows) == []
    assert rows[-1].low == pytest.approx(value)
    assert rows[-1].high == pytest.approx(value)


def test_an_outlier_is_told_at_once() -> None:
    values = daily(3000)
    values[2500] += 200
    found = alerts(judged(values))
    assert 2500 <= found[-1] <= 2502


def test_a_day_without_its_usual_course_is_told() -> None:
    values = daily(5000)
    values[4000:4288] = 100 + np.random.default_rng(3).normal(0, 3, 288)
    assert any(4000 <= i < 4288 for i in alerts(judged(values)))


def test_a_new_level_is_told_once_and_then_usual() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=8000)
    values[4000:] += 20
    rows = judged(values)
    assert [i for i in alerts(rows) if 4000 <= i < 4500] == [4000]
    assert len([i for i in alerts(rows) if i >= 4500]) <= 3
    assert rows[4300].low > 10
    assert rows[4300].high < 30


def test_the_band_holds_what_is_usual() -> None:
    values = daily(6000)
    rows = judged(values)
    inside = [row.low <= value <= row.high for row, value in zip(rows, values, strict=True)][2000:]
    widths = [row.high - row.low for row in rows[2000:]]
    assert np.mean(inside) > 0.97
    assert np.median(widths) < 30


def test_nothing_below_zero_is_expected_before_a_value_was() -> None:
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.poisson(0.5, 1000), [-5.0], rng.normal(0, 2, 1000)])
    rows = judged(values)
    assert min(row.low for row in rows[100:1001]) == 0.0
    assert rows[-1].low < -1.0


def test_nothing_is_expected_before_anything_was_seen() -> None:
    first = GeneralDetector().step(START, 5.0)
    assert math.isnan(first.low)
    assert math.isnan(first.high)
    assert not first.alert


def test_a_row_without_a_value_says_nothing_and_teaches_nothing() -> None:
    values = daily(1000)
    plain, gaps = GeneralDetector(), GeneralDetector()
    for i, value in enumerate(values):
        plain.step(START + i * SPAN, value)
        gaps.step(START + i * SPAN, value)
        row = gaps.step(START + i * SPAN + 1, math.nan)
        assert (row.surprise, row.alert) == (0.0, False)
    assert pack(gaps.state()) == pack(plain.state())


@pytest.mark.parametrize("odd", [1e300, -1e300, math.inf, -math.inf, 0.0, 1e-300, 1.7e308])
def test_what_it_says_is_finite_whatever_comes(odd: float) -> None:
    values = daily(1500)
    values[[0, 1, 700, 701, 1200]] = odd
    for row in judged(values)[30:]:
        assert math.isfinite(row.surprise)
        assert math.isfinite(row.low)
        assert math.isfinite(row.high)
        assert row.low <= row.high


def test_irregular_times_and_long_gaps_are_survived() -> None:
    rng = np.random.default_rng(5)
    detector, time = GeneralDetector(), START
    for value in rng.normal(size=3000):
        time += int(rng.exponential(SPAN)) + (30 * 86_400_000 if rng.random() < 0.002 else 0)
        assert math.isfinite(detector.step(time, float(value)).surprise)


def test_the_same_rows_give_the_same() -> None:
    assert judged(daily(2000))[50:] == judged(daily(2000))[50:]


def test_nothing_later_changes_what_was_said() -> None:
    values = daily(2500)
    other = values.copy()
    other[2000:] = 7
    assert judged(values)[50:2000] == judged(other)[50:2000]


@pytest.mark.parametrize("rows", [0, 1, 30, 3000, 5000])
def test_it_can_be_kept_and_go_on(rows: int) -> None:
    values = daily(rows + 1000)
    values[rows + 500 :] += 70
    detector, other = GeneralDetector(), GeneralDetector()
    judged(values[:rows], detector)
    other.load(unpack(pack(detector.state())))
    for i in range(rows, rows + 1000):
        before, after = (each.step(START + i * SPAN, float(values[i])) for each in (detector, other))
        assert repr(before) == repr(after)


def test_it_takes_less_than_200_kB() -> None:
    judged(daily(100))
    tracemalloc.start()
    try:
        detector = GeneralDetector()
        judged(daily(6000), detector)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert len(pack(detector.state())) < 120_000
