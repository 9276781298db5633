"""Which agent has which partitions: what the transport asks is passed on to whoever reads a topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog
from faust.types import TP

from streams.runtime.transport import Position

log = structlog.get_logger(__name__)


class Agent(Protocol):
    """What is used of an agent here."""

    topics: tuple[str, ...]

    def assigned(self, numbers: set[int]) -> None: ...
    def wanted(self, tp: TP) -> int: ...
    def placed(self, tp: TP, position: Position) -> None: ...


class Reader:
    """Reads the chunked topics on behalf of all ``agents``, by name."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents
        self._by_topic = {topic: agent for agent in agents.values() for topic in agent.topics}
        self.topics = frozenset(self._by_topic)
        self.ends = False
        """Whether nothing more is taken on: the worker is stopping."""

    def assigned(self, tps: set[TP]) -> None:
        if self.ends:
            return
        by_topic = {topic: {tp.partition for tp in tps if tp.topic == topic} for topic in self.topics}
        # The assignor keeps them together; a partition that misses a topic could not tell how far time is.
        owned = {
            name: set.intersection(*(by_topic[topic] for topic in agent.topics)) for name, agent in self._agents.items()
        }
        for name, agent in self._agents.items():
            agent.assigned(owned[name])
        log.info("partitions assigned", **{name: sorted(numbers) for name, numbers in owned.items()})

    def wanted(self, tp: TP) -> int:
        return self._by_topic[tp.topic].wanted(tp)

    def placed(self, positions: Mapping[TP, Position]) -> None:
        for tp, position in positions.items():
            self._by_topic[tp.topic].placed(tp, position)
