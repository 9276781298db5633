"""Dead letters: what could not be processed, kept with the reason on the topic's ``.dlq``.

A dead letter is the record as it came, key and value untouched; its headers say where it was and what was
wrong: ``source_topic``, ``source_partition``, ``source_offset``, ``error_code``, ``error`` and ``attempts``.
A value too large even for a dead letter is cut, and ``original_bytes`` says how large it was.

That one was sent to its topic once more is a record beside it, with its place as the key and no value:
``requeued_from`` says where the dead letter was, ``requeued_by`` who did it.
"""

from __future__ import annotations

from streams.events.codec import Rejection
from streams.runtime.outbox import Record

LARGEST_VALUE = (12 << 20) - (16 << 10)
"""Bytes of a value that fit the topic's limit together with key and headers."""
LONGEST_ERROR = 1024
REQUEUED, REQUEUED_BY = "requeued_from", "requeued_by"
"""Headers of a record that was sent again, and of the note that it was."""


def dead_letter(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    rejection: Rejection,
    *,
    attempts: int = 1,
) -> Record:
    """The dead letter of the record at ``offset`` of ``topic``; ``attempts`` is how often it was tried."""
    headers = {
        "source_topic": topic,
        "source_partition": str(partition),
        "source_offset": str(offset),
        "error_code": rejection.code,
        "error": rejection.reason[:LONGEST_ERROR],
        "attempts": str(attempts),
    }
    if value is not None and len(value) > LARGEST_VALUE:
        headers["original_bytes"] = str(len(value))
        value = value[:LARGEST_VALUE]
    encoded = ((name, text.encode("utf-8", "backslashreplace")) for name, text in headers.items())
    return Record(f"{topic}.dlq", key, value, tuple(encoded))


def requeued(topic: str, partition: int, offset: int, by: str) -> Record:
    """The note that the dead letter of the record at ``offset`` of ``topic`` was sent to it once more."""
    headers = requeued_headers(topic, partition, offset, by)
    return Record(f"{topic}.dlq", headers[0][1], None, headers)


def requeued_headers(topic: str, partition: int, offset: int, by: str) -> tuple[tuple[str, bytes], ...]:
    """What tells a record that was sent again from others."""
    return (REQUEUED, f"{topic}/{partition}/{offset}".encode()), (REQUEUED_BY, by.encode("utf-8", "backslashreplace"))
