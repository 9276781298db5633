"""Why nothing is said of an incident for now."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from detectors.incidents.incident import Incident, Severity
from detectors.notification.ledger import Item, Ledger
from detectors.notification.quiet import QuietHours

ASSESSED_WITHIN_MS = 45_000
"""A new incident waits so long for what the events say of it, so that its message has the impact."""
QUIET = "quiet hours"


class Held(Struct, frozen=True):
    """Why nothing is said of an incident now, and until when (epoch ms; None where nobody knows)."""

    incident: str
    why: str
    until: int | None


class Window(Struct, frozen=True):
    """Maintenance from ``start`` to ``end`` (epoch ms, excluded) of what is in ``scope``: dimensions and the values
    they may have; empty: everything."""

    start: int
    end: int
    scope: dict[str, tuple[str, ...]] = {}

    def holds_back(self, incident: Incident, now: int) -> bool:
        """Whether an incident lies within it: in scope, and while it is on, or where nothing was off but during it."""
        if any(incident.scope.get(name) not in values for name, values in self.scope.items()):
            return False
        return self.start <= now < self.end or (self.start <= incident.since and incident.until <= self.end <= now)


class Holds:
    """What holds messages back: quiet hours, of ``held_back`` severities; maintenance; what a new incident waits for.
    What was off last longer ago than ``too_old`` (ms) is history. ``now`` is the wall clock, epoch ms."""

    def __init__(self, quiet: QuietHours, held_back: frozenset[Severity], too_old: int) -> None:
        self._quiet, self._held_back, self.too_old = quiet, held_back, too_old

    def quiet(self, ledger: Ledger, now: int) -> int | None:
        """Until when quiet hours are kept for an incident; None where none are."""
        return self._quiet.until(now) if ledger.incident.severity in self._held_back else None

    def why(self, item: Item, channel: str, now: int, maintenance: Sequence[Window]) -> Held | None:
        """Why there is nothing to say to a channel; None where there is."""
        ledger, held = item.ledger, None
        if channel not in ledger.known and not item.summary:
            held = self.new(ledger, now, maintenance)
        return held or self.known(ledger, now, maintenance)

    def known(self, ledger: Ledger, now: int, maintenance: Sequence[Window]) -> Held | None:
        """Why nothing is said of an incident that somebody knows of already."""
        incident, quiet = ledger.incident, self.quiet(ledger, now)
        if quiet is not None:
            return Held(incident.id, QUIET, quiet)
        return _maintained(incident, now, maintenance) if incident.live else None

    def new(self, ledger: Ledger, now: int, maintenance: Sequence[Window]) -> Held | None:
        """Why nobody is told of a new one, quiet hours aside: Alertmanager has its own."""
        incident = ledger.incident
        if now - incident.until > self.too_old:
            return Held(incident.id, "too old", None)
        assessed = ledger.seen + ASSESSED_WITHIN_MS
        if incident.assessment is None and now < assessed:
            return Held(incident.id, "waits for its impact", assessed)
        return _maintained(incident, now, maintenance)


def _maintained(incident: Incident, now: int, maintenance: Sequence[Window]) -> Held | None:
    ends = [one.end for one in maintenance if one.holds_back(incident, now)]
    if not ends:
        return None
    return Held(incident.id, "maintenance", max(ends) if max(ends) > now else None)
