"""Incidents as their topic has them, and what people say of them on its way to the agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import DecodeError

from detectors.incidents.feedback import Feedback, What
from detectors.incidents.incident import Incident
from streams.errors import BrokerError, ContractError, DaybookError
from streams.runtime.client_errors import brief, broker_errors
from streams.runtime.letters import letter_of, requeued_of
from streams.runtime.offsets import offset_ranges
from streams.runtime.producer import open_producer
from streams.runtime.reader import consumer, records
from streams.runtime.topics import TopicNames

if TYPE_CHECKING:
    from streams.config import Config

TAKEN_IN_WITHIN = 20.0
"""Seconds in which a worker takes in what somebody says, if one is there."""


class IncidentError(DaybookError):
    """There is no such incident, or what somebody said of it cannot be."""


def read_incidents(config: Config) -> dict[str, list[Incident]]:
    """All revisions that the topic keeps, by id, each revision once, the newest last. Raises :class:`BrokerError`."""
    found: dict[str, dict[int, Incident]] = {}
    for value in _values(config, TopicNames(config.namespace).incidents):
        try:
            one = Incident.decode(value)
        except DecodeError:
            continue  # of another version, or not ours
        found.setdefault(one.id, {})[one.revision] = one
    return {name: [revisions[number] for number in sorted(revisions)] for name, revisions in found.items()}


def read_feedback(config: Config) -> list[Feedback]:
    """All that was said and that the topic keeps; what cannot be read is passed over. Raises :class:`BrokerError`."""
    found = []
    for value in _values(config, TopicNames(config.namespace).feedback):
        with suppress(ContractError):
            found.append(Feedback.decode(value))
    return found


def _values(config: Config, topic: str) -> Iterator[bytes]:
    """The values of all records of a topic, up to where it ends now."""
    reader = consumer(config)
    try:
        partitions = [TopicPartition(topic, number) for number in reader.partitions_for_topic(topic) or ()]
        ranges = offset_ranges(config, partitions)
        starts = {partition: begin for partition, (begin, _) in ranges.items()}
        for record in records(reader, starts, {partition: end for partition, (_, end) in ranges.items()}):
            yield record.value or b""
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)


def find(incidents: dict[str, list[Incident]], name: str) -> list[Incident]:
    """The revisions of the incident of that id, or of the only one whose id begins so.

    Raises :class:`IncidentError` where there is none, or several.
    """
    if name in incidents:
        return incidents[name]
    fitting = sorted(one for one in incidents if one.startswith(name))
    if len(fitting) == 1:
        return incidents[fitting[0]]
    if fitting:
        raise IncidentError(f"{name}: several incidents begin so: {', '.join(fitting[:5])}")
    raise IncidentError(f"{name}: there is no such incident (they are listed by: daybook incidents list --all)")


def feedback(what: What, by: str, one: Incident | None = None, **more: object) -> Feedback:
    """What somebody says now, of an incident if there is one. Raises :class:`IncidentError` where it makes no sense."""
    at = time.time_ns() // 1_000_000
    about: dict[str, object] = {}
    if one is not None:
        kpis = dict.fromkeys(symptom.kpi for symptom in one.symptoms if symptom.told)
        about = {"incident": one.id, "kpis": tuple(kpis), "scope": one.scope}
    try:
        return Feedback(id=str(uuid4()), at=at, by=by, what=what, **{**about, **more})  # type: ignore[arg-type]
    except ContractError as error:
        raise IncidentError(str(error)) from None


def say(config: Config, said: Feedback, within: float = TAKEN_IN_WITHIN) -> Incident | None:
    """Hand over what somebody says, and wait until it has been taken in; the incident as it is then.

    None where it is about no incident. Raises :class:`IncidentError` where it is refused, or no worker takes it in.
    """
    names = TopicNames(config.namespace)
    answers = [TopicPartition(names.incidents, 0), TopicPartition(names.dlq(names.feedback), 0)]
    ends = {partition: end for partition, (_, end) in offset_ranges(config, answers).items()}
    with broker_errors(config.kafka.bootstrap):
        producer = open_producer(config)
        try:
            key = (said.incident or said.id).encode()
            producer.send(names.feedback, value=said.encode(), key=key).get(timeout=10)
        finally:
            producer.close()
    if not said.incident:
        return None
    reader = consumer(config)
    try:
        reader.assign(answers)
        for partition, end in ends.items():
            reader.seek(partition, end)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for fetched in reader.poll(500).values():
                for record in fetched:
                    found = _answer(record, said)
                    if found is not None:
                        return found
    except KafkaError as error:
        raise BrokerError(f"{config.kafka.bootstrap}: {brief(error)}") from None
    finally:
        reader.close(autocommit=False)
    raise IncidentError(
        f"it is written down, but no worker has taken it in within {within:g} s; does one run (daybook status)?"
    )


def _answer(record: Any, said: Feedback) -> Incident | None:
    """The incident that a record says became of what somebody said; None where it is about something else.

    Raises :class:`IncidentError` where it is a dead letter of it.
    """
    if record.topic.endswith(".dlq"):
        if requeued_of(record) is not None:
            return None
        letter = letter_of(record)
        if said.id.encode() in (letter.value or b""):
            raise IncidentError(letter.error)
        return None
    try:
        one = Incident.decode(record.value or b"")
    except DecodeError:
        return None
    spoken = one.id == said.incident and any((each.at, each.by) == (said.at, said.by) for each in one.history)
    return one if spoken else None
