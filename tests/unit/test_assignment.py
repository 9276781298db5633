"""Partitions are assigned once all topics are known."""

from __future__ import annotations

from typing import Any

import pytest

from streams.runtime import transport
from streams.runtime.transport import _knowing

TOPICS = frozenset(("orders", "partials"))


class Client:
    """Knows one more topic each time it asks; it is its own ``cluster``."""

    def __init__(self, learns: list[str]) -> None:
        self.known: set[str] = set()
        self.learns = learns
        self.asked = 0

    @property
    def cluster(self) -> Client:
        return self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0, 1} if topic in self.known else None

    async def force_metadata_update(self) -> bool:
        self.asked += 1
        if self.learns:
            self.known.add(self.learns.pop(0))
        return True


async def assigned(client: Client) -> set[str]:
    """The topics known when partitions were assigned."""

    async def assign(response: Any) -> set[str]:
        assert response == "response"
        return set(client.known)

    known: set[str] = await _knowing(TOPICS, client, assign)("response")
    return known


async def test_a_broker_that_has_just_started_is_asked_until_it_knows_its_topics() -> None:
    client = Client(["orders", "something else", "partials"])
    assert await assigned(client) >= TOPICS
    assert client.asked == 3


async def test_nothing_is_asked_where_all_are_known() -> None:
    client = Client([])
    client.known = set(TOPICS)
    await assigned(client)
    assert client.asked == 0


async def test_a_topic_that_is_gone_does_not_hold_up_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "KNOWN_WITHIN", 0.0)
    assert await assigned(Client([])) == set()
