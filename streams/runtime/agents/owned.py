"""A partition in a worker: whether it may be recorded, what is under way of it, where it is read on."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from streams.runtime.outbox import Record
from streams.runtime.state.frames import Step
from streams.runtime.transport import Position


class Publication:
    """What was taken out of a state at one point: to be recorded as ``step``, then published, then committed.

    ``payload`` makes the step's payload, in a thread. ``letters`` of the partition's dead letters go before it.
    ``snapshot`` is the state after it, where one is due.
    """

    def __init__(
        self,
        step: Step,
        records: Sequence[Record],
        letters: int,
        payload: Callable[[], bytes] | None = None,
        recorded: bool = False,
    ) -> None:
        self.step, self.records, self.letters, self.payload, self.recorded = step, records, letters, payload, recorded
        self.snapshot: dict[str, Any] | None = None


class Owned(ABC):
    """One partition of an agent's topics. Its state is to be recovered before anything is read."""

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.trusted = False
        """Whether nobody else has written to the state log, as far as we know: only then is anything recorded."""
        self.failed = False
        """Whether something failed in the middle of a change, so that the state is undefined."""
        self.recorded = 0
        """The number of the state that was recorded last."""
        self.publication: Publication | None = None
        """What is under way."""
        self.letters: list[Record] = []
        """Dead letters not yet acknowledged. They are made again where the state is read again."""
        self.condemned: list[Record] = []
        """The same, of what is left out when it is read again."""
        self.busy = asyncio.Lock()
        """Held by whoever has the state to itself."""
        self.publishing = asyncio.Lock()
        """Held by whoever records and publishes: its steps are in the state log one after the other."""
        self.begun = now
        """When it was asked to be read on, last."""

    @property
    @abstractmethod
    def recovered(self) -> bool:
        """Whether its state has been read back."""

    @property
    @abstractmethod
    def placed(self) -> bool:
        """Whether it is known from where all its topics are read on."""

    @abstractmethod
    def wanted(self, topic: str) -> int:
        """The offset to read a topic on from."""

    @abstractmethod
    def place(self, topic: str, position: Position) -> bool:
        """Read a topic on from there. False where records were lost: the log begins later than was wanted."""

    @abstractmethod
    def take_news(self) -> Publication | None:
        """Take what is to be published out of the state, which becomes its ``publication``; None where nothing has
        happened."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The state as it is kept in a snapshot."""
