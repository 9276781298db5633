"""What all channels have in common."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from detectors.notification.message import Message

WITHIN = 10.0
"""Seconds in which a message must have been taken."""


class Undelivered(Exception):
    """A message was not taken. ``permanent``: nor would it be another time. ``perhaps``: or it was, and nobody said so.

    The text says why, and has no secret in it.
    """

    def __init__(self, error: str, *, permanent: bool = False, perhaps: bool = False) -> None:
        super().__init__(error)
        self.error, self.permanent, self.perhaps = error, permanent, perhaps


class Channel(Protocol):
    """A way to somebody. At most ``at_once`` messages are on it at the same time."""

    name: str
    at_once: int

    async def send(self, message: Message) -> None:
        """Returns when it was taken. Raises :class:`Undelivered` where it was not, after :data:`WITHIN` seconds at the
        latest."""

    async def close(self) -> None:
        """Let go of connections."""


class Result(NamedTuple):
    """What became of a message: ``error`` is empty where it was taken."""

    message: str
    channel: str
    error: str = ""
    permanent: bool = False
    perhaps: bool = False
