"""What the names of the archive's files say, and which of the files are to be read or joined."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.archive.compaction import plan
from streams.history.archive.layout import Gap, Log, Piece, chosen, gaps, newest_log, piece_of

LOG = Log("orders", 3, "20260301T081500")
DAY = date(2026, 3, 2)
TODAY = date(2026, 3, 9)


def piece(first: int, end: int, log: Log = LOG, day: date = DAY) -> Piece:
    return Piece(log, first, end, day)


def test_a_name_says_topic_day_log_partition_and_offsets() -> None:
    one = piece(12_000, 15_000)
    assert str(one.name) == "topic=orders/date=2026-03-02/20260301T081500.003.000000012000-000000015000.parquet"
    assert piece_of(one.name) == one


@pytest.mark.parametrize(
    "name",
    [
        "topic=orders/date=2026-03-02/other.parquet",
        "topic=orders/date=2026-13-02/20260301T081500.003.000000000000-000000000001.parquet",
        "topic=orders/date=2026-03-02/20260301T081500.003.000000000005-000000000005.parquet",
        "orders/date=2026-03-02/20260301T081500.003.000000000000-000000000001.parquet",
        "topic=orders/date=2026-03-02/20260301T081500.003.000000000000-000000000001.parquet.17.part",
    ],
)
def test_what_is_no_file_of_the_archive_is_none(name: str) -> None:
    assert piece_of(Path(name)) is None


def test_of_a_whole_and_its_parts_the_whole_is_read() -> None:
    whole, parts = piece(0, 30), [piece(0, 10), piece(10, 20), piece(20, 30)]
    assert chosen([*parts, whole]) == [whole]


def test_a_gap_is_what_no_file_has_and_later_ones_do() -> None:
    assert gaps([piece(0, 10), piece(15, 20), piece(12, 15)]) == [Gap(LOG, 10, 12)]


def test_the_newest_log_of_a_partition_is_the_one_begun_last() -> None:
    again = Log("orders", 3, "20260305T000000")
    pieces = [piece(0, 10), piece(0, 5, again), piece(0, 99, Log("orders", 1, "20260306T000000"))]
    assert newest_log(pieces, "orders", 3) == [piece(0, 5, again)]
    assert newest_log(pieces, "support", 3) == []


def test_days_that_are_not_over_stay_as_they_are() -> None:
    assert plan([piece(0, 10), piece(10, 20)], DAY) == []


def test_files_are_joined_up_to_a_size_and_not_over_a_gap() -> None:
    pieces = [piece(0, 10), piece(10, 20), piece(20, 30), piece(35, 40), piece(40, 45)]
    assert [join.whole for join in plan(pieces, TODAY, most=20)] == [piece(0, 20), piece(35, 45)]


ranges = st.lists(st.integers(1, 9), min_size=1, max_size=30)


@given(ranges, st.integers(1, 60), st.randoms(use_true_random=False))
def test_joining_changes_no_offset_that_is_there_and_a_second_time_does_nothing(
    sizes: list[int], most: int, random
) -> None:  # type: ignore[no-untyped-def]
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    before = [piece(end - size, end) for size, end in zip(sizes, ends, strict=True) if random.random() < 0.9]
    after = list(before)
    for join in plan(before, TODAY, most):
        after = [one for one in after if one not in join.parts] + [join.whole] * (join.whole not in after)
    assert _offsets(after) == _offsets(before)
    assert len(_offsets(after)) == sum(one.end - one.first for one in chosen(after))
    assert plan(after, TODAY, most) == [] or len(plan(after, TODAY, most)) < len(plan(before, TODAY, most))


def _offsets(pieces: list[Piece]) -> set[int]:
    return {offset for one in pieces for offset in range(one.first, one.end)}
