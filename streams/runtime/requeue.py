"""Sending dead letters to the topic that they were set aside from, once more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from streams.errors import DaybookError
from streams.events.codec import HEADERS
from streams.runtime.client_errors import broker_errors
from streams.runtime.deadletters import LARGEST_VALUE, requeued, requeued_headers
from streams.runtime.producer import open_producer
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config
    from streams.runtime.letters import Letter


class RequeueError(DaybookError):
    """A dead letter cannot be sent again: the message says why."""


def refusal(config: Config, letter: Letter) -> str:
    """Why a dead letter cannot be sent again; empty where it can."""
    names = TopicNames(config.namespace)
    if letter.topic not in (*names.events, names.calendar, names.feedback):
        return "is of a topic that only workers write to"
    if letter.value is None or letter.bytes > LARGEST_VALUE:
        return "was not kept whole"
    return f"was sent again already, by {letter.again.by}" if letter.again is not None else ""


def requeue(config: Config, letters: Iterable[Letter], by: str) -> int:
    """Send each, as it was just read, to its topic and partition again, as it came; how many it was. It is noted beside
    the dead letter, so that it is done once. Whoever cannot process it sets it aside anew.

    Where the note is not taken after the record was, it can be done again: a repeated event is known by its source and
    id. Raises :class:`RequeueError` for one that cannot be sent (:func:`refusal`) before anything is sent, and
    :class:`BrokerError` where the broker does not take one.
    """
    letters = list(letters)
    for letter in letters:
        if why := refusal(config, letter):
            raise RequeueError(f"{letter.place}: {why}")
    if not letters:
        return 0
    with broker_errors(config.kafka.bootstrap):
        producer = open_producer(config)
        try:
            _wait([_send(producer, letter, by) for letter in letters])
            _wait([_note(producer, letter, by) for letter in letters])
        finally:
            producer.close()
    return len(letters)


def _send(producer: Any, letter: Letter, by: str) -> Any:
    headers = [*HEADERS, *requeued_headers(letter.topic, letter.partition, letter.offset, by)]
    return producer.send(letter.topic, letter.value, letter.key, headers, partition=letter.partition)


def _note(producer: Any, letter: Letter, by: str) -> Any:
    note = requeued(letter.topic, letter.partition, letter.offset, by)
    return producer.send(note.topic, note.value, note.key, list(note.headers))


def _wait(sent: Iterable[Any]) -> None:
    for future in sent:
        future.get(timeout=10)
