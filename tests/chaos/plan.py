"""What a run is made of, and when which fault happens: the same seed gives the same faults at the same times."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Kind = Literal["kill", "zombie", "added", "removed", "broker_kill", "broker_hang", "disk_full"]

WORKER_FAULTS: tuple[Kind, ...] = ("kill", "zombie", "added", "removed")
BROKER_FAULTS: tuple[Kind, ...] = ("broker_kill", "broker_hang", "disk_full")
WORDS: dict[Kind, str] = {
    "kill": "worker killed",
    "zombie": "worker frozen, then resumed",
    "added": "worker added",
    "removed": "worker removed",
    "broker_kill": "broker killed",
    "broker_hang": "broker frozen",
    "disk_full": "broker's disk full",
}
MARGIN = 3.0
"""Seconds between the end of a broker's fault and the next one's beginning, at least."""


class Plan(Struct, frozen=True, kw_only=True):
    """A run. Events are sent for ``seconds``, ``rate`` of them a second; their own time goes ``speed`` times as fast.

    ``pace`` is that of the marketplace (1: five minutes of event time from order to door), ``grain`` that of all KPIs,
    ``disk_mb`` the size of the broker's disk. The rest says how many of each fault, and how long they last in
    seconds, at least and at most. A frozen worker must be missed: the group's session timeout is 6 s.
    """

    name: str
    seconds: float
    rate: float
    speed: float
    pace: float
    grain: str
    workers: int = 3
    disk_mb: int = 4096
    kill: int = 0
    zombie: int = 0
    added: int = 0
    removed: int = 0
    broker_kill: int = 0
    broker_hang: int = 0
    disk_full: int = 0
    restart_after: tuple[float, float] = (0.5, 3.0)
    frozen_for: tuple[float, float] = (9.0, 14.0)
    broker_down_for: tuple[float, float] = (1.0, 5.0)
    broker_frozen_for: tuple[float, float] = (60.0, 60.0)
    disk_full_for: tuple[float, float] = (8.0, 15.0)

    def count(self, kind: Kind) -> int:
        """How many faults of a kind."""
        return int(getattr(self, kind))

    def lasts(self, kind: Kind) -> tuple[float, float]:
        """How long such a fault lasts, at least and at most; nothing for what is done at once."""
        spans: dict[Kind, tuple[float, float]] = {
            "kill": self.restart_after,
            "zombie": self.frozen_for,
            "broker_kill": self.broker_down_for,
            "broker_hang": self.broker_frozen_for,
            "disk_full": self.disk_full_for,
        }
        return spans.get(kind, (0.0, 0.0))


SHORT = Plan(
    name="short",
    seconds=38.0,
    rate=400.0,
    speed=12.0,
    pace=0.25,
    grain="1m",
    disk_mb=1024,
    kill=3,
    zombie=1,
    added=1,
    removed=1,
    broker_kill=1,
    frozen_for=(8.0, 9.0),
    broker_down_for=(1.0, 2.0),
)
LONG = Plan(
    name="long",
    seconds=960.0,
    rate=500.0,
    speed=7.0,
    pace=1.0,
    grain="5m",
    kill=52,
    zombie=6,
    added=4,
    removed=4,
    broker_kill=3,
    broker_hang=2,
    disk_full=2,
)


class Fault(Struct, frozen=True):
    """Begins ``at`` and ends ``lasts`` later, in seconds; ``pick`` chooses the victim among those there are then."""

    number: int
    kind: Kind
    at: float
    lasts: float
    pick: int


def schedule(plan: Plan, seed: int) -> list[Fault]:
    """The faults in the order of their beginnings, all over before the last event is sent.

    Worker faults are spread over the run, one in each of as many equal spans; so are the broker's, which never
    overlap each other but do overlap the workers'. A worker is added before one is removed, in turns. Raises
    ``ValueError`` where the broker's faults do not fit.
    """
    rng = random.Random(f"{plan.name}/{seed}")
    drawn = [*_spread(plan, rng, _shuffled(plan, rng)), *_spread(plan, rng, _of_the_broker(plan, rng))]
    ordered = sorted(drawn, key=lambda fault: fault[1])
    return [Fault(number, *fault) for number, fault in enumerate(ordered, 1)]


def _shuffled(plan: Plan, rng: random.Random) -> list[Kind]:
    """The worker faults in any order, additions before removals in turns."""
    kinds: list[Kind] = [kind for kind in WORKER_FAULTS for _ in range(plan.count(kind))]
    rng.shuffle(kinds)
    changes = iter(_turns(plan.added, plan.removed))
    return [next(changes) if kind in ("added", "removed") else kind for kind in kinds]


def _turns(added: int, removed: int) -> Iterator[Kind]:
    for turn in range(max(added, removed)):
        if turn < added:
            yield "added"
        if turn < removed:
            yield "removed"


def _of_the_broker(plan: Plan, rng: random.Random) -> list[Kind]:
    kinds: list[Kind] = [kind for kind in BROKER_FAULTS for _ in range(plan.count(kind))]
    rng.shuffle(kinds)
    return kinds


def _spread(plan: Plan, rng: random.Random, kinds: list[Kind]) -> Iterator[tuple[Kind, float, float, int]]:
    """One fault of each kind given, in that order: one in each of as many spans, weighted by how long it may last."""
    most = [plan.lasts(kind)[1] + MARGIN for kind in kinds]
    room = plan.seconds - 2 * MARGIN - sum(most)
    if room < 0 and any(kind in BROKER_FAULTS for kind in kinds):
        raise ValueError(f"{plan.name}: the broker's faults take {-room:.0f} s more than there are")
    serial = room >= 0
    share = max(room, 0.0) / max(len(kinds), 1) if serial else (plan.seconds - 2 * MARGIN) / len(kinds)
    begin = MARGIN
    for kind, longest in zip(kinds, most, strict=True):
        lasts = rng.uniform(*plan.lasts(kind))
        span = share + (longest if serial else 0.0)
        at = begin + rng.uniform(0, share)
        yield kind, round(min(at, plan.seconds - lasts), 3), round(lasts, 3), rng.randrange(1 << 30)
        begin += span
