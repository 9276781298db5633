"""The ``incidents`` agent: judged values and what people say in, incidents out.

It reads the KPI topic and the feedback topic, each of one partition, so that one worker has all of a business before
it. What it takes in is recorded in a state log before anything is told of it, as with the other agents. Messages are
sent once what they tell of is recorded, and what becomes of them is taken in like all else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import structlog

from detectors.incidents.feedback import Feedback
from detectors.incidents.feeds import FeedTrouble
from detectors.incidents.incident import Assessment
from detectors.notification.holds import Window
from detectors.notification.message import Message
from detectors.response.inputs import Delivered, Inputs
from detectors.response.response import Response
from streams.errors import ContractError
from streams.events.codec import Rejection
from streams.kpis.pack import unpack
from streams.kpis.values import KpiValue
from streams.runtime.agents.consumer import ConsumerLike
from streams.runtime.agents.owner import Taker
from streams.runtime.agents.response import ResponsePartition
from streams.runtime.chunks import Chunk
from streams.runtime.deadletters import dead_letter
from streams.runtime.metrics import Metrics
from streams.runtime.outbox import Send
from streams.runtime.state.chain import Chain
from streams.runtime.state.log import Appends
from streams.runtime.topics import TopicNames

log = structlog.get_logger(__name__)

MOST_REPLAYED = 200_000
"""Values that a recovery takes in again, at most: then a snapshot is due."""
_NOT_FINAL = b'"status":"provisional"'


class Answered(NamedTuple):
    """A response as a state log says it was, and where it is read on from."""

    response: Response
    offsets: tuple[int, ...]
    sequence: int


def revive_response(response: Response, chain: Chain, first: int) -> Answered:
    """An empty response made what a chain leads to; ``first`` is the number of the empty state.

    Raises :class:`ContractError` for entries that cannot be read.
    """
    if chain.snapshot is not None:
        response.load(unpack(chain.snapshot.payload))
    for entry in chain.deltas:
        response.step(Inputs.decode(entry.payload))
    return Answered(response, chain.end, first if chain.sequence is None else chain.sequence)


class Outside(Protocol):
    """What an agent's incidents are shown to: who looks through their events, and who sends messages."""

    def tend(self, response: Response | None, messages: Sequence[Message]) -> None:
        """Everything there is, recorded and published, and what is to be sent; None where another worker has it."""


class Respond(Taker[ResponsePartition, Answered]):
    """The incidents of a business, where this worker has them. ``outside`` is shown them, ``maintenance`` is what is
    announced; ``wall`` is the wall clock, epoch ms."""

    def __init__(
        self,
        namespace: str,
        revive: Callable[[int, Chain], Answered],
        state_log: Appends,
        consumer: Callable[[], ConsumerLike],
        send: Send,
        metrics: Metrics,
        outside: Sequence[Outside] = (),
        maintenance: Callable[[], tuple[Window, ...]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._names = TopicNames(namespace)
        topics = (self._names.kpis, self._names.feedback)
        super().__init__("incidents", topics, revive, state_log, MOST_REPLAYED, consumer, send, metrics, clock)
        self._wall, self._maintenance = wall, maintenance
        self.outside = list(outside)
        self._recording: asyncio.Future[None] | None = None

    def _new(self, number: int, before: ResponsePartition | None) -> ResponsePartition:
        return ResponsePartition(number, self._names, self._maintenance, self._clock, self._wall)

    def _begin(self, partition: ResponsePartition, made: Answered) -> int:
        partition.begin(*made)
        return made.sequence

    def _forget(self, partition: ResponsePartition) -> None:
        self._metrics.incidents.tell(None)
        for one in self.outside:
            one.tend(None, ())

    # -- in -----------------------------------------------------------------------------------------------------

    async def _take(self, partition: ResponsePartition, chunk: Chunk) -> None:
        topic = chunk.tp.topic
        if partition.failed or partition.epochs.get(topic) != chunk.epoch:
            return
        if chunk.start > partition.next[topic]:
            log.warning("a chunk is missing, reading again", topic=topic, partition=partition.number)
            await self._rewind([chunk.tp])
            return
        for place, offset in enumerate(chunk.offsets.tolist()):
            if offset >= partition.next[topic]:
                self._read(partition, chunk, place, offset)
                partition.next[topic] = offset + 1
            if partition.full:
                await self.refresh()
                if not self._ours(partition) or partition.epochs.get(topic) != chunk.epoch:
                    return
        partition.next[topic] = max(partition.next[topic], chunk.end)

    def _read(self, partition: ResponsePartition, chunk: Chunk, place: int, offset: int) -> None:
        raw = chunk.values[place] or b""
        try:
            if chunk.tp.topic == self._names.feedback:
                partition.said(offset, Feedback.decode(raw))
            elif _NOT_FINAL not in raw:
                value = KpiValue.decode(raw)
                if value.status != "provisional" and not value.rolling:
                    partition.value(value)
        except (ContractError, ValueError, RecursionError) as error:
            log.error("a record cannot be read", topic=chunk.tp.topic, offset=offset, error=str(error))
            rejection = Rejection(reason=str(error), code="malformed_record")
            letter = dead_letter(chunk.tp.topic, partition.number, offset, chunk.keys[place], raw, rejection)
            partition.letters.append(letter)
            self._metrics.dead_letters.labels(chunk.tp.topic, rejection.code).inc()

    def assessed(self, incident: str, assessment: Assessment) -> None:
        """What events say of an incident."""
        for partition in self._ready():
            partition.assessed(incident, assessment)

    def heard(self, troubles: Sequence[FeedTrouble], at: int) -> None:
        """What is wrong with the sources as of an instant of event time, epoch ms."""
        for partition in self._ready():
            partition.heard(troubles, at)

    def delivered(self, result: Delivered) -> None:
        """What became of a message. It is recorded at once: until then a successor would send it again."""
        for partition in self._ready():
            partition.delivered(result)
        if self._recording is None or self._recording.done():
            self._recording = asyncio.ensure_future(self.refresh())

    def _ready(self) -> list[ResponsePartition]:
        return [one for one in self._partitions.values() if one.recovered]

    # -- out ----------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Make incidents of what has come in, record and publish them, and show them to those outside."""
        async with self._flushing:
            for partition in self._ready():
                await self._is_placed(partition)
            await self._publish()
            for partition in self._ready():
                if partition.settled and self._may_record(partition):
                    messages, partition.messages = partition.messages, []
                    self._metrics.incidents.tell(partition.incidents)
                    for one in self.outside:
                        one.tend(partition.response, messages)
