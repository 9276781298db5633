"""What was agreed upon about alerts, taken up from the configuration's file while a worker runs."""

from __future__ import annotations

import os
from collections.abc import Mapping

import structlog
from msgspec.structs import asdict, replace

from detectors.watch.watch import Agreed
from streams.config import Config, load_config
from streams.errors import ConfigError
from streams.runtime.background import Background

log = structlog.get_logger(__name__)

LOOKS_EVERY = 2.0
"""Seconds between two looks at the file."""


class Agreement(Background):
    """Looks at the file that a configuration came from. ``now`` is what holds about alerts: it is replaced as a whole,
    never changed, so whoever asks sees one state, in whatever thread.

    A file that is wrong, or gone, changes nothing; what else than alerts is another takes a restart. Both is said.
    """

    def __init__(self, config: Config, env: Mapping[str, str] = os.environ, every: float = LOOKS_EVERY) -> None:
        super().__init__("agreement")
        self.now: Agreed = (config.alerts.per_week, config.alerts.kpis)
        self._path, self._env, self._every = config.source, env, every
        self._last: Config | None = None
        self._seen: object = self._stamp()

    def start(self) -> None:
        """Begin to look."""
        try:
            self._last = load_config(self._path, self._env)
        except ConfigError:  # changed since the worker read it: so it is looked at once more
            self._seen = None
        super().start()

    def _run(self) -> None:
        while not self._ends.wait(self._every):
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._look()

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _look(self) -> None:
        try:
            config = load_config(self._path, self._env)
        except ConfigError as error:
            log.error("the configuration is wrong and was not taken up", error=str(error))
            return
        before, self._last = self._last, config
        if (config.alerts.per_week, config.alerts.kpis) != self.now:
            self.now = (config.alerts.per_week, config.alerts.kpis)
            log.info("alerts are set anew", per_week=config.alerts.per_week, kpis=sorted(config.alerts.kpis))
        if before is not None and replace(before, alerts=config.alerts) != config:
            changed = [name for name, value in asdict(config).items() if value != getattr(before, name)]
            log.warning("the configuration was changed; it takes a restart", sections=sorted({*changed} - {"alerts"}))
