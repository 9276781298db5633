"""Down to the events: which are behind a value, who sends them, and those that go to their topic again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dashboards.console import again
from dashboards.console.behind import Event, Wanted, events_csv, moments_of
from dashboards.console.history import History
from dashboards.console.sources import Source, sources_of
from streams.config import Config, load_config
from streams.errors import BrokerError
from streams.events.heartbeats import heartbeats
from streams.events.times import format_time
from streams.runtime.letters import Letter
from streams.runtime.requeue import RequeueError
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


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "h.sqlite")
    yield made
    made.close()


def test_a_dead_letter_is_sent_again_once_whoever_asks(
    config: Config, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def requeue(_: Config, letters: list[Letter]) -> int:
        sent.extend(one.place for one in letters)
        return len(letters)

    monkeypatch.setattr(again, "requeue", requeue)
    assert again.send_again(config, history, [letter(1), letter(2)], "ann") == 2
    assert again.send_again(config, history, [letter(2), letter(3)], "bob") == 1
    assert sent == ["daybook.orders.v1/0/1", "daybook.orders.v1/0/2", "daybook.orders.v1/0/3"]
    assert {place: mark.by for place, mark in history.requeued().items()} == {
        "daybook.orders.v1/0/1": "ann", "daybook.orders.v1/0/2": "ann", "daybook.orders.v1/0/3": "bob",
    }  # fmt: skip


def test_what_the_broker_did_not_take_can_be_sent_again_later(
    config: Config, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    def requeue(_: Config, letters: list[Letter]) -> int:
        raise BrokerError("no broker answers")

    monkeypatch.setattr(again, "requeue", requeue)
    with pytest.raises(BrokerError):
        again.send_again(config, history, [letter(1)], "ann")
    assert history.requeued() == {}


@pytest.mark.parametrize("more", [{"value": None}, {"bytes": 20 << 20}, {"topic": "daybook.kpis.v1"}])
def test_what_was_cut_or_only_workers_write_is_not_sent_and_nothing_beside_it(
    config: Config, history: History, more: dict[str, Any]
) -> None:
    with pytest.raises(RequeueError):
        again.send_again(config, history, [letter(1), letter(2, **more)], "ann")
    assert history.requeued() == {}
