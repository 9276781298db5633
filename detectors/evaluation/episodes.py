"""What people are told as one: alerts that follow each other."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.watch.desk import LONGEST_MS as LONGEST
from detectors.watch.desk import QUIET_MS as QUIET

__all__ = ["LONGEST", "QUIET", "begins"]


def begins(times: Iterable[int], quiet: int = QUIET, longest: int = LONGEST) -> list[int]:
    """The times of the first alerts of episodes, from the times of all, epoch ms in any order.

    Alerts are one episode as long as no more than ``quiet`` lies between two and less than ``longest`` between the
    first and each: what never stops is a new episode again and again.
    """
    found: list[int] = []
    last = None
    for time in sorted(times):
        if last is None or time - last > quiet or time - found[-1] >= longest:
            found.append(time)
        last = time
    return found
