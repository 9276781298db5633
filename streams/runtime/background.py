"""What goes on beside everything else, in a thread of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """Goes on from :meth:`start` until :meth:`close`, in a thread of that ``name``, which ends with the process. What
    is going on looks at ``_ends``, and has ``within`` seconds to end once it is set: one that waits for a broker that
    does not answer is left. Several are asked to end before the first is closed, so that they end side by side."""

    def __init__(self, name: str, within: float = 2.0) -> None:
        self._within = within
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def started(self) -> bool:
        """Whether it has begun, however it went on."""
        return self._thread.ident is not None

    def end(self) -> None:
        """Ask it to stop."""
        self._ends.set()

    def close(self) -> None:
        """Ask it to stop, and wait until it has."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(self._within)

    @abstractmethod
    def _run(self) -> None: ...
