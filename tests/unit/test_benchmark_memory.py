"""When memory counts as flat."""

from __future__ import annotations

import pytest

from tests.benchmarks.memory import Sample, flatness


def test_a_warm_up_does_not_count() -> None:
    found = flatness([Sample(n * 1e5, min(300.0, 100.0 + 50 * n), 0) for n in range(21)])
    assert found.flat
    assert found.slope == pytest.approx(0, abs=1e-6)


def test_growth_and_peaks_are_not_flat() -> None:
    assert not flatness([Sample(n * 1e5, 100.0 + n, 0) for n in range(21)]).flat
    assert not flatness([Sample(n * 1e5, 100.0 + 30 * (n % 4 == 0), 0) for n in range(21)]).flat


def test_what_was_given_back_is_no_unrest() -> None:
    assert flatness([Sample(n * 1e5, 100.0 - 30 * (n == 15), 0) for n in range(21)]).flat


def test_too_few_samples_are_no_trend() -> None:
    with pytest.raises(ValueError, match="too few"):
        flatness([Sample(1.0, 2.0, 3.0)])
