"""What all pages of the console share: what is known, and how it is kept up to date."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dashboards.console import comparison
from dashboards.console.access import Access
from dashboards.console.following import Following
from dashboards.console.history import History, history_path
from dashboards.console.tiles import Tile, tiles
from dashboards.console.watching import Watching
from detectors.incidents.incident import Incident
from detectors.notification.text import Text
from streams.top.board import Board
from streams.top.catalog import Catalog

if TYPE_CHECKING:
    from streams.config import Config


class Service:
    """The console of a configuration. ``env`` has the passwords.

    Raises :class:`ConfigError` where nobody would have to sign in and ought to, :class:`HistoryError` where what is
    kept cannot be used.
    """

    def __init__(self, config: Config, env: Mapping[str, str] = os.environ) -> None:
        self.config = config
        self.catalog, self.definitions = Catalog.from_config(config), config.definitions()
        folder = config.data_dir / "console"
        self.access = Access(config.console.host, folder, env)
        self.history = History(history_path(config))
        self.board = Board()
        self.following = Following(config, self.history, self.board, config.console.history)
        self.watching = Watching(config)
        self.sending = asyncio.Lock()
        """Held by whoever sends dead letters again: what was sent is looked up before."""
        self.text = Text(config.business.currency, config.business.timezone, config.notify.link, config.notify.runbook)
        self._weekly = comparison.Weekly(self.history, self.catalog)
        self._incidents: tuple[int, list[Incident]] = (-1, [])
        self._tiles: tuple[tuple[int, int], dict[str, Tile]] = ((-1, -1), {})

    def start(self) -> None:
        """Begin to read the topics and to ask the workers."""
        self.following.start()
        self.watching.start()

    def close(self) -> None:
        """Stop, and keep what was read."""
        self.following.close()
        self.watching.close()
        self.history.close()

    def tiles(self) -> dict[str, Tile]:
        """By KPI what is shown of it now; made once for all who look."""
        version, incidents = (self.following.version, self.following.incident_version), self.incidents()
        if version != self._tiles[0]:
            with self.following.lock:
                made = tiles(self.board, self.catalog, self._weekly.of, incidents)
            self._tiles = version, made
        return self._tiles[1]

    def incidents(self) -> list[Incident]:
        """All that are kept, as they are now, the newest first; read once for all who look."""
        version = self.following.incident_version
        if version != self._incidents[0]:
            self._incidents = version, self.history.incidents()
        return self._incidents[1]

    def behind_ms(self) -> int | None:
        """How far event time is behind the clock; None before anything is known."""
        workers = self.watching.workers
        newest = self.board.newest if workers is None or workers.watermark is None else workers.watermark
        return None if newest is None else max(0, int(time.time() * 1000) - newest)
