"""The benchmarks' arithmetic, and the page they write."""

from __future__ import annotations

import pytest

from tests.benchmarks import report
from tests.benchmarks.figures import Reading, median, percentile, quantity, rate_between, table
from tests.benchmarks.scaling import Case, cases


def test_a_rate_runs_from_the_first_reading_with_events_to_the_total() -> None:
    readings = [Reading(0.0, 0), Reading(1.0, 100), Reading(2.0, 600), Reading(3.0, 1100), Reading(4.0, 1100)]
    rate = rate_between(readings, 1100)
    assert (rate.events, rate.seconds, rate.per_second) == (1000, 2.0, 500.0)


@pytest.mark.parametrize("readings", [[Reading(0.0, 0)], [Reading(0.0, 5), Reading(1.0, 9)], [Reading(0.0, 10)]])
def test_a_rate_that_cannot_be_told_is_an_error(readings: list[Reading]) -> None:
    with pytest.raises(ValueError, match=r"never reached|too few"):
        rate_between(readings, 10)


def test_percentiles_are_nearest_ranks() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.0, 0.2, 0.5, 0.99, 1.0)] == [1, 1, 3, 5, 5]
    assert median([1.0, 2.0]) == 1.0


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (123456.0, "123,000"), (1.2345, "1.23"), (0.0123, "0.0123")])
def test_quantities_have_three_digits(value: float, text: str) -> None:
    assert quantity(value) == text


def test_tables_are_markdown_with_numbers_to_the_right() -> None:
    assert table(("what", "n"), [("a", 1), ("bc", 1000)]).splitlines() == [
        "| what |     n |",
        "| ---- | ----: |",
        "| a    |     1 |",
        "| bc   | 1,000 |",
    ]


def test_the_page_has_marks_for_every_part_and_only_a_part_is_replaced() -> None:
    page = report.PAGE.read_text()
    for part in report.PARTS:
        changed = report.put(part, "figures", page)
        assert changed.count("figures") == page.count("figures") + 1
        assert changed.split(f"<!-- {part}: begin -->")[0] == page.split(f"<!-- {part}: begin -->")[0]
    with pytest.raises(ValueError, match="no marks"):
        report.put("speed", "figures", page)


def test_every_case_compiles_and_has_the_series_it_says() -> None:
    for case in cases():
        found = case.definitions()
        assert len(found.kpis) == case.kpis
        assert {len(kpi.by) for kpi in found.kpis} == {case.dimensions}
        told = case.kpis * (1 + case.dimensions * case.values)
        assert abs(told - case.series) <= max(0.1 * case.series, case.kpis * case.dimensions)
    assert Case(1, 1, 100).values == 99
