"""What people say: of an incident, or of a period in which there was none and ought to have been one."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, json

from streams.errors import ContractError

What = Literal["acknowledged", "snoozed", "resolved", "reopened", "confirmed", "false_alarm", "expected", "missed"]


LATEST_MS = 4_102_444_800_000
LONGEST = 2_000
"""Characters of what somebody writes."""


class Feedback(Struct, frozen=True, omit_defaults=True):
    """The record of the feedback topic. ``at`` is when it was said, epoch ms, ``id`` is its own.

    - ``acknowledged``, ``resolved``, ``reopened``, and ``snoozed`` up to ``until``: what becomes of the incident.
    - ``confirmed``: it was one. What it cost of the alert contract is given back.
    - ``false_alarm``: it was none. It is retracted, and its KPIs have to be stranger for a while.
    - ``expected``: it is over, and until ``until`` (epoch ms) what it is about neither alerts nor teaches.
    - ``missed``: from ``since`` to ``until`` something was wrong with ``kpis`` in a ``scope``, and nobody was told.
      They need less to alert for a while.

    All but the last are about an ``incident``; ``kpis`` are then those that were alerted of.
    """

    id: str
    at: int
    by: str
    what: What
    incident: str = ""
    kpis: tuple[str, ...] = ()
    scope: dict[str, str] = {}
    since: int = 0
    until: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        if self.what == "missed":
            if not (self.kpis and self.since < self.until):
                raise ContractError("a missed incident has 'kpis', and a 'since' before its 'until'")
        elif not self.incident:
            raise ContractError(f"{self.what}: of which 'incident' is missing")
        if max(map(len, (self.id, self.by, self.incident, self.note))) > LONGEST:
            raise ContractError(f"'id', 'by', 'incident' and 'note' have {LONGEST:,} characters at most")
        if not all(0 <= ms < LATEST_MS for ms in (self.at, self.since, self.until)):
            raise ContractError("'at', 'since' and 'until' are epoch milliseconds, before the year 2100")
        if self.what in ("snoozed", "expected") and self.until <= self.at:
            raise ContractError(f"{self.what}: 'until' must lie after 'at'")

    def encode(self) -> bytes:
        """JSON, as on the feedback topic."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(raw: bytes) -> Feedback:
        """Read what :meth:`encode` wrote. Raises :class:`ContractError` for anything else."""
        try:
            return _DECODER.decode(raw)
        except (ValueError, RecursionError) as error:  # msgspec's, or that of __post_init__ in its clothes
            raise ContractError(f"no feedback: {error}") from None


_ENCODER = json.Encoder()
_DECODER = json.Decoder(Feedback)
