"""Sending dead letters to the topic that they were set aside from, once more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from streams.errors import DaybookError
from streams.events.codec import HEADERS
from streams.runtime.client_errors import broker_errors
from streams.runtime.deadletters import LARGEST_VALUE
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config
    from streams.runtime.letters import Letter


class RequeueError(DaybookError):
    """A dead letter cannot be sent again: the message says why."""


REQUEUED = "requeued_from"
"""The header that marks what was sent again: where the record was at first."""


def require_sendable(config: Config, letters: Iterable[Letter]) -> None:
    """Raise :class:`RequeueError` for one that was cut, or is of a topic that is not sent to from outside."""
    names = TopicNames(config.namespace)
    for letter in letters:
        if letter.topic not in (*names.events, names.calendar, names.feedback):
            raise RequeueError(f"{letter.place}: is of a topic that only workers write to")
        if letter.value is None or letter.bytes > LARGEST_VALUE:
            raise RequeueError(f"{letter.place}: was not kept whole")


def requeue(config: Config, letters: Iterable[Letter]) -> int:
    """Send each to its topic and partition again, as it came but for the header :data:`REQUEUED`; how many it was.
    Whoever cannot process it sets it aside anew.

    Raises :class:`RequeueError` as :func:`require_sendable` does, before anything is sent, and :class:`BrokerError`
    where the broker does not take one.
    """
    letters = list(letters)
    require_sendable(config, letters)
    if not letters:
        return 0
    with broker_errors(config.kafka.bootstrap):
        producer = open_producer(config)
        try:
            sent = [
                producer.send(
                    one.topic,
                    value=one.value,
                    key=one.key,
                    headers=[*HEADERS, (REQUEUED, one.place.encode())],
                    partition=one.partition,
                )
                for one in letters
            ]
            for future in sent:
                future.get(timeout=10)
        finally:
            producer.close()
    return len(sent)
