"""What the worker says of itself, asked in the background: how far behind it is, and what does not go
well."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from streams.kpis import units
from streams.runtime.status import WorkerStatus, ask_workers, metrics_url
from streams.top.board import Board

if TYPE_CHECKING:
    from streams.config import Config

EVERY = 2.0
"""Seconds between two questions."""
CATCHING_UP = 5_000
"""Events not yet read from which on it is worth saying so."""


class Probe:
    """Asks the worker's metrics every few seconds while used as a context manager."""

    def __init__(self, config: Config, board: Board) -> None:
        self._config = config
        self._board = board
        self._status: WorkerStatus | None = None
        self._silent: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="probe", daemon=True)

    def behind(self) -> int | None:
        """How far event time is behind the clock, in ms: by the worker's watermark, else by the newest
        value."""
        status = self._status
        newest = self._board.newest
        if status is not None and status.watermark is not None:
            newest = status.watermark
        return None if newest is None else max(0, int(time.time() * 1000) - newest)

    def notes(self) -> list[str]:
        """What is worth a word: late, repeated and rejected events."""
        status = self._status
        if status is None:
            return []
        counts = (
            ("late", status.late),
            ("repeated", status.duplicates),
            ("dead letters", sum(status.dead_letters.values())),
        )
        return [f"{count:,} {name}" for name, count in counts if count]

    def warnings(self) -> list[str]:
        """What makes the values older, or other, than they should be."""
        if self._silent:
            return [self._silent]
        waiting = sum(lag for lags in self._status.lag.values() for lag in lags.values()) if self._status else 0
        return [f"catching up: {waiting:,} events still to be read"] if waiting >= CATCHING_UP else []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _ask(self) -> None:
        since: float | None = None
        while True:
            found = ask_workers(self._config)
            if found is not None:
                self._status, self._silent, since = found, None, None
            else:
                now = time.monotonic()
                since = now if since is None else since
                if now - since >= 2 * EVERY:
                    lasting = units.age(int((now - since) * 1000))
                    self._silent = f"no worker answers on {metrics_url(self._config)} since {lasting}"
            if self._stop.wait(EVERY):
                return
