"""Whether events come in as they should, by source."""

from __future__ import annotations

from detectors.incidents.feeds import BEATS, FEW, LEAST_SILENCE_MS, MISSED, Feeds

MINUTE = 60_000
HOUR = 60 * MINUTE
LATENESS = 15 * MINUTE
START = 500_000 * HOUR


def beating(feeds: Feeds, sources: tuple[str, ...], since: int, until: int, every: int = MINUTE) -> None:
    """Heartbeats of deliveries' sources."""
    for time in range(since, until, every):
        for source in sources:
            feeds.take(source, 1, time, {}, heartbeat=True)


def test_a_source_whose_heartbeats_stop_is_silent_and_one_without_events_is_not() -> None:
    feeds = Feeds(LATENESS)
    feeds.take("/carrier/a", 1, START, {"carrier": "a", "region": "north"})
    feeds.take("/carrier/a", 1, START, {"carrier": "a", "region": "south"})
    beating(feeds, ("/carrier/a", "/carrier/b"), START, START + HOUR)
    assert feeds.troubles() == []  # neither has sent an event for an hour
    beating(feeds, ("/carrier/b",), START + HOUR, START + HOUR + (MISSED + 1) * MINUTE)
    (trouble,) = feeds.troubles()
    assert (trouble.source, trouble.trouble, trouble.since) == ("/carrier/a", "silent", START + HOUR - MINUTE)
    assert trouble.scope == {"carrier": "a"}  # all it sends is about it, and not about one region
    assert trouble.families == (1,)
    assert trouble.every == MINUTE
    beating(feeds, ("/carrier/a",), feeds.now, feeds.now + 1)
    assert feeds.troubles() == []


def test_a_silence_is_not_told_of_before_it_is_known_how_often_a_source_is_heard_nor_within_minutes() -> None:
    feeds = Feeds(LATENESS)
    beating(feeds, ("/new",), START, START + (BEATS - 1) * MINUTE)
    beating(feeds, ("/often", "/clock"), START, START + HOUR, every=5_000)
    beating(feeds, ("/clock",), START + HOUR, START + HOUR + LEAST_SILENCE_MS - 10_000, every=5_000)
    assert feeds.troubles() == []
    beating(feeds, ("/clock",), START + HOUR + LEAST_SILENCE_MS, START + HOUR + LEAST_SILENCE_MS + 5_000, every=5_000)
    assert [one.source for one in feeds.troubles()] == ["/often"]


def test_a_source_that_sends_events_but_no_heartbeat_any_more_is_there() -> None:
    feeds = Feeds(LATENESS)
    beating(feeds, ("/a", "/b"), START, START + HOUR)
    for minute in range(60):
        feeds.take("/a", 1, START + HOUR + minute * MINUTE, {})
        feeds.take("/b", 1, START + HOUR + minute * MINUTE, {}, heartbeat=True)
    assert feeds.troubles() == []


def test_when_all_are_silent_time_stands_still_and_nobody_is_blamed() -> None:
    feeds = Feeds(LATENESS)
    beating(feeds, ("/a", "/b"), START, START + HOUR)
    assert feeds.now == START + 59 * MINUTE
    assert feeds.troubles() == []


def test_events_that_come_too_late_to_count_are_a_trouble_where_they_are_many() -> None:
    feeds = Feeds(LATENESS)
    beating(feeds, ("/clock",), START, START + 2 * HOUR)
    for _ in range(FEW - 1):
        feeds.take("/a", 1, feeds.now - HOUR, {})
    assert feeds.troubles() == []
    feeds.take("/a", 1, feeds.now - HOUR, {})
    (trouble,) = feeds.troubles()
    assert (trouble.source, trouble.trouble, trouble.events, trouble.of) == ("/a", "late", FEW, FEW)
    for _ in range(5 * FEW):
        feeds.take("/a", 1, feeds.now, {})
    assert feeds.troubles() == []  # no more than one in six


def test_partitions_are_read_one_after_the_other_and_none_is_late_for_that() -> None:
    feeds = Feeds(LATENESS)
    for partition in range(2):
        for minute in range(200):
            feeds.take("/a", 1, START + minute * MINUTE, {}, partition=partition)
    assert feeds.troubles() == []
    for _ in range(100):
        feeds.take("/a", 1, START, {}, partition=1)
    assert [one.trouble for one in feeds.troubles()] == ["late"]


def test_records_that_cannot_be_read_are_a_trouble_of_who_sent_them() -> None:
    feeds = Feeds(LATENESS)
    feeds.take("/shop", 0, START, {})
    for _ in range(FEW):
        feeds.unreadable("/shop", 0)
    (trouble,) = feeds.troubles()
    assert (trouble.trouble, trouble.events, trouble.of) == ("unreadable", FEW, FEW + 1)
    feeds.take("/other", 0, START + HOUR, {})
    assert feeds.troubles() == []  # another hour


def test_history_that_is_sent_at_once_makes_nobody_silent() -> None:
    feeds, sent_at = Feeds(LATENESS), START + 90 * HOUR
    for number in range(600):  # ten hours of the shop, all in one second
        feeds.take("/shop", 0, START + number * MINUTE, {}, heartbeat=True, arrived=sent_at + number)
    for number in range(60):  # of the helpdesk no more than the first hour has come so far
        feeds.take("/helpdesk", 2, START + number * MINUTE, {}, heartbeat=True, arrived=sent_at + number)
    assert feeds.troubles() == []
    # Where nothing more of it arrives though others do, it is silent.
    feeds.take("/shop", 0, START + 601 * MINUTE, {}, heartbeat=True, arrived=sent_at + MINUTE)
    assert [trouble.source for trouble in feeds.troubles()] == ["/helpdesk"]
