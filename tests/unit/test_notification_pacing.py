"""Quiet hours, when to try again, how much a channel takes."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from detectors.calendar.hours import Hours
from detectors.notification.pacing import FIRST_MS, LONGEST_MS, Bucket, again_after
from detectors.notification.quiet import QuietHours

BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = 3_600_000, 86_400_000
NIGHT = [[(1320, 1860)]] * 7


def at(*when: int, fold: int = 0) -> int:
    return round(datetime(*when, tzinfo=BERLIN, fold=fold).timestamp() * 1000)  # type: ignore[misc,arg-type]


def test_a_night_is_quiet_until_the_morning_whatever_clocks_do_in_it() -> None:
    night = QuietHours(NIGHT, "Europe/Berlin")
    assert night.until(at(2026, 11, 3, 21, 59)) is None
    assert night.until(at(2026, 11, 3, 22, 0)) == at(2026, 11, 4, 7, 0)
    assert night.until(at(2026, 11, 4, 6, 59)) == at(2026, 11, 4, 7, 0)
    assert night.until(at(2026, 11, 4, 7, 0)) is None
    spring, autumn = at(2026, 3, 28, 22, 0), at(2026, 10, 24, 22, 0)
    assert night.until(spring) == at(2026, 3, 29, 7, 0) == spring + 8 * HOUR
    assert night.until(autumn) == at(2026, 10, 25, 7, 0) == autumn + 10 * HOUR


def test_spans_without_a_gap_are_one_and_none_are_none() -> None:
    weekend = QuietHours([[(0, 420)], *[[]] * 3, [(1080, 1440)], [(0, 1440)], [(0, 1440)]], "Europe/Berlin")
    assert weekend.until(at(2026, 11, 6, 18, 0)) == at(2026, 11, 9, 7, 0)
    assert QuietHours(None, "Europe/Berlin").until(at(2026, 11, 6, 18, 0)) is None
    always = at(2026, 11, 6, 18, 0)
    assert QuietHours([[(0, 1440)]] * 7, "Europe/Berlin").until(always) == always + 7 * DAY


SPANS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).map(lambda one: (one[0], one[0] + one[1]))
# Around both changes of the clocks, and an ordinary day.
STARTS = st.sampled_from([at(2026, 3, 28, 12), at(2026, 10, 24, 12), at(2026, 11, 3, 12)])


@given(
    st.lists(st.lists(SPANS, max_size=2), min_size=7, max_size=7), STARTS, st.lists(st.integers(0, 2880), max_size=5)
)
def test_quiet_hours_end_where_it_is_quiet_no_more_and_not_before(
    week: list[list[tuple[int, int]]], start: int, minutes: list[int]
) -> None:
    quiet, hours = QuietHours(week, "Europe/Berlin"), Hours(week, "Europe/Berlin")
    for minute in minutes:
        now = start + minute * 60_000 + 1
        end = quiet.until(now)
        assert (end is None) == (not hours.open(now))
        if end is not None and end - now < 7 * DAY:
            assert not hours.open(end)
            assert hours.open(end - 1)
            assert all(hours.open(at) for at in range(now, end, 7 * 60_000))


@given(st.text(), st.integers(1, 400))
def test_what_fails_is_tried_again_later_and_later_but_not_rarely(message: str, tries: int) -> None:
    wait = again_after(message, tries)
    assert FIRST_MS / 2 <= wait <= LONGEST_MS
    assert wait == again_after(message, tries)
    assert again_after(message, tries, longest=60_000) <= 60_000
    assert again_after(message, tries + 2) > wait or wait >= LONGEST_MS / 2


def test_what_fails_together_does_not_come_back_together() -> None:
    assert len({again_after(f"i-{number}", 5) for number in range(50)}) == 50


@given(st.integers(1, 60), st.lists(st.integers(0, 2 * HOUR), min_size=1, max_size=40))
def test_no_hour_has_more_than_twice_what_was_agreed_and_what_is_saved_up_is_bounded(
    per_hour: int, waits: list[int]
) -> None:
    bucket, now, sent = Bucket(per_hour, float(per_hour)), 1_793_703_600_000, []
    for wait in waits:
        now += wait
        free = bucket.free(now)
        assert 0 <= free <= per_hour
        bucket.take(free)
        sent += [now] * free
        assert all(sum(begin <= one < begin + HOUR for one in sent) <= 2 * per_hour for begin in set(sent))
        assert copy(bucket).free(bucket.ready(now)) >= 1
