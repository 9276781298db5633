"""The faults of a run as they are done, and how long it takes until all goes on."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence

import msgspec

from tests.chaos.crew import Crew, Worker
from tests.chaos.ground import Ground
from tests.chaos.load import Sender
from tests.chaos.outcome import Suffered
from tests.chaos.plan import BROKER_FAULTS, WORDS, Fault, Plan
from tests.chaos.watch import Sample, recovery

FROM_ITS_END = (*BROKER_FAULTS, "removed")
"""Faults whose recovery begins when they are over; a worker that was asked to end works until it has."""
_AGAIN = 0.5
_Due = tuple[float, int, bool, Fault]
"""When, an order among equals, whether it is the end, and of which fault."""


class Faults:
    """Does what is due when :meth:`step` is called; from the thread that started the workers.

    A broker that cannot be given a full disk is not: ``not_simulated`` says so.
    """

    def __init__(
        self,
        plan: Plan,
        planned: Sequence[Fault],
        ground: Ground,
        crew: Crew,
        sender: Sender,
        say: Callable[[str], None],
    ) -> None:
        self.not_simulated: list[str] = []
        self._ground, self._crew, self._sender, self._say = ground, crew, sender, say
        if not ground.disk.mounted and plan.disk_full:
            self.not_simulated.append(f"a full disk: no file system could be mounted ({ground.disk.reason})")
            say(f"not simulated: {self.not_simulated[-1]}")
            planned = [fault for fault in planned if fault.kind != "disk_full"]
        self._due: list[_Due] = [(fault.at, fault.number, False, fault) for fault in planned]
        heapq.heapify(self._due)
        self._suffered: dict[int, Suffered] = {}
        self._victims: dict[int, Worker] = {}
        self._orders: dict[int, int] = {}

    @property
    def left(self) -> int:
        """Beginnings and ends that are still to come."""
        return len(self._due)

    def step(self, now: float) -> None:
        """Do what is due at ``now``, in seconds of the run. What blocks (a broker's start) delays the rest."""
        while self._due and self._due[0][0] <= now:
            _, number, is_end, fault = heapq.heappop(self._due)
            if is_end:
                self._end(fault)
                continue
            if self._begin(fault):
                heapq.heappush(self._due, (max(now, fault.at) + fault.lasts, number, True, fault))
            else:  # nobody is there to suffer it: soon
                heapq.heappush(self._due, (now + _AGAIN, number, False, fault))

    def _begin(self, fault: Fault) -> bool:
        """Whether there was somebody it could happen to."""
        victim = None
        if fault.kind in ("kill", "zombie", "removed"):
            victim = self._crew.choose(fault.pick)
            if victim is None or (fault.kind != "kill" and len(self._crew.awake()) < 2):
                return False
            self._victims[fault.number] = victim
        name = "broker" if fault.kind in BROKER_FAULTS else (victim.name if victim else "")
        one = self._suffered[fault.number] = Suffered(fault, name, time.monotonic())
        self._orders[fault.number] = self._sender.acknowledged
        if fault.kind == "kill" and victim:
            self._crew.kill(victim)
        elif fault.kind == "zombie" and victim:
            self._crew.freeze(victim)
        elif fault.kind == "removed" and victim:
            self._crew.remove(victim)
        elif fault.kind == "added":
            one.victim = self._crew.start().name
        elif fault.kind == "broker_kill":
            self._ground.kill_broker()
        elif fault.kind == "broker_hang":
            self._ground.freeze_broker()
        elif fault.kind == "disk_full":
            one.note = self._ground.fill_disk()
        self._say(f"fault {fault.number}: {WORDS[fault.kind]} {one.victim} {one.note}".rstrip())
        return True

    def _end(self, fault: Fault) -> None:
        one = self._suffered[fault.number]
        victim = self._victims.get(fault.number)
        if fault.kind == "kill":
            one.note = f"{self._crew.start().name} in its place"
        elif fault.kind == "zombie" and victim:
            self._crew.resume(victim)
        elif fault.kind == "broker_kill":
            self._ground.restart_broker()
        elif fault.kind == "broker_hang":
            self._ground.resume_broker()
        elif fault.kind == "disk_full":
            self._ground.free_disk()
        one.ended = time.monotonic()
        if fault.kind in FROM_ITS_END:
            self._orders[fault.number] = self._sender.acknowledged
        if fault.kind in BROKER_FAULTS:
            self._say(f"  fault {fault.number} over: the broker is back")

    def note_recoveries(self, samples: Sequence[Sample], places: int) -> None:
        """From a fault's beginning, of the broker's and of a removal from its end, until all goes on: every topic
        partition is read, and the orders acknowledged by then are shown and one more. Of a worker that was added: and
        it reads some, if it ever does."""
        for number, one in self._suffered.items():
            since = one.ended if one.fault.kind in FROM_ITS_END else one.begun
            if since is None:
                continue
            orders = min(self._orders[number] + 1, self._sender.acknowledged)
            one.recovered = recovery(samples, since, orders, places)
            if one.fault.kind == "added":
                # It may be killed before it is given any, or be one more than there are partitions.
                read = recovery(samples, since, orders, places, one.victim)
                one.recovered = one.recovered if read is None else read

    def relative_to(self, began: float) -> list[Suffered]:
        """What happened, times as seconds since then."""
        return [_since(began, one) for _, one in sorted(self._suffered.items())]


def _since(began: float, one: Suffered) -> Suffered:
    return msgspec.structs.replace(
        one,
        begun=round(one.begun - began, 2),
        ended=None if one.ended is None else round(one.ended - began, 2),
        recovered=None if one.recovered is None else round(one.recovered, 2),
    )
