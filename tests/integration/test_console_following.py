"""The console reads its topics once: what it keeps survives it, and a topic that was made again is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dashboards.console import behind
from dashboards.console.behind import Wanted, find
from dashboards.console.following import Following
from dashboards.console.history import History, history_path
from dashboards.console.sources import read_sources
from streams.config import Config
from streams.kpis.values import KpiValue
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames, admin, create_topics
from streams.top.board import Board
from tests.support.incidents import DAY, HOUR, T0, incident, then

WITHIN = 30.0


def value(start: int, **more: Any) -> KpiValue:
    given: dict[str, Any] = {
        "kpi": "revenue", "stat": "value", "slice": {}, "span": "1h", "rolling": False, "start": start,
        "end": start + HOUR, "value": 100.0, "weight": 4, "parts": (100,), "status": "final", "revision": 0,
        "unit": "money", "better": "higher",
    }  # fmt: skip
    return KpiValue(**given | more)


def send(config: Config, topic: str, *raw: bytes, key: bytes = b"k") -> None:
    producer = open_producer(config)
    for each in raw:
        producer.send(topic, each, key).get(timeout=10)
    producer.close()


class Console:
    """What follows, and what is kept."""

    def __init__(self, config: Config) -> None:
        self.history, self.board = History(history_path(config)), Board()
        self.following = Following(config, self.history, self.board, 35 * DAY, wall=lambda: T0 / 1000)
        self.following.start()

    def until(self, holds: Callable[[], Any]) -> None:
        end = time.monotonic() + WITHIN
        while not holds():
            assert time.monotonic() < end, self.following.error
            time.sleep(0.05)

    def starts(self) -> list[int]:
        return [one.start for one in self.history.grains("revenue", "value", {}, 0, 10 * T0)]


@contextmanager
def console(config: Config) -> Iterator[Console]:
    made = Console(config)
    try:
        yield made
    finally:
        made.following.close()
        made.history.close()


@pytest.fixture
def names(config: Config) -> TopicNames:
    create_topics(config)
    return TopicNames(config.namespace)


def test_after_a_restart_it_reads_on_and_has_what_came_meanwhile(config: Config, names: TopicNames) -> None:
    send(config, names.kpis, value(T0).encode(), b"{not ours", value(T0 - DAY, rolling=True, span="24h").encode())
    send(config, names.incidents, incident().encode(), key=b"i-1")
    with console(config) as first:
        first.until(lambda: first.starts() == [T0] and first.history.incidents())
        first.until(lambda: first.board.newest is not None)
        read = first.history.places()
    send(config, names.kpis, value(T0 + HOUR).encode())
    acknowledged = then(incident(), "acknowledged", T0, by="ann", state="acknowledged", owner="ann")
    send(config, names.incidents, acknowledged.encode(), key=b"i-1")
    with console(config) as again:
        assert again.starts()[0] == T0  # before anything is read
        assert again.board.slices("revenue", "value")
        again.until(lambda: again.starts() == [T0, T0 + HOUR])
        again.until(lambda: again.following.waiting == 0)
        again.until(lambda: again.history.incidents()[0].owner == "ann")
        assert len(again.history.revisions("i-1")) == 2
        again.until(lambda: all(again.history.places()[key].next >= place.next for key, place in read.items()))


def test_a_topic_that_was_made_again_is_read_from_its_beginning(config: Config, names: TopicNames) -> None:
    send(config, names.kpis, *(value(T0 + n * HOUR).encode() for n in range(3)))
    send(config, names.incidents, incident("old").encode(), key=b"old")
    with console(config) as first:
        first.until(lambda: len(first.starts()) == 3 and first.history.incidents())
    with admin(config) as client:
        client.delete_topics([names.kpis, names.incidents])
    _until_made(config)
    send(config, names.kpis, *(value(T0 + n * HOUR, value=7.0, revision=0).encode() for n in range(5)))
    send(config, names.incidents, incident("new").encode(), key=b"new")
    with console(config) as again:
        again.until(lambda: [one.id for one in again.history.incidents()] == ["new"])
        again.until(lambda: len(again.starts()) == 5)
        kept = again.history.grains("revenue", "value", {}, 0, 10 * T0)
        assert {one.value for one in kept} == {7.0}


def _until_made(config: Config) -> None:
    """Deleting takes a moment."""
    end = time.monotonic() + WITHIN
    while not create_topics(config):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_without_topics_it_says_so_and_goes_on_once_they_are_there(config: Config) -> None:
    with console(config) as one:
        one.until(lambda: "there are no topics" in one.following.error)
        names = TopicNames(config.namespace)
        create_topics(config)
        send(config, names.kpis, value(T0).encode())
        one.until(lambda: one.starts() == [T0] and not one.following.error)


def placed(number: int, at: str, region: str) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"e{number}","source":"/shop","type":"order.placed","time":"{at}",'
        f'"subject":"o-{number}","data":{{"order_id":"o-{number}","amount":5,"region":"{region}"}}}}'
    ).encode()


def test_what_came_too_late_to_be_counted_is_not_looked_for(
    config: Config, names: TopicNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind, "AT_ONCE", 1)
    in_time = placed(1, "2026-11-03T11:30:00Z", "north"), placed(2, "2026-11-03T12:10:00Z", "north")
    late = placed(3, "2026-11-03T11:40:00Z", "north")
    after = placed(4, "2026-11-03T12:16:00Z", "north"), placed(5, "2026-11-03T11:50:00Z", "north")
    send(config, names.orders, *in_time, late, *after)
    (kpi,) = [one for one in config.kpis if one.name == "orders_placed"]
    found = find(config, Wanted(kpi, config.definitions(), (T0, T0 + HOUR), {}))
    assert ([one.subject for one in found.events], found.complete) == (["o-1", "o-3"], True)


def test_the_events_behind_an_hour_are_found_and_who_sent_them(config: Config, names: TopicNames) -> None:
    # T0 is 11:00 in UTC.
    inside = [placed(n, f"2026-11-03T11:{n:02}:00Z", "north" if n % 2 else "south") for n in range(10)]
    outside = [placed(90, "2026-11-03T10:59:59Z", "north"), placed(91, "2026-11-03T12:00:00Z", "north"), b"{"]
    send(config, names.orders, *inside[::-1], *outside)
    (kpi,) = [one for one in config.kpis if one.name == "orders_placed"]

    def look(most: int = 200, **slice_: str) -> tuple[list[str], bool]:
        found = find(config, Wanted(kpi, config.definitions(), (T0, T0 + HOUR), slice_), most)
        return [one.subject for one in found.events], found.complete

    assert look() == ([f"o-{n}" for n in range(10)], True)
    assert look(region="north") == ([f"o-{n}" for n in (1, 3, 5, 7, 9)], True)
    some, complete = look(most=3)
    assert (len(some), complete) == (3, False)
    (source,) = read_sources(config)
    assert (source.name, source.records, source.heartbeat) == ("/shop", 12, None)
