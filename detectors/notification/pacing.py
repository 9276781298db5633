"""How often: when to try again, and how much a channel takes."""

from __future__ import annotations

from hashlib import blake2b
from math import ceil

from msgspec import Struct

from streams.kpis.grid import DAY_MS, HOUR_MS

FIRST_MS = 5_000
"""The first time that something is sent again, about so long after it failed; then twice as long, and so on."""
LONGEST_MS = 600_000
GIVEN_UP_MS = DAY_MS
"""What could not be sent for so long is not sent any more."""


def again_after(message: str, tries: int, longest: int = LONGEST_MS) -> int:
    """How long to wait (ms) after a message has failed ``tries`` times, 1 or more: doubled with every failure, up to
    ``longest``, and half to all of that, by the message's id: what failed together does not come back together."""
    whole = min(FIRST_MS << min(tries - 1, 20), longest)
    drawn = int.from_bytes(blake2b(f"{message}#{tries}".encode(), digest_size=4).digest(), "big") / 2**32
    return round(whole * (0.5 + 0.5 * drawn))


class Bucket(Struct):
    """As many messages an hour as ``per_hour``, which may all come at once. ``now`` (epoch ms) only goes forward."""

    per_hour: int
    tokens: float
    at: int = 0

    def free(self, now: int) -> int:
        """How many may be sent now."""
        if now > self.at:
            gained = (now - self.at) * self.per_hour / HOUR_MS
            self.tokens, self.at = min(float(self.per_hour), self.tokens + gained), now
        return int(self.tokens + 1e-9)

    def take(self, count: int) -> None:
        """Some of them are."""
        self.tokens -= count

    def ready(self, now: int) -> int:
        """When the next one may be sent (epoch ms)."""
        self.free(now)
        return now + max(0, ceil((1.0 - self.tokens) * HOUR_MS / self.per_hour))
