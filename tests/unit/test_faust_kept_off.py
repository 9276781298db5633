"""Nothing of ours calls what is broken in Faust; tests/integration/test_faust_defects.py and test_faust_tables.py show
how it is broken."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from streams.config import load_config
from streams.runtime.app import create_app
from streams.runtime.transport import chunk_topic
from tests.support.private_parts import reaches_out, sources

# Calls of these on anything, with what is wrong with them.
BROKEN_CALLS = {
    "Table": "windows close by the wall clock and once for all partitions; what is recovered stays for ever",
    "GlobalTable": "as Table",
    "SetTable": "as Table",
    "SetGlobalTable": "as Table",
    "tumbling": "as Table",
    "hopping": "as Table",
    "using_window": "as Table",
    "take_events": "acknowledges a batch that failed",
    "take_with_timestamp": "acknowledges a batch that failed",
    "noack_take": "keeps what it has over a rebalance",
    "noack": "who acknowledges by hand commits past what is in flight",
    "ack": "commits past what is in flight",
    "send_soon": "nobody waits for it: flush() returns while it is queued",
    "flush_atmost": "returns while messages are queued",
}
# Settings of the app that are broken whatever their value.
BROKEN_SETTINGS = {
    "processing_guarantee": "exactly_once sends outside the transaction",
    "producer_threaded": "is never flushed",
    "isolated_partitions": "its streams were not looked at",
}
SOURCES = dict(sources())
SHELL = {module: tree for module, tree in SOURCES.items() if reaches_out(tree)}


def calls(trees: dict[str, ast.Module]) -> Iterator[tuple[str, ast.Call]]:
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{module}:{node.lineno}", node


def last_name(node: ast.expr) -> str:
    """The last name of ``a.b.c``, ``c``, ``a.b().c``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def broken(trees: dict[str, ast.Module]) -> list[str]:
    """Where something is used that is broken."""
    found = []
    for where, call in calls(trees):
        on = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else None
        name = last_name(call.func)
        given = {keyword.arg for keyword in call.keywords}
        if on is not None and name in BROKEN_CALLS:
            found.append(f"{where} {name}(): {BROKEN_CALLS[name]}")
        if name == "take" and (on == "stream" or "within" in given):
            found.append(f"{where} take(): acknowledges a batch that failed")
        if name == "flush" and on == "producer":
            found.append(f"{where} flush(): returns while messages are queued")
        found += [f"{where} {name}: {BROKEN_SETTINGS[name]}" for name in given & BROKEN_SETTINGS.keys()]  # type: ignore[index]
    return sorted(found)


def test_nothing_broken_is_used() -> None:
    assert {"streams.runtime.app", "streams.runtime.transport"} <= SHELL.keys()
    assert broken(SHELL) == []


@pytest.mark.parametrize(
    "written",
    [
        "app.Table('counts').tumbling(10)",
        "async def work(stream):\n    async for batch in stream.take(10, within=1): pass",
        "app.producer.flush()",
        "self._app.producer.flush()",
        "topic.send_soon(value=b'')",
        "faust.App('x', processing_guarantee='exactly_once')",
        "faust.App('x', producer_threaded=True)",
        "stream.noack()",
    ],
)
def test_it_would_be_found(written: str) -> None:
    assert broken({"somewhere": ast.parse(written)})


def test_every_agent_has_one_actor() -> None:
    agents = [call for _, call in calls(SHELL) if last_name(call.func) == "agent" and call.args]
    given = [
        ast.literal_eval(keyword.value) for call in agents for keyword in call.keywords if keyword.arg == "concurrency"
    ]
    assert len(agents) >= 2
    assert given == [1] * len(agents)


def test_offsets_are_committed_in_one_place_and_not_by_faust() -> None:
    named = [(where.partition(":")[0], last_name(call.func)) for where, call in calls(SHELL)]
    assert [one for one in named if one[1] in ("commit", "force_commit")] == []
    assert [module for module, name in named if name == "OffsetCommitRequest"] == ["streams.runtime.transport"]


async def test_a_worker_acknowledges_nothing_by_itself_and_keeps_no_tables() -> None:
    app = create_app(load_config(env={}))
    app.finalize()
    assert not app.tables.changelog_topics
    assert app.conf.store.scheme == "memory"
    assert app.conf.table_standby_replicas >= 1
    assert not app.conf.producer_threaded
    assert not app.in_transaction
    assert all(not agent.channel.acks for agent in app.agents.values())
    assert not chunk_topic(app, ["orders"]).acks
