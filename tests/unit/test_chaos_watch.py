"""What is seen in metrics while a run goes on: jumps, series at two workers, and when all goes on again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.watch import TOTAL, Sample, Witness, recovery, watched

ORDERS = (TOTAL, ())
NORTH = (TOTAL, (("region", "north"),))


def witness(*looks: tuple[dict[str, dict[Any, float]], float]) -> Witness:
    made = Witness()
    for at, (told, most) in enumerate(looks):
        made.look(float(at), told, most)
    return made


def brief(found: Witness) -> list[tuple[str, str, float]]:
    return [(jump.kind, jump.worker, jump.events) for jump in found.jumps]


def test_counts_that_grow_are_no_jumps_at_one_worker_or_from_one_to_the_next() -> None:
    looks: list[tuple[dict[str, dict[Any, float]], float]] = [
        ({"a": {ORDERS: 5, NORTH: 2}}, 5),
        ({"a": {ORDERS: 7}}, 8),
        ({}, 9),
        ({"b": {ORDERS: 7, NORTH: 2}}, 9),
    ]
    assert brief(witness(*looks)) == []


def test_a_count_that_falls_at_a_worker_is_a_jump() -> None:
    assert brief(witness(({"a": {NORTH: 5}}, 9), ({"a": {NORTH: 3}}, 9))) == [("fell", "a", 2)]


def test_a_worker_that_shows_less_than_the_one_before_is_told_apart() -> None:
    assert brief(witness(({"a": {NORTH: 5}}, 9), ({"b": {NORTH: 3}}, 9))) == [("fell behind", "b", 2)]
    assert brief(witness(({"a": {NORTH: 5}}, 9), ({}, 9), ({"a": {NORTH: 4}}, 9))) == [("fell behind", "a", 1)]


def test_a_worker_that_still_shows_what_is_another_ones_is_told_apart() -> None:
    found = witness(({"a": {NORTH: 3}}, 9), ({"b": {NORTH: 5}}, 9), ({"a": {NORTH: 3}, "b": {NORTH: 5}}, 9))
    assert brief(found) == [("stale", "a", 2)]


def test_more_than_was_sent_is_a_jump() -> None:
    assert brief(witness(({"a": {ORDERS: 5}}, 5), ({"a": {ORDERS: 10}}, 6))) == [("too many", "a", 4)]


def test_a_series_at_two_workers_is_noted_with_its_longest_stretch() -> None:
    both = {"a": {NORTH: 1.0}, "b": {NORTH: 1.0}}
    found = witness((both, 9), ({"a": {NORTH: 1.0}}, 9), (both, 9), (both, 9), (both, 9))
    assert found.shared == {'daybook_orders_placed{region="north"}': (2.0, 4.0)}


def test_only_the_long_window_is_watched() -> None:
    labels = (("channel", ""), ("region", "north"), ("window", "24h"))
    samples: Any = {TOTAL: {labels: 3.0, (("window", "1h"),): 2.0}, "daybook_revenue": {(("window", "24h"),): 1.0}}
    assert watched(samples) == {NORTH: 3.0}


def test_tickets_by_region_are_not_watched_for_an_order_read_later_moves_them() -> None:
    samples: Any = {
        "daybook_tickets_opened": {(("region", "unknown"), ("window", "24h")): 3.0, (("window", "24h"),): 5.0}
    }
    assert watched(samples) == {("daybook_tickets_opened", ()): 5.0}


def sample(at: float, shown: float, places: int, worker: str = "a") -> Sample:
    return Sample(at, shown, {worker: shown}, {("orders", str(n)): {worker: 0.0} for n in range(places)}, {})


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ([sample(9, 50, 2), sample(12, 50, 2)], 2.0),
        ([sample(11, 49, 2), sample(13, 50, 2)], 3.0),
        ([sample(11, 50, 1), sample(14, 51, 2)], 4.0),
        ([sample(11, 49, 2)], None),
        ([Sample(11, 50, {}, {}, {}), sample(15, 50, 2)], 5.0),
    ],
    ids=["at once", "when all is shown", "when all is read", "never", "when somebody shows anything"],
)
def test_all_goes_on_when_what_was_sent_is_shown_and_every_partition_is_read(
    samples: list[Sample], wanted: float | None
) -> None:
    assert recovery(samples, 10.0, 50, 2) == wanted


def test_one_that_was_added_has_come_when_it_reads_something() -> None:
    samples = [sample(11, 50, 2), sample(12, 50, 2, "b")]
    assert recovery(samples, 10.0, 50, 2, "b") == 2.0
