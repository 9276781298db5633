"""Down to the events: which are behind a value, who sends them, and those that go to their topic again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dashboards.console.behind import Event, Wanted, events_csv, moments_of
from dashboards.console.sources import Source, sources_of
from streams.config import Config, load_config
from streams.events.heartbeats import heartbeats
from streams.events.times import format_time
from streams.runtime import requeue as requeueing
from streams.runtime.letters import Letter, Requeued
from tests.support.incidents import HOUR, MINUTE, T0


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(None, {})


def wanted(config: Config, kpi: str, **slice_: str) -> Wanted:
    (found,) = [one for one in config.kpis if one.name == kpi]
    return Wanted(found, config.definitions(), (T0, T0 + HOUR), slice_)


@pytest.mark.parametrize(
    ("kpi", "types"),
    [
        ("orders_placed", {"order.placed"}),
        ("payment_failure_ratio", {"order.payment_failed", "order.paid"}),
        ("time_to_ship", {"delivery.dispatched"}),
        ("first_response_time", {"ticket.replied"}),
    ],
)
def test_every_kind_of_kpi_knows_its_events(config: Config, kpi: str, types: set[str]) -> None:
    assert set(wanted(config, kpi).types) == types


def test_no_kpi_of_the_configuration_is_without_events(config: Config) -> None:
    for kpi in config.kpis:
        assert moments_of(kpi, config.definitions()), kpi.name


def test_events_are_of_the_hour_and_of_the_moment_asked_for(config: Config) -> None:
    one = wanted(config, "first_response_time")
    assert one.has(T0, "ticket.replied", {"by": "agent"})
    assert not one.has(T0, "ticket.replied", {"by": "bot"})
    assert not one.has(T0 - 1, "ticket.replied", {"by": "agent"})
    assert not one.has(T0 + HOUR, "ticket.replied", {"by": "agent"})
    assert not one.has(T0, "ticket.opened", {})


def test_events_are_of_the_slice_where_they_say_it_and_may_be_where_they_do_not(config: Config) -> None:
    placed = wanted(config, "orders_placed", region="north")
    assert placed.told_by_events
    assert placed.has(T0, "order.placed", {"region": "north"})
    assert not placed.has(T0, "order.placed", {"region": "south"})
    tickets = wanted(config, "tickets_opened", region="north")
    assert not tickets.told_by_events
    assert tickets.has(T0, "ticket.opened", {"queue": "returns"})


def test_events_as_csv_are_no_formulas(config: Config) -> None:
    text = events_csv([Event(T0, "order.placed", "=1+1", "shop", "e-1", "t/0/1", {"amount": 5})])
    assert text.splitlines()[1] == f'{format_time(T0)},order.placed,\'=1+1,shop,e-1,t/0/1,"{{""amount"":5}}"'


def test_sources_are_told_by_their_newest_event_and_heartbeat() -> None:
    def event(at: int) -> bytes:
        return msgspec.json.encode({"source": "shop", "type": "order.placed", "time": format_time(at)})

    beat = next(heartbeats("shop", T0 + 2 * MINUTE, 1)).value
    raw = [event(T0 + MINUTE), None, b"{no json", beat, event(T0), b'{"source":"x","type":"t","time":"never"}']
    assert sources_of(raw) == [Source("shop", T0 + MINUTE, T0 + 2 * MINUTE, 3)]


def letter(offset: int, **more: Any) -> Letter:
    given: dict[str, Any] = {
        "topic": "daybook.orders.v1", "partition": 0, "offset": offset, "at": T0, "code": "missing_field",
        "error": "missing field: data.amount", "attempts": 1, "key": b"o-1", "value": b"{}", "bytes": 2,
    }  # fmt: skip
    return Letter(**given | more)


def test_what_was_cut_or_sent_again_or_only_workers_write_is_refused_and_nothing_beside_it_is_sent(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a broker was asked")

    monkeypatch.setattr(requeueing, "open_producer", never)
    again = letter(2, again=Requeued("daybook.orders.v1/0/2", "ann", T0))
    for bad in (letter(2, value=None), letter(2, bytes=20 << 20), letter(2, topic="daybook.kpis.v1"), again):
        assert requeueing.refusal(config, bad)
        with pytest.raises(requeueing.RequeueError, match=r"/0/2: "):
            requeueing.requeue(config, [letter(1), bad], "bob")
    assert requeueing.refusal(config, letter(1)) == ""
    assert requeueing.requeue(config, [], "bob") == 0
