"""The general detector."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from detectors.evaluation.candidate import Judged
from detectors.general import COOL_DOWN, TRIGGER, GeneralDetector
from streams.kpis.pack import pack, unpack

FIVE_MINUTES = 300_000


def daily(count: int, seed: int = 1) -> list[float]:
    """A series with a daily course and noise."""
    draw = np.random.default_rng(seed)
    course = 100 + 30 * np.sin(np.arange(count) / 288 * 2 * np.pi)
    return list(course + draw.normal(0, 3, count))


def run(numbers: list[float], detector: GeneralDetector | None = None, begin: int = 0) -> list[Judged]:
    detector = detector or GeneralDetector()
    return [detector.step((begin + at) * FIVE_MINUTES, number) for at, number in enumerate(numbers)]


def alerts(found: list[Judged]) -> list[int]:
    return [at for at, one in enumerate(found) if one.alert]


@pytest.mark.parametrize("kind", ["spike", "outage", "shift"])
def test_what_is_strange_is_told_soon_and_once(kind: str) -> None:
    numbers = daily(3_000)
    length = {"spike": 3, "outage": 60, "shift": 200}[kind]
    for at in range(2_000, 2_000 + length):
        numbers[at] = {"spike": 400.0, "outage": 0.0, "shift": numbers[at] + 120}[kind]
    told = [at for at in alerts(run(numbers)) if 2_000 <= at < 2_000 + COOL_DOWN]
    assert len(told) == 1
    assert told[0] <= 2_005


def test_little_is_told_of_noise() -> None:
    assert len(alerts(run(daily(6_000)))) <= 6


def test_a_lasting_new_level_is_adopted() -> None:
    numbers = [*daily(2_000), *(one + 500 for one in daily(4_000, 2))]
    late = [at for at in alerts(run(numbers)) if at > 4_000]
    assert len(late) <= 3


def test_what_has_been_told_stays_below_what_would_be_told() -> None:
    numbers = daily(2_500)
    numbers[2_000:2_030] = [500.0] * 30
    found = run(numbers)
    first = next(at for at in alerts(found) if at >= 2_000)
    assert found[first].surprise >= TRIGGER
    assert all(one.surprise < TRIGGER for one in found[first + 1 : first + 30])


def test_it_is_deterministic_and_goes_on_from_its_state() -> None:
    numbers = daily(1_500)
    one = GeneralDetector()
    first = run(numbers, one)
    assert str(run(numbers)) == str(first)
    other = GeneralDetector()
    other.load(unpack(pack(one.state())))
    after = daily(600, 3)
    assert run(after, one, 1_500) == run(after, other, 1_500)


@pytest.mark.parametrize("number", [0.0, 7.0, -1e9])
def test_a_constant_is_never_told(number: float) -> None:
    assert alerts(run([number] * 1_500)) == []


def test_rows_without_a_value_are_passed_over() -> None:
    numbers = daily(1_200)
    numbers[500:520] = [math.nan] * 20
    found = run(numbers)
    assert all(math.isfinite(one.surprise) for one in found)
    assert not any(one.alert for one in found[500:520])


def test_the_band_is_what_one_would_draw() -> None:
    numbers = daily(4_000)
    found = run(numbers)[1_000:]
    inside = [one.low <= number <= one.high for one, number in zip(found, numbers[1_000:], strict=True)]
    assert np.mean(inside) > 0.97
    assert np.mean([one.high - one.low for one in found]) < 80


def test_a_reading_costs_little() -> None:
    numbers = daily(3_000)
    best = math.inf
    for _ in range(3):
        detector = GeneralDetector()
        began = time.process_time()
        run(numbers, detector)
        best = min(best, (time.process_time() - began) / len(numbers))
    assert best < 400e-6
    assert len(pack(detector.state())) < 400_000
