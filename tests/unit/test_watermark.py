"""Watermarks: they rise with event time and heartbeats, and never fall."""

from __future__ import annotations

import numpy as np

from streams.kpis.watermark import BEGINNING, Watermarks
from streams.kpis.watermark import MergedWatermark as Watermark

DISORDER = 10_000


def observe(marks: Watermarks, family: int, *times: int, heartbeats: tuple[int, ...] = ()) -> list[int]:
    beats = np.isin(np.arange(len(times)), heartbeats)
    return marks.observe(family, np.array(times, dtype=np.int64), beats).tolist()  # type: ignore[no-any-return]


def begun(*own: int) -> Watermarks:
    marks = Watermarks(DISORDER)
    for family, time in enumerate(own):
        observe(marks, family, time + DISORDER)
    return marks


def test_each_event_meets_the_watermark_of_the_events_before_it() -> None:
    marks = Watermarks(DISORDER)
    assert observe(marks, 0, 50_000, 90_000, 60_000, 90_001) == [BEGINNING, 40_000, 80_000, 80_000]
    assert observe(marks, 0, 1) == [80_001]


def test_the_watermarks_before_events_do_not_depend_on_chunks() -> None:
    times = [50_000, 20_000, 90_000, 60_000, 90_001, 5]
    whole = observe(Watermarks(DISORDER), 0, *times)
    for cut in range(len(times) + 1):
        marks = Watermarks(DISORDER)
        assert observe(marks, 0, *times[:cut]) + observe(marks, 0, *times[cut:]) == whole


def test_a_heartbeat_vouches_for_its_whole_time() -> None:
    marks = Watermarks(DISORDER)
    observe(marks, 0, 50_000, heartbeats=(0,))
    assert marks.own[0] == 50_000


def test_an_old_heartbeat_takes_nothing_back() -> None:
    marks = begun(50_000, 50_000, 50_000)
    observe(marks, 0, 30_000, heartbeats=(0,))
    assert marks.own[0] == 50_000


def test_there_is_no_watermark_before_every_topic_has_begun() -> None:
    marks = Watermarks(DISORDER)
    assert marks.partition() is None
    observe(marks, 0, 50_000)
    observe(marks, 1, 50_000)
    assert marks.partition() is None
    observe(marks, 2, 30_000)
    assert marks.partition() == 20_000


def test_the_slowest_topic_decides() -> None:
    marks = begun(90_000, 50_000, 70_000)
    assert marks.partition() == 50_000


def test_an_idle_topic_is_left_out_and_returns_when_it_speaks() -> None:
    marks = begun(90_000, 50_000, 70_000)
    marks.idle = frozenset({1})
    assert marks.partition() == 70_000
    observe(marks, 1, 95_000)
    assert marks.idle == frozenset()
    observe(marks, 0, 200_000)
    observe(marks, 2, 200_000)
    assert marks.partition() == 85_000


def test_a_topic_that_never_spoke_can_be_idle() -> None:
    marks = Watermarks(DISORDER)
    observe(marks, 0, 50_000)
    marks.idle = frozenset({1, 2})
    assert marks.partition() == 40_000


def test_the_watermark_never_falls_when_a_slow_topic_returns() -> None:
    marks = begun(90_000, 50_000, 70_000)
    marks.idle = frozenset({1, 2})
    assert marks.partition() == 90_000
    observe(marks, 1, 60_000)
    assert marks.partition() == 90_000
    observe(marks, 1, 300_000)
    assert marks.partition() == 90_000


def test_it_stands_still_while_all_topics_are_idle() -> None:
    marks = begun(90_000, 50_000, 70_000)
    assert marks.partition() == 50_000
    marks.idle = frozenset({0, 1, 2})
    assert marks.partition() == 50_000


def test_a_chunk_with_nothing_sound_in_it_wakes_no_idle_topic() -> None:
    marks = begun(90_000, 50_000, 70_000)
    marks.idle = frozenset({1})
    observe(marks, 1)
    assert marks.idle == frozenset({1})


def test_the_newest_event_time_is_kept_over_all_topics() -> None:
    marks = begun(90_000, 50_000, 70_000)
    assert marks.newest == 100_000
    observe(marks, 1, 20)
    assert marks.newest == 100_000


def test_times_before_1970_count_like_any_other() -> None:
    marks = begun(-90_000, -50_000, -70_000)
    assert marks.partition() == -90_000


def test_over_partitions_the_smallest_decides_and_none_before_all_have_spoken() -> None:
    mark = Watermark(2)
    mark.observe(0, 50, idle=False)
    assert mark.value is None
    mark.observe(1, None, idle=False)
    assert mark.value is None
    mark.observe(1, 30, idle=False)
    assert mark.value == 30


def test_an_idle_partition_does_not_hold_back_the_others() -> None:
    mark = Watermark(2)
    mark.observe(0, 50, idle=False)
    mark.observe(1, None, idle=True)
    assert mark.value == 50
    mark.observe(0, 80, idle=False)
    assert mark.value == 80
    mark.observe(1, 60, idle=False)
    assert mark.value == 80
    mark.observe(0, 100, idle=False)
    assert mark.value == 80
    mark.observe(1, 90, idle=False)
    assert mark.value == 90


def test_while_every_partition_is_idle_the_watermark_stands() -> None:
    mark = Watermark(1)
    mark.observe(0, 50, idle=False)
    mark.observe(0, 50, idle=True)
    assert mark.value == 50
