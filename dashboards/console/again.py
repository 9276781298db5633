"""Sending dead letters to their topics again, each once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dashboards.console.history import History, Mark
from streams.errors import DaybookError
from streams.runtime.requeue import requeue, require_sendable

if TYPE_CHECKING:
    from streams.config import Config
    from streams.runtime.letters import Letter


def send_again(config: Config, history: History, letters: Iterable[Letter], by: str) -> int:
    """Send those that have not been sent again yet; how many it was.

    Who did it is noted before, so that no two of those who look send the same one; where the broker does not take them
    the note is taken back. Raises :class:`RequeueError` where one cannot be sent, before anything is, and
    :class:`BrokerError`.
    """
    letters = list(letters)
    require_sendable(config, letters)
    mark = Mark(by, int(time.time() * 1000))
    ours = [letter for letter in letters if history.requeue(letter.place, mark)]
    try:
        return requeue(config, ours)
    except DaybookError:
        for letter in ours:
            history.not_requeued(letter.place)
        raise
