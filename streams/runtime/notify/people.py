"""Straight to people's phones, chats and mailboxes, through Apprise.

Apprise blocks, and some of its services have no time limit of their own: each message has a thread, which is left
behind where it does not come back in time. It says what went wrong in its log only, where secrets may stand beside it:
from that only the status is taken.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any

from detectors.incidents.incident import Severity
from detectors.notification.message import Message
from streams.runtime.notify.channel import WITHIN, Undelivered

_STATUS = re.compile(r"\berror[=:] ?(\d{3})\b|\((\d{3})\)")
_PERHAPS = re.compile(r"read timed out|aborted|reset by peer|disconnected", re.IGNORECASE)
_AGAIN = (408, 425, 429)
_KINDS: dict[Severity, str] = {"info": "info", "warning": "warning", "critical": "failure"}


class Apprise:
    """One Apprise URL. Raises ``ValueError`` where Apprise cannot use it."""

    at_once = 1

    def __init__(self, name: str, url: str) -> None:
        import apprise  # takes a tenth of a second, and few need it

        self.name = name
        self._overheard = _overheard()
        found = apprise.Apprise.instantiate(url)
        if found is None:
            raise ValueError("is no URL that Apprise can use")
        self._service: Any = found
        self._thread: threading.Thread | None = None

    async def send(self, message: Message) -> None:
        """Have Apprise send it. Raises :class:`Undelivered`, also while one before it has not come back."""
        if self._thread is not None and self._thread.is_alive():
            raise Undelivered("the message before has not come back yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Undelivered | None] = loop.create_future()

        def finish(error: Undelivered | None) -> None:
            if not done.done():
                done.set_result(error)

        def run() -> None:
            error = self._notify(message)
            try:
                loop.call_soon_threadsafe(finish, error)
            except RuntimeError:  # the loop is gone, and nobody waits any more
                return

        # A daemon, so that one that hangs holds up no exit.
        self._thread = threading.Thread(target=run, name=f"notify {self.name}", daemon=True)
        self._thread.start()
        try:
            error = await asyncio.wait_for(done, WITHIN)
        except TimeoutError:
            raise Undelivered(f"no answer within {WITHIN:g} s", perhaps=True) from None
        if error is not None:
            raise error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _notify(self, message: Message) -> Undelivered | None:
        body = "\n".join(part for part in (message.body, _steps(message)) if part)
        kind = "success" if message.news == "resolved" else _KINDS[message.severity]
        with self._overheard as said:
            try:
                if self._service.notify(title=message.title, body=body, notify_type=kind):
                    return None
            except Exception as error:  # whatever a service of Apprise's may raise
                return Undelivered(f"{self._service.service_name}: {type(error).__name__}", perhaps=True)
            return _why(self._service.service_name, list(said))


def _steps(message: Message) -> str:
    lines = (("Details", message.link), ("First steps", message.runbook))
    return "\n".join(f"{what}: {where}" for what, where in lines if where)


def _why(service: str, said: list[str]) -> Undelivered:
    found = next(filter(None, map(_STATUS.search, said)), None)
    if found is None:
        return Undelivered(f"{service}: no connection, or refused", perhaps=any(map(_PERHAPS.search, said)))
    status = int(found[1] or found[2])
    return Undelivered(f"{service}: status {status}", permanent=400 <= status < 500 and status not in _AGAIN)


class _Overheard(logging.Handler):
    """What Apprise logs in this thread, between entering and leaving."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._said = threading.local()

    def __enter__(self) -> list[str]:
        self._said.lines = []
        return self._said.lines  # type: ignore[no-any-return]

    def __exit__(self, *_: object) -> None:
        self._said.lines = None

    def emit(self, record: logging.LogRecord) -> None:
        lines: list[str] | None = getattr(self._said, "lines", None)
        if lines is not None:
            lines.append(record.getMessage())


def _overheard() -> _Overheard:
    """The one that listens, made once; nothing of Apprise's log goes anywhere else."""
    logger = logging.getLogger("apprise")
    for handler in logger.handlers:
        if isinstance(handler, _Overheard):
            return handler
    found = _Overheard()
    logger.addHandler(found)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return found
