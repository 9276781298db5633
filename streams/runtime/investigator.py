"""Looking through the events behind incidents, beside the live path: what they hit, why, and whether events come in as
they should."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog
from msgspec.structs import replace

from detectors.incidents.feeds import FeedTrouble, Trouble
from detectors.incidents.incident import Assessment, Incident
from detectors.notification.message import Message
from detectors.response.response import Response
from streams.kpis.grid import DAY_MS, HOUR_MS
from streams.runtime.background import Background
from streams.runtime.casework import DUTY, CaseFeed
from streams.runtime.promised import PromiseCollector

log = structlog.get_logger(__name__)

EVERY = 2.0
"""Seconds between two looks."""
AGAIN_MS = 300_000
"""An incident that has not changed is looked through again when event time has moved so far."""
HEARD_MS = 60_000
"""How things are with the sources is said again when event time has moved so far."""
FORESEEN_MS = 300_000
"""What will miss its promise is worked out again when event time has moved so far."""
TROUBLED_MS = 2 * HOUR_MS
"""So long after the last trouble with a source it is still said how things are."""
OVER_MS = 2 * HOUR_MS
"""One that is over is for so long: what it had hit goes on for a while."""


class Investigator(Background):
    """Assesses the incidents that this worker has, in a thread. ``assessed`` and ``heard`` are called in it, with what
    was found and with what is wrong with the sources (and as of which instant of event time); ``promised`` is told
    what will miss its promise."""

    def __init__(
        self,
        feed: CaseFeed,
        assessed: Callable[[str, Assessment], None],
        heard: Callable[[Sequence[FeedTrouble], int], None],
        promised: PromiseCollector,
    ) -> None:
        super().__init__("investigator")
        self._feed, self._assessed, self._heard, self._promised = feed, assessed, heard, promised
        self._wanted: tuple[Incident, ...] | None = None
        self._known: dict[str, tuple[Incident, int]] = {}
        """What was looked through, as it was then, and as of when."""
        self._troubled: int | None = None
        self._told: set[tuple[str, Trouble]] = set()
        self._told_at = self._foreseen = 0

    def tend(self, response: Response | None, messages: Sequence[Message]) -> None:
        """The incidents as they are now; None where another worker has them. It begins with the first it has."""
        self._wanted = None if response is None else tuple(response.incidents)
        if response is not None and not self.started:
            self._feed.start()
            self.start()

    def end(self) -> None:
        """Ask it to stop, and its feed."""
        super().end()
        self._feed.end()

    def close(self) -> None:
        """Ask both to stop, and wait until they have."""
        super().close()
        self._feed.close()

    def _run(self) -> None:
        while not self._ends.wait(EVERY):
            wanted, begun = self._wanted, time.monotonic()
            if wanted is None:
                self._known.clear()
                self._promised.tell(())
                self._troubled, self._told, self._told_at = None, set(), 0
                continue
            try:
                self._listen()
                self._look(wanted)
                self._foresee()
            except Exception:  # a fault of ours must not end it
                log.exception("incidents could not be looked through")
            self._ends.wait((time.monotonic() - begun) * (1.0 / DUTY - 1.0))

    def _listen(self) -> None:
        """Say what is wrong with the sources: while anything is, and for a while after; and at first, for a worker
        before this one may have said that something was."""
        troubles, now = self._feed.troubles()
        if now < 0 or self._feed.lags:
            return
        if troubles or self._troubled is None:
            self._troubled = now
        seen = {(one.source, one.trouble) for one in troubles}
        news = seen != self._told or now - self._told_at >= HEARD_MS
        if news and now - self._troubled <= TROUBLED_MS:
            self._told, self._told_at = seen, now
            self._heard(troubles, now)

    def _foresee(self) -> None:
        """Say what will miss its promise, once all has been read."""
        now = self._feed.newest
        if not self._feed.behind and now - self._foreseen >= FORESEEN_MS:
            self._foreseen = now
            self._promised.tell(self._feed.forecast(DAY_MS))

    def _look(self, wanted: Sequence[Incident]) -> None:
        now = self._feed.newest
        if self._feed.lags:  # half of the events behind an incident would be a wrong answer
            return
        self._known = {one.id: known for one in wanted if (known := self._known.get(one.id)) is not None}
        for one in wanted:
            if one.kind == "pipeline" or not (one.live or now - one.until < OVER_MS):
                continue
            before, at = self._known.get(one.id, (None, 0))
            if before is not None and _as(one) == _as(before) and now - at < AGAIN_MS:
                continue
            found = self._feed.assess(one)
            self._known[one.id] = (one, now)
            self._assessed(one.id, found)
            if self._ends.is_set():
                return


def _as(one: Incident) -> Incident:
    """Without what is found here, and its number."""
    return replace(one, assessment=None, revision=0)
