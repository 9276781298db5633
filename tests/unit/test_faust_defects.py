"""Defects of faust-streaming 0.15.3 that would lose events or count them twice: each shown, and we do not rest on it.

If one of the first kind fails after an upgrade, Faust has mended it.
"""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.transport import consumer as consumers
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import ProducerBuffer
from faust.types import TP

from streams.config import load_config
from streams.runtime.app import create_app
from streams.runtime.transport import chunk_topic
from tests.support.agents import until

ROOT = Path(__file__).parents[2]
ORDERS = TP("orders", 0)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[faust.App]:
    made = made_app(tmp_path)
    yield made
    made.consumer._thread.thread_loop.close()


def made_app(folder: Path, **more: Any) -> faust.App:
    app = faust.App("defects", broker="kafka://127.0.0.1:1", datadir=folder, web_enabled=False, **more)
    app.flow_control.resume()
    return app


def calls(*names: str) -> list[str]:
    """Where our own code calls a method or function of one of these names."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("streams", "detectors", "dashboards")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in names
    ]


def keywords(name: str) -> list[object]:
    """What our own code passes as an argument of this name."""
    return [
        ast.literal_eval(keyword.value)
        for path in sorted((ROOT / "streams").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == name
    ]


# -- commits ------------------------------------------------------------------------------------------------------


async def test_faust_commits_past_an_offset_that_is_still_in_flight(app: faust.App) -> None:
    consumer = app.consumer
    # 0 is being worked on; 1 to 3, taken by others meanwhile, are done.
    consumer._acked[ORDERS] = [1, 2, 3]
    consumer._acked_index[ORDERS] = {1, 2, 3}
    assert consumer._new_offset(ORDERS) == 4


async def test_our_topics_are_not_acknowledged_record_by_record(app: faust.App) -> None:
    assert chunk_topic(app, ["orders"]).acks is False
    assert calls("ack", "commit") == ["streams/runtime/transport.py:" + str(_line_of("await consumer.commit(ours)"))]


def _line_of(text: str) -> int:
    lines = (ROOT / "streams/runtime/transport.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


# -- producers ----------------------------------------------------------------------------------------------------


async def test_fausts_flush_returns_while_messages_are_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer, gate = ProducerBuffer(), asyncio.Event()
    buffer.app = SimpleNamespace(conf=SimpleNamespace(producer_threaded=False))  # type: ignore[assignment]

    async def slow(_: Any) -> None:
        await gate.wait()

    monkeypatch.setattr(buffer, "_send_pending", slow)
    await buffer.start()
    for number in range(3):
        buffer.put(number)  # type: ignore[arg-type]
    await asyncio.wait_for(buffer.flush(), 5)
    assert buffer.size > 0
    gate.set()
    await until(lambda: buffer.size == 0)
    await buffer.stop()


async def test_fausts_flush_leaves_the_threaded_producers_queue_alone(app: faust.App) -> None:
    producer = driver.Producer(app.transport)
    queue: asyncio.Queue[object] = asyncio.Queue()
    queue.put_nowait("a message")
    producer.threaded_producer = SimpleNamespace(event_queue=queue)  # type: ignore[assignment]
    await producer.flush()
    assert queue.qsize() == 1


def test_we_await_each_acknowledgement_instead() -> None:
    """:func:`streams.runtime.outbox.deliver`, see tests/unit/test_outbox.py; the bulk producer is kafka-python's."""
    assert {where.split(":")[0] for where in calls("flush_atmost", "send_soon")} == set()
    assert keywords("producer_threaded") == []
    assert "await producer.flush()" not in (ROOT / "streams/runtime/app.py").read_text(encoding="utf-8")


# -- exactly_once -------------------------------------------------------------------------------------------------


async def test_faust_sends_outside_the_transaction_what_goes_to_a_topic_it_does_not_know_yet() -> None:
    sent: list[str | None] = []

    class Producer:
        async def send(self, *_: Any, transactional_id: str | None = None) -> None:
            sent.append(transactional_id)

    unknown = SimpleNamespace(key_partition=lambda *_: None)
    manager = consumers.TransactionManager(
        SimpleNamespace(app=SimpleNamespace()),
        consumer=unknown,
        producer=Producer(),  # type: ignore[arg-type]
    )
    await manager.send("new", b"key", b"value", None, None, None, transactional_id="the one asked for")
    assert sent == [None]


def test_we_use_no_transactions() -> None:
    assert keywords("processing_guarantee") == []


# -- windowed tables ----------------------------------------------------------------------------------------------


def windowed(app: faust.App, closed: list[tuple[Any, Any]]) -> Any:
    table = app.Table("counts", default=int, on_window_close=lambda key, value: closed.append((key, value)))
    return table.tumbling(10.0, expires=1.0)


async def test_fausts_windows_close_once_for_all_partitions(app: faust.App) -> None:
    closed: list[tuple[Any, Any]] = []
    table = windowed(app, closed).table
    window = (1_000.0, 1_009.9)
    for partition, key in enumerate(("north", "south")):
        table.data[key, window] = 5
        table._maybe_set_key_ttl((key, window), partition)
    await table._del_old_keys()
    assert [key for (key, _), _ in closed] == ["north"], "south's window is gone and nobody was told"
    assert not table.data


async def test_fausts_windows_never_expire_once_they_were_recovered(app: faust.App) -> None:
    closed: list[tuple[Any, Any]] = []
    table = windowed(app, closed).table
    table.data["north", (1_000.0, 1_009.9)] = 5  # as a changelog leaves it
    await table._del_old_keys()
    assert len(table.data) == 1
    assert closed == []


async def test_fausts_windows_expire_by_the_wall_clock(app: faust.App, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[tuple[Any, Any]] = []
    table = windowed(app, closed).table
    window = (1_000.0, 1_009.9)
    table.data["north", window] = 5
    table._maybe_set_key_ttl(("north", window), 0)
    monkeypatch.setattr(time, "time", lambda: 1_005.0)  # history is replayed: the clock says something else
    await table._del_old_keys()
    assert closed == []
    monkeypatch.setattr(time, "time", lambda: 2_000.0)
    await table._del_old_keys()
    assert len(closed) == 1


def test_we_use_no_tables() -> None:
    assert [where for where in calls("Table") if where.startswith("streams/runtime/")] == [], "others are rich's"
    assert calls("GlobalTable", "SetTable", "tumbling", "hopping") == []


# -- take ---------------------------------------------------------------------------------------------------------


class Fed:
    """A stream that is given its events by hand, and what it acknowledged."""

    def __init__(self, app: faust.App, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream: Any = app.stream(app.channel(value_type=int))
        self.acknowledged: list[int] = []

        async def ack(event: Any) -> bool:
            self.acknowledged.append(event.value)
            return True

        monkeypatch.setattr(self.stream, "ack", ack)
        monkeypatch.setattr(self.stream, "_enable_passive", lambda channel: None)

    async def first(self, batches: Any, *values: int) -> list[Any]:
        """What it hands out first, when these come in."""
        asking = asyncio.ensure_future(anext(batches))
        await until(lambda: self.stream._processors)
        for value in values:
            self.stream.current_event = SimpleNamespace(value=value)
            await self.stream._processors[0](value)
        self.between()
        found: list[Any] = await asyncio.wait_for(asking, 10)
        return found

    def between(self) -> None:
        """What happens before it is handed out."""


@pytest.fixture
def fed(app: faust.App, monkeypatch: pytest.MonkeyPatch) -> Fed:
    return Fed(app, monkeypatch)


async def test_fausts_take_acknowledges_a_batch_that_failed(fed: Fed) -> None:
    batches = fed.stream.take(2, within=0.2)
    assert await fed.first(batches, 1) == [1]
    with pytest.raises(ZeroDivisionError):
        await batches.athrow(ZeroDivisionError())
    assert fed.acknowledged == [1]


async def test_fausts_noack_take_hands_out_what_was_buffered_before_a_rebalance(
    app: faust.App, fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This is how Faust empties what is queued when partitions are revoked; the buffer is no queue it knows of.
    monkeypatch.setattr(fed, "between", app.flow_control.clear)
    batches = fed.stream.noack_take(3, within=0.2)
    assert [event.value for event in await fed.first(batches, 1, 2)] == [1, 2]
    await batches.aclose()


def test_we_take_no_batches() -> None:
    assert calls("take_events", "noack_take") == []
    assert all(where.startswith(("streams/kpis/", "streams/runtime/")) for where in calls("take"))
    for where in calls("take"):
        path, line = where.split(":")
        text = (ROOT / path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert "stream.take(" not in text


# -- the assignor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "kept"), [(0, False), (1, True)])
async def test_faust_drops_its_assignor_without_standby_replicas(tmp_path: Path, replicas: int, kept: bool) -> None:
    app = made_app(tmp_path, table_standby_replicas=replicas)
    thread = app.consumer._thread
    made = thread._create_worker_consumer(app.transport)
    assert (thread._assignor is app.assignor) is kept
    made._closed = True
    thread.thread_loop.close()


async def test_we_keep_it() -> None:
    assert create_app(load_config(env={})).conf.table_standby_replicas == 1
